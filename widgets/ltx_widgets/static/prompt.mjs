// The prompt and its settings. Edits are drawn at once and sent to Python, which checks them; what it accepts comes
// back as `value`, what it refuses as `error`.

import { createDesk } from "./lib/desk.mjs";
import { button, createDisposer, field, h, showError, showIn, takeKey, widgetRoot } from "./lib/dom.mjs";
import { createReason, numberIn } from "./lib/fields.mjs";
import { icon } from "./lib/icons.mjs";
import { watchKernel } from "./lib/kernel.mjs";
import { careView } from "./prompt/care.mjs";
import { createEdits } from "./prompt/edits.mjs";
import { usesNegative } from "./prompt/guidance.mjs";
import { lorasView } from "./prompt/loras_view.mjs";
import { samplingView } from "./prompt/sampling_view.mjs";
import { shapeView } from "./lib/shape_view.mjs";
import { MOST_WORDS, PARTS, editParts, joinParts, partsOf, withTrigger, wordCount } from "./prompt/words.mjs";

const EXAMPLES = {
  action: "who or what does what, in order",
  look: "shapes, colours, clothes, material, style",
  setting: "place, background, weather, time of day",
  camera: "framing and movement: a slow push in, a static wide shot",
  light: "where it comes from, hard or soft, its colour",
  sound: "what is heard and when: steps, wind, music",
  speech: "the words, and who says them",
};

// A whole number that JSON and Python read alike, from a die with many sides.
export function rolledSeed(random = crypto) {
  return random.getRandomValues(new Uint32Array(1))[0];
}

// "37 of 200 words, 52 tokens"
export function countText(words, tokens) {
  const many = words > MOST_WORDS ? ": longer than the captions it was trained on" : "";
  return `${words} of ${MOST_WORDS} words${many}${tokens === null ? "" : `, ${tokens} tokens`}`;
}

// Fields that have a place for a reason beside them.
const SAID_BESIDE = ["width", "height", "num_frames", "frame_rate", "seed", "sampling"];

function shortened(prompt, most = 60) {
  return prompt.length > most ? `${prompt.slice(0, most - 1)}…` : prompt;
}

function textView(disposer, onText, onPart) {
  const text = h("textarea", {
    rows: 3,
    "aria-label": "Prompt",
    placeholder: "Describe picture and sound, in one paragraph",
  });
  disposer.listen(text, "input", () => onText(text.value));
  const fields = new Map(
    PARTS.map((name) => {
      const area = h("textarea", { rows: 1, placeholder: EXAMPLES[name] });
      disposer.listen(area, "input", () => onPart(name, area.value));
      return [name, area];
    }),
  );
  const joined = h("p", { class: "ltx-joined ltx-muted" });
  const grid = h(
    "div",
    { class: "ltx-parts" },
    [...fields].map(([name, area]) => h("label", {}, h("span", { class: "ltx-label" }, name), area)),
    joined,
  );
  const asText = button("Text", { pressed: true });
  const asParts = button("Parts", { pressed: false });
  asText.title = "The prompt as one text";
  asParts.title = "The prompt in parts, which join into it";
  const choose = (inParts) => {
    text.hidden = inParts;
    grid.hidden = !inParts;
    asText.setAttribute("aria-pressed", String(!inParts));
    asParts.setAttribute("aria-pressed", String(inParts));
  };
  disposer.listen(asText, "click", () => choose(false));
  disposer.listen(asParts, "click", () => choose(true));
  choose(false);
  const fill = (prompt, parts) => {
    if (text.value !== prompt) text.value = prompt;
    for (const [name, area] of fields) {
      // A field that is being typed in keeps what is typed, such as a space at its end.
      if (area.value.trim() !== (parts[name] ?? "").trim()) area.value = parts[name] ?? "";
    }
    joined.textContent = prompt || "The parts join into one text here.";
  };
  return { switches: [asText, asParts], elements: [text, grid], fill };
}

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "prompt", "Prompt");
  const desk = createDesk(disposer, root);
  const edits = createEdits(model, disposer, desk, () => fill());
  const { edit } = edits;

  const words = textView(
    disposer,
    (text) => {
      edit({ prompt: text }, { soon: true, newParts: editParts(edits.parts, edits.value.prompt, text) });
    },
    (name, part) => {
      const newParts = { ...partsOf(edits.parts, edits.value.prompt), [name]: part };
      edit({ prompt: joinParts(newParts) }, { soon: true, newParts });
    },
  );
  const last = h("select", { "aria-label": "Last prompts" });
  disposer.listen(last, "change", () => {
    if (last.value !== "") model.send({ type: "recall", index: Number(last.value) });
    last.value = "";
  });
  const undo = button("Bring back the prompt that was here before", { icon: icon("undo") });
  disposer.listen(undo, "click", () => model.send({ type: "undo" }));
  const care = careView(disposer, () => {
    edits.flush();
    desk.afterEdits(() => model.send({ type: "enhance" }));
  });
  const counts = h("span", { class: "ltx-muted ltx-number" });
  const unknown = h("span", { class: "ltx-unknown", role: "status" });
  const negative = h("textarea", { rows: 2, "aria-label": "Negative prompt: what to steer away from" });
  const negativeField = h(
    "label",
    { class: "ltx-stack" },
    h("span", { class: "ltx-label" }, "Negative prompt"),
    negative,
  );
  disposer.listen(negative, "input", () => edit({ negative_prompt: negative.value || null }, { soon: true }));
  const seed = h("input", { type: "number", min: 0, step: 1, class: "ltx-seed" });
  disposer.listen(seed, "change", () => edit({ seed: numberIn(seed) }));
  const seedReason = createReason([seed]);
  const roll = button("Roll the seed", { icon: icon("dice") });
  disposer.listen(roll, "click", () => edit({ seed: rolledSeed() }));
  const seedField = h("div", { class: "ltx-field ltx-seed-field" }, field("Seed", seed), roll);
  const shape = shapeView(disposer, edit, [seedField, seedReason.element]);
  const sampling = samplingView(disposer, edit);
  const loras = lorasView(
    disposer,
    (index, strength) => model.send({ type: "lora", index, strength }),
    (trigger) => {
      const prompt = withTrigger(edits.value.prompt, trigger);
      edit({ prompt }, { newParts: editParts(edits.parts, edits.value.prompt, prompt) });
    },
  );
  const error = showError(disposer, model);

  root.append(
    ...words.elements,
    h(
      "div",
      { class: "ltx-row ltx-prompt-tools" },
      h("div", { class: "ltx-segments" }, words.switches),
      last,
      undo,
      ...care.buttons,
      h("span", { class: "ltx-space" }),
      counts,
    ),
    unknown,
    care.changes,
    negativeField,
    h(
      "div",
      { class: "ltx-settings" },
      shape.elements,
      h("div", { class: "ltx-setting" }, sampling.elements, loras.elements),
    ),
    error,
  );
  watchKernel(disposer, model, root);

  const fill = () => {
    const { value, valid } = edits;
    if (value.prompt === undefined) return;
    const invalid = model.get("invalid");
    const count = wordCount(value.prompt);
    words.fill(value.prompt, partsOf(edits.parts, value.prompt));
    const known = value.prompt === valid.prompt;
    counts.textContent = countText(count, known ? model.get("tokens") : null);
    counts.classList.toggle("ltx-reason", count > MOST_WORDS);
    const lost = known ? model.get("unknown") : [];
    unknown.textContent = lost.length > 0 ? `The model does not know: ${lost.join(", ")}` : "";
    unknown.hidden = lost.length === 0;
    const defaults = model.get("defaults");
    negativeField.hidden = !usesNegative(valid.sampling, defaults.sampling, defaults.unguided);
    negative.placeholder = defaults.negative_prompt || "what to steer away from";
    if (negative.value !== (value.negative_prompt ?? "")) negative.value = value.negative_prompt ?? "";
    shape.fill(value, model.get("sizes"), valid, invalid);
    showIn(seed, value.seed);
    seedReason.show(invalid.seed ?? "");
    sampling.fill(value, defaults, invalid.sampling ?? "");
    loras.fill(model.get("loras"), value.prompt);
    // A reason that stands beside its field is not said again.
    error.classList.toggle("ltx-said", Object.keys(invalid).some((name) => SAID_BESIDE.includes(name)));
    undo.hidden = !model.get("can_undo");
    care.fill({
      hints: known ? model.get("hints") : [],
      changed: known ? model.get("changed") : [],
      canEnhance: model.get("can_enhance"),
      isEnhancing: model.get("enhancing"),
    });
  };
  const fillLast = () => {
    const prompts = model.get("last");
    last.replaceChildren(
      h("option", { value: "" }, "Last …"),
      ...prompts.map((prompt, index) => h("option", { value: index }, shortened(prompt))),
    );
    last.disabled = prompts.length === 0;
  };
  for (const name of ["tokens", "unknown", "defaults", "can_undo", "loras", "hints", "changed", "enhancing"]) disposer.onChange(model, name, fill);
  disposer.onChange(model, "last", fillLast);
  for (const name of ["error", "invalid"]) disposer.onChange(model, name, () => desk.tell("ask", { isOpen: false }));
  // What was typed is told before the click that left the field, such as on Generate.
  disposer.listen(root, "focusout", edits.flush);
  disposer.listen(root, "keydown", (event) => {
    const { target, key } = event;
    if (key === "Enter" && (event.ctrlKey || event.metaKey) && model.get("can_generate")) {
      takeKey(event);
      if (target.matches("input")) target.dispatchEvent(new Event("change", { bubbles: true }));
      edits.flush();
      desk.tell("ask", { isOpen: true });
      desk.afterEdits(() => model.send({ type: "generate", how: "once" }));
    } else if (key === "Escape" && target.getAttribute("aria-invalid") === "true") {
      takeKey(event);
      target.dispatchEvent(new Event("focusout", { bubbles: true })); // nothing is being typed there any more
      edits.forget(Object.keys(model.get("invalid")));
    }
  });
  fill();
  fillLast();
  return () => {
    disposer.dispose();
    root.remove();
  };
}

export default { render };
