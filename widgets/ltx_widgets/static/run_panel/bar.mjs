// The bar of a run: its buttons, how far it is, and one line that says so. It is as high when nothing runs.

import { createDesk } from "../lib/desk.mjs";
import { button, h } from "../lib/dom.mjs";
import { icon } from "../lib/icons.mjs";
import { createPopover } from "../lib/popover.mjs";
import { leftText, progressText, runParts } from "../lib/run_text.mjs";
import { createAfloat } from "./afloat.mjs";

// A button that is off but keeps the focus: who cancels by key is not sent back to the top of the page.
function setOff(control, isOff) {
  control.setAttribute("aria-disabled", String(isOff));
}

// Said from a press until the kernel answers; it may be busy with a cell.
const ASKED = "Waiting for the kernel…";

export function createBar(disposer, model, root) {
  const desk = createDesk(disposer, root);
  const generate = button("Generate", { primary: true });
  const again = button("New seed");
  const many = button("× 4 seeds");
  const cancel = button("Cancel");
  generate.title = "Make what is described (Ctrl + Enter in the prompt)";
  again.title = "The same with another seed";
  many.title = "This seed and the next three, one after the other";
  const act = (control, message) =>
    disposer.listen(control, "click", () => {
      if (control.getAttribute("aria-disabled") === "true") return;
      showAsked(true);
      if (control === cancel) model.send(message);
      else desk.afterEdits(() => model.send(message));
    });
  act(generate, { type: "generate" });
  act(again, { type: "generate", how: "new_seed" });
  act(many, { type: "generate", how: "seeds" });
  act(cancel, { type: "cancel" });

  const parts = h("div", { class: "run-panel-parts", "aria-hidden": "true" });
  const bar = h("div", { role: "progressbar", "aria-label": "Run", "aria-valuemin": 0, "aria-valuemax": 1 }, parts);
  const what = h("span", { class: "run-panel-what ltx-number", role: "status" });
  const left = h("span", { class: "ltx-muted ltx-number" });
  const log = createLog(disposer, model);
  const element = h(
    "div",
    { class: "run-panel-bar" },
    h("div", { class: "ltx-row run-panel-buttons" }, generate, again, many, h("span", { class: "ltx-space" }), cancel),
    bar,
    h("div", { class: "run-panel-line" }, what, left, log.opener, log.popover),
  );
  const afloat = createAfloat(disposer, element, { generate, cancel, line: what });
  let known_ms = 0;
  let isAsked = false;

  const since_s = () => (performance.now() - known_ms) / 1000;
  const drawTime = () => {
    const progress = model.get("progress");
    left.textContent = leftText(progress, since_s());
    const shares = runParts(progress, since_s());
    shares.forEach(({ done }, index) => {
      parts.children[index].querySelector(".run-panel-track > div").style.width = `${100 * done}%`;
    });
    const done = shares.reduce((sum, share) => sum + share.done, 0) / shares.length;
    bar.setAttribute("aria-valuenow", done.toFixed(3));
  };
  const drawProgress = () => {
    const progress = model.get("progress");
    known_ms = performance.now();
    parts.replaceChildren(
      ...runParts(progress, 0).map(({ label, isNow, isUnknown }) =>
        h(
          "div",
          { class: `run-panel-part${isNow ? " run-panel-now" : ""}${isUnknown ? " run-panel-unknown" : ""}` },
          h("div", { class: "run-panel-track" }, h("div")),
          h("span", {}, label),
        ),
      ),
    );
    drawTime();
    drawLine();
  };
  const drawLine = () => {
    const progress = model.get("progress");
    const wrong = model.get("error") || model.get("blocked");
    const now = isAsked ? ASKED : progress.phase ? progressText(progress) : "";
    const text = now || wrong || model.get("summary") || "Describe a clip first.";
    what.classList.toggle("ltx-reason", !now && Boolean(wrong));
    what.setAttribute("role", !now && model.get("error") ? "alert" : "status");
    if (what.textContent !== text) what.textContent = text;
    what.title = text;
    bar.setAttribute("aria-valuetext", text);
    afloat.draw();
  };
  const showAsked = (value) => {
    isAsked = value;
    drawLine();
  };
  const drawButtons = () => {
    const state = model.get("state");
    const isOff = !model.get("summary") || Boolean(model.get("blocked"));
    for (const control of [generate, again, many]) setOff(control, isOff);
    generate.textContent = state === "idle" ? "Generate" : "Add to queue";
    setOff(cancel, state !== "running");
    cancel.textContent = state === "cancelling" ? "Cancelling…" : "Cancel";
    cancel.hidden = !model.get("can_cancel");
    cancel.title = model.get("can_cancel") ? "End this run within a step" : "";
    drawLine();
  };
  for (const name of ["state", "summary", "blocked", "can_cancel", "error"]) disposer.onChange(model, name, drawButtons);
  disposer.onChange(model, "progress", drawProgress);
  for (const name of ["state", "summary", "error", "queue", "log"]) disposer.onChange(model, name, () => showAsked(false));
  desk.hear("ask", ({ isOpen }) => showAsked(isOpen));
  const timer = setInterval(() => model.get("progress").phase && drawTime(), 250);
  disposer.add(() => clearInterval(timer));
  drawProgress();
  drawButtons();
  return element;
}

function createLog(disposer, model) {
  const lines = h("ol", { class: "run-panel-log", tabindex: 0, "aria-label": "Log" });
  const opener = button("Log");
  opener.classList.add("ltx-quiet");
  opener.append(icon("down"));
  const update = () => {
    lines.replaceChildren(
      ...model.get("log").map(({ time, kind, text }) =>
        h(
          "li",
          { class: `run-panel-${kind}` },
          h("span", { class: "ltx-muted ltx-number" }, time),
          h("span", {}, kind === "info" ? text : `${kind}: ${text}`),
        ),
      ),
    );
    lines.scrollTop = lines.scrollHeight;
    opener.classList.toggle("run-panel-warned", model.get("log").at(-1)?.kind === "warning");
  };
  disposer.onChange(model, "log", update);
  const popover = createPopover(disposer, opener, lines, { label: "What happened", onOpen: () => requestAnimationFrame(update) });
  update();
  return { opener, popover };
}
