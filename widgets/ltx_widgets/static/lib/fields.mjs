// Fields that may hold what cannot be: the reason stands beside them, and Escape gives it up.

import { h } from "./dom.mjs";

// A number as it was typed. What is none stays a text, "" where nothing is there, for Python to say so; and so do whole
// numbers that JavaScript would round.
export function numberIn(input) {
  const text = input.value.trim();
  const isRounded = /^\d+$/.test(text) && !Number.isSafeInteger(Number(text));
  return text === "" || isRounded || Number.isNaN(Number(text)) ? text : Number(text);
}

let numReasons = 0;

// The place of a reason for these fields; show(reason) marks them and says it, "" clears both.
export function createReason(controls) {
  numReasons += 1;
  const element = h("span", { class: "ltx-reason", role: "alert", id: `ltx-reason-${numReasons}` });
  return {
    element,
    show(reason) {
      element.textContent = reason;
      element.hidden = !reason;
      for (const control of controls) {
        if (reason) {
          control.setAttribute("aria-invalid", "true");
          control.setAttribute("aria-describedby", element.id);
        } else {
          control.removeAttribute("aria-invalid");
          control.removeAttribute("aria-describedby");
        }
      }
    },
  };
}
