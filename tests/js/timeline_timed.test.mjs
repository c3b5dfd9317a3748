// Words for spans of a clip's time: where they land, how far they are dragged, and what a cut makes of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as timed from "../../widgets/ltx_widgets/static/timeline/timed.mjs";
import { draft } from "./timeline_drafts.mjs";

const END_S = 49 / 24;
const spans = ({ timed_prompts }) => timed_prompts.map(({ start_s, end_s }) => [Math.round(start_s * 24), Math.round(end_s * 24)]);
const halves = () => timed.withWords(timed.withWords(draft(49), "b", 25 / 24, true), "a", 0, true);

test("words go from the cursor to the end of what is free, at the edge of a latent", () => {
  assert.deepEqual(timed.withWords(draft(49), "b", 1.0, true).timed_prompts, [{ prompt: "b", start_s: 25 / 24, end_s: END_S }]);
  assert.deepEqual(spans(timed.withWords(draft(49), "b", 1.0, false)), [[24, 49]]);
  assert.deepEqual(spans(halves()), [[25, 49], [0, 25]]);
});

test("at the beginning of a clip without words they take the second half", () => {
  assert.deepEqual(spans(timed.withWords(draft(49), "b", 0, true)), [[25, 49]]);
});

test("where every moment has words, nothing changes", () => {
  const full = halves();
  assert.equal(timed.withWords(full, "c", 0.5, true), full);
});

test("an edge goes to its neighbour's and no further, a body keeps its length", () => {
  const one = timed.withWords(draft(49), "b", 33 / 24, true);
  const two = { ...one, timed_prompts: [...one.timed_prompts, { prompt: "a", start_s: 0, end_s: 9 / 24 }] };
  assert.deepEqual(spans(timed.draggedWords(two, 0, "start", -8 / 24, true))[0], [25, 49]);
  assert.deepEqual(spans(timed.draggedWords(two, 0, "start", -2, true))[0], [9, 49]);
  assert.deepEqual(spans(timed.draggedWords(two, 0, "end", -8 / 24, true))[0], [33, 41]);
  assert.deepEqual(spans(timed.draggedWords(two, 0, "body", -2, true))[0], [9, 25]);
  assert.deepEqual(spans(timed.draggedWords(two, 1, "body", 5, true))[1], [24, 33]);
});

test("words are cut in two at a time inside them alone", () => {
  const one = timed.withWords(draft(49), "b", 25 / 24, true);
  assert.deepEqual(spans(timed.splitWords(one, 0, 33 / 24, true)), [[25, 33], [33, 49]]);
  assert.equal(timed.splitWords(one, 0, 0.2, true), one);
});

test("a shorter clip cuts words, and drops those that are past its end", () => {
  assert.deepEqual(spans(timed.withWordsInside({ ...halves(), num_frames: 33 })), [[25, 33], [0, 25]]);
  assert.deepEqual(spans(timed.withWordsInside({ ...halves(), num_frames: 17 })), [[0, 17]]);
  const fits = halves();
  assert.equal(timed.withWordsInside(fits), fits);
});

test("words are parts in order of time", () => {
  assert.deepEqual(timed.wordsParts(halves()).map(({ index }) => index), [1, 0]);
  assert.deepEqual(timed.wordsParts(draft(49)), []);
});
