// The lanes under a player: ruler, latents, waveform and spectrogram of each clip on one time axis, with the playhead.
// Everything stretches with its box, so that nothing but the ruler is drawn anew for another width.

import { h, s } from "../lib/dom.mjs";
import { frameAt, latentOfFrame, audioLatentAt, rulerTicks, spanBetween_s } from "./playback.mjs";
import { paintLevels, waveformPath, waveformScale } from "../lib/sound.mjs";
import { audioIntervals_s, audioNumLatents, latentNumFrames, secondsText, videoIntervals_s } from "../lib/time.mjs";

export const LEVEL_ROWS = { clip: 96, step: 64 };
const CLICK_PX = 4;
const LABEL_PX = 40;
const LEAST_LATENT_PX = 3;

const percent = (time_s, duration_s) => `${((100 * time_s) / duration_s).toFixed(4)}%`;

// onSeek(time_s) while a pointer scrubs, onSeekEnd() on release; onSpan([start_s, end_s]) after a drag on the ruler.
export function createLanes(disposer, facts, labels, { onSeek, onSeekEnd, onSpan }) {
  const duration_s = Math.max(...facts.map((clip) => clip.duration_s));
  const ruler = h("div", { class: "player-ruler" });
  const chosen = h("div", { class: "player-span", hidden: true });
  const playhead = h("div", { class: "player-playhead" });
  const clips = facts.map((clip, index) => createClipLanes(clip, duration_s, facts.length > 1 ? `${labels[index]} ` : "", "ab"[index]));
  const element = h(
    "div",
    {
      class: "player-axis",
      role: "slider",
      tabindex: 0,
      "aria-label": "Playhead",
      "aria-valuemin": 0,
      "aria-valuemax": duration_s,
    },
    ruler,
    clips.flatMap(({ elements }) => elements),
    chosen,
    playhead,
  );

  const timeAt = (event) => {
    const box = element.getBoundingClientRect();
    return Math.min(Math.max(((event.clientX - box.left) / box.width) * duration_s, 0), duration_s);
  };
  const markSpan = (span_s) => {
    chosen.hidden = !span_s?.length;
    if (chosen.hidden) return;
    chosen.style.left = percent(span_s[0], duration_s);
    chosen.style.width = percent(span_s[1] - span_s[0], duration_s);
  };
  let drag = null;
  let span_s = [];
  disposer.listen(element, "pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    drag = { isSpan: ruler.contains(event.target), from_s: timeAt(event) };
    if (!drag.isSpan) onSeek(drag.from_s);
  });
  const spanOf = (event) =>
    spanBetween_s(drag.from_s, timeAt(event), duration_s, (CLICK_PX / element.clientWidth) * duration_s);
  disposer.listen(element, "pointermove", (event) => {
    if (!drag) return;
    if (drag.isSpan) markSpan(spanOf(event) ?? span_s);
    else onSeek(timeAt(event));
  });
  disposer.listen(element, "pointerup", (event) => {
    if (!drag) return;
    const dragged = drag.isSpan ? spanOf(event) : null;
    if (dragged) onSpan(dragged);
    else onSeek(timeAt(event));
    drag = null;
    onSeekEnd();
  });
  disposer.listen(element, "pointercancel", () => {
    drag = null;
    markSpan(span_s);
  });
  disposer.onWidth(element, (width_px) => {
    const { step_s, times_s } = rulerTicks(duration_s, width_px);
    const hasRoom = (time_s) => (1 - time_s / duration_s) * width_px > LABEL_PX;
    const ticks = times_s.map((time_s) =>
      h(
        "span",
        { style: `left: ${percent(time_s, duration_s)}` },
        hasRoom(time_s) ? secondsText(time_s, step_s) : "",
      ),
    );
    ruler.replaceChildren(...ticks);
    element.classList.toggle("player-coarse", (width_px / duration_s) * 0.04 < LEAST_LATENT_PX);
  });

  return {
    element,
    clips,
    setPosition(time_s, text) {
      playhead.style.left = percent(Math.min(time_s, duration_s), duration_s);
      element.setAttribute("aria-valuenow", time_s.toFixed(3));
      element.setAttribute("aria-valuetext", `${secondsText(time_s, 0.001)}, ${text}`);
      for (const lanes of clips) lanes.setPosition(time_s);
    },
    setSpan(value) {
      span_s = value;
      markSpan(value);
    },
  };
}

// The lanes of one clip, as wide as its share of the axis; within them, places are shares of the clip.
function createClipLanes(clip, axis_s, prefix, side) {
  const elements = [];
  const strips = [];
  const lane = (kind, label, ...content) => {
    const style = `width: ${percent(clip.duration_s, axis_s)}`;
    const name = h("span", { class: "player-lane-label" }, prefix + label);
    const box = h("div", { class: `player-lane player-of-${side} player-${kind}`, style }, ...content, name);
    elements.push(box);
    return box;
  };
  const latents = (kind, intervals, indexAt) => {
    const strip = latentStrip(intervals, clip.duration_s, indexAt);
    tint(kind, lane(`latents player-of-${kind}`, `${kind} latents`, ...strip.elements));
    strips.push(strip);
  };
  // Tinted where the lane was made anew, as in a retake.
  const tint = (kind, box) => {
    for (const [start_s, end_s] of clip.anew_s?.[kind] ?? []) {
      const style = `left: ${percent(start_s, clip.duration_s)}; width: ${percent(end_s - start_s, clip.duration_s)}`;
      box.append(h("div", { class: "player-anew", style, title: `made anew, ${secondsText(start_s)} to ${secondsText(end_s)}` }));
    }
  };
  const setPosition = (time_s) => strips.forEach((strip) => strip.setPosition(Math.min(time_s, clip.duration_s)));
  if (clip.has_video) {
    const { frame_rate, num_frames } = clip;
    latents("video", videoIntervals_s(latentNumFrames(num_frames), frame_rate), (time_s) =>
      latentOfFrame(frameAt(time_s, frame_rate, num_frames)),
    );
  }
  if (!clip.has_audio) return { elements, setPosition };

  latents("audio", audioIntervals_s(Math.max(audioNumLatents(clip.duration_s), 1)), (time_s) =>
    audioLatentAt(time_s, clip.duration_s),
  );
  const outlines = [0, 1].map(() => s("path"));
  const stretched = { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" };
  tint("audio", lane("waveform", "left, right", ...outlines.map((outline) => s("svg", stretched, outline))));
  const canvas = h("canvas");
  const stepCanvas = h("canvas", { hidden: true });
  const ticks = clip.hz_ticks.map(({ hz, at }) =>
    h("span", { class: "player-hz", style: `bottom: ${(100 * at).toFixed(2)}%` }, hz < 1000 ? `${hz}` : `${hz / 1000}k`),
  );
  const spectrogram = lane("spectrogram", "spectrogram", canvas, stepCanvas, ...ticks);
  return {
    elements,
    setPosition,
    setSound(peaks, levels) {
      const columns = peaks.length / 4;
      const scale = waveformScale(peaks);
      outlines.forEach((outline, channel) => outline.setAttribute("d", waveformPath(peaks, channel, columns, scale)));
      paintLevels(canvas, levels, LEVEL_ROWS.clip);
    },
    // The mel picture of a step in place of the clip's spectrogram; null for the clip's.
    setStepLevels(levels) {
      canvas.hidden = Boolean(levels);
      stepCanvas.hidden = !levels;
      spectrogram.classList.toggle("player-is-step", Boolean(levels));
      if (levels) paintLevels(stepCanvas, levels, LEVEL_ROWS.step);
    },
  };
}

// Latents as a row of boxes, of which the one under the playhead is filled.
function latentStrip(intervals, duration_s, indexAt) {
  const lines = intervals.map(([start_s]) => `M${(start_s / duration_s).toFixed(5)} 0V1`).join("");
  const boundaries = s("path", { d: lines, "vector-effect": "non-scaling-stroke" });
  const mark = h("div", { class: "player-latent" });
  return {
    elements: [
      s("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }, boundaries),
      mark,
    ],
    setPosition(time_s) {
      const [start_s, end_s] = intervals[Math.min(indexAt(time_s), intervals.length - 1)];
      mark.style.left = percent(start_s, duration_s);
      mark.style.width = percent(Math.max(Math.min(end_s, duration_s) - start_s, 0), duration_s);
    },
  };
}
