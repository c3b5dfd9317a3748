import assert from "node:assert/strict";
import { test } from "node:test";
import { putBackFrames, putBackSamples } from "../../docs/try/masks.mjs";
import { gaps, pythonOf } from "../../docs/try/requests.mjs";
import { sample, step } from "../../docs/try/sampler.mjs";

const model = {
  sigmas: [1, 0.5, 0],
  timesteps_per_sigma: 1000,
  channels: 128,
  noise: { video: [1, 128, 1, 1, 2], audio: [1, 3, 128] },
};

// A model that knows the answer: all ones for picture, all twos for sound.
const toOnes = (asked) => async (_part, inputs) => {
  asked.push(inputs);
  const velocity = (latents, target, timestep) =>
    latents.map((value, i) => (value - target) / (timestep[Math.floor(i / 128)] / 1000 || 1));
  return {
    velocity: velocity(inputs.latents, 1, inputs.timestep),
    audio_velocity: velocity(inputs.audio_latents, 2, inputs.audio_timestep),
  };
};

const near = (values, wanted) => values.forEach((value, i) => assert.ok(Math.abs(value - wanted(i)) < 1e-4, `${i}`));

test("steps lead to what the model predicts", async () => {
  const asked = [];
  const masks = { video: Float32Array.of(1, 1), audio: Float32Array.of(1, 1, 1) };
  const made = await sample(model, { run: toOnes(asked), text: {}, seed: 1, masks });
  near(made.video, () => 1);
  near(made.audio, () => 2);
  assert.deepEqual(asked.map(({ sigma }) => sigma[0]), [1000, 500]);
});

test("what a mask keeps comes out as it was given, at timestep 0", async () => {
  const asked = [];
  const given = { video: new Float32Array(256).fill(7), audio: new Float32Array(384).fill(9) };
  const masks = { video: Float32Array.of(0, 1), audio: Float32Array.of(0, 0, 0) };
  const made = await sample(model, { run: toOnes(asked), text: {}, seed: 1, masks, given });
  near(made.video, (i) => (i < 128 ? 7 : 1));
  near(made.audio, () => 9);
  assert.deepEqual([...asked[0].timestep], [0, 1000]);
});

test("a lane that is kept whole has sigma 0 for the other", async () => {
  const asked = [];
  const given = { video: new Float32Array(256), audio: null };
  const masks = { video: Float32Array.of(0, 0), audio: Float32Array.of(1, 1, 1) };
  await sample(model, { run: toOnes(asked), text: {}, seed: 1, masks, given });
  assert.deepEqual([asked[0].sigma[0], asked[0].audio_sigma[0]], [0, 1000]);
});

test("the last step arrives at x0", () => {
  const lane = { clean: new Float32Array(2), mask: Float32Array.of(1, 1), latents: Float32Array.of(3, -1), channels: 1 };
  const x0 = step(lane, Float32Array.of(2, 4), 0.5, 0);
  assert.deepEqual([...lane.latents], [...x0]);
  assert.deepEqual([...x0], [2, -3]);
});

test("what onStep throws ends the run", async () => {
  const masks = { video: Float32Array.of(1, 1), audio: Float32Array.of(1, 1, 1) };
  const onStep = () => {
    throw new Error("stop");
  };
  await assert.rejects(sample(model, { run: toOnes([]), text: {}, seed: 1, masks, onStep }), /stop/);
});

test("frames outside the generated spans are those of before", () => {
  const [made, given] = [Uint8Array.of(10, 11, 12, 13), Uint8Array.of(0, 1, 2, 3)];
  const frames = putBackFrames(made, given, [[0.25, 0.75]], { num_frames: 4, frame_rate: 4 });
  assert.deepEqual([...frames], [0, 11, 12, 3]);
});

test("samples outside the generated spans are those of before, and seams fade", () => {
  const [made, given] = [new Float32Array(2000).fill(1), new Float32Array(2000)];
  const samples = putBackSamples(made, given, [[0.25, 0.75]], 1000, 1000);
  assert.deepEqual([samples[249], samples[500], samples[750]], [0, 1, 0]);
  assert.ok(samples[251] > 0 && samples[251] < 1);
  assert.equal(samples[1500], 1);
});

test("spans that reach an end of the clip do not fade there", () => {
  const samples = putBackSamples(new Float32Array(200).fill(1), new Float32Array(200), [[0, 0.1]], 100, 1000);
  assert.deepEqual([samples[0], samples[99]], [1, 1]);
});

test("gaps are what spans leave", () => {
  assert.deepEqual(gaps([[0.5, 1]], 2), [[0, 0.5], [1, 2]]);
  assert.deepEqual(gaps([], 2), [[0, 2]]);
  assert.deepEqual(gaps([[0, 2]], 2), []);
});

test("the lines of Python name the task", () => {
  const whole = { video: [[0, 2]], audio: [[0, 2]] };
  const asked = { prompt: 'a "red" ball', seed: 4, spans: whole, before: null, image: null };
  assert.match(pythonOf(asked), /text_to_video\("a \\"red\\" ball", seed=4\)/);
  assert.match(pythonOf({ ...asked, image: {} }), /image_to_video\(/);
  const again = pythonOf({ ...asked, before: {}, spans: { video: [], audio: [[0.5, 1]] } });
  assert.match(again, /retake\(clip, start=0.5, end=1, prompt=.*, video=False, seed=4\)/);
});
