// Two clips on one stage: side by side, one of them, one wiped over the other, or what tells them apart; and which is heard.
// Both stand at the same frame, whatever is seen.

import { button, h } from "../lib/dom.mjs";

const WIPE_STEP = 2;

// What two clips are called on buttons over their picture: the beginning of their names, where it tells them apart.
export function shortNames(labels) {
  const short = labels.map((label) => label.split(" · ")[0]);
  return short[0] === short[1] ? labels : short;
}

export function createComparison(disposer, model, screens, { labels, save }) {
  const [a, b] = labels;
  const [shortA, shortB] = shortNames(labels);
  const seen = { both: "Both", a: shortA, b: shortB, wipe: "Wipe", difference: "Difference" };
  const titles = {
    both: "Side by side",
    a: `${a} alone (X flips)`,
    b: `${b} alone (X flips)`,
    wipe: `${b} over ${a}; drag the line`,
    difference: "Black where both pictures are the same",
  };
  const choices = (names, chosen) =>
    Object.entries(names).map(([value, label]) => {
      const control = button(label, { pressed: false });
      disposer.listen(control, "click", () => save(chosen(value)));
      return [value, control];
    });
  const shown = choices(seen, (value) => ({ shown: value, ...(value === "a" || value === "b" ? { heard: value } : {}) }));
  const heard = choices({ a: shortA, b: shortB }, (value) => ({ heard: value }));
  for (const [value, control] of shown) control.title = titles[value];
  for (const [value, control] of heard) control.title = `Hear ${{ a, b }[value]}`;
  const mark = (options, chosen) => {
    for (const [value, control] of options) control.setAttribute("aria-pressed", String(value === chosen));
  };
  const wipe = h("input", { type: "range", class: "player-wipe", min: 0, max: 100, step: WIPE_STEP, value: 50, "aria-label": "Wipe" });
  const line = h("div", { class: "player-wipe-line", "aria-hidden": "true" });
  disposer.listen(wipe, "input", drawWipe);
  function drawWipe() {
    const isWiped = model.get("shown") === "wipe";
    wipe.hidden = line.hidden = !isWiped;
    const share = Number(wipe.value);
    line.style.left = `${share}%`;
    screens.elements[1].style.clipPath = isWiped ? `inset(0 0 0 ${share}%)` : "";
  }
  const group = (label, options) =>
    h(
      "div",
      { class: "player-sides-group", role: "group", "aria-label": label },
      h("span", { class: "ltx-label" }, label),
      h("div", { class: "ltx-segments" }, options.map(([, control]) => control)),
    );
  return {
    element: h("div", { class: "player-comparison" }, line, wipe, h("div", { class: "player-sides" }, group("See", shown), group("Hear", heard))),
    showShown() {
      const mode = model.get("shown");
      mark(shown, mode);
      const stage = screens.elements[0].closest(".player-screens");
      stage.dataset.shown = mode;
      screens.setShown((index) => !["a", "b"].includes(mode) || mode === "ab"[index]);
      drawWipe();
    },
    showHeard: () => mark(heard, model.get("heard")),
    // From one to the other, picture and sound.
    flip() {
      const other = model.get("shown") === "b" ? "a" : "b";
      save({ shown: other, heard: other });
    },
  };
}
