// Size by name or in pixels, length with the frame rule, frame rate: each control snaps as it is left.

import { button, field, h, showIn } from "./dom.mjs";
import { createReason, numberIn } from "./fields.mjs";
import { icon } from "./icons.mjs";
import { createPopover } from "./popover.mjs";
import { lengthText, sizeLabel, sizeOf, sizeText } from "./shape_text.mjs";
import { MAX_SIDE_PX, VIDEO_SPATIAL_COMPRESSION, maxNumFrames, snapNumFrames, snapSide } from "./time.mjs";

const FRAME_RATES = [24, 25, 30, 48, 50, 60];
// The shortest that a slider offers: 9 frames, which have an audio latent at any usual frame rate.
const LEAST_LATENTS = 1;
// What the view can count on with; Python knows all the rules.
const LEGAL = {
  width: (side_px) => side_px > 0,
  height: (side_px) => side_px > 0,
  num_frames: (frames) => Number.isInteger(frames) && frames > 0,
  frame_rate: isRate,
};

// The nearest legal length in frames of so many seconds.
export function framesOf(seconds, frameRate) {
  return Math.min(Math.max(snapNumFrames(seconds * frameRate), 8 * LEAST_LATENTS + 1), maxNumFrames(frameRate));
}

function isRate(typed) {
  return typeof typed === "number" && typed >= 1 && typed <= 120;
}

// The edit that a typed frame rate makes: the length in seconds stays. valid: what holds so far. What is no rate changes
// nothing else.
export function withRate(typed, valid) {
  if (!isRate(typed)) return { frame_rate: typed };
  return { frame_rate: typed, num_frames: framesOf(valid.num_frames / valid.frame_rate, typed) };
}

// The edit that typed seconds make.
export function withSeconds(typed, valid) {
  if (typeof typed === "string") return { num_frames: typed };
  return { num_frames: typed > 0 ? framesOf(typed, valid.frame_rate) : Math.round(typed * valid.frame_rate) };
}

// onEdit(changes, {drawOnly}) when a control was changed. Returns {elements, fill(value, sizes, valid, invalid)}: what is
// seen, what holds, and why the two differ. beside: what stands in the line of the size.
export function shapeView(disposer, onEdit, beside = []) {
  let value = null;
  let valid = null;
  let sizes = [];
  let inPixels = false;
  const named = h("select");
  const [width, height] = ["width", "height"].map((name) => {
    const range = { type: "number", min: 32, max: MAX_SIDE_PX, step: 32 };
    const input = h("input", { ...range, "aria-label": `${name} in pixels` });
    disposer.listen(input, "change", () => {
      const typed = numberIn(input);
      if (typeof typed === "string") return onEdit({ [name]: typed });
      const multiple_px = VIDEO_SPATIAL_COMPRESSION * (value.two_stage ? 2 : 1);
      const side_px = Math.min(snapSide(typed, multiple_px), MAX_SIDE_PX);
      snapped.textContent = side_px === typed ? "" : `${typed} is no multiple of ${multiple_px}`;
      onEdit({ [name]: side_px, crop_width: null, crop_height: null });
    });
    return input;
  });
  const snapped = h("span", { class: "ltx-muted ltx-number" });
  const pixels = h("span", { class: "ltx-field" }, width, "×", height, snapped);
  disposer.listen(named, "change", () => {
    inPixels = named.value === "pixels";
    snapped.textContent = "";
    if (inPixels) return draw();
    const { name, ...size } = sizes[Number(named.value)];
    onEdit(size);
  });

  const slider = h("input", { type: "range", min: LEAST_LATENTS, step: 1, "aria-label": "Length" });
  const framesOfSlider = () => 8 * Number(slider.value) + 1;
  disposer.listen(slider, "input", () => onEdit({ num_frames: framesOfSlider() }, { drawOnly: true }));
  disposer.listen(slider, "change", () => onEdit({ num_frames: framesOfSlider() }));
  const seconds = h("input", { type: "number", min: 0, step: "any", "aria-label": "Length in seconds" });
  disposer.listen(seconds, "change", () => onEdit(withSeconds(numberIn(seconds), valid)));
  const rateRange = { type: "number", min: 1, max: 120, step: "any", list: "ltx-frame-rates" };
  const rate = h("input", { ...rateRange, "aria-label": "Frames per second" });
  disposer.listen(rate, "change", () => onEdit(withRate(numberIn(rate), valid)));
  const rates = h("datalist", { id: "ltx-frame-rates" }, FRAME_RATES.map((value) => h("option", { value })));
  const sizeNote = h("p", { class: "ltx-number" });
  const lengthNote = h("p", { class: "ltx-number" });
  const hint = button("In latents", { icon: icon("info") });
  hint.classList.add("ltx-quiet");
  const arithmetic = createPopover(disposer, hint, [sizeNote, lengthNote], { label: "In latents" });
  const reasons = {
    width: createReason([width]),
    height: createReason([height]),
    num_frames: createReason([seconds]),
    frame_rate: createReason([rate]),
  };

  const offer = (offered) => {
    sizes = offered;
    named.replaceChildren(
      ...sizes.map((size, index) => h("option", { value: index }, sizeLabel(size))),
      h("option", { value: "pixels" }, "in pixels"),
    );
  };
  function draw() {
    const size = sizeOf(value, sizes);
    inPixels = inPixels || size === null;
    named.value = inPixels ? "pixels" : String(sizes.indexOf(size));
    pixels.hidden = !inPixels;
    showIn(width, value.width);
    showIn(height, value.height);
    sizeNote.textContent = sizeText(valid);
    const { num_frames: frames, frame_rate } = valid;
    const duration_s = frames / frame_rate;
    slider.max = (maxNumFrames(frame_rate) - 1) / 8;
    slider.value = (frames - 1) / 8;
    slider.setAttribute("aria-valuetext", `${duration_s.toFixed(2)} seconds, ${frames} frames`);
    if (typeof value.num_frames !== "string") showIn(seconds, Number(duration_s.toFixed(3)));
    showIn(rate, value.frame_rate);
    lengthNote.textContent = lengthText(frames, frame_rate);
  }
  const fill = (next, offered, held = next, invalid = {}) => {
    value = next;
    valid = held;
    for (const [name, isLegal] of Object.entries(LEGAL)) {
      if (!invalid[name] && isLegal(next[name])) valid = { ...valid, [name]: next[name] };
    }
    if (sizes !== offered) offer(offered);
    draw();
    for (const [name, reason] of Object.entries(reasons)) reason.show(invalid[name] ?? "");
  };
  const elements = [
    h(
      "div",
      { class: "ltx-setting" },
      field("Size", named),
      pixels,
      beside,
      reasons.width.element,
      reasons.height.element,
    ),
    h(
      "div",
      { class: "ltx-setting" },
      h("label", { class: "ltx-field ltx-length" }, h("span", { class: "ltx-label" }, "Length"), slider),
      h("span", { class: "ltx-field" }, seconds, h("span", { class: "ltx-muted" }, "s")),
      h("span", { class: "ltx-field" }, rate, h("span", { class: "ltx-muted" }, "fps")),
      rates,
      hint,
      arithmetic,
      reasons.num_frames.element,
      reasons.frame_rate.element,
    ),
  ];
  return { elements, fill };
}
