// Which step of a run is seen, and the pictures of the steps as they come from Python.

import { h } from "../lib/dom.mjs";
import { stepText } from "./playback.mjs";

// The slider over the steps of a run; at its right end is the finished clip. Pictures are asked for when it is first used.
export function createSteps(disposer, model, { onChange }) {
  const steps = model.get("steps");
  const kept = new Map();
  const slider = h("input", { type: "range", min: 0, max: steps.length, step: 1, "aria-label": "Step of the run" });
  slider.disabled = steps.length === 0;
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
    text.textContent = index >= 0 ? stepText(steps[index], steps) : steps.length ? "finished clip" : "none kept";
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
    element: h("label", { class: "player-steps" }, h("span", { class: "ltx-label" }, "Steps"), slider, text),
    get current() {
      return kept.get(chosen()) ?? null;
    },
    async take(index, [jpeg, levels]) {
      if (kept.has(index)) return;
      const strip = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      if (disposer.isDisposed || kept.has(index)) return strip.close();
      kept.set(index, { ...steps[index], strip, levels });
      if (index === chosen()) onChange();
    },
  };
}
