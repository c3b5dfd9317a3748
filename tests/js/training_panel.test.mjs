// A training's loss as a path, and where it stands in words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { lossPath, stateText } from "../../widgets/ltx_widgets/static/training_panel.mjs";

test("the loss counts from 0 and the steps to the last of all", () => {
  const box = { width: 100, height: 10 };
  assert.equal(lossPath([[5, 2], [10, 1]], 10, 2, box), "M50 0L100 5");
  assert.equal(lossPath([], 10, 0, box), "");
  assert.equal(lossPath([[1, 0]], 1, 0, box), "M100 10");
});

test("before the first step it says what it does", () => {
  assert.equal(stateText("running", 0, 150), "running: clips are encoded, before the first step");
  assert.equal(stateText("cancelled", 40, 150), "cancelled: 40 of 150 steps");
});
