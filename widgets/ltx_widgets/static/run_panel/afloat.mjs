// Generate and Cancel once more, at the lower edge of the desk, while the bar that has them is out of sight. Where a
// panel stands alone there is no desk, and nothing floats.

import { button, h } from "../lib/dom.mjs";

// bar: what may be out of sight; generate and cancel: its buttons, which these press; line: what says how far the run is.
export function createAfloat(disposer, bar, { generate, cancel, line }) {
  const go = button("Generate", { primary: true });
  const stop = button("Cancel");
  const text = h("span", { class: "ltx-number run-panel-afloat-line", "aria-hidden": "true" });
  const label = "Run, while its panel is out of sight";
  const element = h("div", { class: "ltx ltx-row run-panel-afloat", role: "group", "aria-label": label, hidden: true }, text, stop, go);
  disposer.listen(go, "click", () => generate.click());
  disposer.listen(stop, "click", () => cancel.click());
  const observer = new IntersectionObserver(([{ isIntersecting }]) => {
    const desk = bar.closest(".ltx-desk-grid");
    if (desk && !element.isConnected) desk.append(element);
    element.hidden = isIntersecting;
  });
  observer.observe(bar);
  disposer.add(() => {
    observer.disconnect();
    element.remove();
  });
  return {
    draw() {
      for (const [mine, its] of [[go, generate], [stop, cancel]]) {
        mine.textContent = its.textContent;
        mine.title = its.title;
        mine.setAttribute("aria-disabled", its.getAttribute("aria-disabled"));
      }
      stop.hidden = cancel.hidden || cancel.getAttribute("aria-disabled") === "true";
      text.textContent = line.textContent;
    },
  };
}
