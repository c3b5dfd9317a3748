// A training as it goes: its buttons, the loss of each lane, and clips made on the way, with their sound.

import { bytesOf } from "./lib/bytes.mjs";
import { button, createDisposer, h, s, showError, widgetRoot } from "./lib/dom.mjs";
import { watchKernel } from "./lib/kernel.mjs";

const WIDTH = 320;
const HEIGHT = 96;
const BUSY = ["running", "cancelling"];

// Points [step, loss] as a path in a box; the loss counts from 0, the steps from the first to the last of all.
export function lossPath(points, steps, top, { width = WIDTH, height = HEIGHT } = {}) {
  const x = (step) => Math.round((10 * step * width) / Math.max(steps, 1)) / 10;
  const y = (loss) => Math.round(10 * (height - (loss / (top || 1)) * height)) / 10;
  return points.length ? `M${points.map(([step, loss]) => `${x(step)} ${y(loss)}`).join("L")}` : "";
}

// "running: 40 of 150 steps"
export function stateText(state, step, steps) {
  if (state === "running" && step === 0) return "running: clips are encoded, before the first step";
  return `${state}: ${step} of ${steps} steps`;
}

function chart(lane) {
  const line = s("path", { class: "ltx-training-line" });
  const box = { viewBox: `0 -2 ${WIDTH} ${HEIGHT + 4}`, preserveAspectRatio: "none" };
  const picture = s("svg", { ...box, class: "ltx-training-chart", role: "img" }, line);
  const now = h("span", { class: "ltx-number ltx-muted" });
  const title = h("span", { class: "ltx-title" }, `${lane[0].toUpperCase()}${lane.slice(1)}: loss`);
  const element = h("div", { class: "ltx-training-lane", "data-lane": lane }, h("div", { class: "ltx-row" }, title, now), picture);
  return {
    element,
    draw(points, steps) {
      element.hidden = points.length === 0;
      if (element.hidden) return;
      const top = Math.max(...points.map(([, loss]) => loss));
      const last = points.at(-1)[1];
      line.setAttribute("d", lossPath(points, steps, top));
      now.textContent = `${last.toFixed(3)}, at most ${top.toFixed(3)}; mean of 20 steps`;
      picture.setAttribute("aria-label", `Loss of ${lane}, now ${last.toFixed(3)}`);
    },
  };
}

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "training-panel", "Training");
  const start = button("Train", { primary: true });
  const cancel = button("Cancel");
  const state = h("span", { class: "ltx-number", role: "status" });
  const bar = h("progress", { "aria-label": "Steps done" });
  const charts = { video: chart("video"), audio: chart("audio") };
  const clips = h("div", { class: "ltx-training-samples", role: "group", "aria-label": "Clips made on the way" });
  const players = new Map();
  disposer.listen(start, "click", () => model.send({ type: "start" }));
  disposer.listen(cancel, "click", () => model.send({ type: "cancel" }));
  root.append(
    h("div", { class: "ltx-row" }, start, cancel, bar, state),
    h("div", { class: "ltx-training-charts" }, charts.video.element, charts.audio.element),
    clips,
    showError(disposer, model),
  );
  watchKernel(disposer, model, root);

  const update = () => {
    const [now, step, steps, curves] = ["state", "step", "steps", "curves"].map((name) => model.get(name));
    const isBusy = BUSY.includes(now);
    start.disabled = isBusy || now === "done";
    start.textContent = step > 0 && now !== "done" ? "Go on" : "Train";
    cancel.disabled = now !== "running";
    state.textContent = stateText(now, step, steps);
    bar.max = steps;
    bar.value = step;
    for (const [lane, { draw }] of Object.entries(charts)) draw(curves[lane] ?? [], steps);
    const kept = model.get("samples").map(({ id }) => id);
    for (const [id, player] of players) {
      if (kept.includes(id)) continue;
      URL.revokeObjectURL(player.url);
      player.element.remove();
      players.delete(id);
    }
  };
  const takeSample = ({ id }, [file]) => {
    const sample = model.get("samples").find((one) => one.id === id);
    if (!sample || players.has(id)) return;
    const url = URL.createObjectURL(new Blob([bytesOf(file)], { type: sample.media_type }));
    const label = `Clip after ${sample.step} steps`;
    const tag = sample.media_type.startsWith("audio") ? "audio" : "video";
    const media = h(tag, { controls: true, playsinline: true, preload: "metadata", src: url, "aria-label": label });
    const element = h("figure", {}, media, h("figcaption", { class: "ltx-muted" }, `${sample.step} steps`));
    players.set(id, { url, element });
    clips.append(element);
  };
  for (const name of ["state", "step", "steps", "curves", "samples"]) disposer.onChange(model, name, update);
  disposer.onMessage(model, "sample", takeSample);
  disposer.add(() => players.forEach(({ url }) => URL.revokeObjectURL(url)));
  update();
  model.send({ type: "ready" });
  return () => {
    disposer.dispose();
    root.remove();
  };
}

export default { render };
