// Every part of static/lib in every state, and the cards and bars that are made of them, on one page.

import { createFakeModel } from "../js/fake_model.mjs";
import { createDesk } from "../../widgets/ltx_widgets/static/lib/desk.mjs";
import { button, createDisposer, field, h, s, showError, widgetRoot } from "../../widgets/ltx_widgets/static/lib/dom.mjs";
import { createReason } from "../../widgets/ltx_widgets/static/lib/fields.mjs";
import { ICONS, icon } from "../../widgets/ltx_widgets/static/lib/icons.mjs";
import { watchKernel } from "../../widgets/ltx_widgets/static/lib/kernel.mjs";
import { createLiveView } from "../../widgets/ltx_widgets/static/lib/live_view.mjs";
import { createMenuPopover, createPopover, menuItem } from "../../widgets/ltx_widgets/static/lib/popover.mjs";
import { shapeView } from "../../widgets/ltx_widgets/static/lib/shape_view.mjs";
import { paintLevels, waveformPath } from "../../widgets/ltx_widgets/static/lib/sound.mjs";
import { createBar } from "../../widgets/ltx_widgets/static/run_panel/bar.mjs";
import { createClipCard } from "../../widgets/ltx_widgets/static/run_panel/clip_card.mjs";

const REASON = "seed=-5 is too small; the least is 0";
const STEP = { phase: "sampling", num_stages: 1, stage: 1, step: 3, num_steps: 8, sigma: 0.725, left_s: 4, decode_s: 3 };
const BAR = { state: "idle", summary: "A red ball bounces · 128 × 128 · 2.0 s · seed 12", progress: {}, can_cancel: true };
const BARS = {
  "nothing described": { summary: "" },
  ready: {},
  blocked: { blocked: REASON },
  preparing: { state: "running", progress: { phase: "preparing", num_stages: 1 } },
  "in step 3": { state: "running", progress: STEP },
  "second stage": { state: "running", progress: { ...STEP, num_stages: 2, stage: 2 } },
  "decoding, for the first time": { state: "running", progress: { ...STEP, phase: "decoding", decode_s: null } },
  cancelling: { state: "cancelling", progress: STEP },
  failed: { error: "RuntimeError: out of memory" },
};
const RESULT = { id: 0, name: "#0 · seed 12", what: "new", title: "A red ball bounces", seed: 12, duration_s: 2, starred: false };
const CARDS = [
  [{}, {}],
  [{ id: 1, name: "#1 · seed 13", starred: true }, { isSelected: true }],
  [{ id: 2, name: "the one with a long name that does not fit", what: "retake 0.4-1.4 s" }, { isCompared: true }],
  [{ id: 3, name: "#3 · seed 15" }, { isRenamed: true }],
];

// A picture for cards and previews: a disc before a dark ground, `count` times side by side.
async function picture(count = 1) {
  const canvas = new OffscreenCanvas(128 * count, 128);
  const ink = canvas.getContext("2d");
  ink.fillStyle = "#223366";
  ink.fillRect(0, 0, canvas.width, canvas.height);
  ink.fillStyle = "#dd3322";
  for (let index = 0; index < count; index += 1) {
    ink.beginPath();
    ink.arc(128 * index + 64, 40 + 12 * index, 20, 0, 7);
    ink.fill();
  }
  return new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg" })).arrayBuffer());
}

function part(name, ...elements) {
  return h("div", { class: "gallery-part" }, h("h2", {}, name), h("div", { class: "ltx-row" }, elements.flat()));
}

// What opens over the page, in its place here.
function opened(element) {
  element.removeAttribute("popover");
  element.style.position = "static";
  element.style.display = "flex";
  return element;
}

function buttons() {
  const off = (control) => {
    control.setAttribute("aria-disabled", "true");
    return control;
  };
  const disabled = (control) => {
    control.disabled = true;
    return control;
  };
  const quiet = button("Quiet");
  quiet.classList.add("ltx-quiet");
  return [
    part(
      "Buttons",
      button("Plain"),
      button("Pressed", { pressed: true }),
      button("Not pressed", { pressed: false }),
      disabled(button("Disabled")),
      button("Primary", { primary: true }),
      off(button("Primary, off", { primary: true })),
      quiet,
      button("With an icon", { icon: icon("retake") }),
      button("With an icon, pressed", { icon: icon("loop"), pressed: true }),
      disabled(button("With an icon, disabled", { icon: icon("swap") })),
    ),
    part("Segments", h("div", { class: "ltx-segments" }, button("Text", { pressed: true }), button("Parts", { pressed: false }))),
    part("Icons", ICONS.map((name) => h("span", { class: "gallery-icon" }, icon(name), name))),
  ];
}

function fields(disposer) {
  const input = (type, attributes) => h("input", { type, ...attributes });
  const wrong = input("number", { value: -5 });
  const reason = createReason([wrong]);
  reason.show(REASON);
  const size = { name: "square", width: 128, height: 128, crop_width: null, crop_height: null };
  const shape = shapeView(disposer, () => {});
  const inPixels = shapeView(disposer, () => {});
  const value = { ...size, num_frames: 49, frame_rate: 24, two_stage: false };
  shape.fill(value, [size]);
  inPixels.fill({ ...value, width: 133 }, [size], value, { width: "width=133 is no multiple of 32; nearest: 128, 160" });
  return [
    part(
      "Fields",
      field("Seed", input("number", { value: 12 })),
      field("Refused", wrong),
      reason.element,
      field("Name", input("text", { placeholder: "a placeholder" })),
      field("Rate", input("number", { value: 24 }), "fps"),
      field("Off", input("number", { value: 3, disabled: true })),
      field("Choice", h("select", {}, h("option", {}, "the first"), h("option", {}, "the second"))),
      field("Range", input("range", { min: 0, max: 10, value: 4 })),
      field("Yes or no", input("checkbox", { checked: true })),
      h("textarea", { rows: 2, "aria-label": "Words", placeholder: "Describe picture and sound" }),
    ),
    part("Size and length", shape.elements),
    part("Size and length, refused", inPixels.elements),
  ];
}

function messages(disposer, model) {
  const offline = h("div", { class: "gallery-offline" }, h("p", {}, "what stands below it"));
  watchKernel(disposer, model, offline);
  offline.firstChild.hidden = false;
  const opener = button("Opens it");
  const items = ["Load its request", "Rename", "Save MP4", "Delete"].map((label) => menuItem(disposer, label, () => {}));
  return [
    part("What went wrong", showError(disposer, createFakeModel({ error: REASON }))),
    part("Muted, counted", h("span", { class: "ltx-muted ltx-number" }, "37 of 200 words, 52 tokens")),
    part("A kernel that is gone", offline),
    part("Popover", opener, opened(createPopover(disposer, opener, [h("p", {}, "16 × 16 latents of 8 frames")], { label: "In latents" }))),
    part("Menu", opened(createMenuPopover(disposer, items, "More of this clip"))),
  ];
}

async function pictures(disposer) {
  const live = createLiveView(disposer, () => {});
  const levels = Uint8Array.from({ length: 64 * 50 }, (_, index) => (index * 7) % 256);
  await live.show({ num_latent_frames: 4, frame_rate: 24 }, [new DataView((await picture(4)).buffer), new DataView(levels.buffer)]);
  const spectrogram = h("canvas", { role: "img", "aria-label": "Spectrogram", class: "gallery-sound" });
  paintLevels(spectrogram, levels, 64);
  const peaks = Int8Array.from({ length: 200 }, (_, index) => (index % 2 ? 1 : -1) * (20 + ((index * 13) % 90)));
  const wave = s("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", class: "gallery-sound", role: "img", "aria-label": "Waveform" });
  wave.append(s("path", { d: waveformPath(peaks, 0, 100, 1), fill: "var(--ltx-audio)" }));
  live.picture.classList.add("gallery-live");
  live.sound.classList.add("gallery-sound");
  return [part("What a run predicts", live.picture, live.sound), part("Sound", wave, spectrogram)];
}

async function cards(disposer) {
  const url = URL.createObjectURL(new Blob([await picture()], { type: "image/jpeg" }));
  const menu = createMenuPopover(disposer, [], "More of this clip");
  const strip = CARDS.map(([changes, { isSelected = false, isCompared = false, isRenamed = false }]) => {
    const card = createClipCard(changes.id ?? 0, ["retake", "extend", "give"], menu);
    card.fill({ ...RESULT, ...changes });
    card.setPicture(url);
    card.mark({ isSelected, isCompared, hasOther: true });
    if (isRenamed) requestAnimationFrame(() => card.rename(changes.name));
    return card.element;
  });
  return part("Cards", menu, h("div", { class: "run-panel-cards" }, strip));
}

async function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "run-panel", "Gallery");
  const nothing = { queue: [], log: [], error: "", blocked: "" };
  const bars = Object.entries(BARS).map(([name, state]) => part(`Run: ${name}`, createBar(disposer, createFakeModel({ ...nothing, ...BAR, ...state }), root)));
  createDesk(disposer, root);
  root.append(...buttons(), ...fields(disposer), ...messages(disposer, model), ...(await pictures(disposer)), await cards(disposer), ...bars);
  return () => {
    disposer.dispose();
    root.remove();
  };
}

export default { render };
