// Sound as it is drawn: a waveform as the outline of a path, and levels of a spectrogram as colours.

// matplotlib's viridis at every eighth of its length.
const VIRIDIS = [
  [68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128], [94, 201, 98], [173, 220, 48],
  [253, 231, 37],
];

// Red, green and blue, 0..255 each, of a level 0..255.
export function levelColour(level) {
  const place = (level / 255) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return VIRIDIS[below].map((from, channel) => Math.round(from + (place - below) * (VIRIDIS[below + 1][channel] - from)));
}

const COLOURS = Array.from({ length: 256 }, (_, level) => levelColour(level));

// RGBA of levels [rows, columns], of which the first row is the lowest, for an image whose first row is the highest.
export function levelPixels(levels, rows, columns) {
  const pixels = new Uint8ClampedArray(4 * rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const place = 4 * ((rows - 1 - row) * columns + column);
      pixels.set(COLOURS[levels[row * columns + column]], place);
      pixels[place + 3] = 255;
    }
  }
  return pixels;
}

// Levels [rows, columns] on a canvas, one pixel each; CSS stretches it.
export function paintLevels(canvas, levels, rows) {
  const columns = levels.length / rows;
  canvas.width = columns;
  canvas.height = rows;
  if (columns) canvas.getContext("2d").putImageData(new ImageData(levelPixels(levels, rows, columns), columns), 0, 0);
}

// The outline of one channel of peaks int8 [channels, columns, 2], as an SVG path in a box 1 wide and 1 high. Sound that
// stays below full scale is drawn larger, up to eight times; `scale` is what the loudest of all channels allows.
export function waveformPath(peaks, channel, columns, scale) {
  const offset = 2 * columns * channel;
  const point = (column, side) => {
    const value = (peaks[offset + 2 * column + side] / 127) * scale;
    return `${((column + 0.5) / columns).toFixed(4)} ${(0.5 - value / 2).toFixed(4)}`;
  };
  const above = Array.from({ length: columns }, (_, column) => point(column, 1));
  const below = Array.from({ length: columns }, (_, column) => point(columns - 1 - column, 0));
  return `M${[...above, ...below].join("L")}Z`;
}

export function waveformScale(peaks) {
  const peak = peaks.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return Math.min(127 / Math.max(peak, 1), 8);
}
