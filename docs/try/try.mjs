// The page: what is asked in the form, what the worker makes of it in the player. Knows no arithmetic of the model.
import { drawLatents, drawMask, drawStrip, drawWave } from "./drawing.mjs";
import { masksOf } from "./masks.mjs";
import { createPlayer } from "./player.mjs";
import { pythonOf, requestOf } from "./requests.mjs";
import { createSession } from "./session.mjs";

const $ = (id) => document.getElementById(id);
const MB = 1e6;

const session = createSession();
let model = null;
let player = null;
let isLoaded = false;
let ranOn = "";
let clip = null;
let asked = null;
let steps = [];
let image = null;

const answer = await fetch(new URL("model/model.json", import.meta.url)).catch(() => null);
if (answer?.ok) begin(await answer.json());
else fail("The model is not here: model/model.json cannot be fetched. python docs/try/build.py FOLDER makes it.");

function begin(described) {
  model = described;
  player = createPlayer($("frames"), model, showTime);
  $("prompt").value = model.prompts[0];
  for (const prompt of model.prompts) {
    const words = prompt.split(" ");
    $("examples").append(button(words.slice(1, 4).join(" "), () => ($("prompt").value = prompt)));
  }
  for (const [name, value] of Object.entries(model.words)) {
    const known = Array.isArray(value) ? value : Object.values(value).map(([first]) => first);
    $("words").append(element("dt", name), element("dd", known.join(", ")));
  }
  const bytes = Object.entries(model.parts).reduce((sum, [name, part]) => sum + (name === "image" ? 0 : part.bytes), 0);
  say(`The first clip fetches the model, ${Math.round(bytes / MB)} MB, and what runs it, which the browser keeps.`);
  $("time").max = player.duration_s;
  $("start").max = $("end").max = player.duration_s.toFixed(3);
  $("card-option").hidden = !navigator.gpu;
  $("make").disabled = false;
}

$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = { prompt: $("prompt").value, seed: Number($("seed").value), ...taskAsked() };
  if (!wanted.spans) return fail("Choose picture, sound or both, and an end that comes after the start.");
  asked = wanted;
  busy(true);
  try {
    await load();
    await make();
  } catch (error) {
    if (error.isCancelled) say("Cancelled.");
    else fail(error.message);
  }
  busy(false);
});

/** What is to be generated, {spans, before, image}; spans null where the form asks for nothing. */
function taskAsked() {
  const whole = [[0, player.duration_s]];
  if ($("ask").task.value === "new") return { spans: { video: whole, audio: whole }, before: null, image };
  const [start_s, end_s] = [Number($("start").value), Math.min(Number($("end").value), player.duration_s)];
  const span = (lane) => ($(lane).checked ? [[start_s, end_s]] : []);
  const spans = { video: span("video"), audio: span("audio") };
  const isNothing = end_s <= start_s || !(spans.video.length || spans.audio.length);
  return { spans: isNothing ? null : spans, before: clip, image: null };
}

async function load() {
  if (isLoaded) return;
  say("Fetching the model …");
  const began = performance.now();
  const onProgress = ({ done, total, isKept }) => {
    $("progress").value = done / total;
    say(`${isKept ? "Reading" : "Fetching"} the model: ${Math.round(done / MB)} of ${Math.round(total / MB)} MB`);
    if (done === total) say("Starting the model …");
  };
  const { device, why } = await session.load({ device: $("card").checked ? "any" : "wasm", onProgress });
  isLoaded = true;
  ranOn = why ? `${device}, since ${why}` : device;
  document.body.dataset.device = device;
  document.body.dataset.loadSeconds = ((performance.now() - began) / 1000).toFixed(2);
}

async function make() {
  steps = [];
  $("progress").value = 0;
  say("Reading the prompt …");
  player.pause();
  const { image: given, ...rest } = asked;
  const made = await session.make({ ...rest, image: given?.pixels ?? null }, (step) => {
    steps.push(step);
    $("result").hidden = false;
    $("step").max = step.count;
    $("step").value = step.index + 1;
    $("progress").value = (step.index + 1) / (step.count + 2);
    showStep();
    say(step.index + 1 < step.count ? `Step ${step.index + 1} of ${step.count}` : "Decoding picture and sound …");
  });
  clip = made;
  for (const radio of $("ask").task) radio.disabled = false;
  say([`Made in ${made.seconds.toFixed(1)} s on ${ranOn}.`, ...made.warnings].join(" "));
  await showClip();
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) await player.play();
}

async function showClip() {
  player.show(clip);
  drawLanes();
  const request = await requestOf(model, asked);
  const text = JSON.stringify(request, null, 2);
  const short = JSON.stringify(request, (name, value) => (name === "data" ? `${value.slice(0, 40)}…` : value), 2);
  $("request").textContent = short;
  $("python").textContent = pythonOf(asked);
  URL.revokeObjectURL($("download").href);
  $("download").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
}

function drawLanes() {
  if (!clip) return;
  const colour = (name) => getComputedStyle($(name)).color;
  drawWave($("wave"), clip.samples, colour("wave"));
  const masks = masksOf(model, asked.spans, asked.image !== null);
  const perFrame = model.latent_shape[1] * model.latent_shape[2];
  const frames = masks.video.filter((_, token) => token % perFrame === 0);
  drawMask($("video-mask"), model.intervals_s.video, frames, player.duration_s, colour("video-mask"));
  drawMask($("audio-mask"), model.intervals_s.audio, masks.audio, player.duration_s, colour("audio-mask"));
}

function showStep() {
  const step = steps[$("step").value - 1];
  if (!step) return;
  drawStrip($("strip"), step.glance, model.latent_shape, model.request);
  drawLatents($("latents"), step.audio, model.intervals_s.audio.length);
  $("sigma").textContent = `${step.index + 1} of ${step.count}, σ ${step.sigma.toFixed(3)}`;
}

function showTime(time_s, isPlaying) {
  $("time").value = time_s;
  $("clock").textContent = `${time_s.toFixed(2)} s`;
  $("play").textContent = isPlaying ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(isPlaying));
}

$("play").addEventListener("click", () => (player.isPlaying ? player.pause() : player.play()));
$("time").addEventListener("input", () => player.seek(Number($("time").value)));
$("volume").addEventListener("input", () => player.setVolume(Number($("volume").value)));
$("step").addEventListener("input", showStep);
$("cancel").addEventListener("click", () => session.cancel());
$("card").addEventListener("change", () => (isLoaded = false));
$("dice").addEventListener("click", () => ($("seed").value = crypto.getRandomValues(new Uint32Array(1))[0]));
$("task").addEventListener("change", () => {
  const isNew = $("ask").task.value === "new";
  $("new-options").hidden = !isNew;
  $("retake-options").hidden = isNew;
});
for (const shortcut of document.querySelectorAll("[data-retake]")) {
  shortcut.addEventListener("click", () => {
    $("start").value = 0;
    $("end").value = player.duration_s.toFixed(3);
    $("video").checked = shortcut.dataset.retake === "picture";
    $("audio").checked = shortcut.dataset.retake === "sound";
  });
}
$("image").addEventListener("change", async () => {
  const [file] = $("image").files;
  try {
    image = file ? await fittedImage(file) : null;
  } catch {
    image = null;
    fail(`${file.name} is no picture that this browser reads; a PNG or JPEG works.`);
  }
});
new ResizeObserver(drawLanes).observe($("wave"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawLanes);

/** The middle of a picture at the clip's size: {pixels: uint8 [H, W, 4], png: ArrayBuffer}. */
async function fittedImage(file) {
  const { width, height } = model.request;
  const picture = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(width, height);
  const painter = canvas.getContext("2d");
  const scale = Math.max(width / picture.width, height / picture.height);
  const [w, h] = [picture.width * scale, picture.height * scale];
  painter.imageSmoothingQuality = "high";
  painter.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
  const pixels = new Uint8Array(painter.getImageData(0, 0, width, height).data.buffer);
  return { pixels, png: await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer() };
}

function busy(isBusy) {
  $("make").disabled = $("card").disabled = isBusy;
  $("cancel").hidden = $("progress").hidden = !isBusy;
  if (isBusy) $("error").hidden = true;
}

function say(text) {
  $("status").textContent = text;
}

function fail(text) {
  $("error").textContent = text;
  $("error").hidden = false;
  say("");
}

function button(text, onClick) {
  const made = element("button", text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
