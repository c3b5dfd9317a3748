// Edits of a draft, and the tasks as shapes on it.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as edits from "../../widgets/ltx_widgets/static/timeline/edits.mjs";
import * as linked from "../../widgets/ltx_widgets/static/timeline/linked.mjs";
import { inserted, landingOf, landingText } from "../../widgets/ltx_widgets/static/timeline/media_tools.mjs";
import { parts, sourceLength_s } from "../../widgets/ltx_widgets/static/timeline/draft.mjs";
import { STARTS, hasWhat } from "../../widgets/ltx_widgets/static/timeline/starts.mjs";
import { image, draft, span } from "./timeline_drafts.mjs";

const LENGTHS_S = () => 49 / 24;
const OPTIONS = { snap: true, linked: true, lengths_s: LENGTHS_S };
const RETAKE = draft(49, ...["video", "audio"].flatMap((lane) => [span(lane, 0, 17), span(lane, 33, 49)]));

// Spans of a lane in frames: [start, end, source start].
function frames(edited, lane = "video") {
  const rounded = (time_s) => Math.round(time_s * 24 * 100) / 100;
  return edited.given
    .filter((item) => item.lane === lane)
    .map((item) => [item.start_s, item.end_s ?? item.start_s, item.source_start_s].map(rounded));
}

const partOf = (edited, lane, kind) => parts(edited, lane).find((part) => part.kind === kind);

test("a span moves with its length, its nearer edge snapped", () => {
  const edited = edits.moved(draft(49, span("video", 0, 9)), 0, 15.6 / 24, true);
  assert.deepEqual(frames(edited), [[16, 25, 0]]);
});

test("a span passes over another one to the next free place", () => {
  const edited = edits.moved(draft(49, span("video", 0, 8), span("video", 17, 25)), 0, 26 / 24, true);
  assert.deepEqual(frames(edited)[0], [25, 33, 0]);
});

test("a span stays where it is when no place is free", () => {
  const full = draft(17, span("video", 0, 9), span("video", 9, 17));
  assert.equal(edits.moved(full, 0, 1, true), full);
});

test("a start takes its source along, and stops where the source begins", () => {
  const cut = draft(49, span("video", 17, 33, 5));
  assert.deepEqual(frames(edits.trimmed(cut, 0, "start", 24 / 24, true, LENGTHS_S)), [[25, 33, 13]]);
  assert.deepEqual(frames(edits.trimmed(cut, 0, "start", 0, true, LENGTHS_S)), [[12, 33, 0]]);
});

test("an end stops where the source or the free place ends", () => {
  const late = draft(97, span("video", 0, 9, 30));
  assert.deepEqual(frames(edits.trimmed(late, 0, "end", 4, true, LENGTHS_S)), [[0, 19, 30]]);
  const close = draft(97, span("video", 0, 9), span("video", 17, 25));
  assert.deepEqual(frames(edits.trimmed(close, 0, "end", 4, true, LENGTHS_S))[0], [0, 17, 0]);
});

test("a span keeps a frame when its ends meet", () => {
  assert.deepEqual(frames(edits.trimmed(draft(49, span("video", 8, 17)), 0, "end", 0, false, LENGTHS_S)), [[8, 9, 8]]);
});

test("an image goes to the nearest free frame", () => {
  const edited = edits.moved(draft(49, image(40), span("video", 0, 17)), 0, 3 / 24, true);
  assert.deepEqual(frames(edited)[0], [17, 17, 0]);
});

test("a retake region is dragged on both lanes, and the source plays on around it", () => {
  const gap = partOf(RETAKE, "video", "gap");
  const edited = linked.dragged(RETAKE, gap, "body", 9 / 24, OPTIONS);
  assert.deepEqual(frames(edited), [[0, 25, 0], [41, 49, 41]]);
  const nearVideo = ([start, end]) => [Math.round(start), Math.round(end)];
  assert.deepEqual(frames(edited, "audio").map(nearVideo), [[0, 25], [41, 49]]);
});

test("a retake region keeps its length at the ends of the source", () => {
  for (const delta_s of [-9, 9]) {
    const edited = linked.dragged(RETAKE, partOf(RETAKE, "video", "gap"), "body", delta_s, OPTIONS);
    const { start_s, end_s } = partOf(edited, "video", "gap");
    assert.equal(Math.round((end_s - start_s) * 24), 16);
  }
});

test("lanes that are not linked are edited alone", () => {
  const gap = partOf(RETAKE, "audio", "gap");
  const edited = linked.dragged(RETAKE, gap, "end", 0.2, { ...OPTIONS, linked: false });
  assert.deepEqual(frames(edited), frames(RETAKE));
  assert.notDeepEqual(frames(edited, "audio"), frames(RETAKE, "audio"));
});

test("an edge of a gap at the clip's end belongs to nobody", () => {
  const open = draft(49, span("video", 0, 17));
  assert.equal(linked.dragged(open, partOf(open, "video", "gap"), "end", 1, OPTIONS), open);
});

test("both halves of a split play on, on both lanes", () => {
  const whole = draft(49, span("video", 0, 49), span("audio", 0, 49));
  const edited = linked.splitAt(whole, partOf(whole, "video", "span"), 1, OPTIONS);
  assert.deepEqual(frames(edited), [[0, 25, 0], [25, 49, 25]]);
  assert.equal(frames(edited, "audio").length, 2);
});

test("linked lanes are split at the same time, the edge of a latent of the picture", () => {
  const whole = draft(49, span("video", 0, 49), span("audio", 0, 49));
  for (const lane of ["video", "audio"]) {
    const edited = linked.splitAt(whole, partOf(whole, lane, "span"), 12 / 24, OPTIONS);
    const [video_s, audio_s] = ["video", "audio"].map((of) => parts(edited, of)[0].end_s);
    assert.equal(video_s, 9 / 24);
    assert.ok(Math.abs(audio_s - video_s) <= 0.02 + 1e-9, `${audio_s}`);
  }
});

test("a split at an edge changes nothing", () => {
  const whole = draft(49, span("video", 0, 49));
  assert.equal(edits.split(whole, 0, 0.001, true), whole);
});

test("what is given is deleted with its partner; what is generated is kept again", () => {
  const rest = linked.deleted(RETAKE, partOf(RETAKE, "audio", "span"), OPTIONS);
  assert.deepEqual(rest.given.map(({ lane }) => lane), ["video", "audio"]);
  const kept = linked.deleted(RETAKE, partOf(RETAKE, "video", "gap"), OPTIONS);
  assert.deepEqual([frames(kept), frames(kept, "audio")], [[[0, 49, 0]], [[0, 49, 0]]]);
});

test("a gap between different moments cannot be kept", () => {
  const cut = draft(49, span("video", 0, 17), span("video", 33, 49, 0));
  assert.equal(edits.healed(cut, partOf(cut, "video", "gap")), cut);
});

test("clearing a stretch cuts what reaches into it", () => {
  const whole = draft(49, span("video", 0, 49), span("audio", 0, 49));
  assert.deepEqual(frames(edits.cleared(whole, "video", 9 / 24, 17 / 24)), [[0, 9, 0], [17, 49, 17]]);
  assert.equal(edits.cleared(draft(49), "video", 0, 1).given.length, 0);
});

test("the clip's length is 8k + 1, holds what is given, and makes one pass", () => {
  const given = draft(49, span("video", 0, 20));
  assert.equal(edits.resized(given, 60).num_frames, 57);
  assert.equal(edits.resized(given, 1).num_frames, 25);
  assert.equal(edits.resized(given, 9999).num_frames, 481);
  assert.equal(edits.resized(draft(49, image(48)), 9).num_frames, 49);
});

test("a source goes in where it is put: pictures as images, clips on both lanes from the same moment on", () => {
  const clip = { sha256: "clip", frame_rate: 24, num_frames: 49, has_audio: true, duration_s: 49 / 24 };
  const picture = { sha256: "image", frame_rate: null, num_frames: 1, has_audio: false, duration_s: 0 };
  const both = inserted(draft(97), clip, 1, true);
  assert.deepEqual(frames(both), [[25, 73, 0]]);
  assert.equal(frames(both, "audio").length, 1);
  assert.equal(both.given[0].start_s, both.given[1].start_s);
  assert.deepEqual(frames(inserted(draft(49, span("video", 0, 17)), picture, 0, true))[1], [17, 17, 0]);
});

test("a source that goes in over what is given cuts the same stretch of both lanes, and says how much", () => {
  const clip = { sha256: "clip", frame_rate: 24, num_frames: 17, has_audio: true, duration_s: 17 / 24 };
  const full = draft(49, span("video", 0, 49), span("audio", 0, 49));
  const spans = landingOf(full, clip, 0.37, true);
  const text = "lands at 0.375 s on both lanes; cuts 0.67 s of picture and 0.67 s of sound that are given";
  assert.equal(landingText(full, spans), text);
  const cut = inserted(full, clip, 0.37, true);
  const begins = cut.given.filter((item) => item.start_s > 0 && item.source_start_s === 0).map((item) => item.start_s);
  assert.deepEqual(begins, [9 / 24, 9 / 24]);
  assert.deepEqual(frames(cut).map(([from, to]) => [from, to]), [[0, 9], [25, 49], [9, 25]]);
  assert.equal(landingText(draft(49), spans), "lands at 0.375 s on both lanes");
});

test("what would go past the clip's end is cut off there", () => {
  const clip = { sha256: "clip", frame_rate: 24, num_frames: 49, has_audio: true, duration_s: 49 / 24 };
  const late = inserted(draft(49), clip, 1.7, true);
  assert.deepEqual(late.given.map((item) => item.end_s), [49 / 24, 49 / 24]);
});

test("picture and sound of a source may differ in length", () => {
  const clip = { sha256: "clip", frame_rate: 24, num_frames: 49, has_audio: true, duration_s: 3 };
  assert.deepEqual([sourceLength_s(clip, "video"), sourceLength_s(clip, "audio")], [49 / 24, 3]);
  assert.equal(sourceLength_s({ frame_rate: null, has_audio: false }, "video"), undefined);
  const both = inserted(draft(97), clip, 0, true);
  assert.deepEqual(frames(both), [[0, 49, 0]]);
  assert.equal(Math.round(frames(both, "audio")[0][1]), 71);
});

test("starts need moving pictures or sound, and clearing nothing", () => {
  assert.deepEqual(STARTS.map(({ needs }) => needs), ["video", "video", "video", "video", "audio", null]);
  assert.equal(hasWhat({ frame_rate: null, has_audio: true }, "audio"), true);
  assert.equal(hasWhat({ frame_rate: null, has_audio: true }, "video"), false);
  assert.equal(hasWhat(undefined, "video"), false);
});
