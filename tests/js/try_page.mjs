// What the page's modules make of a case, for a test that knows what the kit makes of it.
import { drawNoise } from "../../docs/try/noise.mjs";
import { masksOf } from "../../docs/try/masks.mjs";
import { requestOf } from "../../docs/try/requests.mjs";
import { tokenize } from "../../docs/try/words.mjs";
import { readJson } from "./read_json.mjs";

const { model, noise, spans, prompts, requests } = await readJson();
const drawn = [];
for (const { seed, lane, shape } of noise) drawn.push([...(await drawNoise(seed, lane, shape))]);
const masks = spans.map((one) => masksOf(model, one));
const asked = [];
for (const one of requests) {
  const before = one.before && { frames: Uint8Array.from([1, 2, 3]), samples: Float32Array.from([0.5]) };
  const image = one.png && { png: Uint8Array.from(atob(one.png), (char) => char.charCodeAt(0)).buffer };
  asked.push(await requestOf(model, { ...one, before, image }));
}
console.log(
  JSON.stringify({
    noise: drawn,
    masks: masks.map(({ video, audio }) => ({ video: [...video], audio: [...audio] })),
    tokens: prompts.map((prompt) => {
      const { ids, mask, unknown, lost } = tokenize(prompt, model.tokenizer);
      return { ids: [...ids].map(Number), mask: [...mask].map(Number), unknown, lost };
    }),
    requests: asked,
  }),
);
