// What was asked, as a ClipRequest in JSON and as lines of Python: the kit reads and runs both.
import { sha256 } from "./parts.mjs";

/** The request as plain data. spans: what is generated, by lane. before: the clip that the rest is kept of, or null.
 * image: {png: ArrayBuffer}, or null. The kept clip is named by its hash: to run the request, save that clip and give it. */
export async function requestOf(model, { prompt, seed, spans, before, image }) {
  const given = [];
  if (image) {
    const source = { sha256: await sha256(image.png), media_type: "image/png", data: base64(image.png) };
    given.push({ lane: "video", source });
  }
  if (before) {
    const bytes = await new Blob([before.frames, before.samples]).arrayBuffer();
    const source = { sha256: await sha256(bytes), path: "clip.mp4" };
    const duration_s = model.request.num_frames / model.request.frame_rate;
    for (const lane of ["video", "audio"]) {
      for (const [start_s, end_s] of gaps(spans[lane], duration_s)) {
        given.push({ lane, source, start_s, end_s, source_start_s: start_s });
      }
    }
  }
  return { ...model.request, prompt, seed, given };
}

/** Lines of Python that ask the kit for the same. */
export function pythonOf({ prompt, seed, spans, before, image }) {
  const words = JSON.stringify(prompt);
  if (!before) {
    const asked = image ? `image_to_video(${words}, "begin.png"` : `text_to_video(${words}`;
    return `import ltx_nb\n\nsession = ltx_nb.load("tiny")\nclip = session.${asked}, seed=${seed})`;
  }
  const [[start_s, end_s]] = spans.video.length ? spans.video : spans.audio;
  const kept = ["video", "audio"].filter((lane) => !spans[lane].length).map((lane) => `, ${lane}=False`);
  return `clip = session.retake(clip, start=${start_s}, end=${end_s}, prompt=${words}${kept.join("")}, seed=${seed})`;
}

/** Spans between the given ones, in [0, duration_s]. */
export function gaps(spans, duration_s) {
  const found = [];
  let at = 0;
  for (const [start_s, end_s] of [...spans].sort(([a], [b]) => a - b)) {
    if (start_s > at) found.push([at, start_s]);
    at = Math.max(at, end_s);
  }
  if (at < duration_s) found.push([at, duration_s]);
  return found;
}

function base64(buffer) {
  return btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));
}
