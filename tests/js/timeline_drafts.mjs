// Small drafts at 24 frames/s for tests of the timeline.

export function draft(num_frames, ...given) {
  return {
    width: 128,
    height: 128,
    crop_width: null,
    crop_height: null,
    num_frames,
    frame_rate: 24,
    two_stage: false,
    given,
  };
}

// A span of the source "clip" from frame to frame, playing the same seconds of the source by default.
export function span(lane, start, end, source_start = start) {
  const source_start_s = source_start / 24;
  return { lane, source: "clip", start_s: start / 24, end_s: end / 24, source_start_s, strength: 1, fit: "crop" };
}

export function image(frame, strength = 1) {
  const start_s = frame / 24;
  return { lane: "video", source: "image", start_s, end_s: null, source_start_s: 0, strength, fit: "crop" };
}
