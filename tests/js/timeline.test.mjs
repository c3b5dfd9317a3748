// What the timeline shows of a draft: masks, parts, snapping, hit testing, ruler, outlines.
import assert from "node:assert/strict";
import { test } from "node:test";
import { timeScale } from "../../widgets/ltx_widgets/static/lib/time.mjs";
import { partText, peaksPath } from "../../widgets/ltx_widgets/static/timeline/lane.mjs";
import * as drafts from "../../widgets/ltx_widgets/static/timeline/draft.mjs";
import { maskRuns, rulerTicks } from "../../widgets/ltx_widgets/static/timeline/ruler.mjs";
import { image, draft, span } from "./timeline_drafts.mjs";

test("a retake generates the latents that meet it", () => {
  const retake = draft(49, span("video", 0, 9), span("video", 17, 49), span("audio", 0, 9), span("audio", 17, 49));
  assert.deepEqual(drafts.laneMask(retake, "video"), [0, 0, 1, 0, 0, 0, 0]);
  const audio = drafts.laneMask(retake, "audio");
  assert.equal(audio.length, 51);
  assert.deepEqual([audio.indexOf(1), audio.lastIndexOf(1)], [10, 18]);
});

test("the first image fills the first latent by its strength, later ones are keyframes", () => {
  const given = draft(17, image(0, 0.75), image(16));
  assert.deepEqual(drafts.laneMask(given, "video"), [0.25, 1, 1]);
  assert.deepEqual(drafts.keyframes(given), [16]);
  assert.match(drafts.maskSummary(given), /keeps 1 of 3 video and 0 of 18 audio latents, looks at 1 keyframe and/);
});

test("parts are what is given and what is between, in order of time", () => {
  const shown = drafts.parts(draft(49, span("video", 17, 33), image(4)), "video");
  assert.deepEqual(shown.map(({ kind }) => kind), ["gap", "image", "span", "gap"]);
  assert.deepEqual(shown.map(({ index, order }) => index ?? order), [0, 1, 0, 1]);
});

test("a gap knows the spans that it touches", () => {
  const retake = draft(49, span("video", 17, 49), span("video", 0, 9));
  const [gap] = drafts.parts(retake, "video").filter(({ kind }) => kind === "gap");
  assert.deepEqual(drafts.neighbours(retake, gap), { before: 1, after: 0 });
  const open = draft(49, span("video", 0, 9));
  const [tail] = drafts.parts(open, "video").filter(({ kind }) => kind === "gap");
  assert.deepEqual(drafts.neighbours(open, tail), { before: 0, after: null });
});

test("video snaps to 8k + 1 frames and audio to latents of 40 ms", () => {
  const empty = draft(49);
  assert.equal(drafts.snapped_s(empty, "video", true, 0.5, [0, 2]), 9 / 24);
  assert.equal(drafts.snapped_s(empty, "audio", true, 0.5, [0, 2]), 0.49);
  assert.equal(drafts.snapped_s(empty, "video", false, 0.51, [0, 2]), 12 / 24);
  assert.equal(drafts.snapped_s(empty, "audio", false, 0.51234, [0, 2]), 0.512);
});

test("a neighbour's edge is as good as a latent's", () => {
  assert.equal(drafts.snapped_s(draft(49), "video", true, 0.5, [0.45, 0.8], [0.45]), 0.45);
});

test("a time that no edge is near stays as it is", () => {
  assert.equal(drafts.snapped_s(draft(49), "video", true, 0.5, [0.45, 0.6]), 0.5);
});

test("the end of the clip is an edge of both lanes", () => {
  for (const lane of drafts.LANES) assert.ok(drafts.snapPoints_s(draft(49), lane, true).includes(49 / 24));
});

test("a block is taken by its ends within 8 px, and always has a body", () => {
  const wide = [0, 7, 8, 91, 92, 99].map((x_px) => drafts.hitPart(x_px, 100));
  assert.deepEqual(wide, ["start", "start", "body", "body", "end", "end"]);
  assert.deepEqual([0, 3, 7].map((x_px) => drafts.hitPart(x_px, 8)), ["start", "body", "end"]);
});

test("the ruler has seconds, frames and latents on one axis", () => {
  const { seconds, frames, latents, edges_px } = rulerTicks(draft(49), timeScale(0, 49 / 24, 980));
  assert.deepEqual(seconds.slice(0, 3).map(({ x_px, label }) => [Math.round(x_px), label]), [
    [0, "0.0 s"],
    [96, "0.2 s"],
    [192, "0.4 s"],
  ]);
  assert.deepEqual(frames.slice(0, 3).map(({ x_px, label }) => [Math.round(x_px), label]), [
    [0, "0"],
    [40, "2"],
    [80, "4"],
  ]);
  assert.deepEqual(latents.map(({ label }) => label), ["0", "1", "2", "3", "4", "5", "6"]);
  assert.equal(Math.round(edges_px.at(-1)), 980);
});

test("no two labels of the ruler touch, however long the clip", () => {
  for (const num_frames of [9, 49, 121, 481]) {
    for (const width_px of [400, 900, 8000]) {
      const { seconds, frames, latents } = rulerTicks(draft(num_frames), timeScale(0, num_frames / 24, width_px));
      for (const [row, least_px] of [[seconds, 40], [frames, 24], [latents.slice(1), 20]]) {
        for (let at = 1; at < row.length; at += 1) assert.ok(row[at].x_px - row[at - 1].x_px >= least_px);
      }
    }
  }
});

test("latents of one kind are drawn as one", () => {
  assert.deepEqual(maskRuns([0.5, 1, 1, 0]), [
    { value: 0.5, start: 0, end: 1 },
    { value: 1, start: 1, end: 3 },
    { value: 0, start: 3, end: 4 },
  ]);
});

test("an outline goes over the highest samples and back under the lowest", () => {
  assert.equal(peaksPath(new Int8Array([-127, 127, 0, 0])), "M0 0L1 126L1 129L0 254z");
  assert.equal(peaksPath(new Int8Array([-10, 10])), "M0 47L0 207z"); // eight times as large
  assert.equal(peaksPath(new Int8Array()), "");
});

test("every part says what it is", () => {
  const shown = draft(49, span("audio", 0, 12), image(24, 0.5));
  const sources = new Map([["clip", { name: "ball.mp4" }], ["image", { name: "cat.png" }]]);
  const texts = drafts.LANES.flatMap((lane) => drafts.parts(shown, lane)).map((part) => partText(shown, part, sources));
  assert.deepEqual(texts, [
    "video generated, 0.00 s to 2.04 s",
    "image given at 1.00 s, cat.png, strength 50 %",
    "audio given, 0.00 s to 0.50 s, from ball.mp4",
    "audio generated, 0.50 s to 2.04 s",
  ]);
});
