// Where a playhead is and where it goes next: frames, latents, spans to loop, two clips in step.

import { AUDIO_LATENTS_PER_SECOND, audioNumLatents, latentNumFrames, niceStep, VIDEO_TEMPORAL_COMPRESSION } from "../lib/time.mjs";

// Seeking to the middle of a frame shows that frame, whichever way a decoder rounds.
export function frameTime_s(frame, frameRate) {
  return (frame + 0.5) / frameRate;
}

export function frameAt(time_s, frameRate, numFrames) {
  return Math.min(Math.max(Math.floor(time_s * frameRate + 1e-6), 0), numFrames - 1);
}

// The latent frame that holds a frame: the first holds one, others eight.
export function latentOfFrame(frame) {
  return Math.ceil(frame / VIDEO_TEMPORAL_COMPRESSION);
}

// The audio latent that holds a time: the first holds 10 ms, others 40 ms.
export function audioLatentAt(time_s, duration_s) {
  const melFrame = Math.floor(time_s * AUDIO_LATENTS_PER_SECOND * 4 + 1e-6);
  return Math.min(Math.ceil(melFrame / 4), Math.max(audioNumLatents(duration_s) - 1, 0));
}

// Where a step of so many frames leads; of sound alone, a "frame" is an audio latent.
export function steppedTime_s(time_s, frames, { frame_rate, num_frames, duration_s }) {
  const rate = frame_rate ?? AUDIO_LATENTS_PER_SECOND;
  const count = frame_rate ? num_frames : Math.max(Math.floor(duration_s * rate), 1);
  const frame = frameAt(time_s, rate, count);
  return frameTime_s(Math.min(Math.max(frame + frames, 0), count - 1), rate);
}

// Where to go on from time_s while playing, or null to go on as it is. span_s is [] for the whole.
export function loopTarget_s(time_s, span_s, isLoop, duration_s) {
  if (!isLoop) return null;
  const [start_s, end_s] = span_s.length ? span_s : [0, duration_s];
  return time_s >= end_s || time_s < start_s - 0.05 ? start_s : null;
}

// The span between two times in either order, inside the clip; null if it is shorter than a click is wide.
export function spanBetween_s(from_s, to_s, duration_s, least_s) {
  const [start_s, end_s] = [from_s, to_s].sort((a, b) => a - b).map((time_s) => Math.min(Math.max(time_s, 0), duration_s));
  return end_s - start_s < least_s ? null : [start_s, end_s];
}

// The span after its start or end was set to a time; the other end makes room.
export function spanWithEnd(span_s, end, time_s, duration_s) {
  const [start_s, end_s] = span_s.length ? span_s : [0, duration_s];
  if (end === "in") return time_s < end_s ? [time_s, end_s] : [time_s, duration_s];
  return time_s > start_s ? [start_s, time_s] : [0, time_s];
}

// How fast the second clip plays to come back into step, or null where only a jump helps. drift_s: how far it is ahead.
export function followingRate(speed, drift_s) {
  if (Math.abs(drift_s) > 0.25) return null;
  if (Math.abs(drift_s) < 0.01) return speed;
  return speed * (1 - Math.min(Math.max(2 * drift_s, -0.25), 0.25));
}

// Times to name under an axis of this width, and the step between them.
export function rulerTicks(duration_s, width_px, least_px = 64) {
  const step_s = niceStep((duration_s * least_px) / Math.max(width_px, 1));
  const count = Math.floor(duration_s / step_s + 1e-9) + 1;
  return { step_s, times_s: Array.from({ length: count }, (_, index) => index * step_s) };
}

// "frame 24 · latent 3 · audio latent 25": what is under the playhead, counted from 0 as on every ruler.
export function positionText(time_s, { frame_rate, num_frames, duration_s, has_video, has_audio }) {
  const parts = [];
  if (has_video) {
    const frame = frameAt(time_s, frame_rate, num_frames);
    parts.push(`frame ${frame}`, `latent ${latentOfFrame(frame)}`);
  }
  if (has_audio) parts.push(`audio latent ${audioLatentAt(time_s, duration_s)}`);
  return parts.join(" · ");
}

// What J and L make of a shuttle's speed, 0 at a stand: the next faster one in their direction, or 1 in it.
export function shuttled(speed, direction) {
  const FASTER = [1, 1.5, 2, 4];
  if (speed * direction <= 0) return direction;
  const next = FASTER.find((one) => one > Math.abs(speed)) ?? FASTER.at(-1);
  return next * direction;
}

// "stage 2, step 3, σ 0.725" for a step of a run; the stage is named where there are two.
export function stepText({ stage, index, sigma }, steps) {
  const stages = new Set(steps.map((step) => step.stage));
  const name = stages.size > 1 ? `stage ${stage}, step ${index + 1}` : `step ${index + 1}`;
  return `${name}, σ ${sigma.toPrecision(3)}`;
}
