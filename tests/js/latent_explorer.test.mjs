// Where a latent is, how keys move it, what its messages hold, and what is drawn as heat.
import assert from "node:assert/strict";
import { test } from "node:test";
import { columnsOf, heatOf, referenceOf, uprightMel } from "../../widgets/ltx_widgets/static/latent_explorer.mjs";
import { heatColour, signedColour } from "../../widgets/ltx_widgets/static/latent_explorer/colours.mjs";
import { detailsOf, distances, meansOf } from "../../widgets/ltx_widgets/static/latent_explorer/numbers.mjs";
import {
  cellAt,
  interval_s,
  lanesEnd_s,
  latentAt,
  moved,
  placeText,
  samePlace,
} from "../../widgets/ltx_widgets/static/latent_explorer/places.mjs";

const GRID = { frames: 7, rows: 4, columns: 6, sounds: 51, frame_rate: 24 };
const CELL = { lane: "video", t: 3, y: 1, x: 2 };
const SOUND = { lane: "audio", t: 20 };

test("the cell under a point, also at and beyond the edges", () => {
  assert.deepEqual(cellAt(250, 110, 600, 400, GRID), { y: 1, x: 2 });
  assert.deepEqual(cellAt(600, 400, 600, 400, GRID), { y: 3, x: 5 });
  assert.deepEqual(cellAt(-5, 900, 600, 400, GRID), { y: 3, x: 0 });
});

for (const [key, to] of [
  ["ArrowLeft", { x: 1 }],
  ["ArrowRight", { x: 3 }],
  ["ArrowUp", { y: 0 }],
  ["ArrowDown", { y: 2 }],
  ["PageUp", { t: 2 }],
  ["PageDown", { t: 4 }],
  ["Home", { t: 0 }],
  ["End", { t: 6 }],
]) {
  test(`${key} moves a cell`, () => assert.deepEqual(moved(CELL, key, GRID), { ...CELL, ...to }));
}

for (const [key, t] of [
  ["ArrowLeft", 19],
  ["ArrowRight", 21],
  ["PageUp", 0],
  ["PageDown", 45],
  ["Home", 0],
  ["End", 50],
]) {
  test(`${key} moves an audio latent`, () => assert.deepEqual(moved(SOUND, key, GRID), { lane: "audio", t }));
}

test("a latent stays inside, and other keys do not move it", () => {
  assert.deepEqual(moved({ ...CELL, x: 5 }, "ArrowRight", GRID), { ...CELL, x: 5 });
  assert.equal(moved(CELL, "a", GRID), null);
  assert.equal(moved(SOUND, "ArrowUp", GRID), null);
});

test("every latent is found again by any time inside it", () => {
  for (const [lane, count] of [["video", GRID.frames], ["audio", GRID.sounds]]) {
    for (let t = 0; t < count; t += 1) {
      const [start_s, end_s] = interval_s({ lane, t }, GRID);
      assert.equal(latentAt((start_s + end_s) / 2, lane, GRID), t);
    }
    assert.equal(latentAt(99, lane, GRID), count - 1);
  }
});

test("both lanes end where the longer one does", () => {
  assert.equal(lanesEnd_s(GRID), 49 / 24);
  assert.equal(lanesEnd_s({ ...GRID, sounds: 60 }), 2.37);
});

test("a place is told with its frames, seconds and pixels", () => {
  assert.equal(
    placeText(CELL, GRID),
    "Video latent 3, row 1, column 2: frames 17 to 24, 0.71 to 1.04 s, 32 × 32 px at (64, 32)",
  );
  assert.match(placeText({ ...CELL, t: 0 }, GRID), /: frame 0, 0\.00 to 0\.04 s/);
  assert.equal(placeText(SOUND, GRID), "Audio latent 20: 0.77 to 0.81 s");
});

test("places are the same only in lane and all axes", () => {
  assert.ok(samePlace(CELL, { ...CELL }));
  assert.ok(!samePlace(CELL, { ...CELL, y: 2 }));
  assert.ok(!samePlace(SOUND, { lane: "video", t: 20, y: 0, x: 0 }));
});

// As a front end hands over a buffer: a view that starts anywhere.
function buffer(...values) {
  const bytes = new Uint8Array(4 * values.length + 1);
  bytes.set(new Uint8Array(Float32Array.from(values).buffer), 1);
  return new DataView(bytes.buffer, 1);
}

const DETAILS = detailsOf(
  {
    picked: SOUND,
    steps: [{ sigma: 1 }, { sigma: 0.5 }],
    attention: ["looks_at"],
    words: [["red", 2]],
  },
  [buffer(3, 4), buffer(0, 0, 3, 4), buffer(...Array.from({ length: 168 }, (_, index) => index))],
);

test("details are taken apart into channels, steps and attention", () => {
  assert.deepEqual([...DETAILS.channels], [3, 4]);
  assert.deepEqual(DETAILS.history.map((row) => [...row]), [[0, 0], [3, 4]]);
  assert.equal(DETAILS.attention.looks_at.length, 168);
});

test("the distance of each step is told in sizes of the last", () => {
  assert.deepEqual(distances(DETAILS.history), [1, 0]);
  assert.deepEqual(distances([]), []);
});

test("cells are averaged over each latent frame", () => {
  assert.deepEqual(meansOf(Float32Array.of(1, 3, 5, 7), 2), [2, 6]);
});

test("attention is heat on the other lane, of the picked latent only", () => {
  const state = { picked: SOUND, details: DETAILS, footprint: null };
  const { video, audio } = heatOf("attention", state, GRID);
  assert.deepEqual([video.width, video.height, video.least, video.most, audio], [6, 4, 0, 167, undefined]);
  assert.deepEqual(heatOf("attention", { ...state, picked: CELL }, GRID), {});
  assert.deepEqual(heatOf("pictures", state, GRID), {});
});

test("attention to a reference is heat over its own cells", () => {
  const content = { picked: CELL, steps: [], attention: [], words: [], references: [0.25] };
  const details = detailsOf(content, [buffer(1), buffer(), buffer(1, 2, 3, 4)]);
  assert.deepEqual([referenceOf("reference 0"), referenceOf("attention")], [0, null]);
  assert.equal(details.references[0].share, 0.25);
  const state = { picked: CELL, details, footprint: null, references: [{ shape: [2, 1, 2] }] };
  const { video, audio } = heatOf("reference 0", state, GRID);
  assert.deepEqual([video.width, video.height, video.least, video.most, audio], [2, 1, 1, 4, undefined]);
  assert.deepEqual(heatOf("reference 1", state, GRID), {});
  assert.deepEqual(heatOf("reference 0", { ...state, picked: SOUND }, GRID), {});
});

test("a footprint is heat on the lane of its own latent", () => {
  const levels = new Uint8Array(8);
  const cell = { picked: CELL, levels, shape: [2, 2, 2] };
  assert.equal(heatOf("footprint", { picked: CELL, footprint: cell }, GRID).video.width, 2);
  const sound = { picked: SOUND, levels, shape: [4, 2] };
  const heat = heatOf("footprint", { picked: SOUND, footprint: sound }, GRID).audio;
  assert.deepEqual([heat.width, heat.height, heat.wide_s], [4, 2, 0.04]);
});

test("mel frames become a picture with low tones at the bottom", () => {
  assert.deepEqual([...uprightMel(Uint8Array.of(1, 2, 3, 4, 5, 6), [3, 2])], [2, 4, 6, 1, 3, 5]);
});

test("a close-up is cut at the ends of the sound", () => {
  const levels = Uint8Array.of(1, 2, 3, 4, 5, 6);
  assert.deepEqual(columnsOf(levels, 3, 2, 1, 9), { levels: Uint8Array.of(2, 3, 5, 6), width: 2 });
  assert.deepEqual(columnsOf(levels, 3, 2, -4, 1), { levels: Uint8Array.of(1, 4), width: 1 });
});

test("colours of heat and of signs reach their ends", () => {
  assert.deepEqual(heatColour(0), [0, 0, 4]);
  assert.deepEqual(heatColour(2), [252, 255, 164]);
  assert.equal(signedColour(0, 1)[3], 0);
  assert.equal(signedColour(-2, 1)[3], 255);
  assert.notDeepEqual(signedColour(-1, 1), signedColour(1, 1));
});
