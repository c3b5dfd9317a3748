// Tabs below a desk: a press opens what is behind one, another press closes it.

import { button, createDisposer, h, showError, widgetRoot } from "./lib/dom.mjs";
import { watchKernel } from "./lib/kernel.mjs";

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "folds", "More");
  const tabs = model.get("tabs").map(({ name, label }) => {
    const control = button(label);
    disposer.listen(control, "click", () => model.send({ type: "open", name: model.get("opened") === name ? "" : name }));
    return [name, control];
  });
  const update = () => {
    for (const [name, control] of tabs) control.setAttribute("aria-expanded", String(model.get("opened") === name));
  };
  disposer.onChange(model, "opened", update);
  root.append(h("div", { class: "ltx-row" }, tabs.map(([, control]) => control)), showError(disposer, model));
  watchKernel(disposer, model, root);
  update();
  return () => {
    disposer.dispose();
    root.remove();
  };
}

export default { render };
