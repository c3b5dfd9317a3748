// Pictures of arrays: a wave, a strip of small frames, and which tokens of a lane are generated.

/** Draw samples, float32 [2, N], as the span between their least and greatest in each column of pixels. */
export function drawWave(canvas, samples, colour) {
  const painter = fitted(canvas);
  const { width, height } = canvas;
  const count = samples.length / 2;
  painter.fillStyle = colour;
  for (let x = 0; x < width; x++) {
    let [low, high] = [0, 0];
    for (let i = Math.floor((x * count) / width); i < ((x + 1) * count) / width && i < count; i++) {
      low = Math.min(low, samples[i], samples[count + i]);
      high = Math.max(high, samples[i], samples[count + i]);
    }
    const top = ((1 - high) * height) / 2;
    painter.fillRect(x, top, 1, Math.max(((1 - low) * height) / 2 - top, 1));
  }
}

/** Draw small frames side by side: uint8 [count, side, side', 4], as model.parts.glance gives them. */
export function drawStrip(canvas, frames, [count], { width, height }) {
  const side = Math.sqrt(frames.length / 4 / count / (width * height));
  const [w, h] = [Math.round(width * side), Math.round(height * side)];
  canvas.width = count * w;
  canvas.height = h;
  const painter = canvas.getContext("2d");
  for (let i = 0; i < count; i++) {
    const pixels = new Uint8ClampedArray(frames.subarray(i * w * h * 4, (i + 1) * w * h * 4));
    painter.putImageData(new ImageData(pixels, w, h), i * w, 0);
  }
}

/** Draw latents, [tokens, channels], a column a token: blue below 0, orange above, pale near it. */
export function drawLatents(canvas, values, tokens) {
  const channels = values.length / tokens;
  canvas.width = tokens;
  canvas.height = channels;
  const pixels = new Uint8ClampedArray(values.length * 4);
  values.forEach((value, i) => {
    const at = 4 * ((i % channels) * tokens + Math.floor(i / channels));
    const [r, g, b] = value < 0 ? [0, 114, 178] : [213, 94, 0];
    pixels.set([r, g, b, Math.min(Math.abs(value) / 3, 1) * 255], at);
  });
  canvas.getContext("2d").putImageData(new ImageData(pixels, tokens, channels), 0, 0);
}

/** Draw a lane's mask on its time axis: full where a token is generated, an outline where it is kept. */
export function drawMask(canvas, intervals_s, shares, duration_s, colour) {
  const painter = fitted(canvas);
  const { width, height } = canvas;
  intervals_s.forEach(([begin, end], i) => {
    const [left, right] = [(begin / duration_s) * width, (end / duration_s) * width];
    painter.globalAlpha = shares[i] ? 1 : 0.22;
    painter.fillStyle = colour;
    painter.fillRect(left, 0, Math.max(right - left - 1, 1), height);
  });
  painter.globalAlpha = 1;
}

/** The canvas's painter, with as many pixels as the screen gives it. */
function fitted(canvas) {
  const scale = globalThis.devicePixelRatio || 1;
  canvas.width = Math.max(Math.round(canvas.clientWidth * scale), 1);
  canvas.height = Math.max(Math.round(canvas.clientHeight * scale), 1);
  return canvas.getContext("2d");
}
