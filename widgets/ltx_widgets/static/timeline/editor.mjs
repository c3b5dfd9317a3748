// The state of one view: the draft, what is being dragged, the selection, undo; and its exchange with Python.
//
// An edit is shown at once and sent; Python answers every one. What it refuses is taken back.
import { createAnswers } from "../lib/answers.mjs";
import { createHistory } from "../lib/undo.mjs";
import { duration_s, parts } from "./draft.mjs";
import { withReferencesInside } from "./references.mjs";
import { WORDS, withWordsInside, wordsParts } from "./timed.mjs";

// lengths_s(sha256, lane): how long a source is; onChange() after every change of state.
export function createEditor(model, disposer, desk, lengths_s, onChange) {
  const history = createHistory(model.get("value"));
  let dragged = null;

  const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  // Take over Python's value, unless an answer to a later edit is still to come.
  function settle() {
    const value = model.get("value");
    if (answers.isAwaited || isSame(value, history.present)) return;
    dragged = null;
    if (!isSame(history.undo(), value)) history.push(value);
    editor.select(null);
  }

  function send() {
    answers.send({ value: history.present });
    onChange();
  }

  const editor = {
    options: { snap: true, linked: true, lengths_s },
    cursor_s: 0,
    selected: null,
    get draft() {
      return dragged ?? history.present;
    },
    get isTentative() {
      return dragged !== null;
    },
    get canUndo() {
      return history.canUndo;
    },
    get canRedo() {
      return history.canRedo;
    },
    // The selected part as it is now; null if it is gone.
    get part() {
      if (!editor.selected) return null;
      return partsOf(editor.draft, editor.selected.lane).find((part) => partKey(part) === editor.selected.key) ?? null;
    },
    select(part) {
      editor.selected = part && { lane: part.lane, key: partKey(part) };
      onChange();
    },
    setCursor(time_s) {
      editor.cursor_s = Math.min(Math.max(time_s, 0), duration_s(editor.draft));
      onChange();
    },
    // As setCursor, without a sign: where another widget's playhead is.
    follow(time_s) {
      editor.cursor_s = Math.min(Math.max(time_s, 0), duration_s(editor.draft));
    },
    setOption(name, value) {
      editor.options[name] = value;
      onChange();
    },
    // Show a draft that is not final yet, as in a drag; null goes back.
    preview(draft) {
      dragged = draft;
      onChange();
    },
    // Make a draft the value. Nothing happens for the one that is.
    commit(edited) {
      const draft = withWordsInside(withReferencesInside(edited));
      dragged = null;
      if (isSame(draft, history.present)) return onChange();
      history.push(draft);
      send();
    },
    undo() {
      if (!history.canUndo) return;
      history.undo();
      send();
    },
    redo() {
      if (!history.canRedo) return;
      history.redo();
      send();
    },
  };

  const answers = createAnswers(model, disposer, desk, settle);
  disposer.onChange(model, "value", settle);
  return editor;
}

// What a lane shows, or the row of words.
export function partsOf(draft, lane) {
  return lane === WORDS ? wordsParts(draft) : parts(draft, lane);
}

// What identifies a part on the page while it is edited.
export function partKey(part) {
  return `${part.lane}-${part.kind}-${part.kind === "gap" ? part.order : part.index}`;
}
