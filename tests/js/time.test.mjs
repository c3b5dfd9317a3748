// Time arithmetic: the numbers of ltx_nb/shapes.py (tests/test_widget_base.py compares the two).
import assert from "node:assert/strict";
import { test } from "node:test";
import * as time from "../../widgets/ltx_widgets/static/lib/time.mjs";

test("the first latent frame covers one frame, others eight", () => {
  assert.deepEqual(time.videoTokenInterval_s(0, 24), [0, 1 / 24]);
  assert.deepEqual(time.videoTokenInterval_s(2, 24), [9 / 24, 17 / 24]);
});

test("audio latents are 40 ms apart, the first covers 10 ms", () => {
  assert.deepEqual(time.audioTokenInterval_s(0), [0, 0.01]);
  assert.deepEqual(time.audioTokenInterval_s(3), [0.09, 0.13]);
});

test("halves are rounded to even, as Python does", () => {
  assert.deepEqual([0.5, 1.5, 2.5, 2.49, 2.51].map(time.roundHalfEven), [0, 2, 2, 2, 3]);
});

test("a span that only touches a token does not meet it", () => {
  assert.deepEqual(time.tokensMeeting(time.videoIntervals_s(4, 24), 1 / 24, 9 / 24), [1]);
});

test("gaps are what spans leave, whatever their order", () => {
  assert.deepEqual(time.gaps_s([[2, 3], [0, 1]], 4), [[1, 2], [3, 4]]);
  assert.deepEqual(time.gaps_s([[0, 4]], 4), []);
});

test("a scale takes pixels to seconds and back", () => {
  const scale = time.timeScale(1, 3, 400);
  assert.equal(scale.toPx(2), 200);
  assert.equal(scale.toSeconds(scale.toPx(2.345)), 2.345);
});

test("steps of a ruler are 1, 2 or 5", () => {
  assert.deepEqual([0.03, 0.1, 0.11, 3, 6].map(time.niceStep), [0.05, 0.1, 0.2, 5, 10]);
});

test("seconds have as many digits as their step needs", () => {
  assert.equal(time.secondsText(1.5, 0.5), "1.5 s");
  assert.equal(time.secondsText(2, 1), "2 s");
  assert.equal(time.secondsText(0.04), "0.04 s");
});
