// The row of buttons above the board: edits of the selected part, undo, snapping and zoom.
import { button, h } from "../lib/dom.mjs";
import { icon } from "../lib/icons.mjs";
import { createPopover } from "../lib/popover.mjs";
import { WORDS } from "./timed.mjs";
import { deleted, splitAt } from "./linked.mjs";

export function createToolbar(editor, view, keys, disposer) {
  const act = (control, action) => {
    disposer.listen(control, "click", action);
    return control;
  };
  const undo = act(button("Undo", { icon: icon("undo") }), () => editor.undo());
  const redo = act(button("Redo", { icon: icon("redo") }), () => editor.redo());
  const edit = (edited) => editor.commit(edited(editor.draft, editor.part));
  const cut = act(button("Split", { icon: icon("split") }), () => edit((draft, part) => splitAt(draft, part, editor.cursor_s, editor.options)));
  const remove = act(button("Delete", { icon: icon("trash") }), () => edit((draft, part) => deleted(draft, part, editor.options)));
  cut.title = "Cut the selected span at the cursor (S)";
  remove.title = "Take the selected part away (Delete)";
  const words = act(button("Add words", { icon: icon("words") }), () => view.addWords());
  words.title = "Other words from the cursor on, in place of the prompt there (W)";
  const toggle = (label, picture, option, title) => {
    const control = act(button(label, { icon: icon(picture), pressed: true }), () => editor.setOption(option, !editor.options[option]));
    control.title = title;
    return control;
  };
  const snap = toggle("Snap", "magnet", "snap", "Snap: edges keep to those of latents: 8k + 1 frames, 40 ms of sound");
  const linked = toggle("Link", "link", "linked", "Link: what lies at the same time on both lanes is edited together");
  const out = act(button("Zoom out", { icon: icon("minus") }), () => view.zoomBy(1 / 1.5));
  const into = act(button("Zoom in", { icon: icon("plus") }), () => view.zoomBy(1.5));
  const fit = act(button("Fit", { icon: icon("fit") }), () => view.fit());
  const help = button("Keys", { icon: icon("info") });
  help.classList.add("ltx-quiet");
  const keyList = h("dl", { class: "ltx-timeline-keys" }, ...keys.flatMap(([key, use]) => [h("dt", {}, key), h("dd", {}, use)]));
  const element = h(
    "div",
    { class: "ltx-row", role: "toolbar", "aria-label": "Timeline" },
    ...[undo, redo, cut, remove, words, snap, linked, help, createPopover(disposer, help, keyList, { label: "Keys" })],
    view.status,
    ...[out, into, fit],
  );
  return {
    element,
    draw() {
      const { part, options } = editor;
      undo.disabled = !editor.canUndo;
      redo.disabled = !editor.canRedo;
      cut.disabled = !["span", WORDS].includes(part?.kind);
      remove.disabled = !part;
      snap.setAttribute("aria-pressed", String(options.snap));
      linked.setAttribute("aria-pressed", String(options.linked));
    },
  };
}
