// Opens values of a timeline, says which latents the model sees, and what each of some random edits makes of the value.
import { createDisposer } from "../../widgets/ltx_widgets/static/lib/dom.mjs";
import { createEditor } from "../../widgets/ltx_widgets/static/timeline/editor.mjs";
import * as edits from "../../widgets/ltx_widgets/static/timeline/edits.mjs";
import * as linked from "../../widgets/ltx_widgets/static/timeline/linked.mjs";
import { LANES, duration_s, laneMask, parts } from "../../widgets/ltx_widgets/static/timeline/draft.mjs";
import { createFakeModel } from "./fake_model.mjs";
import { readJson } from "./read_json.mjs";

const EDITS = 8;

// Numbers in [0, 1) that are the same in every run (mulberry32).
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function randomEdit(draft, random, lengths) {
  const options = { snap: random() < 0.7, linked: random() < 0.7, lengths_s: (source) => lengths[source] };
  const time_s = random() * duration_s(draft);
  const all = LANES.flatMap((lane) => parts(draft, lane));
  const part = all[Math.floor(random() * all.length)];
  const sources = Object.keys(lengths);
  const source = sources[Math.floor(random() * sources.length)];
  const grip = ["start", "end", "body", "body"][Math.floor(random() * 4)];
  const makers = [
    () => linked.dragged(draft, part, grip, (random() - 0.5) * 2 * duration_s(draft), options),
    () => linked.dragged(draft, part, grip, (random() - 0.5) * 0.4, options),
    () => linked.splitAt(draft, part, time_s, options),
    () => linked.deleted(draft, part, options),
    () => edits.cleared(draft, part.lane, time_s, Math.min(time_s + random(), duration_s(draft))),
    () => edits.withUnit(draft, source, { video: lengths[source], audio: lengths[source] }, time_s, options.snap),
    () => edits.withImage(draft, source, time_s),
    () => edits.resized(draft, random() * 200),
  ];
  return makers[Math.floor(random() * makers.length)]();
}

const { values, lengths_s } = readJson();
const opened = values.map((value, index) => {
  const model = createFakeModel({ value });
  const editor = createEditor(model, createDisposer(), { tell() {} }, () => undefined, () => {});
  const masks = Object.fromEntries(LANES.map((lane) => [lane, laneMask(editor.draft, lane)]));
  const random = seeded(index);
  for (let edit = 0; edit < EDITS; edit += 1) editor.commit(randomEdit(editor.draft, random, lengths_s));
  const edited = model.sent.map(({ content }) => content.value);
  while (editor.canUndo) editor.undo();
  return { masks, edited, undone: editor.draft };
});
process.stdout.write(JSON.stringify(opened));
