// Size by name or in pixels, length with the frame rule, frame rate: each control snaps as it is left.

import { field, h, showIn } from "./dom.mjs";
import { lengthText, sizeLabel, sizeOf, sizeText } from "./shape_text.mjs";
import { MAX_SIDE_PX, VIDEO_SPATIAL_COMPRESSION, maxNumFrames, snapNumFrames, snapSide } from "./time.mjs";

const FRAME_RATES = [24, 25, 30, 48, 50, 60];
// The shortest that a slider offers: 9 frames, which have an audio latent at any usual frame rate.
const LEAST_LATENTS = 1;

// The nearest legal length in frames of so many seconds.
export function framesOf(seconds, frameRate) {
  return Math.min(Math.max(snapNumFrames(seconds * frameRate), 8 * LEAST_LATENTS + 1), maxNumFrames(frameRate));
}

// onEdit(changes, {drawOnly}) when a control was changed. Returns {elements, fill(value, sizes)}.
export function shapeView(disposer, onEdit) {
  let value = null;
  let sizes = [];
  let inPixels = false;
  let wasSnapped = "";
  const named = h("select");
  const [width, height] = ["width", "height"].map((name) => {
    const range = { type: "number", min: 32, max: MAX_SIDE_PX, step: 32 };
    const input = h("input", { ...range, "aria-label": `${name} in pixels` });
    disposer.listen(input, "change", () => {
      const multiple_px = VIDEO_SPATIAL_COMPRESSION * (value.two_stage ? 2 : 1);
      const side_px = Math.min(snapSide(Number(input.value), multiple_px), MAX_SIDE_PX);
      wasSnapped = side_px === Number(input.value) ? "" : `; ${input.value} is no multiple of ${multiple_px}`;
      onEdit({ [name]: side_px, crop_width: null, crop_height: null });
    });
    return input;
  });
  const pixels = h("span", { class: "ltx-field" }, width, "×", height);
  disposer.listen(named, "change", () => {
    inPixels = named.value === "pixels";
    wasSnapped = "";
    if (inPixels) return fill(value, sizes);
    const { name, ...size } = sizes[Number(named.value)];
    onEdit(size);
  });

  const slider = h("input", { type: "range", min: LEAST_LATENTS, step: 1, "aria-label": "Length" });
  const framesOfSlider = () => 8 * Number(slider.value) + 1;
  disposer.listen(slider, "input", () => onEdit({ num_frames: framesOfSlider() }, { drawOnly: true }));
  disposer.listen(slider, "change", () => onEdit({ num_frames: framesOfSlider() }));
  const seconds = h("input", { type: "number", min: 0, step: "any", "aria-label": "Length in seconds" });
  disposer.listen(seconds, "change", () => onEdit({ num_frames: framesOf(Number(seconds.value), value.frame_rate) }));
  const rate = h("input", { type: "number", min: 1, max: 120, step: "any", list: "ltx-frame-rates" });
  disposer.listen(rate, "change", () => {
    const duration_s = value.num_frames / value.frame_rate;
    const frame_rate = Number(rate.value);
    onEdit(frame_rate >= 1 ? { frame_rate, num_frames: framesOf(duration_s, frame_rate) } : { frame_rate });
  });
  const rates = h("datalist", { id: "ltx-frame-rates" }, FRAME_RATES.map((value) => h("option", { value })));
  const sizeNote = h("span", { class: "ltx-muted ltx-number" });
  const lengthNote = h("span", { class: "ltx-muted ltx-number" });

  const offer = (offered) => {
    sizes = offered;
    named.replaceChildren(
      ...sizes.map((size, index) => h("option", { value: index }, sizeLabel(size))),
      h("option", { value: "pixels" }, "in pixels"),
    );
  };
  const fill = (next, offered) => {
    value = next;
    if (sizes !== offered) offer(offered);
    const size = sizeOf(value, sizes);
    inPixels = inPixels || size === null;
    named.value = inPixels ? "pixels" : String(sizes.indexOf(size));
    pixels.hidden = !inPixels;
    showIn(width, value.width);
    showIn(height, value.height);
    sizeNote.textContent = sizeText(value) + (inPixels ? wasSnapped : "");
    slider.max = (maxNumFrames(value.frame_rate) - 1) / 8;
    slider.value = (value.num_frames - 1) / 8;
    const duration_s = value.num_frames / value.frame_rate;
    slider.setAttribute("aria-valuetext", `${duration_s.toFixed(2)} seconds, ${value.num_frames} frames`);
    showIn(seconds, Number(duration_s.toFixed(3)));
    showIn(rate, value.frame_rate);
    lengthNote.textContent = lengthText(value.num_frames, value.frame_rate);
  };
  const elements = [
    h("div", { class: "ltx-setting" }, field("Size", named), pixels, sizeNote),
    h(
      "div",
      { class: "ltx-setting" },
      h("label", { class: "ltx-field ltx-length" }, h("span", { class: "ltx-label" }, "Length"), slider),
      h("span", { class: "ltx-field" }, seconds, h("span", { class: "ltx-muted" }, "s")),
      field("at", rate, "frames/s"),
      rates,
      lengthNote,
    ),
  ];
  return { elements, fill };
}
