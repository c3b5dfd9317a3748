// Storyboard: a lane of shots on one time axis; each has its words, and the boundaries between them are dragged.

import { createAnswers } from "./lib/answers.mjs";
import { createDesk } from "./lib/desk.mjs";
import { button, createDisposer, debounce, h, showError, showIn, takeKey, widgetRoot } from "./lib/dom.mjs";
import { icon } from "./lib/icons.mjs";
import { watchKernel } from "./lib/kernel.mjs";
import { withBoundary, withShot, withoutShot } from "./storyboard/shots.mjs";

const SOON_MS = 250;

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "storyboard", "Storyboard");
  root.classList.add("ltx-stack");
  const lane = h("div", { class: "storyboard-lane", role: "group", "aria-label": "Shots" });
  const total = h("span", { class: "ltx-muted ltx-number", role: "status" });
  const add = button("Add a shot", { icon: icon("plus") });
  const make = button("Make all shots", { primary: true });
  let shots = [];
  let drag = null;
  // What is here is newer than Python's: something is typed and not sent, or the last edit has no answer yet.
  let isTyped = false;
  const desk = createDesk(disposer, root);
  const answers = createAnswers(model, disposer, desk, () => take());

  const send = () => {
    isTyped = false;
    answers.send({ value: shots });
  };
  const sendSoon = debounce(send, SOON_MS);
  const afterEdits = (message) => desk.afterEdits(() => model.send(message));
  const begin_s = (index) => shots.slice(0, index).reduce((sum, { seconds }) => sum + seconds, 0);
  const edit = (next) => {
    sendSoon.cancel();
    shots = next;
    draw();
    send();
  };

  function blockOf(index) {
    const words = h("textarea", { rows: 2, placeholder: "What happens in this shot", "aria-label": `Prompt of shot ${index + 1}` });
    const name = h("span", { class: "storyboard-name ltx-number" });
    const retake = button(`Retake shot ${index + 1}`, { icon: icon("retake") });
    const remove = button(`Remove shot ${index + 1}`, { icon: icon("close") });
    retake.title = `Make shot ${index + 1} anew in the selected clip`;
    retake.dataset.act = "retake";
    remove.dataset.act = "remove";
    const edge = h("div", { class: "storyboard-edge", role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": 20 });
    const head = h("div", { class: "storyboard-head" }, name, h("span", { class: "ltx-space" }), retake, remove);
    return h("div", { class: "storyboard-shot", "data-index": index }, head, words, edge);
  }
  function draw() {
    while (lane.children.length > shots.length) lane.lastChild.remove();
    while (lane.children.length < shots.length) lane.append(blockOf(lane.children.length));
    shots.forEach(({ prompt, seconds }, index) => {
      const block = lane.children[index];
      const edge = block.querySelector(".storyboard-edge");
      const isLast = index === shots.length - 1;
      block.style.flexGrow = seconds;
      block.querySelector(".storyboard-name").textContent = `${index + 1} · ${seconds.toFixed(2)} s`;
      showIn(block.querySelector("textarea"), prompt);
      block.querySelector("[data-act=retake]").hidden = !model.get("can_retake");
      block.querySelector("[data-act=remove]").disabled = shots.length === 1;
      edge.setAttribute("aria-label", isLast ? `End of shot ${index + 1}` : `Boundary between shots ${index + 1} and ${index + 2}`);
      edge.setAttribute("aria-valuenow", seconds.toFixed(2));
      edge.setAttribute("aria-valuetext", `shot ${index + 1} lasts ${seconds.toFixed(2)} s`);
    });
    total.textContent = `${shots.length} ${shots.length === 1 ? "shot" : "shots"}, ${begin_s(shots.length).toFixed(2)} s`;
    make.hidden = !model.get("can_make");
  }

  const indexOf = (target) => Number(target.closest(".storyboard-shot").dataset.index);
  disposer.listen(lane, "input", ({ target }) => {
    shots = shots.map((shot, at) => (at === indexOf(target) ? { ...shot, prompt: target.value } : shot));
    isTyped = true;
    sendSoon();
  });
  disposer.listen(lane, "focusout", sendSoon.flush);
  disposer.listen(lane, "click", ({ target }) => {
    const act = target.closest("[data-act]")?.dataset.act;
    if (!act) return;
    sendSoon.flush();
    if (act === "remove") edit(withoutShot(shots, indexOf(target)));
    else afterEdits({ type: "retake", index: indexOf(target) });
  });
  disposer.listen(lane, "pointerdown", (event) => {
    if (event.button !== 0 || !event.target.matches(".storyboard-edge")) return;
    event.target.setPointerCapture(event.pointerId);
    drag = { before: shots, index: indexOf(event.target), x_px: event.clientX, sPerPx: begin_s(shots.length) / lane.clientWidth };
  });
  disposer.listen(lane, "pointermove", (event) => {
    if (!drag) return;
    shots = withBoundary(drag.before, drag.index, (event.clientX - drag.x_px) * drag.sPerPx, model.get("grid_s"));
    draw();
  });
  disposer.listen(lane, "pointerup", () => {
    if (!drag) return;
    drag = null;
    send();
  });
  disposer.listen(lane, "pointercancel", () => {
    if (drag) shots = drag.before;
    drag = null;
    draw();
  });
  disposer.listen(lane, "keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!step || !event.target.matches(".storyboard-edge")) return;
    takeKey(event);
    edit(withBoundary(shots, indexOf(event.target), step * model.get("grid_s"), model.get("grid_s")));
  });
  disposer.listen(add, "click", () => {
    edit(withShot(shots));
    lane.lastChild.querySelector("textarea").focus();
  });
  disposer.listen(make, "click", () => {
    sendSoon.flush();
    afterEdits({ type: "make" });
  });
  const take = () => {
    if (!drag && !isTyped && !answers.isAwaited) shots = model.get("value");
    draw();
  };
  for (const name of ["value", "can_make", "can_retake"]) disposer.onChange(model, name, take);
  root.append(lane, h("div", { class: "ltx-row" }, make, add, h("span", { class: "ltx-space" }), total), showError(disposer, model));
  watchKernel(disposer, model, root);
  take();
  return () => {
    disposer.dispose();
    root.remove();
  };
}

export default { render };
