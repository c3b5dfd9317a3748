// Edits that Python answers, each with a message "edited" of the same id: which one is awaited, told to the whole desk.
//
// Two messages of a page may reach two threads of a kernel with subshells, so that what builds on an edit, such as
// Generate, is sent after its answer and not merely after it.

import { newId } from "./bytes.mjs";

// onAnswer({accepted}): the last edit was answered, and none is awaited any more.
export function createAnswers(model, disposer, desk, onAnswer) {
  const view = newId();
  let awaited = null;
  const tell = () => desk.tell("edit", { view, isOpen: awaited !== null });
  disposer.onMessage(model, "edited", (answer) => {
    if (answer.id !== awaited) return;
    awaited = null;
    onAnswer(answer);
    tell();
  });
  return {
    get isAwaited() {
      return awaited !== null;
    },
    send(edit) {
      awaited = newId();
      tell();
      model.send({ type: "edit", id: awaited, ...edit });
    },
  };
}
