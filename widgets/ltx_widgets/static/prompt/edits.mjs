// What a view has edited and Python has not taken over yet, and the exchange of both.
//
// An edit lies over Python's value until Python has answered the last one that was sent: an answer to an earlier one,
// which comes late from a busy kernel, would take back what was typed since. What Python refuses stays where it was typed.

import { createAnswers } from "../lib/answers.mjs";
import { debounce } from "../lib/dom.mjs";

const TYPING_MS = 300;

// onChange() after every change of what is to be shown.
export function createEdits(model, disposer, desk, onChange) {
  let pending = {};
  let sent = {};
  let parts = model.get("parts");

  function send() {
    if (Object.keys(pending).length === 0) return;
    // What was refused goes along again: it may be right together with this.
    sent = { ...sent, ...pending };
    pending = {};
    tell();
  }
  function tell() {
    answers.send({ value: sent, parts });
  }
  const sendSoon = debounce(send, TYPING_MS);

  function takeParts() {
    if (!answers.isAwaited && !("prompt" in pending)) parts = model.get("parts");
  }
  // Another request took the place of what was typed, refused or not.
  function takeOver() {
    if (!answers.isAwaited) sent = {};
    onChange();
  }

  const answers = createAnswers(model, disposer, desk, ({ accepted }) => {
    if (accepted) {
      sent = {};
      takeParts();
    }
    onChange();
  });
  disposer.onChange(model, "value", takeOver);
  disposer.onChange(model, "invalid", () => {
    if (Object.keys(model.get("invalid")).length === 0) takeOver();
    else onChange();
  });
  disposer.onChange(model, "parts", () => {
    takeParts();
    onChange();
  });
  disposer.add(sendSoon.flush);

  return {
    // What is seen.
    get value() {
      return { ...model.get("value"), ...sent, ...pending };
    },
    // What Python took over last, to go on from where what is seen is no number.
    get valid() {
      return model.get("value");
    },
    get parts() {
      return parts;
    },
    // soon: once typing pauses. drawOnly: with the next edit, as while a slider is dragged.
    edit(changes, { soon = false, drawOnly = false, newParts = parts } = {}) {
      pending = { ...pending, ...changes };
      parts = newParts;
      onChange();
      if (soon) sendSoon();
      else if (!drawOnly) send();
    },
    // Give up what was typed into these fields and refused.
    forget(names) {
      for (const name of names) {
        delete pending[name];
        delete sent[name];
      }
      tell();
      onChange();
    },
    // Tell what was typed now, before a click elsewhere is told.
    flush: sendSoon.flush,
  };
}
