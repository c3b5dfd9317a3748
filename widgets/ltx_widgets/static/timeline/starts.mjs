// Tasks as shapes on the timeline: the draft of extending, redoing, scoring or picturing a source; as ltx_nb's verbs.
//
// source: {sha256, duration_s, frame_rate, num_frames, width, height, has_audio}, frame_rate null for a still picture.
import {
  VIDEO_SPATIAL_COMPRESSION,
  VIDEO_TEMPORAL_COMPRESSION,
  gaps_s,
  maxNumFrames,
  snapNumFrames,
  snapSide,
} from "../lib/time.mjs";
import { LANES, PLAIN, duration_s, nearest, snapPoints_s } from "./draft.mjs";

const EXTRA_S = 2;

// In the order of their buttons; needs: what a source has to have, null if none is needed.
export const STARTS = [
  { name: "extend", label: "Extend", needs: "video", draft: extendedAfter },
  { name: "extend-before", label: "Extend before", needs: "video", draft: extendedBefore },
  { name: "retake", label: "Retake", needs: "video", draft: retaken },
  { name: "foley", label: "Foley", needs: "video", draft: foley },
  { name: "audio-to-video", label: "Audio to video", needs: "audio", draft: audioToVideo },
  { name: "clear", label: "Clear", needs: null, draft: (draft) => ({ ...draft, given: [], references: [] }) },
];

export function hasWhat(source, needs) {
  if (needs === "audio") return Boolean(source?.has_audio);
  return Boolean(source?.frame_rate);
}

// The clip made EXTRA_S longer at one end, all of it given.
function extendedAfter(draft, source) {
  const span = [0, source.num_frames / source.frame_rate, 0];
  return { ...likeSource(draft, source), num_frames: extendedFrames(source), given: given(source, LANES, [span]) };
}

function extendedBefore(draft, source) {
  const num_frames = extendedFrames(source);
  const begin_s = (num_frames - source.num_frames) / source.frame_rate;
  const span = [begin_s, num_frames / source.frame_rate, 0];
  return { ...likeSource(draft, source), num_frames, given: given(source, LANES, [span]) };
}

function extendedFrames(source) {
  const length_s = source.num_frames / source.frame_rate;
  return snapNumFrames((length_s + EXTRA_S) * source.frame_rate);
}

// Everything given but a stretch on both lanes: the span that was chosen, at whole frames, else the middle third, at edges of
// latents, to be dragged from there.
function retaken(draft, source, chosen_s = []) {
  const like = { ...likeSource(draft, source), num_frames: wholeLatents(source) };
  const end_s = duration_s(like);
  const edges_s = snapPoints_s(like, "video", chosen_s.length === 0);
  const [from_s, to_s] = (chosen_s.length ? chosen_s : [end_s / 3, (2 * end_s) / 3]).map((edge_s) => nearest(edges_s, edge_s));
  const spans = gaps_s([[from_s, to_s]], end_s).map(([start_s, stop_s]) => [start_s, stop_s, start_s]);
  return { ...like, given: given(source, LANES, spans) };
}

// The whole picture given, for sound to be made to it.
function foley(draft, source) {
  const like = { ...likeSource(draft, source), num_frames: wholeLatents(source) };
  return { ...like, given: given(source, ["video"], [[0, duration_s(like), 0]]) };
}

// The whole sound given, for pictures to be made to it, as long as the sound or one pass.
function audioToVideo(draft, source) {
  const num_frames = Math.min(snapNumFrames(source.duration_s * draft.frame_rate), maxNumFrames(draft.frame_rate));
  const end_s = num_frames / draft.frame_rate;
  // A sound that ends within the last latent is given to the end, with silence: the lane is then frozen as a whole.
  const missing_s = end_s - source.duration_s;
  const stop_s = missing_s <= VIDEO_TEMPORAL_COMPRESSION / draft.frame_rate ? end_s : source.duration_s;
  return { ...draft, num_frames, given: given(source, ["audio"], [[0, stop_s, 0]]) };
}

// The draft with the source's rate and the nearest size to its own.
function likeSource(draft, source) {
  const multiple_px = VIDEO_SPATIAL_COMPRESSION * (draft.two_stage ? 2 : 1);
  const size = { width: snapSide(source.width, multiple_px), height: snapSide(source.height, multiple_px) };
  const isSame = size.width === draft.width && size.height === draft.height;
  const crop = isSame ? {} : { crop_width: null, crop_height: null };
  return { ...draft, ...size, ...crop, frame_rate: source.frame_rate };
}

// The most frames, 8k + 1, that the source fills and one pass makes.
function wholeLatents(source) {
  const whole = Math.floor((source.num_frames - 1) / VIDEO_TEMPORAL_COMPRESSION) * VIDEO_TEMPORAL_COMPRESSION + 1;
  return Math.min(Math.max(whole, 1), maxNumFrames(source.frame_rate));
}

// Spans [start_s, end_s, source_start_s] of the source on each lane that it has.
function given(source, lanes, spans) {
  return lanes
    .filter((lane) => lane === "video" || source.has_audio)
    .flatMap((lane) =>
      spans.map(([start_s, end_s, source_start_s]) => {
        return { lane, source: source.sha256, start_s, end_s, source_start_s, ...PLAIN };
      }),
    );
}
