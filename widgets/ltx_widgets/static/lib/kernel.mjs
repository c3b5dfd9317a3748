// What a widget does when its kernel is gone: it says so, and none of its controls looks alive.

import { h } from "./dom.mjs";

const ADVICE = "The kernel was restarted, and what stood here went with it. Run this cell again.";

// ipywidgets tells a model that its kernel is lost, or back, by the event comm_live_update; which of the two it is stands in
// the model that anywidget's own stands for.
export function watchKernel(disposer, model, root) {
  const banner = h("p", { class: "ltx-banner", role: "alert", hidden: true }, ADVICE);
  root.prepend(banner);
  const update = async () => {
    const whole = await model.widget_manager?.get_model(model.get("_own_id"));
    const isLost = whole?.comm_live === false;
    root.classList.toggle("ltx-offline", isLost);
    banner.hidden = !isLost;
    for (const part of root.children) if (part !== banner) part.inert = isLost;
  };
  model.on("comm_live_update", update);
  disposer.add(() => model.off("comm_live_update", update));
}
