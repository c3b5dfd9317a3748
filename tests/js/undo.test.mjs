// Undo and redo.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createHistory } from "../../widgets/ltx_widgets/static/lib/undo.mjs";

test("steps are undone and redone in order", () => {
  const history = createHistory(1);
  history.push(2);
  history.push(3);
  assert.deepEqual([history.undo(), history.undo(), history.undo()], [2, 1, 1]);
  assert.deepEqual([history.redo(), history.redo(), history.redo()], [2, 3, 3]);
});

test("a new step ends what could be redone", () => {
  const history = createHistory("a");
  history.push("b");
  history.undo();
  history.push("c");
  assert.equal(history.canRedo, false);
  assert.equal(history.undo(), "a");
  assert.equal(history.canUndo, false);
});

test("old steps are forgotten", () => {
  const history = createHistory(0);
  for (let step = 1; step <= 500; step += 1) history.push(step);
  while (history.canUndo) history.undo();
  assert.equal(history.present, 300);
});
