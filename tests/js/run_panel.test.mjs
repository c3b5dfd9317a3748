// A run in words and shares.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as run from "../../widgets/ltx_widgets/static/lib/run_text.mjs";

const SAMPLING = { phase: "sampling", num_stages: 2, stage: 1, step: 2, num_steps: 8, sigma: 0.725, left_s: 12 };
const done = (progress) => run.runParts(progress).map((part) => part.done);
const now = (progress) => run.runParts(progress).filter((part) => part.isNow).map((part) => part.label);

test("a run begins with nothing done", () => {
  const progress = { phase: "preparing", num_stages: 1, stage: 1, step: 0, num_steps: null, sigma: null, left_s: null };
  assert.deepEqual(done(progress), [0, 0, 0]);
  assert.deepEqual(now(progress), ["Prepare"]);
});

test("a stage fills step by step, the one before it is full", () => {
  assert.deepEqual(done(SAMPLING), [1, 0.25, 0, 0]);
  assert.deepEqual(done({ ...SAMPLING, stage: 2, step: 1, num_steps: 2 }), [1, 1, 0.5, 0]);
  assert.deepEqual(now({ ...SAMPLING, stage: 2 }), ["Stage 2"]);
});

test("all stages are done when it decodes", () => {
  const progress = { ...SAMPLING, phase: "decoding", stage: 2, step: 3, num_steps: 3 };
  assert.deepEqual(done(progress), [1, 1, 1, 0]);
  assert.deepEqual(now(progress), ["Decode"]);
});

test("the stage is named where there are two", () => {
  assert.equal(run.progressText(SAMPLING), "stage 1 of 2, step 2 of 8, σ 0.725");
  assert.equal(run.progressText({ ...SAMPLING, num_stages: 1, sigma: 1 }), "step 2 of 8, σ 1.00");
});

test("what is left counts down and never below zero", () => {
  const left = (left_s, since_s, num_stages = 1) => run.leftText({ left_s, num_stages }, since_s);
  assert.equal(left(12, 0), "about 12 s left, then decoding");
  assert.equal(left(12, 7.5), "about 4.5 s left, then decoding");
  assert.equal(left(12, 40), "under 1 s left, then decoding");
  assert.equal(left(150, 0, 2), "about 2 min 30 s left in this stage, then decoding");
  assert.equal(left(null, 0), "");
  assert.equal(run.leftText({}, 0), "");
});

test("lengths are told as a person does", () => {
  assert.deepEqual([0.52, 9.94, 12.4, 99.4, 125, 3600].map(run.lengthOf), [
    "0.5 s", "9.9 s", "12 s", "99 s", "2 min 5 s", "60 min 0 s",
  ]);
});

test("previews run at the clip's speed, again and again", () => {
  assert.equal(run.previewFrame(0, 7, 24), 0);
  assert.equal(run.previewFrame(1, 7, 24), 3);
  assert.equal(run.previewFrame(7 / 3, 7, 24), 0);
});

test("decoding is counted in, once a run has shown how long it takes", () => {
  const sampling = { phase: "sampling", left_s: 1, decode_s: 5, num_stages: 1 };
  assert.equal(run.leftText(sampling, 0.5), "about 5.5 s left, 5.0 s of it decoding");
  const decoding = { ...SAMPLING, phase: "decoding", num_stages: 1, decode_s: 5 };
  assert.equal(run.leftText(decoding, 2), "about 3.0 s left");
  assert.equal(run.leftText(decoding, 6), "longer than last time, 6.0 s so far");
  assert.equal(run.leftText({ ...decoding, decode_s: null }, 2), "2.0 s so far");
});

test("decoding has a bar of its own, which is never full before it is done", () => {
  const decoded = (since_s, decode_s) => run.runParts({ ...SAMPLING, phase: "decoding", decode_s }, since_s).at(-1);
  assert.equal(decoded(2.5, 5).done, 0.5);
  assert.equal(decoded(50, 5).done, 0.97);
  assert.deepEqual([decoded(2, null).done, decoded(2, null).isUnknown], [0, true]);
});

test("nothing is done where nothing runs", () => {
  assert.deepEqual(run.runParts({}).map((part) => [part.done, part.isNow]), [[0, false], [0, false], [0, false]]);
});
