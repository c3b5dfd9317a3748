// The denoising loop, as ltx_nb.pipeline.denoise: two lanes, a mask on each, x0 blended with what is given, Euler steps.
import { drawNoise, packVideo } from "./noise.mjs";

/**
 * The latents of both lanes, {video, audio: Float32Array of [tokens, channels]}.
 *
 * run(part, inputs): a promise of the part's outputs by name. text: outputs of the part "text". masks: as `masksOf`.
 * given: latents that masks keep, by lane, or null. onStep({index, sigma, x0, latents}) after each step; what it throws
 * ends the run.
 */
export async function sample(model, { run, text, seed, masks, given = {}, onStep = () => {} }) {
  const sigmas = Float32Array.from(model.sigmas);
  const video = packVideo(await drawNoise(seed, "video", model.noise.video), model.channels);
  const audio = await drawNoise(seed, "audio", model.noise.audio);
  const lanes = {
    video: lane(video, given.video, masks.video, sigmas[0]),
    audio: lane(audio, given.audio, masks.audio, sigmas[0]),
  };
  for (let index = 0; index + 1 < sigmas.length; index++) {
    const [sigma, next] = [sigmas[index], sigmas[index + 1]];
    const time = Math.fround(sigma * model.timesteps_per_sigma);
    const velocities = await run("transformer", {
      latents: lanes.video.latents,
      audio_latents: lanes.audio.latents,
      ...text,
      timestep: lanes.video.mask.map((share) => share * time),
      audio_timestep: lanes.audio.mask.map((share) => share * time),
      // A lane that is kept whole is clean to the other.
      sigma: Float32Array.of(lanes.video.isKept ? 0 : time),
      audio_sigma: Float32Array.of(lanes.audio.isKept ? 0 : time),
    });
    const x0 = {
      video: step(lanes.video, velocities.velocity, sigma, next),
      audio: step(lanes.audio, velocities.audio_velocity, sigma, next),
    };
    await onStep({ index, sigma, x0, latents: { video: lanes.video.latents, audio: lanes.audio.latents } });
  }
  return { video: lanes.video.latents, audio: lanes.audio.latents };
}

function lane(noise, given, mask, sigma) {
  const clean = given ?? new Float32Array(noise.length);
  const channels = noise.length / mask.length;
  const latents = noise.map((value, i) => {
    const share = mask[Math.floor(i / channels)];
    return value * sigma * share + clean[i] * (1 - share);
  });
  return { clean, mask, latents, channels, isKept: mask.every((share) => share === 0) };
}

/** Take one Euler step on a lane, from noise level sigma to the next, and return its x0. */
export function step(lane, velocity, sigma, next) {
  const x0 = new Float32Array(velocity.length);
  const latents = new Float32Array(velocity.length);
  for (let i = 0; i < x0.length; i++) {
    const share = lane.mask[Math.floor(i / lane.channels)];
    const predicted = lane.latents[i] - velocity[i] * sigma * share;
    x0[i] = lane.clean[i] + share * (predicted - lane.clean[i]);
    latents[i] = lane.latents[i] + ((lane.latents[i] - x0[i]) / sigma) * (next - sigma);
  }
  lane.latents = latents;
  return x0;
}
