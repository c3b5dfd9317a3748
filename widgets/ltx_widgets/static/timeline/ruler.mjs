// The ruler: seconds, frames and video latents on one axis; and below the lanes, which latents the model keeps.
import { h, s } from "../lib/dom.mjs";
import { TIME_TOLERANCE_S, latentNumFrames, niceStep, secondsText, videoTokenInterval_s } from "../lib/time.mjs";
import { duration_s, intervals_s, keyframes, laneMask } from "./draft.mjs";

const ROW_PX = 16;
// Steps of the frames' row that fall in with latents, which end at frames 0, 8, 16 and so on.
const FRAME_STEPS = [1, 2, 4, 8, 16, 24, 48, 96, 192, 480];
const LEAST_SECONDS_PX = 56;
const LEAST_FRAMES_PX = 40;
const LEAST_LATENT_PX = 24;

// Ticks {x_px, label} of each row; those of latents stand at the middle of theirs, and edges_px at their ends.
export function rulerTicks(draft, scale) {
  const end_s = duration_s(draft);
  const step_s = niceStep(LEAST_SECONDS_PX / scale.pxPerSecond);
  const seconds = [];
  for (let index = 0; index * step_s <= end_s + TIME_TOLERANCE_S; index += 1) {
    seconds.push({ x_px: scale.toPx(index * step_s), label: secondsText(index * step_s, step_s) });
  }
  const leastFrames = (LEAST_FRAMES_PX / scale.pxPerSecond) * draft.frame_rate;
  const stepFrames = FRAME_STEPS.find((step) => step >= leastFrames) ?? FRAME_STEPS.at(-1);
  const frames = [];
  for (let frame = 0; frame < draft.num_frames; frame += stepFrames) {
    frames.push({ x_px: scale.toPx(frame / draft.frame_rate), label: String(frame) });
  }
  const count = latentNumFrames(draft.num_frames);
  const latent_px = (8 / draft.frame_rate) * scale.pxPerSecond;
  const stepLatents = Math.max(niceStep(LEAST_LATENT_PX / latent_px), 1);
  const latents = [];
  const edges_px = [];
  for (let index = 0; index < count; index += 1) {
    const [start_s, stop_s] = videoTokenInterval_s(index, draft.frame_rate);
    edges_px.push(scale.toPx(stop_s));
    const isLabelled = index % stepLatents === 0 && (stop_s - start_s) * scale.pxPerSecond > 12;
    if (isLabelled) latents.push({ x_px: scale.toPx((start_s + stop_s) / 2), label: String(index) });
  }
  return { seconds, frames, latents, edges_px };
}

export function createRuler() {
  const svg = s("svg", { class: "ltx-timeline-ruler-marks", height: 3 * ROW_PX, "aria-hidden": "true" });
  const element = h("div", { class: "ltx-timeline-ruler", role: "slider", tabindex: 0, "aria-label": "Cursor" }, svg);
  let drawn = "";

  function drawMarks(draft, scale) {
    const state = [draft.num_frames, draft.frame_rate, scale.width_px, scale.pxPerSecond].join();
    if (state === drawn) return;
    drawn = state;
    const { seconds, frames, latents, edges_px } = rulerTicks(draft, scale);
    const tick = (x_px, row, height_px) => `M${x_px} ${(row + 1) * ROW_PX}v${-height_px}`;
    const ticks = [
      ...seconds.map(({ x_px }) => tick(x_px, 0, ROW_PX)),
      ...frames.map(({ x_px }) => tick(x_px, 1, ROW_PX)),
      ...edges_px.map((x_px) => tick(x_px, 2, ROW_PX)),
    ];
    const text = (row, anchor, shift_px) => ({ x_px, label }) =>
      s("text", { x: x_px + shift_px, y: row * ROW_PX + 12, "text-anchor": anchor }, label);
    svg.setAttribute("width", scale.width_px);
    svg.replaceChildren(
      s("path", { d: ticks.join(""), class: "ltx-timeline-ticks" }),
      ...seconds.map(text(0, "start", 4)),
      ...frames.map(text(1, "start", 4)),
      ...latents.map(text(2, "middle", 0)),
    );
  }

  return {
    element,
    draw(draft, scale, cursor_s) {
      drawMarks(draft, scale);
      this.drawCursor(draft, cursor_s);
    },
    drawCursor(draft, cursor_s) {
      element.setAttribute("aria-valuemin", "0");
      element.setAttribute("aria-valuemax", duration_s(draft).toFixed(2));
      element.setAttribute("aria-valuenow", cursor_s.toFixed(2));
      const frame = Math.min(Math.floor(cursor_s * draft.frame_rate + 1e-6), draft.num_frames - 1);
      element.setAttribute("aria-valuetext", `${secondsText(cursor_s)}, frame ${frame}`);
    },
  };
}

// Stretches of a mask with one value, as {value, start, end}: latents start .. end - 1.
export function maskRuns(mask) {
  const runs = [];
  for (const [index, value] of mask.entries()) {
    if (runs.at(-1)?.value === value) runs.at(-1).end = index + 1;
    else runs.push({ value, start: index, end: index + 1 });
  }
  return runs;
}

// The latents of a lane: filled where they are kept, in part where an image has less than full strength; and a dot for
// each keyframe.
export function createMaskRow(lane) {
  const svg = s("svg", { class: "ltx-timeline-mask-cells", height: ROW_PX, "aria-hidden": "true" });
  const element = h("div", { class: "ltx-timeline-mask", "data-lane": lane }, svg);
  return {
    element,
    draw(draft, scale) {
      const times_s = intervals_s(draft, lane);
      const boxes = maskRuns(laneMask(draft, lane)).flatMap(({ value, start, end }) => {
        const [left, right] = [scale.toPx(times_s[start][0]), scale.toPx(times_s[end - 1][1])];
        const box = { x: left, width: right - left, height: ROW_PX };
        const kept = value < 1 && s("rect", { ...box, class: "ltx-timeline-keeps", opacity: 1 - value });
        return [s("rect", { ...box, class: "ltx-timeline-generates" }), ...(kept ? [kept] : [])];
      });
      // Edges of audio latents nearer than this would hide what is between them.
      const hasEdges = (times_s.at(-1)[1] - times_s.at(-1)[0]) * scale.pxPerSecond > 4;
      const edges = hasEdges ? times_s.map(([, end_s]) => `M${scale.toPx(end_s)} 0v${ROW_PX}`).join("") : "";
      const dots = (lane === "video" ? keyframes(draft) : []).map((frame) => {
        const middle_px = scale.toPx((frame + 0.5) / draft.frame_rate);
        return s("circle", { class: "ltx-timeline-keyframe", cx: middle_px, cy: ROW_PX / 2, r: 5 });
      });
      svg.setAttribute("width", scale.toPx(duration_s(draft)));
      svg.replaceChildren(...boxes, s("path", { class: "ltx-timeline-edges", d: edges }), ...dots);
    },
  };
}
