// Run panel: Generate and Cancel, what the run is doing, and the clips: those that were made, are being made and wait.

import { createDisposer, widgetRoot } from "./lib/dom.mjs";
import { watchKernel } from "./lib/kernel.mjs";
import { createBar } from "./run_panel/bar.mjs";
import { createCards } from "./run_panel/cards.mjs";

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "run-panel", "Run");
  root.classList.add("ltx-stack");
  root.append(createBar(disposer, model, root), createCards(disposer, model, root));
  watchKernel(disposer, model, root);
  model.send({ type: "ready" });
  return () => {
    disposer.dispose();
    root.remove();
  };
}

export default { render };
