// The table of sampling and guidance, which opens over the page: one column a lane, what is left empty is the model's own.

import { button, field, h, showIn } from "../lib/dom.mjs";
import { createReason, numberIn } from "../lib/fields.mjs";
import { icon } from "../lib/icons.mjs";
import { createPopover } from "../lib/popover.mjs";
import { GUIDANCE, numbersOf, samplingText } from "./guidance.mjs";

const LANES = [
  { title: "Picture", prefix: "", className: "ltx-of-video" },
  { title: "Sound", prefix: "audio_", className: "ltx-of-audio" },
];

// onEdit({sampling} or {two_stage}) when a control was changed. Returns {elements, fill(value, defaults, reason)}.
export function samplingView(disposer, onEdit) {
  let sampling = {};
  const inputs = new Map();
  const edit = (name, setting) => {
    const { [name]: _, ...others } = sampling;
    onEdit({ sampling: setting === null ? others : { ...others, [name]: setting } });
  };
  const number = (name, label, attributes) => {
    const input = h("input", { type: "number", min: 0, "aria-label": label, ...attributes });
    disposer.listen(input, "change", () => edit(name, input.value === "" ? null : numberIn(input)));
    inputs.set(name, input);
    return input;
  };
  const list = (name, label) => {
    const input = h("input", { type: "text", spellcheck: "false", "aria-label": label });
    disposer.listen(input, "change", () => edit(name, numbersOf(input.value)));
    inputs.set(name, input);
    return input;
  };

  const hints = [];
  const hinted = (name, hint) => {
    const element = h("td", { class: "ltx-muted" });
    hints.push({ element, name, hint });
    return element;
  };

  const row = ({ name, label, hint, least = 0, most = null }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, label),
      LANES.map(({ title, prefix }) =>
        h("td", {}, number(prefix + name, `${label} of the ${title.toLowerCase()}`, { step: "any", min: least, max: most })),
      ),
      hinted(name, hint),
    );
  const titles = LANES.map(({ title, className }) => h("th", { scope: "col", class: className }, title));
  const table = h(
    "table",
    { class: "ltx-guidance" },
    h("thead", {}, h("tr", {}, h("td"), titles, h("td"))),
    h("tbody", {}, GUIDANCE.map(row)),
  );
  const twoStage = h("input", { type: "checkbox" });
  disposer.listen(twoStage, "change", () => onEdit({ two_stage: twoStage.checked }));
  const reset = button("Back to the model's own");
  disposer.listen(reset, "click", () => onEdit({ sampling: {} }));
  const summary = h("span", { class: "ltx-muted ltx-sampling-summary" });
  const opener = button("Sampling and guidance");
  opener.replaceChildren("Sampling", summary, icon("down"));
  opener.classList.add("ltx-sampling");
  const reason = createReason([opener]);
  const content = h(
    "div",
    { class: "ltx-stack" },
    table,
    h(
      "div",
      { class: "ltx-row" },
      field("Steps", number("num_inference_steps", "Number of steps", { step: 1, min: 1 })),
      field("Sigmas", list("sigmas", "Sigmas, falling")),
      field("STG blocks", list("spatio_temporal_guidance_blocks", "Blocks that spatio-temporal guidance skips")),
    ),
    h(
      "div",
      { class: "ltx-row" },
      h("label", { class: "ltx-field" }, twoStage, "Two stages: half the size first, then twice that"),
      h("span", { class: "ltx-space" }),
      reset,
    ),
    reason.element,
  );
  const popover = createPopover(disposer, opener, content, { label: "Sampling and guidance" });

  const fill = (value, defaults, refused) => {
    sampling = value.sampling ?? {};
    for (const [name, input] of inputs) {
      const own = defaults.sampling[name];
      showIn(input, [sampling[name] ?? ""].flat().join(", "));
      input.placeholder = own === undefined ? "model's own" : [own].flat().join(", ");
    }
    for (const { element, name, hint } of hints) {
      element.textContent = `${hint}; ${defaults.unguided[name]} is none`;
    }
    twoStage.checked = value.two_stage === true;
    reset.disabled = Object.keys(sampling).length === 0;
    const told = samplingText(sampling, defaults.sampling, defaults.unguided);
    summary.textContent = told + (value.two_stage ? ", two stages" : "");
    opener.title = `Sampling and guidance: ${summary.textContent}`;
    reason.show(refused);
    // A reason begins with the name of the setting.
    for (const [name, input] of inputs) {
      if (new RegExp(`^${name}\\b`).test(refused)) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  };
  return { elements: [opener, popover], fill };
}
