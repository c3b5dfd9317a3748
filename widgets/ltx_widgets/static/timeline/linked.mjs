// Edits of parts as a user makes them: each is dragged, cut or deleted together with its partner, what lies at the same
// time on the other lane, where lanes are linked.
import { healed, moved, split, trimmed, withoutItem } from "./edits.mjs";
import { LANES, isBetween, neighbours, parts, snapped_s, span_s } from "./draft.mjs";
import { WORDS, draggedWords, splitWords, withoutWords } from "./timed.mjs";

// Snapping moves edges of audio by 20 ms at most.
const LINK_TOLERANCE_S = 0.05;

// The part of the other lane that begins and ends when this one does; null if there is none.
export function partner(draft, part) {
  const lane = LANES.find((other) => other !== part.lane);
  const near = (a, b) => Math.abs(a - b) <= LINK_TOLERANCE_S;
  return (
    parts(draft, lane).find(
      (other) => other.kind === part.kind && near(other.start_s, part.start_s) && near(other.end_s, part.end_s),
    ) ?? null
  );
}

// A part dragged by delta_s at its "start", its "end" or its "body". Where lanes are linked, its partner goes to the
// same times: what is on the video lane leads, as its latents are longer.
export function dragged(draft, part, grip, delta_s, { snap, linked, lengths_s }) {
  if (part.kind === WORDS) return draggedWords(draft, part.index, grip, delta_s, snap);
  const [lead, follower] = ledParts(draft, part, linked);
  const led = leadDragged(draft, lead, grip, delta_s, snap, lengths_s);
  return follower ? broughtTo(led, follower, grip, timesOf(led, draft, lead), snap, lengths_s) : led;
}

function leadDragged(draft, part, grip, delta_s, snap, lengths_s) {
  const times_s = (shift_s) => [part.start_s + shift_s, part.end_s + shift_s];
  if (part.kind !== "gap" || grip !== "body") return broughtTo(draft, part, grip, times_s(delta_s), snap, lengths_s);
  if (!isBetween(draft, part)) return draft;
  // A gap keeps its length: both edges go as far as the first one can.
  const first = delta_s > 0 ? "end" : "start";
  const alone = broughtTo(draft, part, first, times_s(delta_s), snap, lengths_s);
  const at = first === "end" ? 1 : 0;
  return broughtTo(draft, part, "body", times_s(timesOf(alone, draft, part)[at] - part[`${first}_s`]), snap, lengths_s);
}

// A grip of a part brought as near to its new times [start_s, end_s] as can be; a gap's edges are its neighbours'.
function broughtTo(draft, part, grip, [start_s, end_s], snap, lengths_s) {
  if (part.kind !== "gap") {
    if (grip === "body") return moved(draft, part.index, start_s, snap);
    return trimmed(draft, part.index, grip, grip === "start" ? start_s : end_s, snap, lengths_s);
  }
  const { before, after } = neighbours(draft, part);
  const toStart = (next) => (before === null ? next : trimmed(next, before, "end", start_s, snap, lengths_s));
  const toEnd = (next) => (after === null ? next : trimmed(next, after, "start", end_s, snap, lengths_s));
  if (grip === "start") return toStart(draft);
  if (grip === "end") return toEnd(draft);
  // The edge in front first, so that the other finds room.
  return end_s > part.end_s ? toStart(toEnd(draft)) : toEnd(toStart(draft));
}

// Where a part of a draft is in the next one, which has the same items.
function timesOf(next, draft, part) {
  if (part.kind !== "gap") return span_s(next.given[part.index], draft.frame_rate);
  const { before, after } = neighbours(draft, part);
  return [
    before === null ? part.start_s : next.given[before].end_s,
    after === null ? part.end_s : next.given[after].start_s,
  ];
}

// A part cut at time_s, with its partner at the same time.
export function splitAt(draft, part, time_s, { snap, linked }) {
  if (part.kind === WORDS) return splitWords(draft, part.index, time_s, snap);
  if (part.kind !== "span") return draft;
  const [lead] = ledParts(draft, part, linked);
  const at_s = snapped_s(draft, lead.lane, snap, time_s, [lead.start_s, lead.end_s]);
  return linkedParts(draft, part, linked).reduce((next, { index }) => split(next, index, at_s, snap), draft);
}

// What is given taken away, what is generated filled again where one source goes on over it; with its partner.
export function deleted(draft, part, { linked }) {
  if (part.kind === WORDS) return withoutWords(draft, part.index);
  return linkedParts(draft, part, linked).reduce((next, one) => {
    return one.kind === "gap" ? healed(next, one) : withoutItem(next, one.index);
  }, draft);
}

// The part and its partner, the one on the video lane first.
function ledParts(draft, part, linked) {
  return linkedParts(draft, part, linked).sort((a, b) => LANES.indexOf(a.lane) - LANES.indexOf(b.lane));
}

// The part and its partner, the later in `given` first, so that no edit shifts the index of the next.
export function linkedParts(draft, part, linked) {
  const other = linked ? partner(draft, part) : null;
  return other ? [part, other].sort((a, b) => (b.index ?? 0) - (a.index ?? 0)) : [part];
}
