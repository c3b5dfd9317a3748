// A view's exchange with Python: edits are shown at once, answered, and taken back when they are refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createDisposer } from "../../widgets/ltx_widgets/static/lib/dom.mjs";
import { createEditor } from "../../widgets/ltx_widgets/static/timeline/editor.mjs";
import { parts } from "../../widgets/ltx_widgets/static/timeline/draft.mjs";
import { createFakeModel } from "./fake_model.mjs";
import { draft, span } from "./timeline_drafts.mjs";

// A desk on which nobody listens.
const DESK = { tell() {} };

function opened(value = draft(49)) {
  const model = createFakeModel({ value });
  const disposer = createDisposer();
  const editor = createEditor(model, disposer, DESK, () => undefined, () => {});
  const answer = (content) => model.receive({ type: "edited", id: content.id });
  return { model, disposer, editor, answer };
}

test("an edit is shown and sent; Python's echo makes no step of its own", () => {
  const { model, editor, answer } = opened();
  editor.commit(draft(57));
  assert.equal(editor.draft.num_frames, 57);
  assert.deepEqual(model.sent[0].content.value, draft(57));
  model.receiveState("value", draft(57));
  answer(model.sent[0].content);
  editor.undo();
  assert.equal(editor.draft.num_frames, 49);
  assert.equal(editor.canUndo, false);
});

test("a refused edit goes back", () => {
  const { model, editor, answer } = opened();
  editor.commit(draft(50));
  answer(model.sent[0].content);
  assert.equal(editor.draft.num_frames, 49);
});

test("an answer to an earlier edit does not undo a later one", () => {
  const { model, editor, answer } = opened();
  editor.commit(draft(57));
  editor.commit(draft(65));
  model.receiveState("value", draft(57));
  answer(model.sent[0].content);
  assert.equal(editor.draft.num_frames, 65);
  model.receiveState("value", draft(65));
  answer(model.sent[1].content);
  assert.equal(editor.draft.num_frames, 65);
});

test("a value set from Python is shown, and can be undone", () => {
  const { model, editor } = opened();
  model.receiveState("value", draft(73));
  assert.equal(editor.draft.num_frames, 73);
  editor.undo();
  assert.equal(editor.draft.num_frames, 49);
  assert.equal(model.sent[0].content.value.num_frames, 49);
});

test("a drag is not sent until it is committed", () => {
  const { model, editor } = opened();
  editor.preview(draft(57));
  assert.equal(editor.draft.num_frames, 57);
  assert.equal(model.sent.length, 0);
  editor.preview(null);
  assert.equal(editor.draft.num_frames, 49);
});

test("an edit that changes nothing is not sent", () => {
  const { model, editor } = opened();
  editor.commit(draft(49));
  assert.equal(model.sent.length, 0);
  assert.equal(editor.canUndo, false);
});

test("the selection follows its part and ends with it", () => {
  const { editor } = opened(draft(49, span("video", 0, 9)));
  editor.select(parts(editor.draft, "video")[0]);
  editor.commit(draft(49, span("video", 0, 17)));
  assert.equal(editor.part.end_s, 17 / 24);
  editor.commit(draft(49));
  assert.equal(editor.part, null);
});

test("the cursor stays in the clip", () => {
  const { editor } = opened();
  editor.setCursor(99);
  assert.equal(editor.cursor_s, 49 / 24);
});

test("a closed view hears nothing more", () => {
  const { model, disposer } = opened();
  disposer.dispose();
  assert.equal(model.listenerCount, 0);
});
