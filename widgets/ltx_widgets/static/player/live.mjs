// What a run in progress predicts, over whatever is on the stage, until the clip is there or the run has ended.

import { h } from "../lib/dom.mjs";
import { createLiveView } from "../lib/live_view.mjs";

export function createLive(disposer, model, stage) {
  const note = h("p", { class: "player-live-note ltx-number" });
  const view = createLiveView(disposer, () => {
    element.hidden = !view.isShown;
    stage.classList.toggle("player-is-live", view.isShown);
  });
  const element = h("div", { class: "player-live", hidden: true }, view.picture, view.sound, note);
  disposer.onMessage(model, "live", (facts, buffers) => {
    note.textContent = `predicted after step ${facts.index + 1}`;
    view.show(facts, buffers);
  });
  disposer.onMessage(model, "live_end", () => view.clear());
  disposer.onChange(model, "clips", () => view.clear());
  return { element };
}
