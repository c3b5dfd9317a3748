// Run panel: Generate and Cancel, what the run is doing, what waits, and a strip of what was made.

import { bytesOf } from "./lib/bytes.mjs";
import { button, createDisposer, h, showError, widgetRoot } from "./lib/dom.mjs";
import { icon } from "./lib/icons.mjs";
import { leftText, lengthOf, previewFrame, progressText, runParts } from "./run_panel/run_view.mjs";
import { paintLevels } from "./lib/sound.mjs";

const MEL_ROWS = 64;

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "run-panel", "Run");
  root.classList.add("ltx-stack");
  const start = createStart(disposer, model);
  const progress = createProgress(disposer, model);
  const preview = createPreview(disposer, model);
  const queue = createQueue(disposer, model);
  const results = createResults(disposer, model);
  const log = createLog(disposer, model);
  root.append(start, progress, showError(disposer, model), preview, queue, results, log);
  model.send({ type: "ready" });
  return () => {
    disposer.dispose();
    root.remove();
  };
}

function createStart(disposer, model) {
  const generate = button("Generate", { primary: true });
  const cancel = button("Cancel");
  const summary = h("span", { class: "ltx-muted run-panel-summary" });
  const byNotebook = h("span", { class: "ltx-muted" }, "The notebook's stop button cancels.");
  disposer.listen(generate, "click", () => model.send({ type: "generate" }));
  disposer.listen(cancel, "click", () => model.send({ type: "cancel" }));
  const update = () => {
    const state = model.get("state");
    generate.disabled = !model.get("summary");
    generate.textContent = state === "idle" ? "Generate" : "Add to queue";
    cancel.hidden = !model.get("can_cancel");
    cancel.disabled = state !== "running";
    cancel.textContent = state === "cancelling" ? "Cancelling…" : "Cancel";
    byNotebook.hidden = model.get("can_cancel") || state === "idle";
    summary.textContent = model.get("summary") || "No request yet.";
  };
  for (const name of ["state", "summary", "can_cancel"]) disposer.onChange(model, name, update);
  update();
  return h("div", { class: "ltx-row" }, generate, cancel, byNotebook, summary);
}

function createProgress(disposer, model) {
  const parts = h("div", { class: "run-panel-parts", "aria-hidden": "true" });
  const what = h("span", { class: "ltx-number", role: "status" });
  const left = h("span", { class: "ltx-muted ltx-number" });
  const bar = h("div", { role: "progressbar", "aria-label": "Run", "aria-valuemin": 0, "aria-valuemax": 1 }, parts);
  const element = h("div", { class: "ltx-stack run-panel-progress" }, bar, h("div", { class: "ltx-row" }, what, left));
  let known_ms = 0;
  const showLeft = () => {
    left.textContent = leftText(model.get("progress"), (performance.now() - known_ms) / 1000);
  };
  const update = () => {
    const progress = model.get("progress");
    element.hidden = !progress.phase;
    if (element.hidden) return;
    const shares = runParts(progress);
    parts.replaceChildren(
      ...shares.map(({ label, done, isNow }) =>
        h(
          "div",
          { class: `run-panel-part${isNow ? " run-panel-now" : ""}` },
          h("div", { class: "run-panel-track" }, h("div", { style: `width: ${100 * done}%` })),
          h("span", {}, label),
        ),
      ),
    );
    what.textContent = progressText(progress);
    bar.setAttribute("aria-valuenow", (shares.reduce((sum, { done }) => sum + done, 0) / shares.length).toFixed(3));
    bar.setAttribute("aria-valuetext", what.textContent);
    known_ms = performance.now();
    showLeft();
  };
  disposer.onChange(model, "progress", update);
  const timer = setInterval(showLeft, 1000);
  disposer.add(() => clearInterval(timer));
  update();
  return element;
}

// The last step's picture runs at the clip's speed, unless motion is unwanted; its sound is beside it.
function createPreview(disposer, model) {
  const canvas = h("canvas", { role: "img", "aria-label": "What the run predicts of the picture" });
  const mel = h("canvas", { class: "run-panel-mel", role: "img", "aria-label": "What the run predicts of the sound" });
  const element = h("div", { class: "run-panel-preview", hidden: true }, canvas, mel);
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const start_ms = performance.now();
  let shown = null;
  let request = 0;
  const draw = (index) => {
    const { strip, num_latent_frames } = shown;
    const width = strip.width / num_latent_frames;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== strip.height) canvas.height = strip.height;
    canvas.getContext("2d").drawImage(strip, index * width, 0, width, strip.height, 0, 0, width, strip.height);
  };
  const tick = () => {
    if (!shown) return;
    const { num_latent_frames, frame_rate } = shown;
    draw(previewFrame((performance.now() - start_ms) / 1000, num_latent_frames, frame_rate));
    request = requestAnimationFrame(tick);
  };
  const clear = () => {
    cancelAnimationFrame(request);
    shown?.strip.close();
    shown = null;
    element.hidden = true;
  };
  disposer.onMessage(model, "preview", async (facts, [jpeg, levels]) => {
    const strip = await createImageBitmap(new Blob([bytesOf(jpeg)], { type: "image/jpeg" }));
    if (disposer.isDisposed || model.get("state") === "idle") return strip.close();
    clear();
    shown = { ...facts, strip };
    element.hidden = false;
    paintLevels(mel, bytesOf(levels), MEL_ROWS);
    if (isStill) draw(Math.floor(facts.num_latent_frames / 2));
    else tick();
  });
  disposer.onChange(model, "state", () => model.get("state") === "idle" && clear());
  disposer.add(clear);
  return element;
}

function createQueue(disposer, model) {
  const list = h("ol", { class: "run-panel-queue" });
  const element = h("div", { class: "ltx-stack" }, h("h3", {}, "Waiting"), list);
  const update = () => {
    const waiting = model.get("queue");
    element.hidden = waiting.length === 0;
    list.replaceChildren(
      ...waiting.map(({ id, title }) => {
        const drop = button(`Remove ${title}`, { icon: icon("close") });
        drop.onclick = () => model.send({ type: "drop", id });
        return h("li", {}, h("span", {}, title), drop);
      }),
    );
  };
  disposer.onChange(model, "queue", update);
  update();
  return element;
}

// Cards are kept by id, so that a new clip moves neither the others nor the focus.
function createResults(disposer, model) {
  const strip = h("div", { class: "run-panel-strip", role: "group", "aria-label": "Clips" });
  const element = h("div", { class: "ltx-stack" }, h("h3", {}, "Clips"), strip);
  const cards = new Map();
  const pictures = new Map();
  const createCard = ({ id, title, seed, duration_s, took_s }) => {
    const image = h("img", { alt: "", src: pictures.get(id) });
    const facts = h("span", { class: "ltx-muted ltx-number" }, `seed ${seed}, ${duration_s.toFixed(1)} s`);
    const hint = `${title}, made in ${lengthOf(took_s)}`;
    const show = h("button", { type: "button", class: "ltx-button run-panel-show", title: hint }, image, h("span", {}, title), facts);
    const compare = button("Compare", { pressed: false });
    const reload = button("Load");
    const give = button("Give");
    for (const [control, use] of [
      [compare, "Play beside the selected clip"],
      [reload, "Load its request again"],
      [give, "Give it to the next clip: puts it among the timeline's sources"],
    ]) {
      control.title = use;
      control.setAttribute("aria-label", `${control.textContent}: ${title}`);
    }
    give.hidden = !model.get("can_give");
    show.onclick = () => choose({ selected: id, compared: -1 });
    compare.onclick = () => choose({ compared: model.get("compared") === id ? -1 : id });
    reload.onclick = () => model.send({ type: "reload", id });
    give.onclick = () => model.send({ type: "give", id });
    const tools = h("div", { class: "run-panel-tools", role: "group", "aria-label": title }, compare, reload, give);
    return { element: h("div", { class: "run-panel-card" }, show, tools), image, show, compare };
  };
  const choose = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const markChosen = () => {
    const [selected, compared] = [model.get("selected"), model.get("compared")];
    for (const [id, { show, compare }] of cards) {
      show.setAttribute("aria-pressed", String(id === selected));
      compare.setAttribute("aria-pressed", String(id === compared));
      compare.disabled = id === selected;
    }
  };
  const forget = (id) => {
    URL.revokeObjectURL(pictures.get(id));
    pictures.delete(id);
    cards.delete(id);
  };
  const update = () => {
    const results = model.get("results");
    element.hidden = results.length === 0;
    for (const id of [...cards.keys()]) {
      if (results.some((result) => result.id === id)) continue;
      cards.get(id).element.remove();
      forget(id);
    }
    for (const result of results) {
      if (cards.has(result.id)) continue;
      cards.set(result.id, createCard(result));
      strip.prepend(cards.get(result.id).element);
    }
    markChosen();
  };
  disposer.onMessage(model, "thumbnail", ({ id }, [jpeg]) => {
    if (pictures.has(id)) return;
    pictures.set(id, URL.createObjectURL(new Blob([bytesOf(jpeg)], { type: "image/jpeg" })));
    if (cards.has(id)) cards.get(id).image.src = pictures.get(id);
  });
  disposer.onChange(model, "results", update);
  disposer.onChange(model, "selected", markChosen);
  disposer.onChange(model, "compared", markChosen);
  disposer.add(() => [...pictures.keys()].forEach(forget));
  update();
  return element;
}

function createLog(disposer, model) {
  const lines = h("ol", { class: "run-panel-log", tabindex: 0, "aria-label": "Log" });
  const last = h("span", { class: "ltx-muted" });
  const element = h("details", {}, h("summary", {}, "Log ", last), lines);
  const update = () => {
    const log = model.get("log");
    element.hidden = log.length === 0;
    last.textContent = log.at(-1)?.text.split("\n")[0] ?? "";
    lines.replaceChildren(
      ...log.map(({ time, kind, text }) =>
        h(
          "li",
          { class: `run-panel-${kind}` },
          h("span", { class: "ltx-muted ltx-number" }, time),
          h("span", {}, kind === "info" ? text : `${kind}: ${text}`),
        ),
      ),
    );
    lines.scrollTop = lines.scrollHeight;
  };
  disposer.onChange(model, "log", update);
  disposer.listen(element, "toggle", update);
  update();
  return element;
}

export default { render };
