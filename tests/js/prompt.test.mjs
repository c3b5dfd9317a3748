// A prompt in parts and as one text, sampling in words, sizes by name.
import assert from "node:assert/strict";
import { test } from "node:test";
import { effective, numbersOf, samplingText, usesNegative } from "../../widgets/ltx_widgets/static/prompt/guidance.mjs";
import { numberIn } from "../../widgets/ltx_widgets/static/lib/fields.mjs";
import { framesOf, withRate, withSeconds } from "../../widgets/ltx_widgets/static/lib/shape_view.mjs";
import { lengthText, sizeLabel, sizeOf, sizeText } from "../../widgets/ltx_widgets/static/lib/shape_text.mjs";
import { lorasText } from "../../widgets/ltx_widgets/static/prompt/loras_view.mjs";
import {
  editParts,
  joinParts,
  partsOf,
  sentence,
  withTrigger,
  wordCount,
} from "../../widgets/ltx_widgets/static/prompt/words.mjs";
import { countText, rolledSeed } from "../../widgets/ltx_widgets/static/prompt.mjs";

const BALL = { action: "A red ball bounces", sound: "It thumps" };
const TEXT = "A red ball bounces. It thumps.";

test("parts join into sentences in their order, whatever order they were written in", () => {
  assert.equal(joinParts({ sound: "It thumps", action: "A red ball bounces", look: "  " }), TEXT);
  assert.equal(joinParts({}), "");
});

test("a part ends like a sentence once, and speech stands in quotes once", () => {
  assert.equal(sentence("look", "Dark"), "Dark.");
  assert.equal(sentence("look", "Dark."), "Dark.");
  assert.equal(sentence("speech", "Hello"), '"Hello."');
  assert.equal(sentence("speech", 'She says "Hello!"'), 'She says "Hello!"');
});

test("a text that the parts do not make up is all action", () => {
  assert.deepEqual(partsOf(BALL, TEXT), BALL);
  assert.deepEqual(partsOf(BALL, "A red ball bounces. It thumps. Loudly."), {
    action: "A red ball bounces. It thumps. Loudly.",
  });
  assert.deepEqual(partsOf(BALL, ""), {});
});

for (const [what, after, expected] of [
  ["inside a part", "A big red ball bounces. It thumps.", { action: "A big red ball bounces.", sound: "It thumps." }],
  ["at the end", `${TEXT} Twice.`, { action: "A red ball bounces.", sound: "It thumps. Twice." }],
  ["across two parts", "A red ball rolls.", { action: "A red ball rolls." }],
  ["by taking a part out", "It thumps.", { sound: "It thumps." }],
  ["by taking everything out", "", {}],
]) {
  test(`a text edited ${what} keeps its other parts`, () => {
    assert.deepEqual(editParts(BALL, TEXT, after), expected);
  });
}

test("a text typed letter by letter without parts stays the action", () => {
  let [parts, before] = [{}, ""];
  for (const letter of "A ball. It rolls.") {
    parts = editParts(parts, before, before + letter);
    before += letter;
  }
  assert.deepEqual(parts, { action: "A ball. It rolls." });
});

test("random edits never lose or double a letter of the text", () => {
  let seed = 1;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let run = 0; run < 300; run += 1) {
    let parts = { action: "One two.", camera: "Three.", light: "Four five.", speech: '"Six."' };
    let text = joinParts(parts);
    for (let step = 0; step < 5; step += 1) {
      const start = random(text.length + 1);
      const end = Math.min(start + random(12), text.length);
      const after = text.slice(0, start) + "xyz ".slice(0, random(5)) + text.slice(end);
      parts = editParts(parts, text, after);
      text = after;
      assert.equal(Object.values(parts).join("").replaceAll(/\s/g, ""), text.replaceAll(/\s/g, ""));
    }
  }
});

test("words are counted between white space", () => {
  assert.equal(wordCount("  a red\n ball "), 3);
  assert.equal(wordCount("  "), 0);
});

test("the count names tokens where there is a tokenizer, and a prompt that is too long", () => {
  assert.equal(countText(3, null), "3 of 200 words");
  assert.equal(countText(201, 260), "201 of 200 words: longer than the captions it was trained on, 260 tokens");
});

test("a whole number that JavaScript would round stays the text that was typed", () => {
  assert.equal(numberIn({ value: " 18446744073709551615 " }), "18446744073709551615");
  assert.equal(numberIn({ value: "9007199254740991" }), 9007199254740991);
  assert.equal(numberIn({ value: "1e3" }), 1000);
  assert.equal(numberIn({ value: "ten" }), "ten");
});

test("a rolled seed is a whole number that JSON keeps", () => {
  const seed = rolledSeed();
  assert.ok(Number.isSafeInteger(seed) && seed >= 0);
});

const DEV = { num_inference_steps: 30, guidance_scale: 3, stg_scale: 1, audio_guidance_scale: 7, audio_stg_scale: 0 };
const UNGUIDED = {
  guidance_scale: 1, stg_scale: 0, modality_scale: 1, guidance_rescale: 0,
  audio_guidance_scale: 1, audio_stg_scale: 0, audio_modality_scale: 1, audio_guidance_rescale: 0,
};
const DISTILLED = { num_inference_steps: 8, guidance_scale: 1, audio_guidance_scale: 1, stg_scale: 0 };

test("the model's own setting holds where none is given", () => {
  assert.equal(effective("stg_scale", {}, DEV), 1);
  assert.equal(effective("stg_scale", { stg_scale: 0 }, DEV), 0);
  assert.equal(effective("modality_scale", {}, DEV), null);
});

test("a negative prompt is used where either lane is guided by it", () => {
  assert.equal(usesNegative({}, DISTILLED, UNGUIDED), false);
  assert.equal(usesNegative({ audio_guidance_scale: 2 }, DISTILLED, UNGUIDED), true);
  assert.equal(usesNegative({ guidance_scale: 1 }, DEV, UNGUIDED), true);
  assert.equal(usesNegative({ guidance_scale: 1, audio_guidance_scale: 1 }, DEV, UNGUIDED), false);
});

test("sampling is summed up for both lanes", () => {
  assert.equal(samplingText({}, DISTILLED, UNGUIDED), "8 steps, no guidance");
  assert.equal(samplingText({ sigmas: [1, 0.5] }, DEV, UNGUIDED), "2 steps, picture: CFG 3, STG 1; sound: CFG 7");
});

test("a list of numbers is read, and what is no number is left for Python to refuse", () => {
  assert.deepEqual(numbersOf("1, 0.9 .5"), [1, 0.9, 0.5]);
  assert.deepEqual(numbersOf("1 half"), [1, "half"]);
  assert.equal(numbersOf(" , "), null);
});

const FULL_HD = { name: "1080p-portrait", width: 1088, height: 1920, crop_width: 1080, crop_height: 1920 };
const SQUARE = { name: "square", width: 128, height: 128, crop_width: null, crop_height: null };

test("a size has its name only with its own crop", () => {
  assert.equal(sizeOf({ ...FULL_HD, seed: 1 }, [SQUARE, FULL_HD]), FULL_HD);
  assert.equal(sizeOf({ ...FULL_HD, crop_width: null }, [SQUARE, FULL_HD]), null);
});

test("sizes and lengths are said with their snapped numbers", () => {
  assert.equal(sizeLabel(FULL_HD), "1080p portrait, 1080 × 1920");
  assert.equal(sizeText(FULL_HD), "1088 × 1920 px = 34 × 60 latents, cropped to 1080 × 1920 when saved");
  assert.equal(sizeText(SQUARE), "128 × 128 px = 4 × 4 latents");
  assert.equal(lengthText(49, 24), "49 = 8 × 6 + 1 frames, 7 video latents, 51 audio latents");
});

test("seconds become the nearest legal length, at least 9 frames and at most one pass", () => {
  assert.equal(framesOf(2, 24), 49);
  assert.equal(framesOf(0, 24), 9);
  assert.equal(framesOf(100, 24), 481);
});

test("a frame rate that is none changes no length, and the next one keeps the seconds that there are", () => {
  const valid = { num_frames: 49, frame_rate: 24 };
  assert.deepEqual(withRate("", valid), { frame_rate: "" });
  assert.deepEqual(withRate(0, valid), { frame_rate: 0 });
  assert.deepEqual(withRate(24, valid), { frame_rate: 24, num_frames: 49 });
  assert.deepEqual(withRate(30, valid), { frame_rate: 30, num_frames: 65 });
});

test("seconds that are none are told as they are", () => {
  assert.deepEqual(withSeconds("", { frame_rate: 24 }), { num_frames: "" });
  assert.deepEqual(withSeconds(-1, { frame_rate: 24 }), { num_frames: -24 });
  assert.deepEqual(withSeconds(1, { frame_rate: 24 }), { num_frames: 25 });
});

test("a trigger word is put before a prompt once", () => {
  assert.equal(withTrigger("a ball", "RINGING"), "RINGING a ball");
  assert.equal(withTrigger("a ringing ball", "RINGING"), "a ringing ball");
  assert.equal(withTrigger("", "RINGING"), "RINGING");
});

test("the LoRAs that are on are told with their strength", () => {
  const loras = [
    { name: "bells.safetensors", strength: 0.8 },
    { name: "style.safetensors", strength: null },
  ];
  assert.equal(lorasText(loras), "bells 0.8");
  assert.equal(lorasText([loras[1]]), "none");
});
