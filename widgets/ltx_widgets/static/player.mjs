// Player: screens over lanes, one transport for both, and a slider over the steps of a run.

import { bytesOf } from "./lib/bytes.mjs";
import { button, createDisposer, field, h, showError, widgetRoot } from "./lib/dom.mjs";
import { icon } from "./lib/icons.mjs";
import { createLanes } from "./lib/lanes.mjs";
import { frameAt, latentOfFrame, loopTarget_s, positionText, spanWithEnd, steppedTime_s, stepText } from "./lib/playback.mjs";
import { createScreens } from "./lib/screens.mjs";
import { secondsText } from "./lib/time.mjs";

const SPEEDS = [0.25, 0.5, 1, 1.5, 2];
const FRAMES_PER_LATENT = 8;
const NOT_FOR_KEYS = "input, select, textarea, button, summary";

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "player", "Player");
  root.classList.add("ltx-stack");
  const stage = h("div", { class: "ltx-stack" });
  root.append(stage, showError(disposer, model));
  let view = null;
  const rebuild = () => {
    view?.dispose();
    stage.replaceChildren();
    const facts = model.get("clips");
    if (facts.length) view = createView(model, stage, facts);
    else stage.append(h("p", { class: "ltx-muted" }, "No clip yet."));
  };
  disposer.onChange(model, "clips", rebuild);
  disposer.onMessage(model, "pictures", ({ id }, buffers) => view?.take("pictures", id, buffers.map(bytesOf)));
  disposer.onMessage(model, "file", ({ id, media_type }, [file]) => view?.take("file", id, [bytesOf(file), media_type]));
  disposer.onMessage(model, "step", ({ index }, buffers) => view?.takeStep(index, buffers.map(bytesOf)));
  disposer.listen(root, "keydown", (event) => view?.onKey(event));
  disposer.add(() => view?.dispose());
  rebuild();
  model.send({ type: "ready" });
  return () => disposer.dispose();
}

// Everything that belongs to the clips that are there now.
function createView(model, stage, facts) {
  const disposer = createDisposer();
  const duration_s = Math.max(...facts.map((clip) => clip.duration_s));
  const longest = facts.find((clip) => clip.duration_s === duration_s);
  const labels = model.get("labels");
  let time_s = Math.min(model.get("position_s"), duration_s);

  const save = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const savePosition = () => save({ position_s: Math.min(Math.max(time_s, 0), duration_s) });

  const screens = createScreens(disposer, facts, {
    onTime(now_s, isPlaying) {
      time_s = now_s;
      const target_s = isPlaying ? loopTarget_s(now_s, model.get("span_s"), model.get("loop"), duration_s) : null;
      if (target_s === null) showPosition();
      else screens.seek(target_s);
    },
    onLoaded() {
      controls.play.disabled = false;
      stage.classList.remove("player-loading");
      if (Math.abs(time_s) > 0) screens.seek(time_s);
    },
    onUnplayable: (index) => model.send({ type: "unplayable", id: facts[index].id }),
    onEnded() {
      if (!model.get("loop")) return pause();
      screens.seek(model.get("span_s")[0] ?? 0);
      screens.play();
    },
  });
  const lanes = createLanes(disposer, facts, labels, {
    onSeek: (to_s) => screens.seek(to_s),
    onSeekEnd: savePosition,
    onSpan: (span_s) => save({ span_s, loop: true }),
  });
  const steps = createSteps(disposer, model, { onChange: showStep });
  const controls = createControls(disposer, { togglePlay, stepBy, setSpanEnd, save, model });

  function showPosition() {
    const text = positionText(time_s, longest);
    lanes.setPosition(time_s, text);
    controls.time.textContent = `${secondsText(time_s, 0.001)} of ${secondsText(duration_s, 0.01)}`;
    controls.place.textContent = text;
    drawStep();
  }

  function play() {
    const start_s = model.get("span_s")[0] ?? 0;
    if (time_s >= duration_s - 0.02) screens.seek(start_s);
    screens.play();
    controls.showPlaying(true);
  }
  function pause() {
    screens.pause();
    controls.showPlaying(false);
    savePosition();
  }
  function togglePlay() {
    if (!screens.isLoaded) return;
    if (screens.isPlaying) pause();
    else play();
  }
  function stepBy(frames) {
    if (screens.isPlaying) pause();
    screens.seek(steppedTime_s(time_s, frames, longest));
    savePosition();
  }
  function setSpanEnd(end) {
    save({ span_s: spanWithEnd(model.get("span_s"), end, time_s, duration_s), loop: true });
  }

  function showStep() {
    const shown = steps.current;
    screens.setHeard(model.get("muted") || shown ? null : model.get("heard") === "b" ? facts.length - 1 : 0);
    lanes.clips[0].setStepLevels?.(shown?.levels ?? null);
    drawStep();
  }
  function drawStep() {
    const shown = steps.current;
    const clip = facts[0];
    if (!shown || !clip.has_video) return screens.setOverlay(0, null);
    const latent = Math.min(latentOfFrame(frameAt(time_s, clip.frame_rate, clip.num_frames)), shown.num_latent_frames - 1);
    screens.setOverlay(0, (canvas) => {
      const width = shown.strip.width / shown.num_latent_frames;
      canvas.width = width;
      canvas.height = shown.strip.height;
      canvas.getContext("2d").drawImage(shown.strip, latent * width, 0, width, canvas.height, 0, 0, width, canvas.height);
    });
  }

  const showings = {
    span_s: () => {
      lanes.setSpan(model.get("span_s"));
      controls.showSpan(model.get("span_s"));
    },
    loop: () => controls.loop.setAttribute("aria-pressed", String(model.get("loop"))),
    speed: () => {
      screens.setSpeed(model.get("speed"));
      controls.speed.value = String(model.get("speed"));
    },
    muted: () => {
      controls.showMuted(model.get("muted"));
      showStep();
    },
    heard: () => {
      controls.choose("heard", model.get("heard"));
      showStep();
    },
    shown: () => {
      const shown = model.get("shown");
      controls.choose("shown", shown);
      screens.setShown((index) => facts.length === 1 || shown === "both" || shown === "ab"[index]);
    },
    position_s: () => {
      if (!screens.isPlaying && Math.abs(model.get("position_s") - time_s) > 1e-4) screens.seek(model.get("position_s"));
    },
  };
  for (const [name, show] of Object.entries(showings)) disposer.onChange(model, name, show);

  const isCompared = facts.length > 1;
  const screenBoxes = screens.elements.map((element, index) =>
    h("figure", { class: "player-figure" }, element, isCompared ? h("figcaption", {}, labels[index]) : null),
  );
  const hasPicture = facts.some((clip) => clip.has_video);
  stage.classList.add("player-loading");
  stage.append(
    h("div", { class: "player-screens", hidden: !hasPicture }, screenBoxes),
    controls.row,
    ...(isCompared ? [controls.sides] : []),
    lanes.element,
    ...(steps.element ? [steps.element] : []),
    h("p", { class: "player-place ltx-muted ltx-number" }, controls.place),
  );
  controls.play.disabled = true;
  for (const show of Object.values(showings)) show();
  showPosition();

  const keys = {
    " ": togglePlay,
    k: togglePlay,
    ArrowLeft: (event) => stepBy(event.shiftKey ? -FRAMES_PER_LATENT : -1),
    ArrowRight: (event) => stepBy(event.shiftKey ? FRAMES_PER_LATENT : 1),
    ",": () => stepBy(-1),
    ".": () => stepBy(1),
    Home: () => stepBy(-1e9),
    End: () => stepBy(1e9),
    i: () => setSpanEnd("in"),
    o: () => setSpanEnd("out"),
    l: () => save({ loop: !model.get("loop") }),
    m: () => save({ muted: !model.get("muted") }),
    Escape: () => save({ span_s: [] }),
  };
  return {
    onKey(event) {
      const act = event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key];
      if (!act || event.target.closest(NOT_FOR_KEYS)) return;
      event.preventDefault();
      act(event);
    },
    take(kind, id, content) {
      const index = facts.findIndex((clip) => clip.id === id);
      if (index < 0) return;
      if (kind === "file") return screens.setFile(index, ...content);
      const [still, peaks, levels] = content;
      if (still.length) screens.setStill(index, still);
      if (peaks.length) lanes.clips[index].setSound(peaks.length ? new Int8Array(peaks) : peaks, levels);
    },
    takeStep: steps.take,
    dispose: () => disposer.dispose(),
  };
}

function createControls(disposer, { togglePlay, stepBy, setSpanEnd, save, model }) {
  const play = button("Play (space)", { icon: icon("play"), primary: true });
  const previous = button("Previous frame (left arrow)", { icon: icon("previous") });
  const next = button("Next frame (right arrow)", { icon: icon("next") });
  const loop = button("Loop", { pressed: model.get("loop") });
  const from = button("In");
  const to = button("Out");
  const clear = button("Clear the span (Escape)", { icon: icon("close") });
  const span = h("span", { class: "ltx-number" });
  const mute = button("Mute (M)", { icon: icon("sound") });
  const speed = h(
    "select",
    { "aria-label": "Speed" },
    SPEEDS.map((value) => h("option", { value }, `${value}×`)),
  );
  const time = h("span", { class: "ltx-number player-time" });
  const place = h("span");
  for (const [control, title] of [
    [loop, "Play the span, or all, again and again (L)"],
    [from, "Begin the span at the playhead (I)"],
    [to, "End the span at the playhead (O)"],
  ]) {
    control.title = title;
  }
  disposer.listen(play, "click", togglePlay);
  disposer.listen(previous, "click", () => stepBy(-1));
  disposer.listen(next, "click", () => stepBy(1));
  disposer.listen(loop, "click", () => save({ loop: !model.get("loop") }));
  disposer.listen(from, "click", () => setSpanEnd("in"));
  disposer.listen(to, "click", () => setSpanEnd("out"));
  disposer.listen(clear, "click", () => save({ span_s: [] }));
  disposer.listen(mute, "click", () => save({ muted: !model.get("muted") }));
  disposer.listen(speed, "change", () => save({ speed: Number(speed.value) }));

  const labels = model.get("labels");
  const choices = {
    shown: [["both", "Both"], ["a", labels[0]], ["b", labels[1]]],
    heard: [["a", labels[0]], ["b", labels[1]]],
  };
  const groups = Object.fromEntries(
    Object.entries(choices).map(([name, options]) => [name, options.map(([value, label]) => [value, button(label, { pressed: false })])]),
  );
  for (const [name, options] of Object.entries(groups)) {
    for (const [value, control] of options) {
      const also = name === "shown" && value !== "both" ? { heard: value } : {};
      disposer.listen(control, "click", () => save({ [name]: value, ...also }));
    }
  }
  const group = (name, label) =>
    h(
      "div",
      { class: "ltx-row", role: "group", "aria-label": label },
      h("span", { class: "ltx-label" }, label),
      groups[name].map(([, control]) => control),
    );
  const renamed = (control, label, picture) => {
    control.replaceChildren(icon(picture));
    control.setAttribute("aria-label", label);
    control.title = label;
  };
  return {
    play,
    loop,
    speed,
    time,
    place,
    row: h(
      "div",
      { class: "ltx-row", role: "group", "aria-label": "Transport" },
      previous,
      play,
      next,
      time,
      h("span", { class: "ltx-space" }),
      h("div", { class: "ltx-row player-span-tools", role: "group", "aria-label": "Span to loop" }, loop, from, to, span, clear),
      field("Speed", speed),
      mute,
    ),
    sides: h("div", { class: "ltx-row player-sides" }, group("shown", "See"), group("heard", "Hear")),
    showPlaying: (isPlaying) => renamed(play, isPlaying ? "Pause (space)" : "Play (space)", isPlaying ? "pause" : "play"),
    showMuted: (isMuted) => renamed(mute, isMuted ? "Unmute (M)" : "Mute (M)", isMuted ? "muted" : "sound"),
    showSpan(span_s) {
      clear.hidden = !span_s.length;
      span.textContent = span_s.length ? `${span_s[0].toFixed(2)}–${span_s[1].toFixed(2)} s` : "";
    },
    choose(name, chosen) {
      for (const [value, control] of groups[name]) control.setAttribute("aria-pressed", String(value === chosen));
    },
  };
}

// The slider over the steps of a run; at its right end is the finished clip. Pictures are asked for when it is first used.
function createSteps(disposer, model, { onChange }) {
  const steps = model.get("steps");
  const kept = new Map();
  if (!steps.length) return { element: null, current: null, take() {} };
  const slider = h("input", { type: "range", min: 0, max: steps.length, step: 1, "aria-label": "Step of the run" });
  const text = h("span", { class: "ltx-number player-step-text" });
  let isAsked = false;
  const askForAll = () => {
    if (isAsked) return;
    isAsked = true;
    steps.forEach((_, index) => model.send({ type: "step", index }));
  };
  const chosen = () => model.get("step");
  const show = () => {
    const index = chosen();
    if (index >= 0) askForAll();
    slider.value = index < 0 ? steps.length : index;
    text.textContent = index < 0 ? "finished clip" : stepText(steps[index], steps);
    slider.setAttribute("aria-valuetext", text.textContent);
    onChange();
  };
  disposer.onChange(model, "step", show);
  disposer.listen(slider, "pointerdown", askForAll);
  disposer.listen(slider, "input", () => {
    const index = Number(slider.value);
    model.set("step", index === steps.length ? -1 : index);
  });
  disposer.listen(slider, "change", () => model.save_changes());
  disposer.add(() => kept.forEach(({ strip }) => strip.close()));
  // The first showing waits until the rest of the view is there.
  queueMicrotask(show);
  return {
    element: h("div", { class: "ltx-row player-steps" }, h("span", { class: "ltx-label" }, "Steps"), slider, text),
    get current() {
      return kept.get(chosen()) ?? null;
    },
    async take(index, [jpeg, levels]) {
      if (kept.has(index)) return;
      const strip = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      if (kept.has(index)) return strip.close();
      kept.set(index, { ...steps[index], strip, levels });
      if (index === chosen()) onChange();
    },
  };
}

export default { render };
