// The size and length of a clip in words, and by name. The numbers themselves come from time.mjs.

import { VIDEO_SPATIAL_COMPRESSION, audioNumLatents, latentNumFrames } from "./time.mjs";

// The named size with exactly these pixels and this crop, or null.
export function sizeOf(value, sizes) {
  const same = (size) => ["width", "height", "crop_width", "crop_height"].every((name) => size[name] === value[name]);
  return sizes.find(same) ?? null;
}

// "720p portrait, 704 × 1280"
export function sizeLabel(size) {
  return `${size.name.replaceAll("-", " ")}, ${size.crop_width ?? size.width} × ${size.crop_height ?? size.height}`;
}

// What is generated and what is left of it: "1920 × 1088 px = 60 × 34 latents, cropped to 1920 × 1080 when saved".
export function sizeText({ width, height, crop_width, crop_height }) {
  const [columns, rows] = [width, height].map((side_px) => side_px / VIDEO_SPATIAL_COMPRESSION);
  const made = `${width} × ${height} px = ${columns} × ${rows} latents`;
  const [left, kept] = [crop_width ?? width, crop_height ?? height];
  return left === width && kept === height ? made : `${made}, cropped to ${left} × ${kept} when saved`;
}

// "49 = 8 × 6 + 1 frames, 7 video latents, 51 audio latents"
export function lengthText(numFrames, frameRate) {
  const latents = latentNumFrames(numFrames);
  const audioLatents = audioNumLatents(numFrames / frameRate);
  return `${numFrames} = 8 × ${latents - 1} + 1 frames, ${latents} video latents, ${audioLatents} audio latents`;
}
