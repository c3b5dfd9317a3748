// Plans as bars and words.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  barEnd_gb,
  durationText,
  kindOf,
  segmentsOf,
  sumOf,
  verdictText,
} from "../../widgets/ltx_widgets/static/preset_picker/plans.mjs";

const LINES = [
  { what: "weights around the blocks", gb: 0.85, why: "" },
  { what: "20 of 48 blocks", gb: 7.73, why: "" },
  { what: "CUDA context", gb: 0.5, why: "assumed" },
  { what: "two slots for streamed blocks", gb: 0.77, why: "" },
  { what: "the largest layer, turned back from one byte", gb: 0.13, why: "" },
  { what: "activations", gb: 0.58, why: "6,270 tokens, chunked by 4,096" },
];

for (const [what, kind] of [
  ["20 of 48 blocks", "blocks"],
  ["two slots for streamed blocks", "blocks"],
  ["28 streamed blocks, pinned", "blocks"],
  ["weights around the blocks", "weights"],
  ["their activations", "activations"],
  ["one tile", "activations"],
  ["CUDA context", "context"],
  ["video VAE's decoder", "weights"],
]) {
  test(`"${what}" is of the kind ${kind}`, () => assert.equal(kindOf(what), kind));
}

test("a bar stacks the kinds of its lines, each once, and leaves nothing out", () => {
  const segments = segmentsOf(LINES);
  assert.deepEqual(segments.map(({ kind }) => kind), ["blocks", "activations", "context", "weights"]);
  assert.equal(segments[0].what, "20 of 48 blocks, two slots for streamed blocks");
  const total_gb = segments.reduce((sum, { gb }) => sum + gb, 0);
  assert.ok(Math.abs(total_gb - sumOf(LINES)) < 1e-9);
});

test("bars end beyond the limit and beyond every sum", () => {
  assert.ok(barEnd_gb(7.2, [3, 8.7]) > 8.7);
  assert.ok(barEnd_gb(7.2, [3]) > 7.2);
});

test("durations are said in the unit that suits them", () => {
  assert.deepEqual([0.4, 17.2, 250, 12_240].map(durationText), ["under 1 s", "17 s", "4 min", "3.4 h"]);
});

test("the verdict names the peak where a plan fits, and what is short where not", () => {
  const sums = { fits: true, shortages: [], peak_gb: 10.6, peak_part: "stage 1", ram_gb: 13.5, seconds: 170 };
  assert.equal(
    verdictText({ limit_gb: 10.8, sums }),
    "It fits: 10.6 GB of 10.8 GB at the peak, in stage 1; 13.5 GB of RAM; about 3 min.",
  );
  const short = { ...sums, fits: false, shortages: ["stage 2 needs 8.7 GB, 7.2 GB can be used", "no disk"] };
  assert.equal(
    verdictText({ limit_gb: 7.2, sums: short }),
    "It does not fit: stage 2 needs 8.7 GB, 7.2 GB can be used; no disk.",
  );
});
