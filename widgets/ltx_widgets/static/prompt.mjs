// The prompt and its settings. Edits are drawn at once and sent to Python, which checks them; what it accepts comes
// back as `value`, what it refuses as `error`.

import { button, createDisposer, field, h, s, showError, showIn, widgetRoot } from "./lib/dom.mjs";
import { createEdits } from "./prompt/edits.mjs";
import { usesNegative } from "./prompt/guidance.mjs";
import { samplingView } from "./prompt/sampling_view.mjs";
import { shapeView } from "./lib/shape_view.mjs";
import { MOST_WORDS, PARTS, editParts, joinParts, partsOf, wordCount } from "./prompt/words.mjs";

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

function shortened(prompt, most = 60) {
  return prompt.length > most ? `${prompt.slice(0, most - 1)}…` : prompt;
}

function die() {
  const pips = [[6, 6], [14, 6], [10, 10], [6, 14], [14, 14]].map(([cx, cy]) => s("circle", { cx, cy, r: 1.6 }));
  const outline = { fill: "none", stroke: "currentColor", "stroke-width": 1.5 };
  const face = s("rect", { x: 2, y: 2, width: 16, height: 16, rx: 3, ...outline });
  const size = { viewBox: "0 0 20 20", width: 20, height: 20 };
  return s("svg", { ...size, fill: "currentColor", "aria-hidden": "true" }, face, pips);
}

function textView(disposer, onText, onPart) {
  const text = h("textarea", {
    rows: 5,
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
  const asText = button("As one text", { pressed: true });
  const asParts = button("In parts", { pressed: false });
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
  const edits = createEdits(model, disposer, () => fill());
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
    if (last.value !== "") edit({ prompt: model.get("last")[Number(last.value)] }, { newParts: {} });
    last.value = "";
  });
  const meter = h("meter", { min: 0, max: MOST_WORDS, high: MOST_WORDS, "aria-hidden": "true" });
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
  const shape = shapeView(disposer, edit);
  const seed = h("input", { type: "number", min: 0, step: 1, class: "ltx-seed" });
  disposer.listen(seed, "change", () => edit({ seed: Number(seed.value) }));
  const roll = button("Roll the seed", { icon: die() });
  disposer.listen(roll, "click", () => edit({ seed: rolledSeed() }));
  const sampling = samplingView(disposer, edit);

  root.append(
    h("div", { class: "ltx-row" }, words.switches, h("span", { class: "ltx-space" }), last),
    ...words.elements,
    h("div", { class: "ltx-row" }, meter, counts, unknown),
    negativeField,
    h("div", { class: "ltx-settings" }, shape.elements, h("div", { class: "ltx-setting" }, field("Seed", seed), roll)),
    sampling.element,
    showError(disposer, model),
  );

  const fill = () => {
    const { value } = edits;
    if (value.prompt === undefined) return;
    const count = wordCount(value.prompt);
    words.fill(value.prompt, partsOf(edits.parts, value.prompt));
    meter.value = count;
    const known = value.prompt === model.get("value").prompt;
    counts.textContent = countText(count, known ? model.get("tokens") : null);
    const lost = known ? model.get("unknown") : [];
    unknown.textContent = lost.length > 0 ? `The model does not know: ${lost.join(", ")}` : "";
    const defaults = model.get("defaults");
    negativeField.hidden = !usesNegative(value.sampling, defaults.sampling, defaults.unguided);
    negative.placeholder = defaults.negative_prompt || "what to steer away from";
    if (negative.value !== (value.negative_prompt ?? "")) negative.value = value.negative_prompt ?? "";
    shape.fill(value, model.get("sizes"));
    showIn(seed, value.seed);
    sampling.fill(value, defaults);
  };
  const fillLast = () => {
    const prompts = model.get("last");
    last.replaceChildren(
      h("option", { value: "" }, "Last prompts"),
      ...prompts.map((prompt, index) => h("option", { value: index }, shortened(prompt))),
    );
    last.disabled = prompts.length === 0;
  };
  for (const name of ["tokens", "unknown", "defaults"]) disposer.onChange(model, name, fill);
  disposer.onChange(model, "last", fillLast);
  // What was typed is told before the click that left the field, such as on Generate.
  disposer.listen(root, "focusout", edits.flush);
  fill();
  fillLast();
  return () => {
    disposer.dispose();
    root.remove();
  };
}

export default { render };
