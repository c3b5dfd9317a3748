// A request's two timelines as plain data: what lies where, what is free, where edges snap, what the model sees.
//
// A draft is the widget's value: {width, height, crop_width, crop_height, num_frames, frame_rate, two_stage, given}, its
// given items {lane, source, start_s, end_s, source_start_s, strength, fit, is_appended}, with end_s null for an image.
// What its `references` and `timed_prompts` are is in references.mjs and timed.mjs.
// No function changes one in place.
import {
  TIME_TOLERANCE_S,
  audioIntervals_s,
  audioNumLatents,
  gaps_s,
  latentNumFrames,
  roundHalfEven,
  tokensMeeting,
  videoIntervals_s,
} from "../lib/time.mjs";

export const LANES = ["video", "audio"];

// How an item is given where nothing else is said, as in ltx_nb/given.py.
export const PLAIN = { strength: 1, fit: "crop", is_appended: false };

// With snapping off: what an audio edge is rounded to. Video has whole frames.
const AUDIO_GRID_S = 0.001;

export function duration_s(draft) {
  return draft.num_frames / draft.frame_rate;
}

export function isImage(item) {
  return item.end_s === null;
}

export function frameIndex(item, frameRate) {
  return roundHalfEven(item.start_s * frameRate);
}

// Seconds [start, end) that an item takes up; an image takes up its frame.
export function span_s(item, frameRate) {
  if (!isImage(item)) return [item.start_s, item.end_s];
  const index = frameIndex(item, frameRate);
  return [index / frameRate, (index + 1) / frameRate];
}

export function intervals_s(draft, lane) {
  if (lane === "video") return videoIntervals_s(latentNumFrames(draft.num_frames), draft.frame_rate);
  return audioIntervals_s(audioNumLatents(duration_s(draft)));
}

// Seconds [start, end) of a lane that no span covers, in order; images cover nothing.
function generatedSpans_s(draft, lane) {
  const spans_s = draft.given.filter((item) => item.lane === lane && !isImage(item));
  return gaps_s(
    spans_s.map((item) => [item.start_s, item.end_s]),
    duration_s(draft),
  );
}

// How much of a lane a source fills; its picture and its sound may differ. undefined where that is not known.
export function sourceLength_s(source, lane) {
  if (lane === "audio") return source?.has_audio ? source.duration_s : undefined;
  return source?.frame_rate ? source.num_frames / source.frame_rate : undefined;
}

// For every latent of a lane: 1 generates, 0 keeps; in between where an image at frame 0 has less than full strength.
export function laneMask(draft, lane) {
  const times_s = intervals_s(draft, lane);
  const mask = new Array(times_s.length).fill(0);
  for (const [start_s, end_s] of generatedSpans_s(draft, lane)) {
    for (const index of tokensMeeting(times_s, start_s, end_s)) mask[index] = 1;
  }
  if (lane === "video") {
    for (const item of draft.given) {
      if (isImage(item) && frameIndex(item, draft.frame_rate) === 0) mask[0] = 1 - item.strength;
    }
  }
  return mask;
}

// Where edges of a lane belong: with snapping at edges of latents, else at every frame; the clip's ends always.
export function snapPoints_s(draft, lane, snap) {
  const end_s = duration_s(draft);
  const points = [0, end_s];
  if (snap) points.push(...intervals_s(draft, lane).map((interval) => interval[1]));
  else if (lane === "video") {
    for (let frame = 1; frame < draft.num_frames; frame += 1) points.push(frame / draft.frame_rate);
  }
  return points.filter((point) => point <= end_s + TIME_TOLERANCE_S);
}

// The time nearest to time_s in [least_s, most_s] where an edge may be: a snap point, or one of `anchors`, where a
// neighbour or a source ends. Without any in reach the time itself.
export function snapped_s(draft, lane, snap, time_s, [least_s, most_s], anchors = []) {
  const wanted = Math.min(Math.max(time_s, least_s), most_s);
  const points = [...snapPoints_s(draft, lane, snap), ...anchors];
  if (!snap && lane === "audio") points.push(Math.round(wanted / AUDIO_GRID_S) * AUDIO_GRID_S);
  const inside = points.filter((point) => point >= least_s && point <= most_s);
  return inside.length ? nearest(inside, wanted) : wanted;
}

export function nearest(values, wanted) {
  return values.reduce((best, value) => (Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best));
}

// Stretches of a lane that no item but those at `except` takes up, images included.
export function freeSpans_s(draft, lane, except = []) {
  const taken = draft.given.filter((item, index) => item.lane === lane && !except.includes(index));
  return gaps_s(
    taken.map((item) => span_s(item, draft.frame_rate)),
    duration_s(draft),
  );
}

// What a lane shows, in order of time: {kind: "span" | "image", index} of what is given, {kind: "gap", order} between.
export function parts(draft, lane) {
  const given = draft.given
    .map((item, index) => ({ item, index }))
    .filter(({ item }) => item.lane === lane)
    .map(({ item, index }) => {
      const [start_s, end_s] = span_s(item, draft.frame_rate);
      return { kind: isImage(item) ? "image" : "span", lane, index, start_s, end_s };
    });
  const generated = generatedSpans_s(draft, lane).map(([start_s, end_s], order) => {
    return { kind: "gap", lane, order, start_s, end_s };
  });
  return [...generated, ...given].sort((a, b) => a.start_s - b.start_s || a.end_s - b.end_s);
}

// The first and the last span that touch a gap; null where it reaches the clip's end.
export function neighbours(draft, gap) {
  const touches = (a, b) => Math.abs(a - b) <= TIME_TOLERANCE_S;
  const spanWhere = (isIt) => {
    const index = draft.given.findIndex((item) => item.lane === gap.lane && !isImage(item) && isIt(item));
    return index < 0 ? null : index;
  };
  return {
    before: spanWhere((item) => touches(item.end_s, gap.start_s)),
    after: spanWhere((item) => touches(item.start_s, gap.end_s)),
  };
}

export function isBetween(draft, gap) {
  const { before, after } = neighbours(draft, gap);
  return before !== null && after !== null;
}

// Whether two items play one source on without a jump, so that what is between them can be filled with it.
export function isContinuous(first, second) {
  const shift_s = second.source_start_s - first.source_start_s - (second.start_s - first.start_s);
  return first.source === second.source && first.fit === second.fit && Math.abs(shift_s) < 1e-3;
}

// Which part of a block a pointer is on: near its "start", its "end", or its "body"; narrow blocks keep a body.
export function hitPart(x_px, width_px, handle_px = 8) {
  const reach_px = Math.min(handle_px, width_px / 4);
  if (x_px < reach_px) return "start";
  if (x_px >= width_px - reach_px) return "end";
  return "body";
}

// Frames of the images that are given at other frames than the first: no part of the mask, but tokens of their own.
export function keyframes(draft) {
  const images = draft.given.filter(isImage).map((item) => frameIndex(item, draft.frame_rate));
  return images.filter((frame) => frame > 0).sort((a, b) => a - b);
}

// How much of each lane is kept, in words.
export function maskSummary(draft) {
  const [video, audio] = LANES.map((lane) => laneMask(draft, lane));
  const kept = (mask) => mask.filter((value) => value < 1).length;
  const images = keyframes(draft).length;
  const also = images ? `, looks at ${images} keyframe${images > 1 ? "s" : ""}` : "";
  const beside = draft.references?.length ?? 0;
  const looks = beside ? `, looks at ${beside} reference${beside > 1 ? "s" : ""}` : "";
  const timed = draft.timed_prompts?.length ?? 0;
  const hears = timed ? `, reads other words in ${timed} span${timed > 1 ? "s" : ""}` : "";
  const latents = `${kept(video)} of ${video.length} video and ${kept(audio)} of ${audio.length} audio latents`;
  return `The model keeps ${latents}${also}${looks}${hears} and generates the rest.`;
}
