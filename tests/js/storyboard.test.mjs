// Lengths of shots as boundaries are dragged.
import assert from "node:assert/strict";
import { test } from "node:test";
import { withBoundary, withShot, withoutShot } from "../../widgets/ltx_widgets/static/storyboard/shots.mjs";

const SHOTS = [{ prompt: "a", seconds: 2 }, { prompt: "b", seconds: 3 }];
const lengths = (shots) => shots.map(({ seconds }) => Number(seconds.toFixed(6)));

test("a boundary gives to one shot what it takes from the next, on the grid", () => {
  assert.deepEqual(lengths(withBoundary(SHOTS, 0, 0.6, 0.5)), [2.5, 2.5]);
  assert.deepEqual(lengths(withBoundary(SHOTS, 0, -9, 0.5)), [0.5, 4.5]);
  assert.deepEqual(lengths(withBoundary(SHOTS, 0, 9, 0.5)), [4.5, 0.5]);
});

test("the end makes the last shot longer, up to what a pass makes", () => {
  assert.deepEqual(lengths(withBoundary(SHOTS, 1, 1, 0.5)), [2, 4]);
  assert.deepEqual(lengths(withBoundary(SHOTS, 1, 99, 0.5)), [2, 20]);
});

test("shots come and go without changing the list that was", () => {
  assert.deepEqual(withShot(SHOTS).at(-1), { prompt: "", seconds: 3 });
  assert.deepEqual(withoutShot(SHOTS, 0), [SHOTS[1]]);
  assert.equal(SHOTS.length, 2);
});
