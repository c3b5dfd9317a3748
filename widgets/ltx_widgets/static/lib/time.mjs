// Seconds <-> frames <-> latents <-> pixels of both modalities: the numbers of ltx_nb/shapes.py, which names sources.

export const VIDEO_TEMPORAL_COMPRESSION = 8;
export const VIDEO_SPATIAL_COMPRESSION = 32;
export const AUDIO_LATENTS_PER_SECOND = 25;
const MAX_SECONDS = 20;
const MAX_EXTRA_FRAMES = 4;
export const MAX_SIDE_PX = 4096;
export const TIME_TOLERANCE_S = 1e-6;

// As Python's round(): to the even number at halves.
export function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

export function latentNumFrames(numFrames) {
  return Math.floor((numFrames - 1) / VIDEO_TEMPORAL_COMPRESSION) + 1;
}

export function audioNumLatents(duration_s) {
  return roundHalfEven(duration_s * AUDIO_LATENTS_PER_SECOND);
}

// Seconds [start, end) of the frames max(8i - 7, 0) .. 8i that latent frame i holds.
export function videoTokenInterval_s(latentFrame, frameRate) {
  const end = VIDEO_TEMPORAL_COMPRESSION * latentFrame + 1;
  return [Math.max(end - VIDEO_TEMPORAL_COMPRESSION, 0) / frameRate, end / frameRate];
}

// Seconds [start, end) of the 10 ms mel frames max(4i - 3, 0) .. 4i that audio latent i holds.
export function audioTokenInterval_s(latent) {
  const end = 4 * latent + 1;
  return [(Math.max(end - 4, 0) * 160) / 16000, (end * 160) / 16000];
}

export function videoIntervals_s(numLatentFrames, frameRate) {
  return Array.from({ length: numLatentFrames }, (_, index) => videoTokenInterval_s(index, frameRate));
}

export function audioIntervals_s(numLatents) {
  return Array.from({ length: numLatents }, (_, index) => audioTokenInterval_s(index));
}

// Indices of the intervals that meet [start_s, end_s).
export function tokensMeeting(intervals_s, start_s, end_s) {
  const indices = [];
  intervals_s.forEach(([tokenStart_s, tokenEnd_s], index) => {
    if (tokenEnd_s > start_s + TIME_TOLERANCE_S && tokenStart_s < end_s - TIME_TOLERANCE_S) indices.push(index);
  });
  return indices;
}

// What the spans leave uncovered of [0, duration_s), in order.
export function gaps_s(spans_s, duration_s) {
  const gaps = [];
  let covered_s = 0;
  for (const [start_s, end_s] of [...spans_s].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (start_s > covered_s + TIME_TOLERANCE_S) gaps.push([covered_s, start_s]);
    covered_s = Math.max(covered_s, end_s);
  }
  if (duration_s > covered_s + TIME_TOLERANCE_S) gaps.push([covered_s, duration_s]);
  return gaps;
}

function floorNumFrames(numFrames) {
  return Math.floor((numFrames - 1) / VIDEO_TEMPORAL_COMPRESSION) * VIDEO_TEMPORAL_COMPRESSION + 1;
}

// The most frames of one pass: the largest 8k + 1 within 20 s and 4 frames.
export function maxNumFrames(frameRate) {
  return floorNumFrames(Math.floor(MAX_SECONDS * frameRate + MAX_EXTRA_FRAMES));
}

// The nearest 8k + 1, at least 1; the longer one of two as near.
export function snapNumFrames(numFrames) {
  return Math.max(floorNumFrames(Math.floor(numFrames + VIDEO_TEMPORAL_COMPRESSION / 2)), 1);
}

// The nearest positive multiple; the larger one of two as near.
export function snapSide(side_px, multiple_px = VIDEO_SPATIAL_COMPRESSION) {
  return multiple_px * Math.max(Math.floor(side_px / multiple_px + 0.5), 1);
}

// Pixels of a width <-> the seconds [start_s, end_s] that are in view.
export function timeScale(start_s, end_s, width_px) {
  const pxPerSecond = width_px / (end_s - start_s);
  return {
    start_s,
    end_s,
    width_px,
    pxPerSecond,
    toPx: (time_s) => (time_s - start_s) * pxPerSecond,
    toSeconds: (x_px) => start_s + x_px / pxPerSecond,
  };
}

// The smallest step of 1, 2 or 5 times a power of ten that is at least this large.
export function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= least * (1 - 1e-9));
  return factor * power;
}

// "1.25 s": as many digits as tell times this step apart.
export function secondsText(time_s, step_s = 0.01) {
  const digits = Math.min(Math.max(-Math.floor(Math.log10(step_s) + 1e-9), 0), 3);
  return `${time_s.toFixed(digits)} s`;
}
