// What of each lane is generated, as a mask on its tokens: 1 generates, 0 keeps. One rule makes every task.

// As ltx_nb.shapes: spans that differ by less count as touching.
const TOLERANCE_S = 1e-6;

/** Masks of a request's generated spans, {video: [[start_s, end_s], ...], audio: ...}; {video, audio: Float32Array}.
 * keepsFirstFrame: an image is given for it. */
export function masksOf(model, spans, keepsFirstFrame = false) {
  const [frames, rows, columns] = model.latent_shape;
  const ofFrames = overTime(model.intervals_s.video, spans.video);
  if (keepsFirstFrame) ofFrames[0] = 0;
  const perFrame = rows * columns;
  return {
    video: Float32Array.from({ length: frames * perFrame }, (_, token) => ofFrames[Math.floor(token / perFrame)]),
    audio: overTime(model.intervals_s.audio, spans.audio),
  };
}

function overTime(intervals_s, spans) {
  const meets = ([begin, end], [start_s, end_s]) => end > start_s + TOLERANCE_S && begin < end_s - TOLERANCE_S;
  return Float32Array.from(intervals_s, (interval) => (spans.some((span) => meets(interval, span)) ? 1 : 0));
}

/** Frames of `made` inside the generated spans, those of `given` outside: both uint8, [frames, bytesPerFrame]. */
export function putBackFrames(made, given, spans, { num_frames, frame_rate }) {
  const bytes = made.length / num_frames;
  const isMade = overTime(Array.from({ length: num_frames }, (_, i) => [i / frame_rate, (i + 1) / frame_rate]), spans);
  const frames = new Uint8ClampedArray(given);
  isMade.forEach((generated, i) => {
    if (generated) frames.set(made.subarray(i * bytes, (i + 1) * bytes), i * bytes);
  });
  return frames;
}

const BLEND_S = 0.01;

/** Samples of `made` inside the generated spans, those of `given` outside; at a seam the made ones fade in and out. */
export function putBackSamples(made, given, spans, num_samples, sample_rate) {
  const share = new Float32Array(num_samples);
  const length = Math.round(BLEND_S * sample_rate);
  for (const [start_s, end_s] of spans) {
    const [begin, end] = [Math.round(start_s * sample_rate), Math.min(Math.round(end_s * sample_rate), num_samples)];
    for (let i = begin; i < end; i++) {
      const rise = begin > 0 ? (i - begin + 1) / length : 1;
      const fall = end < num_samples ? (end - i) / length : 1;
      share[i] = Math.min(rise, fall, 1);
    }
  }
  const samples = new Float32Array(made.length);
  for (let at = 0; at < made.length; at++) {
    const own = share[at % num_samples];
    samples[at] = own * made[at] + (1 - own) * given[at];
  }
  return samples;
}
