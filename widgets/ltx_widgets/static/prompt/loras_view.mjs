// The list of LoRAs, which opens over the page: which are on, how strongly, and the words that they wait for.

import { button, h, showIn } from "../lib/dom.mjs";
import { icon } from "../lib/icons.mjs";
import { createPopover } from "../lib/popover.mjs";
import { hasTrigger } from "./words.mjs";

const MOST = 2; // of strength

// "bells.safetensors 0.8, style.safetensors 1", or "none" where all are off.
export function lorasText(loras) {
  const on = loras.filter(({ strength }) => strength !== null);
  return on.map(({ name, strength }) => `${name.replace(/\.safetensors$/, "")} ${strength}`).join(", ") || "none";
}

// onStrength(index, strength or null); onTrigger(word): put it into the prompt. Returns {elements, fill(loras, prompt)}.
export function lorasView(disposer, onStrength, onTrigger) {
  const summary = h("span", { class: "ltx-muted ltx-sampling-summary" });
  const opener = button("LoRAs");
  opener.replaceChildren("LoRAs", summary, icon("down"));
  opener.classList.add("ltx-sampling");
  const list = h("div", { class: "ltx-loras" });
  const popover = createPopover(disposer, opener, list, { label: "LoRAs" });
  let names = null;
  let rows = [];

  function row({ name, trigger, follows_reference }, index) {
    const isOn = h("input", { type: "checkbox", "aria-label": `Use ${name}` });
    const strength = h("input", { type: "range", min: 0, max: MOST, step: 0.05, "aria-label": `Strength of ${name}` });
    const output = h("output", { class: "ltx-number" });
    const word = trigger ? button(trigger) : null;
    disposer.listen(isOn, "change", () => onStrength(index, isOn.checked ? Number(strength.value) : null));
    disposer.listen(strength, "input", () => (output.textContent = Number(strength.value).toFixed(2)));
    disposer.listen(strength, "change", () => onStrength(index, Number(strength.value)));
    if (word) {
      word.title = "The word that it waits for: put it before the prompt";
      disposer.listen(word, "click", () => onTrigger(trigger));
    }
    const note = follows_reference ? h("span", { class: "ltx-muted" }, "follows a reference") : null;
    if (note) note.title = "It wants a reference: As reference, on the timeline";
    const element = h(
      "div",
      { class: "ltx-lora" },
      h("label", { class: "ltx-field" }, isOn, h("span", { class: "ltx-lora-name", title: name }, name)),
      strength,
      output,
      h("span", { class: "ltx-row" }, word, note),
    );
    return { element, isOn, strength, output, word, trigger };
  }

  const fill = (loras, prompt) => {
    opener.hidden = loras.length === 0;
    const listed = loras.map(({ name }) => name).join("\n");
    if (listed !== names) {
      names = listed;
      rows = loras.map(row);
      list.replaceChildren(...rows.map(({ element }) => element));
    }
    for (const [index, { isOn, strength, output, word, trigger }] of rows.entries()) {
      const now = loras[index].strength;
      isOn.checked = now !== null;
      if (now !== null || !output.textContent) showIn(strength, now ?? 1);
      output.textContent = Number(strength.value).toFixed(2);
      if (word) word.disabled = hasTrigger(prompt, trigger);
    }
    summary.textContent = lorasText(loras);
    opener.title = `LoRAs: ${summary.textContent}`;
  };
  return { elements: [opener, popover], fill };
}
