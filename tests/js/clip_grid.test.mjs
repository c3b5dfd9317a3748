// Where arrow keys lead in a grid with empty places.
import assert from "node:assert/strict";
import { test } from "node:test";
import { nextPlace } from "../../widgets/ltx_widgets/static/clip_grid/places.mjs";

// a b .
// . c d
const CELLS = [{ row: 0, column: 0 }, { row: 0, column: 1 }, { row: 1, column: 1 }, { row: 1, column: 2 }];

test("left and right stay in their row", () => {
  assert.equal(nextPlace(CELLS, 0, "ArrowRight"), 1);
  assert.equal(nextPlace(CELLS, 1, "ArrowRight"), null);
  assert.equal(nextPlace(CELLS, 2, "ArrowLeft"), null);
});

test("up and down lead to the nearest column of the next row", () => {
  assert.equal(nextPlace(CELLS, 0, "ArrowDown"), 2);
  assert.equal(nextPlace(CELLS, 3, "ArrowUp"), 1);
  assert.equal(nextPlace(CELLS, 0, "ArrowUp"), null);
});

test("other keys lead nowhere", () => assert.equal(nextPlace(CELLS, 0, "k"), null));
