// A view's exchange with Python: what was typed lies over `value` until Python has answered it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createDisposer } from "../../widgets/ltx_widgets/static/lib/dom.mjs";
import { createEdits } from "../../widgets/ltx_widgets/static/prompt/edits.mjs";
import { createFakeModel } from "./fake_model.mjs";

// A desk on which nobody listens.
const DESK = { tell() {} };

function opened(value = { prompt: "", seed: 1 }) {
  const model = createFakeModel({ value, parts: {} });
  const disposer = createDisposer();
  const edits = createEdits(model, disposer, DESK, () => {});
  const answer = ({ content }, accepted = true) => model.receive({ type: "edited", id: content.id, accepted });
  return { model, disposer, edits, answer };
}

test("an edit is shown and sent, and Python's value holds once it is answered", () => {
  const { model, edits, answer } = opened();
  edits.edit({ seed: 2 });
  assert.equal(edits.value.seed, 2);
  assert.deepEqual(model.sent[0].content.value, { seed: 2 });
  model.receiveState("value", { prompt: "", seed: 2 });
  answer(model.sent[0]);
  model.receiveState("value", { prompt: "", seed: 3 });
  assert.equal(edits.value.seed, 3);
});

test("a late answer to an earlier edit does not take back what was typed since", () => {
  const { model, edits, answer } = opened();
  edits.edit({ prompt: "a" }, { newParts: { action: "a" } });
  edits.edit({ prompt: "a ball" }, { newParts: { action: "a ball" } });
  model.receiveState("value", { prompt: "a", seed: 1 });
  model.receiveState("parts", { action: "a" });
  answer(model.sent[0]);
  assert.deepEqual([edits.value.prompt, edits.parts], ["a ball", { action: "a ball" }]);
  model.receiveState("value", { prompt: "a ball", seed: 1 });
  model.receiveState("parts", { action: "a ball" });
  answer(model.sent[1]);
  assert.deepEqual([edits.value.prompt, edits.parts], ["a ball", { action: "a ball" }]);
});

test("what is typed while an answer is awaited stays when it comes", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { model, edits, answer } = opened();
  edits.edit({ prompt: "a" }, { newParts: { action: "a" } });
  edits.edit({ prompt: "a b" }, { soon: true, newParts: { action: "a b" } });
  model.receiveState("value", { prompt: "a", seed: 1 });
  model.receiveState("parts", { action: "a" });
  answer(model.sent[0]);
  assert.deepEqual([edits.value.prompt, edits.parts], ["a b", { action: "a b" }]);
  context.mock.timers.tick(300);
  assert.deepEqual(model.sent[1].content.value, { prompt: "a b" });
});

test("typing is sent once, when it pauses", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { model, edits } = opened();
  for (const prompt of ["a", "a b", "a b c"]) edits.edit({ prompt }, { soon: true });
  assert.equal(model.sent.length, 0);
  context.mock.timers.tick(300);
  assert.deepEqual(model.sent.map(({ content }) => content.value), [{ prompt: "a b c" }]);
});

test("what a slider draws is sent with its last value only", () => {
  const { model, edits } = opened();
  edits.edit({ num_frames: 17 }, { drawOnly: true });
  edits.edit({ num_frames: 25 }, { drawOnly: true });
  assert.equal(edits.value.num_frames, 25);
  assert.equal(model.sent.length, 0);
  edits.edit({ num_frames: 25 });
  assert.deepEqual(model.sent[0].content.value, { num_frames: 25 });
});

test("a refused edit stays to be put right, and goes along with the next", () => {
  const { model, edits, answer } = opened();
  edits.edit({ seed: -1 });
  answer(model.sent[0], false);
  assert.equal(edits.value.seed, -1);
  edits.edit({ prompt: "a" });
  assert.deepEqual(model.sent[1].content.value, { seed: -1, prompt: "a" });
});

test("a request from Python takes the place of what was refused", () => {
  const { model, edits, answer } = opened();
  edits.edit({ seed: -1 });
  answer(model.sent[0], false);
  model.receiveState("value", { prompt: "", seed: 5 });
  assert.equal(edits.value.seed, 5);
});

test("a view that closes tells what was typed, and hears nothing more", () => {
  const { model, disposer, edits } = opened();
  edits.edit({ prompt: "a" }, { soon: true });
  disposer.dispose();
  assert.deepEqual(model.sent[0].content.value, { prompt: "a" });
  assert.equal(model.listenerCount, 0);
});
