// One request to one clip: words, latents, then frames and samples, with what is given put back where it was.
import { masksOf, putBackFrames, putBackSamples } from "./masks.mjs";
import { sample } from "./sampler.mjs";
import { tokenize } from "./words.mjs";

/**
 * {frames: uint8 [F, H, W, 4], samples: float32 [2, N], latents: {video, audio}, seconds, warnings}.
 *
 * spans: seconds that are generated, by lane. before: the clip whose rest is kept, or null. image: uint8 [H, W, 4] to
 * begin with, or null. onStep({index, count, sigma, glance}) after each step; glance: uint8 [f, h, w, 4].
 */
export async function makeClip(model, engine, { prompt, seed, spans, before = null, image = null }, onStep) {
  const began = performance.now();
  const { request } = model;
  const words = tokenize(prompt, model.tokenizer);
  const text = await engine.run("text", { input_ids: words.ids, attention_mask: words.mask });
  const masks = masksOf(model, spans, image !== null);
  const given = { video: before?.latents.video ?? null, audio: before?.latents.audio ?? null };
  if (image) {
    const { latents } = await engine.run("image", { picture: image });
    given.video = new Float32Array(masks.video.length * model.channels);
    given.video.set(latents);
  }
  const latents = await sample(model, {
    run: engine.run,
    text,
    seed,
    masks,
    given,
    async onStep({ index, sigma, x0 }) {
      const { frames } = await engine.run("glance", { latents: x0.video });
      await onStep({ index, count: model.sigmas.length - 1, sigma, glance: frames, audio: x0.audio });
    },
  });
  const isKept = (lane) => before && masks[lane].every((share) => share === 0);
  let frames = before?.frames;
  if (!isKept("video")) {
    const made = (await engine.run("picture", { latents: latents.video })).frames;
    frames = before ? putBackFrames(made, before.frames, spans.video, request) : made;
  }
  let samples = before?.samples;
  if (!isKept("audio")) {
    const made = (await engine.run("sound", { audio_latents: latents.audio })).samples;
    samples = before
      ? putBackSamples(made, before.samples, spans.audio, model.num_samples, model.sample_rate)
      : made;
  }
  const warnings = [];
  if (words.unknown.length) warnings.push(`The model does not know ${words.unknown.join(", ")}; the clip is made without.`);
  if (words.lost.length) warnings.push(`The prompt is too long: ${words.lost.join(" ")} is not read.`);
  return { frames, samples, latents, warnings, seconds: (performance.now() - began) / 1000 };
}
