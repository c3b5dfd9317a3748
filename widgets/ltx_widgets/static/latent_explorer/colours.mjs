// Numbers as colours and pixels: heat from 0, and values of both signs. The same on light and dark grounds.

// Inferno's colours at 0, 0.25 .. 1, as heat over a picture.
const HEAT = [
  [0, 0, 4],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
];

// [red, green, blue] of a level in 0..1.
export function heatColour(level) {
  const at = Math.min(Math.max(level, 0), 1) * (HEAT.length - 1);
  const index = Math.min(Math.floor(at), HEAT.length - 2);
  return HEAT[index].map((from, channel) => Math.round(from + (HEAT[index + 1][channel] - from) * (at - index)));
}

// [red, green, blue, alpha]: purple below 0, orange above, clear at 0; full at most.
export function signedColour(value, most) {
  const strength = Math.round(255 * Math.min(Math.abs(value) / Math.max(most, 1e-12), 1));
  return value < 0 ? [127, 59, 178, strength] : [224, 112, 16, strength];
}

// Pixels of levels [height, width] in least..most: heat that hides what is under it the more the higher it is. gamma
// below 1 brings out what is small beside the most.
export function heatPixels(levels, width, height, { least, most, gamma = 1 }) {
  const pixels = new ImageData(width, height);
  for (let index = 0; index < width * height; index += 1) {
    const level = ((levels[index] - least) / Math.max(most - least, 1e-12)) ** gamma;
    pixels.data.set([...heatColour(level), Math.round(255 * Math.min(0.1 + level, 0.9))], 4 * index);
  }
  return pixels;
}

// Pixels of colours, uint8 [height, width, 3].
export function rgbPixels(rgb, width, height) {
  const pixels = new ImageData(width, height);
  for (let index = 0; index < width * height; index += 1) {
    pixels.data.set([rgb[3 * index], rgb[3 * index + 1], rgb[3 * index + 2], 255], 4 * index);
  }
  return pixels;
}

// Pixels of values of both signs, [height, width].
export function signedPixels(values, width, height, most) {
  const pixels = new ImageData(width, height);
  for (let index = 0; index < width * height; index += 1) {
    pixels.data.set(signedColour(values[index], most), 4 * index);
  }
  return pixels;
}

// A canvas that shows these pixels, one each.
export function canvasOf(pixels) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [pixels.width, pixels.height];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}
