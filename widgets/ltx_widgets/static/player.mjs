// Player: screens over lanes, one transport for both, and a slider over the steps of a run.

import { bytesOf } from "./lib/bytes.mjs";
import { createDisposer, h, showError, takeKey, widgetRoot } from "./lib/dom.mjs";
import { secondsText } from "./lib/time.mjs";
import { createControls } from "./player/controls.mjs";
import { createLanes } from "./player/lanes.mjs";
import { frameAt, latentOfFrame, loopTarget_s, positionText, spanWithEnd, steppedTime_s } from "./player/playback.mjs";
import { createScreens } from "./player/screens.mjs";
import { createSteps } from "./player/steps.mjs";

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
    view = null;
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
  return () => {
    disposer.dispose();
    root.remove();
  };
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
      controls.showPlaying(isPlaying);
      const target_s = isPlaying ? loopTarget_s(now_s, model.get("span_s"), model.get("loop"), duration_s) : null;
      if (target_s === null) showPosition();
      else screens.seek(target_s);
    },
    onLoaded() {
      controls.play.disabled = false;
      stage.setAttribute("aria-busy", "false");
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
  }
  function pause() {
    screens.pause();
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
  stage.setAttribute("aria-busy", "true");
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
      takeKey(event);
      act(event);
    },
    take(kind, id, content) {
      const index = facts.findIndex((clip) => clip.id === id);
      if (index < 0) return;
      if (kind === "file") return screens.setFile(index, ...content);
      const [still, peaks, levels] = content;
      if (still.length) screens.setStill(index, still);
      if (peaks.length) lanes.clips[index].setSound(new Int8Array(peaks), levels);
    },
    takeStep: steps.take,
    dispose: () => disposer.dispose(),
  };
}

export default { render };
