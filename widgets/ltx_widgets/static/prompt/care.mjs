// Care of a prompt: hints on what the model was not trained on, and a chat model that writes it out.

import { button, h } from "../lib/dom.mjs";
import { createPopover } from "../lib/popover.mjs";

const TAGS = { same: "span", gone: "del", new: "ins" };

// onEnhance(): the prompt is to be written out. fill() shows what Python found.
export function careView(disposer, onEnhance) {
  const list = h("ul", { class: "ltx-hints" });
  const hints = button("Hints");
  hints.classList.add("ltx-quiet");
  hints.title = "What the model's captions have and this prompt lacks";
  const popover = createPopover(disposer, hints, list, { label: "Hints on the prompt" });
  const enhance = button("Write out");
  enhance.classList.add("ltx-write-out");
  enhance.title = "Have a chat model of yours write the prompt out, as captions are";
  disposer.listen(enhance, "click", onEnhance);
  const changes = h("p", { class: "ltx-changes", role: "status", "aria-label": "What was changed", hidden: true });
  return {
    buttons: [hints, popover, enhance],
    changes,
    fill({ hints: found, changed, canEnhance, isEnhancing }) {
      hints.textContent = found.length === 1 ? "1 hint" : `${found.length} hints`;
      hints.hidden = found.length === 0;
      list.replaceChildren(...found.map((hint) => h("li", {}, hint)));
      enhance.hidden = !canEnhance;
      enhance.disabled = isEnhancing;
      enhance.textContent = isEnhancing ? "Writing…" : "Write out";
      changes.hidden = changed.length === 0;
      changes.replaceChildren(...changed.flatMap(([kind, words]) => [h(TAGS[kind], {}, words), " "]));
    },
  };
}
