// Where the playhead goes, and sound as it is drawn.
import assert from "node:assert/strict";
import { test } from "node:test";
import { shortNames } from "../../widgets/ltx_widgets/static/player/comparison.mjs";
import * as playback from "../../widgets/ltx_widgets/static/player/playback.mjs";
import { levelColour, levelPixels, waveformPath, waveformScale } from "../../widgets/ltx_widgets/static/lib/sound.mjs";
import { audioTokenInterval_s, videoTokenInterval_s } from "../../widgets/ltx_widgets/static/lib/time.mjs";

const CLIP = { frame_rate: 24, num_frames: 49, duration_s: 49 / 24, has_video: true, has_audio: true };
const SOUND = { frame_rate: null, num_frames: 0, duration_s: 2, has_video: false, has_audio: true };

test("a frame's own time is in that frame, for every frame and rate", () => {
  for (const rate of [1, 23.976, 24, 25, 29.97, 60, 120]) {
    for (let frame = 0; frame < 200; frame += 1) {
      assert.equal(playback.frameAt(playback.frameTime_s(frame, rate), rate, 200), frame);
      assert.equal(playback.frameAt(frame / rate, rate, 200), frame);
    }
  }
});

test("a playhead past the end shows the last frame", () => {
  assert.equal(playback.frameAt(99, 24, 49), 48);
  assert.equal(playback.frameAt(-1, 24, 49), 0);
});

test("the latent under the playhead is the one whose interval holds it", () => {
  for (let frame = 0; frame < 49; frame += 1) {
    const [start_s, end_s] = videoTokenInterval_s(playback.latentOfFrame(frame), 24);
    assert.ok(start_s <= frame / 24 && frame / 24 < end_s, `frame ${frame}`);
  }
  for (let time_s = 0; time_s < 2; time_s += 0.0037) {
    const [start_s, end_s] = audioTokenInterval_s(playback.audioLatentAt(time_s, 3));
    assert.ok(start_s <= time_s + 1e-9 && time_s < end_s, `${time_s} s`);
  }
});

test("steps lead from frame to frame and stop at both ends", () => {
  const frameAfter = (time_s, frames) => playback.frameAt(playback.steppedTime_s(time_s, frames, CLIP), 24, 49);
  assert.equal(frameAfter(10 / 24, 1), 11);
  assert.equal(frameAfter(10 / 24, -8), 2);
  assert.equal(frameAfter(0, -1), 0);
  assert.equal(frameAfter(2, 1e9), 48);
});

test("a step of sound alone is an audio latent", () => {
  assert.ok(Math.abs(playback.steppedTime_s(0.02, 1, SOUND) - 0.06) < 1e-9);
});

test("a loop begins again at its end, and where the playhead is outside", () => {
  assert.equal(playback.loopTarget_s(1.2, [0.5, 1.2], true, 2), 0.5);
  assert.equal(playback.loopTarget_s(0.1, [0.5, 1.2], true, 2), 0.5);
  assert.equal(playback.loopTarget_s(0.9, [0.5, 1.2], true, 2), null);
  assert.equal(playback.loopTarget_s(1.9, [0.5, 1.2], false, 2), null);
  assert.equal(playback.loopTarget_s(2, [], true, 2), 0);
});

test("a drag in either direction gives a span inside the clip, a click none", () => {
  assert.deepEqual(playback.spanBetween_s(1, 0.25, 2, 0.01), [0.25, 1]);
  assert.deepEqual(playback.spanBetween_s(1, 9, 2, 0.01), [1, 2]);
  assert.equal(playback.spanBetween_s(1, 1.001, 2, 0.01), null);
});

test("an end that is set makes room for itself", () => {
  assert.deepEqual(playback.spanWithEnd([], "in", 0.5, 2), [0.5, 2]);
  assert.deepEqual(playback.spanWithEnd([0.5, 1], "out", 1.5, 2), [0.5, 1.5]);
  assert.deepEqual(playback.spanWithEnd([0.5, 1], "in", 1.5, 2), [1.5, 2]);
  assert.deepEqual(playback.spanWithEnd([0.5, 1], "out", 0.25, 2), [0, 0.25]);
});

test("the second clip catches up, falls back, or jumps", () => {
  assert.equal(playback.followingRate(1, 0.005), 1);
  assert.ok(playback.followingRate(1, -0.05) > 1);
  assert.ok(playback.followingRate(2, 0.05) < 2);
  assert.equal(playback.followingRate(1, 0.4), null);
});

test("ticks are round, in the clip, and as far apart as asked", () => {
  for (const [duration_s, width_px] of [[2, 480], [20, 480], [20.1, 960], [0.3, 960]]) {
    const { step_s, times_s } = playback.rulerTicks(duration_s, width_px);
    assert.ok((step_s / duration_s) * width_px >= 64 - 1e-6);
    assert.ok(times_s.at(-1) <= duration_s + 1e-9 && times_s.length > 1);
  }
});

test("the place is told for the lanes there are", () => {
  assert.equal(playback.positionText(1, CLIP), "frame 24 · latent 3 · audio latent 25");
  assert.equal(playback.positionText(0, SOUND), "audio latent 0");
});

test("a step is told with its noise level, and with its stage where there are two", () => {
  const steps = [{ stage: 1, index: 0, sigma: 1 }, { stage: 2, index: 1, sigma: 0.725 }];
  assert.equal(playback.stepText(steps[1], steps), "stage 2, step 2, σ 0.725");
  assert.equal(playback.stepText(steps[0], steps.slice(0, 1)), "step 1, σ 1.00");
});

test("levels rise from viridis' darkest to its brightest", () => {
  assert.deepEqual(levelColour(0), [68, 1, 84]);
  assert.deepEqual(levelColour(255), [253, 231, 37]);
});

test("the lowest band is drawn at the bottom", () => {
  const pixels = levelPixels(new Uint8Array([255, 255, 0, 0]), 2, 2);
  assert.deepEqual([...pixels.slice(0, 4)], [68, 1, 84, 255]);
  assert.deepEqual([...pixels.slice(8, 12)], [253, 231, 37, 255]);
});

test("a waveform's outline runs along the highest samples and back along the lowest", () => {
  const peaks = new Int8Array([-127, 127, 0, 0]);
  assert.equal(waveformPath(peaks, 0, 2, 1), "M0.2500 0.0000L0.7500 0.5000L0.7500 0.5000L0.2500 1.0000Z");
});

test("soft sound is drawn larger, silence is not blown up", () => {
  assert.equal(waveformScale(new Int8Array([-64, 32])), 127 / 64);
  assert.equal(waveformScale(new Int8Array([0, 1])), 8);
});

test("a shuttle goes faster with every press, and turns at once", () => {
  assert.deepEqual([0, 1, 1.5, 2, 4, -2].map((speed) => playback.shuttled(speed, 1)), [1, 1.5, 2, 4, 4, 1]);
  assert.deepEqual([0, -1, 3].map((speed) => playback.shuttled(speed, -1)), [-1, -1.5, -1]);
});

test("buttons over two pictures have the beginnings of the clips' names, where these differ", () => {
  assert.deepEqual(shortNames(["#0 · seed 12", "#2 · seed 12"]), ["#0", "#2"]);
  assert.deepEqual(shortNames(["red · a", "red · b"]), ["red · a", "red · b"]);
});
