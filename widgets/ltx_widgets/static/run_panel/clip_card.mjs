// One clip's card: its picture selects it, and what can be done with it stands below. It hears nothing itself: its controls
// say by data-act what they are for, and the strip listens for all cards.

import { button, h } from "../lib/dom.mjs";
import { icon } from "../lib/icons.mjs";

const USES = {
  retake: { label: "Retake", picture: "retake", title: "make a part of it anew: the span in the player, or its middle" },
  extend: { label: "Extend", picture: "extend", title: "go on from its end" },
  give: { label: "Use as source", picture: "source", title: "put it among the timeline's sources" },
};

// uses: which of USES there are. menu: the popover that the button More opens.
export function createClipCard(id, uses, menu) {
  const image = h("img", { alt: "", draggable: "false" });
  const name = h("span", { class: "run-panel-name" });
  const what = h("span", { class: "run-panel-name ltx-muted ltx-number" });
  const attributes = { type: "button", class: "ltx-button run-panel-show", draggable: "true", "data-act": "select" };
  const show = h("button", attributes, image, name, what);
  const rename = h("input", { type: "text", class: "run-panel-rename", "aria-label": "Name", hidden: true });
  const act = (label, picture, does, pressed = null) => {
    const control = button(label, { icon: icon(picture), pressed });
    control.dataset.act = does;
    return control;
  };
  const star = act("Star", "star", "star", false);
  star.classList.add("run-panel-star");
  const compare = act("Compare", "swap", "compare", false);
  const more = act("More", "more", "more");
  more.popoverTargetElement = menu;
  more.setAttribute("aria-haspopup", "menu");
  const used = uses.map((use) => [act(USES[use].label, USES[use].picture, use), USES[use].label, USES[use].title]);
  const tools = h("div", { class: "run-panel-tools", role: "group" }, used.map(([control]) => control), compare, more);
  const named = [
    [star, "Star", "keep it in mind"],
    [compare, "Compare", "see it beside the selected clip"],
    [more, "More", "name, files, delete"],
    ...used,
  ];
  return {
    element: h("div", { class: "run-panel-card", "data-id": id }, show, rename, star, tools),
    fill(result) {
      name.textContent = result.name;
      what.textContent = `${result.what} · ${result.duration_s.toFixed(1)} s`;
      show.title = result.title;
      star.replaceChildren(icon(result.starred ? "starred" : "star"));
      star.setAttribute("aria-pressed", String(result.starred));
      tools.setAttribute("aria-label", result.name);
      for (const [control, label, title] of named) {
        control.setAttribute("aria-label", `${label}: ${result.name}`);
        control.title = `${label}: ${title}`;
      }
    },
    setPicture(url) {
      image.src = url;
    },
    mark({ isSelected, isCompared, hasOther }) {
      show.setAttribute("aria-pressed", String(isSelected));
      compare.setAttribute("aria-pressed", String(isCompared));
      compare.disabled = isSelected || !hasOther;
    },
    // A field in place of the name; null puts the name back and returns what was typed.
    rename(text) {
      const isBegun = text !== null;
      rename.hidden = !isBegun;
      name.style.visibility = isBegun ? "hidden" : ""; // its line stays, so that nothing below it moves
      if (isBegun) {
        rename.value = text;
        rename.focus();
        rename.select();
      }
      return rename.value.trim();
    },
    focus: () => show.focus(),
  };
}
