// The row of buttons above the board: edits of the selected part, undo, snapping and zoom.
import { button, h } from "../lib/dom.mjs";
import { deleted, splitAt } from "./linked.mjs";

export function createToolbar(editor, view, disposer) {
  const act = (control, action) => {
    disposer.listen(control, "click", action);
    return control;
  };
  const undo = act(button("Undo", { icon: "↶" }), () => editor.undo());
  const redo = act(button("Redo", { icon: "↷" }), () => editor.redo());
  const edit = (edited) => editor.commit(edited(editor.draft, editor.part));
  const cut = act(button("Split"), () => edit((draft, part) => splitAt(draft, part, editor.cursor_s, editor.options)));
  const remove = act(button("Delete"), () => edit((draft, part) => deleted(draft, part, editor.options)));
  cut.title = "Cut the selected span at the cursor (S)";
  remove.title = "Take the selected part away (Delete)";
  const toggle = (label, option, title) => {
    const control = act(button(label, { pressed: true }), () => editor.setOption(option, !editor.options[option]));
    control.title = title;
    return control;
  };
  const snap = toggle("Snap", "snap", "Edges keep to those of latents: 8k + 1 frames, 40 ms of sound");
  const linked = toggle("Link", "linked", "What lies at the same time on both lanes is edited together");
  const out = act(button("Zoom out", { icon: "−" }), () => view.zoomBy(1 / 1.5));
  const into = act(button("Zoom in", { icon: "+" }), () => view.zoomBy(1.5));
  const fit = act(button("Fit"), () => view.fit());
  const element = h(
    "div",
    { class: "ltx-row", role: "toolbar", "aria-label": "Timeline" },
    ...[undo, redo, cut, remove, snap, linked, h("span", { class: "ltx-space" }), out, into, fit],
  );
  return {
    element,
    draw() {
      const { part, options } = editor;
      undo.disabled = !editor.canUndo;
      redo.disabled = !editor.canRedo;
      cut.disabled = part?.kind !== "span";
      remove.disabled = !part;
      snap.setAttribute("aria-pressed", String(options.snap));
      linked.setAttribute("aria-pressed", String(options.linked));
    },
  };
}
