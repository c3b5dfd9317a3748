// One latent of a clip, picked on the frames or the sound: everything that Python tells about it.

import { bytesOf } from "./lib/bytes.mjs";
import { button, createDisposer, debounce, h, showError, widgetRoot } from "./lib/dom.mjs";
import { watchKernel } from "./lib/kernel.mjs";
import { attentionCard, channelsCard, historyCard } from "./latent_explorer/charts.mjs";
import { canvasOf, heatPixels } from "./latent_explorer/colours.mjs";
import { lanesView } from "./latent_explorer/lanes_view.mjs";
import { detailsOf, floatsOf } from "./latent_explorer/numbers.mjs";
import { placeText, samePlace } from "./latent_explorer/places.mjs";

const PICK_MS = 80;
const CLOSE_UP = 40; // mel frames of 10 ms

const MODES = { pictures: "Picture", colours: "Latents as colours", attention: "Attention", footprint: "Footprint" };

const REFERENCE = /^reference (\d+)$/;

// The index of the reference that a mode shows, or null for a mode that shows the clip.
export function referenceOf(mode) {
  const found = REFERENCE.exec(mode);
  return found && Number(found[1]);
}

// What of a lane is drawn as heat in a mode: {levels, width, height, least, most, gamma}, of sound with the seconds that
// it is wide; {} for none.
export function heatOf(mode, { picked, details, footprint, references = [] }, { rows, columns, sounds }) {
  const seen = references[referenceOf(mode)];
  if (seen && details && samePlace(details.picked, picked) && details.references[referenceOf(mode)]) {
    const { levels } = details.references[referenceOf(mode)];
    const range = { least: levels.reduce((a, b) => Math.min(a, b)), most: levels.reduce((a, b) => Math.max(a, b)) };
    return { video: { levels, width: seen.shape[2], height: seen.shape[1], ...range } };
  }
  if (mode === "attention" && details && samePlace(details.picked, picked)) {
    const levels = details.attention.looks_at ?? details.attention.seen_by;
    if (!levels) return {};
    const range = { least: levels.reduce((a, b) => Math.min(a, b)), most: levels.reduce((a, b) => Math.max(a, b)) };
    if (picked.lane === "audio") return { video: { levels, width: columns, height: rows, ...range } };
    return { audio: { levels, width: sounds, height: 1, ...range, wide_s: (4 * sounds - 3) / 100 } };
  }
  if (mode === "footprint" && footprint && samePlace(footprint.picked, picked)) {
    const { levels, shape } = footprint;
    const range = { least: 0, most: 255, gamma: 0.5 };
    if (picked.lane === "video") return { video: { levels, width: shape[2], height: shape[1], ...range } };
    return { audio: { levels, width: shape[0], height: shape[1], ...range, wide_s: shape[0] / 100 } };
  }
  return {};
}

// A picture [width, height] from one [height, width], its rows upside down: a spectrogram from mel frames.
export function uprightMel(levels, [count, mels]) {
  return Uint8Array.from(levels, (_, index) => levels[(index % count) * mels + (mels - 1 - Math.floor(index / count))]);
}

// The columns [from, to) of a picture [width, height], as far as there are any: {levels, width}.
export function columnsOf(levels, width, height, from, to) {
  const [first, last] = [Math.max(from, 0), Math.min(to, width)];
  const rows = Array.from({ length: height }, (_, row) => levels.subarray(row * width + first, row * width + last));
  return { levels: Uint8Array.from(rows.flatMap((row) => Array.from(row))), width: last - first };
}

// A footprint of sound, from CLOSE_UP mel frames before the latent to as many after it.
function closeUpOf({ levels, shape, picked }) {
  const [count, mels] = shape;
  const part = columnsOf(levels, count, mels, 4 * picked.t - CLOSE_UP, 4 * picked.t + CLOSE_UP);
  const canvas = canvasOf(heatPixels(part.levels, part.width, mels, { least: 0, most: 255, gamma: 0.5 }));
  canvas.className = "explorer-close-up";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Change of the mel spectrogram around the latent, low tones at the bottom");
  return canvas;
}

function footprintText({ picked, own_share, most }) {
  const own = picked.lane === "video" ? "own frames and 32 × 32 px" : "own 40 ms";
  const unit = picked.lane === "video" ? "levels of 255" : "dB";
  const close = picked.lane === "video" ? "" : ` Below: ${CLOSE_UP / 100} s before it to as long after, all 64 mel bins.`;
  const share = `${Math.round(100 * own_share)} % of the change falls within its ${own}`;
  return `${share}; up to ${most.toPrecision(2)} ${unit}.${close}`;
}

function referenceText(shown, { share }) {
  const levels = `from ${shown.least.toFixed(2)}, dark, to ${shown.most.toFixed(2)} × chance, bright`;
  return `${Math.round(100 * share)} % of its attention to the picture is on the reference, which is shown: ${levels}.`;
}

function attentionText(heat) {
  const [lane, shown] = Object.entries(heat)[0] ?? [];
  if (!shown) return "";
  const where = lane === "video" ? "Over the picture" : "Along the sound";
  return `${where}: where it looks, from ${shown.least.toFixed(2)}, dark, to ${shown.most.toFixed(2)} × chance, bright.`;
}

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "latent-explorer", "Latent explorer");
  const grid = model.get("grid");
  let can = model.get("can");
  const state = { picked: model.get("picked"), mode: can.pictures ? "pictures" : "colours", pictures: [] };
  Object.assign(state, { colours: {}, spread: {}, details: null, footprint: null, isAsking: false, references: [] });

  const named = grid.references === 1 ? ["Reference"] : Array.from({ length: grid.references }, (_, n) => `Reference ${n + 1}`);
  const ofReferences = named.map((label, index) => [`reference ${index}`, label]);
  const modes = [...Object.entries(MODES), ...ofReferences].map(([mode, label]) => {
    const choice = button(label, { pressed: false });
    disposer.listen(choice, "click", () => choose(mode));
    return [mode, choice];
  });
  const capture = button("Capture attention");
  capture.title = "Makes the clip again and listens to where it looks; takes as long as the run did";
  disposer.listen(capture, "click", () => {
    capture.disabled = true;
    capture.textContent = "Capturing …";
    model.send({ type: "capture" });
  });
  disposer.onChange(model, "can", () => {
    const isNews = model.get("can").attention && !can.attention;
    can = model.get("can");
    if (isNews) choose("attention");
    else draw();
  });
  disposer.onChange(model, "error", () => {
    if (!model.get("error")) return;
    capture.disabled = false;
    capture.textContent = "Capture attention";
  });
  const where = h("p", { class: "explorer-where", role: "status" });
  const told = h("p", { class: "ltx-muted", role: "status" });
  const closeUp = h("div", { hidden: true });
  const cards = h("div", { class: "explorer-cards" });
  const lanes = lanesView(disposer, grid, (place) => pick(place));
  root.append(
    h(
      "div",
      { class: "ltx-row" },
      h("div", { class: "ltx-segments", role: "group", "aria-label": "What is shown" }, modes.map(([, choice]) => choice)),
      capture,
    ),
    h("div", { class: "explorer-columns" }, h("div", { class: "ltx-stack" }, lanes.element, where, told, closeUp), cards),
    showError(disposer, model),
  );
  watchKernel(disposer, model, root);

  // Places that Python has been told of and has not yet answered: their echo is no news.
  let awaited = [];
  const sendPick = debounce(() => {
    awaited.push(state.picked);
    model.send({ type: "pick", picked: state.picked });
  }, PICK_MS);
  const hasFootprint = () => state.footprint !== null && samePlace(state.footprint.picked, state.picked);
  const askFootprint = () => {
    if (state.mode !== "footprint" || hasFootprint() || !can[`${state.picked.lane}_footprint`]) return;
    state.isAsking = true;
    model.send({ type: "footprint", picked: state.picked });
  };
  const askSoon = debounce(() => {
    askFootprint();
    draw();
  }, 4 * PICK_MS);
  function pick(place) {
    if (samePlace(place, state.picked)) return;
    state.picked = place;
    sendPick();
    askSoon();
    draw();
  }
  function choose(mode) {
    state.mode = mode;
    askFootprint();
    draw();
  }
  function draw() {
    const { picked, mode } = state;
    for (const [name, choice] of modes) {
      choice.setAttribute("aria-pressed", String(name === mode));
      const reference = referenceOf(name);
      if (reference !== null) choice.disabled = reference >= can.references;
      else choice.disabled = !(name === "colours" || (name === "footprint" ? can[`${picked.lane}_footprint`] : can[name]));
      if (name === "attention" || reference !== null) {
        choice.title = choice.disabled ? "Attention to it was not captured in this run" : "";
      }
    }
    capture.hidden = can.attention || !can.capture;
    const heat = heatOf(mode, state, grid);
    lanes.draw({ ...state, heat, reference: state.references[referenceOf(mode)] });
    where.textContent = placeText(picked, grid);
    told.textContent = "";
    closeUp.hidden = mode !== "footprint" || picked.lane !== "audio" || !hasFootprint();
    if (referenceOf(mode) !== null) {
      const seen = heat.video && state.details.references[referenceOf(mode)];
      told.textContent = seen ? referenceText(heat.video, seen) : "The reference; how sound looks at it was not captured.";
    } else if (mode === "attention") told.textContent = attentionText(heat);
    else if (mode === "footprint" && hasFootprint()) told.textContent = footprintText(state.footprint);
    else if (mode === "footprint" && state.isAsking) told.textContent = "Decoding with this latent disturbed …";
  }
  function drawCards() {
    const { details, spread } = state;
    if (!details || !spread[details.picked.lane]) return;
    const hasAttention = Object.keys(details.attention).length + details.words.length > 0;
    cards.replaceChildren(
      channelsCard(details, spread[details.picked.lane]),
      historyCard(details),
      ...(hasAttention ? [attentionCard(details, grid)] : []),
    );
  }

  disposer.onMessage(model, "colours", ({ lane }, [colours, spread]) => {
    const numbers = floatsOf(spread);
    const half = numbers.length / 2;
    state.colours[lane] = bytesOf(colours);
    state.spread[lane] = { mean: numbers.subarray(0, half), std: numbers.subarray(half) };
    draw();
    drawCards();
  });
  const decoded = async (media_type, buffers) => {
    const blobs = buffers.map((buffer) => new Blob([bytesOf(buffer)], { type: media_type }));
    const pictures = await Promise.all(blobs.map((blob) => createImageBitmap(blob)));
    disposer.add(() => pictures.forEach((picture) => picture.close()));
    return pictures;
  };
  disposer.onMessage(model, "pictures", async ({ media_type }, buffers) => {
    // Every view that opens asks for all; those that are open have them.
    if (state.pictures.length) return;
    const pictures = await decoded(media_type, buffers);
    if (disposer.isDisposed) return;
    state.pictures = pictures;
    draw();
  });
  disposer.onMessage(model, "reference", async ({ media_type, index, shape }, buffers) => {
    if (state.references[index]) return;
    const pictures = await decoded(media_type, buffers);
    if (disposer.isDisposed) return;
    state.references[index] = { pictures, shape };
    draw();
  });
  disposer.onMessage(model, "details", (content, buffers) => {
    state.details = detailsOf(content, buffers);
    draw();
    drawCards();
  });
  disposer.onMessage(model, "footprint", (content, [levels]) => {
    const { picked, shape } = content;
    const bytes = bytesOf(levels);
    state.isAsking = false;
    const isSound = picked.lane === "audio";
    state.footprint = { ...content, levels: isSound ? uprightMel(bytes, shape) : bytes };
    if (isSound) closeUp.replaceChildren(closeUpOf(state.footprint));
    draw();
  });
  disposer.onChange(model, "error", () => {
    state.isAsking &&= !model.get("error");
    draw();
  });
  disposer.onChange(model, "picked", () => {
    const echo = awaited.findIndex((place) => samePlace(place, model.get("picked")));
    awaited = awaited.slice(echo + 1);
    if (echo >= 0) return;
    sendPick.cancel();
    state.picked = model.get("picked");
    draw();
  });
  disposer.add(() => {
    sendPick.cancel();
    askSoon.cancel();
  });
  draw();
  model.send({ type: "ready" });
  return () => {
    disposer.dispose();
    root.remove();
  };
}

export default { render };
