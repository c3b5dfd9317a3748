// Edits of a draft: each takes one and gives back another, or the same where nothing can change. Times are in seconds.
//
// Edges keep to the free stretch around them and to what the source holds: lengths_s(sha256, lane), if it is known.
import { AUDIO_LATENTS_PER_SECOND, TIME_TOLERANCE_S, maxNumFrames, snapNumFrames } from "../lib/time.mjs";
import {
  PLAIN,
  duration_s,
  freeSpans_s,
  isContinuous,
  isImage,
  nearest,
  neighbours,
  snapPoints_s,
  snapped_s,
  span_s,
} from "./draft.mjs";

// Picture and sound of a file mostly differ by less: by a frame, or a codec's.
const SAME_LENGTH_S = 0.06;

// One frame, or one audio latent.
function leastLength_s(draft, lane) {
  return 1 / (lane === "video" ? draft.frame_rate : AUDIO_LATENTS_PER_SECOND);
}

export function withItem(draft, index, changes) {
  return { ...draft, given: draft.given.map((item, at) => (at === index ? { ...item, ...changes } : item)) };
}

export function withoutItem(draft, index) {
  return { ...draft, given: draft.given.filter((_, at) => at !== index) };
}

// The item begun at the free place nearest to start_s, its length kept.
export function moved(draft, index, start_s, snap) {
  const item = draft.given[index];
  if (isImage(item)) return movedImage(draft, index, start_s);
  const length_s = item.end_s - item.start_s;
  const points = snapPoints_s(draft, item.lane, snap);
  const places = freeSpans_s(draft, item.lane, [index])
    .filter(([free_s, freeEnd_s]) => freeEnd_s - free_s >= length_s - TIME_TOLERANCE_S)
    .flatMap(([free_s, freeEnd_s]) => {
      const fits = ([from_s, to_s]) => from_s >= free_s - TIME_TOLERANCE_S && to_s <= freeEnd_s + TIME_TOLERANCE_S;
      const byStart = points.map((point) => [point, point + length_s]);
      const byEnd = points.map((point) => [point - length_s, point]);
      const free = snap || item.lane === "video" ? [] : [[start_s, start_s + length_s]];
      const ends = [
        [free_s, free_s + length_s],
        [Math.max(freeEnd_s - length_s, free_s), freeEnd_s],
      ];
      return [...byStart, ...byEnd, ...free, ...ends].filter(fits);
    });
  if (!places.length) return draft;
  const best = nearest(places.map(([from_s]) => from_s), start_s);
  const [from_s, to_s] = places.find(([place_s]) => place_s === best);
  if (Math.abs(from_s - item.start_s) < TIME_TOLERANCE_S) return draft;
  return withItem(draft, index, { start_s: Math.max(from_s, 0), end_s: to_s });
}

function movedImage(draft, index, start_s) {
  const item = draft.given[index];
  const frames = freeFrames(draft, [index]);
  if (!frames.length) return draft;
  const frame = nearest(frames, start_s * draft.frame_rate);
  if (frame / draft.frame_rate === span_s(item, draft.frame_rate)[0]) return draft;
  return withItem(draft, index, { start_s: frame / draft.frame_rate });
}

// Frames of the video lane that nothing takes up.
function freeFrames(draft, except = []) {
  const frames = [];
  for (const [start_s, end_s] of freeSpans_s(draft, "video", except)) {
    const first = Math.ceil(start_s * draft.frame_rate - 1e-3);
    const last = Math.floor(end_s * draft.frame_rate + 1e-3) - 1;
    for (let frame = first; frame <= last; frame += 1) frames.push(frame);
  }
  return frames;
}

// A span's "start" or "end" brought to time_s; its source plays on as it did.
export function trimmed(draft, index, edge, time_s, snap, lengths_s) {
  const item = draft.given[index];
  if (isImage(item)) return moved(draft, index, time_s, snap);
  const free = freeSpans_s(draft, item.lane, [index]).find(
    ([start_s, end_s]) => start_s <= item.start_s + TIME_TOLERANCE_S && end_s >= item.end_s - TIME_TOLERANCE_S,
  );
  const least_s = leastLength_s(draft, item.lane);
  if (edge === "start") {
    const from_s = Math.min(Math.max(free[0], item.start_s - item.source_start_s), item.start_s);
    const most_s = Math.max(item.end_s - least_s, from_s);
    const start_s = snapped_s(draft, item.lane, snap, time_s, [from_s, most_s], [from_s]);
    if (start_s === item.start_s) return draft;
    const source_start_s = Math.max(item.source_start_s + start_s - item.start_s, 0);
    return withItem(draft, index, { start_s, source_start_s });
  }
  const sourceEnd_s = item.start_s + (lengths_s(item.source, item.lane) ?? Infinity) - item.source_start_s;
  const to_s = Math.max(Math.min(free[1], sourceEnd_s), item.end_s);
  const end_s = snapped_s(draft, item.lane, snap, time_s, [Math.min(item.start_s + least_s, to_s), to_s], [to_s]);
  return end_s === item.end_s ? draft : withItem(draft, index, { end_s });
}

// The span cut in two at time_s; the second half comes right after the first in `given`.
export function split(draft, index, time_s, snap) {
  const item = draft.given[index];
  if (isImage(item)) return draft;
  const at_s = snapped_s(draft, item.lane, snap, time_s, [item.start_s, item.end_s]);
  if (at_s - item.start_s < TIME_TOLERANCE_S || item.end_s - at_s < TIME_TOLERANCE_S) return draft;
  const second = { ...item, start_s: at_s, source_start_s: item.source_start_s + at_s - item.start_s };
  const given = [...draft.given];
  given.splice(index, 1, { ...item, end_s: at_s }, second);
  return { ...draft, given };
}

// [start_s, end_s) of a lane left to the model: what was given there is cut away.
export function cleared(draft, lane, start_s, end_s) {
  const given = draft.given.flatMap((item) => {
    const [from_s, to_s] = span_s(item, draft.frame_rate);
    if (item.lane !== lane || to_s <= start_s + TIME_TOLERANCE_S || from_s >= end_s - TIME_TOLERANCE_S) return [item];
    if (isImage(item)) return [];
    const left = { ...item, end_s: start_s };
    const right = { ...item, start_s: end_s, source_start_s: item.source_start_s + end_s - item.start_s };
    return [left, right].filter((half) => half.end_s > half.start_s + TIME_TOLERANCE_S);
  });
  const isSame = given.length === draft.given.length && given.every((item, at) => item === draft.given[at]);
  return isSame ? draft : { ...draft, given };
}

// A gap given again, where one source goes on from the span before it to the one after.
export function healed(draft, gap) {
  const { before, after } = neighbours(draft, gap);
  if (before === null || after === null || !isContinuous(draft.given[before], draft.given[after])) return draft;
  const hasImage = freeSpans_s(draft, gap.lane).every(([start_s, end_s]) => start_s > gap.start_s || end_s < gap.end_s);
  return hasImage ? draft : withoutItem(withItem(draft, before, { end_s: draft.given[after].end_s }), after);
}

// Where a source lands at time_s: its lanes as one unit, each from the same moment on, the picture's edge of a latent or
// frame, or the sound's where there is no picture. lengths_s: {lane: seconds} of the lanes that it has.
export function landing(draft, lengths_s, time_s, snap) {
  const lanes = Object.keys(lengths_s);
  const lead = lanes.includes("video") ? "video" : "audio";
  const end_s = duration_s(draft);
  const start_s = snapped_s(draft, lead, snap, time_s, [0, end_s - leastLength_s(draft, lead)]);
  const endOf = (lane) => {
    const most_s = Math.min(start_s + lengths_s[lane], end_s);
    const isWhole = (point) => point > start_s + TIME_TOLERANCE_S && point <= most_s + TIME_TOLERANCE_S;
    const ends_s = snapPoints_s(draft, lane, snap).filter(isWhole);
    return ends_s.length ? Math.min(Math.max(...ends_s), end_s) : most_s;
  };
  // Lanes that are about as long end together, at the lead's edge.
  const endsWithLead = (lane) => Math.abs(lengths_s[lane] - lengths_s[lead]) < SAME_LENGTH_S;
  return lanes.map((lane) => ({ lane, start_s, end_s: endOf(endsWithLead(lane) ? lead : lane) }));
}

// A source put where it lands; what is given there is cut away.
export function withUnit(draft, source, lengths_s, time_s, snap) {
  return landing(draft, lengths_s, time_s, snap).reduce((next, { lane, start_s, end_s }) => {
    const free = cleared(next, lane, start_s, end_s);
    const item = { lane, source, start_s, end_s, source_start_s: 0, ...PLAIN };
    return { ...free, given: [...free.given, item] };
  }, draft);
}

// Seconds of what is given that a landing cuts away, on each lane, and how many images: {video, audio, images}.
export function cutBy(draft, spans) {
  const cut = { video: 0, audio: 0, images: 0 };
  for (const { lane, start_s, end_s } of spans) {
    for (const item of draft.given.filter((one) => one.lane === lane)) {
      const [from_s, to_s] = span_s(item, draft.frame_rate);
      const shared_s = Math.min(to_s, end_s) - Math.max(from_s, start_s);
      if (shared_s <= TIME_TOLERANCE_S) continue;
      if (isImage(item)) cut.images += 1;
      else cut[lane] += shared_s;
    }
  }
  return cut;
}

// An image at the free frame nearest to time_s.
export function withImage(draft, source, time_s) {
  const frames = freeFrames(draft);
  if (!frames.length) return draft;
  const start_s = nearest(frames, time_s * draft.frame_rate) / draft.frame_rate;
  const item = { lane: "video", source, start_s, end_s: null, source_start_s: 0, ...PLAIN };
  return { ...draft, given: [...draft.given, item] };
}

// The clip's length brought to the nearest 8k + 1 frames that hold everything given and make one pass.
export function resized(draft, num_frames) {
  const last_s = Math.max(0, ...draft.given.map((item) => span_s(item, draft.frame_rate)[1]));
  const least = 8 * Math.ceil((last_s * draft.frame_rate - 1) / 8 - 1e-3) + 1;
  const wanted = Math.min(Math.max(snapNumFrames(num_frames), least, 9), maxNumFrames(draft.frame_rate));
  return wanted === draft.num_frames || wanted < least ? draft : { ...draft, num_frames: wanted };
}
