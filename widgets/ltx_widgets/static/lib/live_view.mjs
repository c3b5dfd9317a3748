// What a run predicts, as it comes step by step: the picture runs at the clip's speed, unless motion is unwanted; its sound
// is beside it.

import { bytesOf } from "./bytes.mjs";
import { h } from "./dom.mjs";
import { previewFrame } from "./run_text.mjs";
import { paintLevels } from "./sound.mjs";

const MEL_ROWS = 64;

// Returns {picture, sound, show(facts, buffers), clear(), isShown}; onShown() whenever there is something to see or no more.
export function createLiveView(disposer, onShown) {
  const canvas = h("canvas", { role: "img", "aria-label": "What the run predicts of the picture" });
  const mel = h("canvas", { class: "ltx-live-sound", role: "img", "aria-label": "What the run predicts of the sound" });
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const start_ms = performance.now();
  let shown = null;
  let isEnded = false;
  let request = 0;
  const draw = (index) => {
    const { strip, num_latent_frames } = shown;
    const width = strip.width / num_latent_frames;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== strip.height) canvas.height = strip.height;
    canvas.getContext("2d").drawImage(strip, index * width, 0, width, strip.height, 0, 0, width, strip.height);
  };
  const tick = () => {
    if (!shown) return;
    const { num_latent_frames, frame_rate } = shown;
    draw(previewFrame((performance.now() - start_ms) / 1000, num_latent_frames, frame_rate));
    request = requestAnimationFrame(tick);
  };
  const forget = () => {
    cancelAnimationFrame(request);
    shown?.strip.close();
    shown = null;
  };
  const view = {
    picture: canvas,
    sound: mel,
    get isShown() {
      return shown !== null;
    },
    async show(facts, [jpeg, levels]) {
      isEnded = false;
      const strip = await createImageBitmap(new Blob([bytesOf(jpeg)], { type: "image/jpeg" }));
      if (disposer.isDisposed || isEnded) return strip.close();
      forget();
      shown = { ...facts, strip };
      paintLevels(mel, bytesOf(levels), MEL_ROWS);
      if (isStill) draw(Math.floor(facts.num_latent_frames / 2));
      else tick();
      onShown();
    },
    clear() {
      isEnded = true;
      forget();
      onShown();
    },
  };
  disposer.add(forget);
  return view;
}
