// Player: a stage over lanes, one transport for both, and a slider over the steps of a run.

import { bytesOf, inflated } from "./lib/bytes.mjs";
import { createDesk } from "./lib/desk.mjs";
import { createDisposer, h, showError, takeKey, widgetRoot } from "./lib/dom.mjs";
import { watchKernel } from "./lib/kernel.mjs";
import { secondsText } from "./lib/time.mjs";
import { createComparison } from "./player/comparison.mjs";
import { createControls } from "./player/controls.mjs";
import { createLanes } from "./player/lanes.mjs";
import { createLive } from "./player/live.mjs";
import { frameAt, latentOfFrame, loopTarget_s, positionText, shuttled, spanWithEnd, steppedTime_s } from "./player/playback.mjs";
import { createScreens } from "./player/screens.mjs";
import { createSteps } from "./player/steps.mjs";

const FRAMES_PER_LATENT = 8;
const NOT_FOR_KEYS = "input:not([type=range]), select, textarea, summary";

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "player", "Player");
  root.classList.add("ltx-stack");
  const desk = createDesk(disposer, root);
  const stage = h("div", { class: "player-stage", tabindex: -1 });
  const below = h("div", { class: "ltx-stack" });
  const live = createLive(disposer, model, stage);
  root.append(stage, below, showError(disposer, model));
  watchKernel(disposer, model, root);
  let view = null;
  const rebuild = () => {
    const focused = root.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    view?.dispose();
    view = null;
    below.replaceChildren();
    const facts = model.get("clips").length ? model.get("clips") : [model.get("blank")];
    const hasPicture = facts.some((clip) => clip.has_video);
    stage.hidden = !hasPicture && facts[0].id !== undefined;
    stage.style.setProperty("--aspect", hasPicture ? Math.max(...facts.map(({ aspect }) => aspect ?? 0)) : 2);
    if (facts[0].duration_s) view = createView(model, { stage, below, live, desk }, facts);
    else stage.replaceChildren(h("p", { class: "player-none" }, "No clip yet."), live.element);
    if (focused) [...root.querySelectorAll("[aria-label]")].find((one) => one.ariaLabel === focused)?.focus({ preventScroll: true });
  };
  for (const name of ["clips", "labels"]) disposer.onChange(model, name, rebuild);
  disposer.onChange(model, "blank", () => model.get("clips").length || rebuild());
  disposer.onMessage(model, "pictures", ({ id }, buffers) => view?.take("pictures", id, buffers.map(bytesOf)));
  disposer.onMessage(model, "file", ({ id, media_type }, [file]) => view?.take("file", id, [bytesOf(file), media_type]));
  disposer.onMessage(model, "step", ({ index }, buffers) => view?.takeStep(index, buffers.map(bytesOf)));
  disposer.listen(root, "keydown", (event) => view?.onKey(event));
  desk.hear("time", ({ time_s }) => view?.goTo(time_s));
  desk.hear("span", ({ span_s }) => view?.takeSpan(span_s));
  disposer.add(() => view?.dispose());
  rebuild();
  model.send({ type: "ready" });
  return () => {
    disposer.dispose();
    root.remove();
  };
}

// Everything that belongs to the clips that are there now, or to the one that is to come.
function createView(model, { stage, below, live, desk }, facts) {
  const disposer = createDisposer();
  const isBlank = model.get("clips").length === 0;
  const isCompared = facts.length > 1;
  const duration_s = Math.max(...facts.map((clip) => clip.duration_s));
  const longest = facts.find((clip) => clip.duration_s === duration_s);
  const labels = model.get("labels");
  let time_s = Math.min(model.get("position_s"), duration_s);
  let shuttle = 0;

  const save = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const savePosition = () => save({ position_s: Math.min(Math.max(time_s, 0), duration_s) });

  const screens = createScreens(disposer, isBlank ? [{ ...facts[0], has_video: true }] : facts, {
    onTime(now_s, isPlaying) {
      time_s = now_s;
      controls.showPlaying(isPlaying);
      const target_s = isPlaying ? loopTarget_s(now_s, model.get("span_s"), model.get("loop"), duration_s) : null;
      if (target_s === null || shuttle < 0) showPosition();
      else screens.seek(target_s);
    },
    onLoaded() {
      controls.play.disabled = false;
      stage.setAttribute("aria-busy", "false");
      if (Math.abs(time_s) > 0) screens.seek(time_s);
    },
    onUnplayable: (index) => model.send({ type: "unplayable", id: facts[index].id }),
    onEnded() {
      if (!model.get("loop") || shuttle < 0) return pause();
      screens.seek(model.get("span_s")[0] ?? 0);
      screens.play();
    },
  });
  const seek = (to_s) => {
    screens.seek(to_s);
    desk.tell("time", { time_s: to_s });
  };
  const chooseSpan = (span_s, loop = true) => {
    save(span_s.length && loop ? { span_s, loop } : { span_s });
    desk.tell("span", { span_s });
  };
  const lanes = createLanes(disposer, facts, labels, {
    onSeek: seek,
    onSeekEnd: savePosition,
    onSpan: (span_s) => chooseSpan(span_s),
  });
  const steps = createSteps(disposer, model, { onChange: showStep });
  const controls = createControls(disposer, { togglePlay, stepBy, setSpanEnd, chooseSpan, goFull, save, model, desk });
  const comparison = isCompared ? createComparison(disposer, model, screens, { labels, save }) : null;

  function showPosition() {
    const text = positionText(time_s, longest);
    lanes.setPosition(time_s, text);
    controls.time.textContent = secondsText(time_s, 0.001);
    controls.length.textContent = ` of ${secondsText(duration_s, 0.01)}`;
    controls.place.textContent = text;
    if (screens.isPlaying) desk.tell("time", { time_s });
    drawStep();
  }

  function play() {
    const start_s = model.get("span_s")[0] ?? 0;
    if (time_s >= duration_s - 0.02) screens.seek(start_s);
    shuttle = Math.max(shuttle, 1);
    screens.play();
  }
  function pause() {
    screens.pause();
    if (shuttle) screens.setSpeed(model.get("speed"));
    shuttle = 0;
    savePosition();
    desk.tell("time", { time_s });
  }
  function togglePlay() {
    if (!screens.isLoaded) return;
    if (screens.isPlaying) pause();
    else play();
  }
  function shuttleBy(direction) {
    if (!screens.isLoaded) return;
    shuttle = shuttled(screens.isPlaying ? shuttle : 0, direction);
    if (shuttle < 0) return screens.playBack(-shuttle);
    screens.setSpeed(shuttle * model.get("speed"));
    if (shuttle === 1 || !screens.isPlaying) play();
  }
  function stepBy(frames) {
    if (screens.isPlaying) pause();
    seek(steppedTime_s(time_s, frames, longest));
    savePosition();
  }
  function setSpanEnd(end) {
    chooseSpan(spanWithEnd(model.get("span_s"), end, time_s, duration_s));
  }
  function goFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else {
      stage.focus({ preventScroll: true }); // what is outside of it hears no key meanwhile
      stage.requestFullscreen?.();
    }
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
      comparison?.showHeard();
      if (isCompared) lanes.element.dataset.heard = model.get("heard");
      showStep();
    },
    shown: () => comparison?.showShown(),
    position_s: () => {
      if (!screens.isPlaying && Math.abs(model.get("position_s") - time_s) > 1e-4) seek(model.get("position_s"));
    },
  };
  for (const [name, show] of Object.entries(showings)) disposer.onChange(model, name, show);

  const screenBoxes = screens.elements.map((element, index) =>
    h("figure", { class: "player-figure" }, element, isCompared ? h("figcaption", {}, labels[index]) : null),
  );
  stage.setAttribute("aria-busy", String(!isBlank));
  stage.replaceChildren(
    h("div", { class: "player-screens" }, screenBoxes),
    ...(isBlank ? [h("p", { class: "player-none" }, "The clip appears here.")] : []),
    ...(comparison ? [comparison.element] : []),
    live.element,
  );
  disposer.listen(document, "fullscreenchange", () => {
    if (!document.fullscreenElement && stage === document.activeElement) lanes.element.focus({ preventScroll: true });
  });
  disposer.listen(stage, "click", ({ target }) => target.closest(".player-screens") && togglePlay());
  below.append(
    controls.row,
    lanes.element,
    h("div", { class: "ltx-row player-under" }, steps.element, h("p", { class: "player-place ltx-muted ltx-number" }, controls.place)),
  );
  controls.play.disabled = true;
  for (const show of Object.values(showings)) show();
  showPosition();

  async function takeSound(index, deflated) {
    const [peaks, levels] = await Promise.all(deflated.map(inflated));
    if (!disposer.isDisposed) lanes.clips[index].setSound(new Int8Array(peaks.buffer), levels);
  }

  const keys = {
    " ": togglePlay,
    k: () => screens.isPlaying && pause(),
    j: () => shuttleBy(-1),
    l: () => shuttleBy(1),
    ArrowLeft: (event) => stepBy(event.shiftKey ? -FRAMES_PER_LATENT : -1),
    ArrowRight: (event) => stepBy(event.shiftKey ? FRAMES_PER_LATENT : 1),
    ",": () => stepBy(-1),
    ".": () => stepBy(1),
    Home: () => stepBy(-1e9),
    End: () => stepBy(1e9),
    i: () => setSpanEnd("in"),
    o: () => setSpanEnd("out"),
    r: () => save({ loop: !model.get("loop") }),
    f: goFull,
    m: () => save({ muted: !model.get("muted") }),
    x: () => comparison?.flip(),
    Escape: () => chooseSpan([]),
  };
  return {
    onKey(event) {
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const act = event.ctrlKey || event.metaKey || event.altKey ? null : keys[key];
      const isOnControl = event.target.closest("button") && [" ", "Enter"].includes(event.key);
      const isOnSlider = event.target.matches("input[type=range]") && key.length > 1;
      if (!act || isBlank || isOnControl || isOnSlider || event.target.closest(NOT_FOR_KEYS)) return;
      takeKey(event);
      act(event);
    },
    goTo(to_s) {
      if (isBlank) return;
      if (screens.isPlaying) pause();
      screens.seek(Math.min(Math.max(to_s, 0), duration_s));
      savePosition();
    },
    takeSpan: (span_s) => !isBlank && save({ span_s: span_s.map((edge_s) => Math.min(edge_s, duration_s)) }),
    take(kind, id, content) {
      const index = facts.findIndex((clip) => clip.id === id);
      if (index < 0) return;
      if (kind === "file") return screens.setFile(index, ...content);
      const [first, ...sound] = content;
      if (first.length && time_s === 0) screens.setFirst(index, first);
      if (sound[0].length) takeSound(index, sound);
    },
    takeStep: steps.take,
    dispose: () => disposer.dispose(),
  };
}

export default { render };
