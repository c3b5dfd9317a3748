// Timed prompts of a draft: words for a span of the clip's time, in place of the prompt there; hidden without any.
//
// A draft's timed_prompts are {prompt, start_s, end_s}, as in ltx_nb/timed.py; none overlap. Their edges snap as those of
// the picture do. No function changes a draft in place.
import { TIME_TOLERANCE_S, gaps_s } from "../lib/time.mjs";
import { duration_s, snapped_s } from "./draft.mjs";

export const WORDS = "words";

export function timedOf(draft) {
  return draft.timed_prompts ?? [];
}

// Words in the free stretch at a time, from there on to its end; nothing changes where there is none. At the clip's
// beginning they take the second half, since the prompt itself is for all of it.
export function withWords(draft, prompt, time_s, snap) {
  const end_s = duration_s(draft);
  const frame_s = 1 / draft.frame_rate;
  const taken = timedOf(draft).map((item) => [item.start_s, item.end_s]);
  const wanted_s = !taken.length && time_s < frame_s ? end_s / 2 : time_s;
  const free = gaps_s(taken, end_s).find(([, freeEnd_s]) => freeEnd_s > wanted_s + frame_s);
  if (!free) return draft;
  const start_s = snapped_s(draft, "video", snap, wanted_s, [free[0], free[1] - frame_s], [free[0]]);
  return { ...draft, timed_prompts: [...timedOf(draft), { prompt, start_s, end_s: free[1] }] };
}

export function withWordsOf(draft, index, changes) {
  return { ...draft, timed_prompts: timedOf(draft).map((item, at) => (at === index ? { ...item, ...changes } : item)) };
}

export function withoutWords(draft, index) {
  return { ...draft, timed_prompts: timedOf(draft).filter((_, at) => at !== index) };
}

// A span of words dragged by delta_s at its "start", its "end" or its "body", up to its neighbours.
export function draggedWords(draft, index, grip, delta_s, snap) {
  const { start_s, end_s } = timedOf(draft)[index];
  const others = timedOf(draft).filter((_, at) => at !== index);
  const before_s = Math.max(0, ...others.map((item) => item.end_s).filter((at_s) => at_s <= start_s + TIME_TOLERANCE_S));
  const after_s = Math.min(duration_s(draft), ...others.map((item) => item.start_s).filter((at_s) => at_s >= end_s - TIME_TOLERANCE_S));
  const to = (time_s, least_s, most_s) => snapped_s(draft, "video", snap, time_s, [least_s, most_s], [least_s, most_s]);
  const frame_s = 1 / draft.frame_rate;
  if (grip === "start") return withWordsOf(draft, index, { start_s: to(start_s + delta_s, before_s, end_s - frame_s) });
  if (grip === "end") return withWordsOf(draft, index, { end_s: to(end_s + delta_s, start_s + frame_s, after_s) });
  const length_s = end_s - start_s;
  const from_s = to(start_s + delta_s, before_s, after_s - length_s);
  return withWordsOf(draft, index, { start_s: from_s, end_s: Math.min(from_s + length_s, after_s) });
}

// Words cut in two at a time; the second half is to be told anew.
export function splitWords(draft, index, time_s, snap) {
  const { prompt, start_s, end_s } = timedOf(draft)[index];
  const at_s = snapped_s(draft, "video", snap, time_s, [start_s, end_s]);
  const frame_s = 1 / draft.frame_rate;
  if (at_s < start_s + frame_s / 2 || at_s > end_s - frame_s / 2) return draft;
  const first = withWordsOf(draft, index, { end_s: at_s });
  return { ...first, timed_prompts: [...first.timed_prompts, { prompt, start_s: at_s, end_s }] };
}

// No words are for what is past the clip's end.
export function withWordsInside(draft) {
  const end_s = duration_s(draft);
  if (!timedOf(draft).some((item) => item.end_s > end_s + TIME_TOLERANCE_S)) return draft;
  const inside = draft.timed_prompts.filter((item) => item.start_s < end_s - 1 / draft.frame_rate);
  return { ...draft, timed_prompts: inside.map((item) => ({ ...item, end_s: Math.min(item.end_s, end_s) })) };
}

// Spans of words in order of time, as the parts of a lane.
export function wordsParts(draft) {
  return timedOf(draft)
    .map(({ start_s, end_s }, index) => ({ kind: WORDS, lane: WORDS, index, start_s, end_s }))
    .sort((a, b) => a.start_s - b.start_s);
}
