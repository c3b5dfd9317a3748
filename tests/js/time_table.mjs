// Time arithmetic of the browser for given lengths and rates, to be compared with ltx_nb/shapes.py.
import * as time from "../../widgets/ltx_widgets/static/lib/time.mjs";
import { readJson } from "./read_json.mjs";

const rows = readJson().map(({ num_frames, frame_rate, start_s, end_s }) => {
  const duration_s = num_frames / frame_rate;
  const video = time.videoIntervals_s(time.latentNumFrames(num_frames), frame_rate);
  const audio = time.audioIntervals_s(time.audioNumLatents(duration_s));
  return {
    video,
    audio,
    video_meeting: time.tokensMeeting(video, start_s, end_s),
    audio_meeting: time.tokensMeeting(audio, start_s, end_s),
    gaps: time.gaps_s([[start_s, end_s]], duration_s),
    most: time.maxNumFrames(frame_rate),
    snapped: time.snapNumFrames(start_s * frame_rate),
    side: time.snapSide(start_s * 100),
  };
});
process.stdout.write(JSON.stringify(rows));
