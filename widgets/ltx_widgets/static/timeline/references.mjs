// The row of references: what the clip is made after, a strip each, from the clip's first frame on; hidden without any.
//
// A draft's references are {source, num_frames, source_start_s, strength, fit}, as in ltx_nb/reference.py.
import { button, h, showIn } from "../lib/dom.mjs";
import { icon } from "../lib/icons.mjs";
import { TIME_TOLERANCE_S } from "../lib/time.mjs";

const STRIP_PX = 30;

export function referencesOf(draft) {
  return draft.references ?? [];
}

// The most frames, 8k + 1, that a source has for a draft, at the draft's rate; a picture has one.
export function referenceFrames(draft, source) {
  if (!source.frame_rate) return 1;
  const frames = Math.floor((source.num_frames / source.frame_rate) * draft.frame_rate + TIME_TOLERANCE_S);
  return Math.max(Math.floor((Math.min(frames, draft.num_frames) - 1) / 8) * 8 + 1, 1);
}

export function withReference(draft, source) {
  const num_frames = referenceFrames(draft, source);
  const item = { source: source.sha256, num_frames, source_start_s: 0, strength: 1, fit: "crop" };
  return { ...draft, references: [...referencesOf(draft), item] };
}

export function withoutReference(draft, index) {
  return { ...draft, references: referencesOf(draft).filter((_, at) => at !== index) };
}

export function withReferenceStrength(draft, index, strength) {
  const references = referencesOf(draft).map((item, at) => (at === index ? { ...item, strength } : item));
  return { ...draft, references };
}

// No reference is longer than the clip.
export function withReferencesInside(draft) {
  if (!referencesOf(draft).some((item) => item.num_frames > draft.num_frames)) return draft;
  const cut = (item) => ({ ...item, num_frames: Math.min(item.num_frames, draft.num_frames) });
  return { ...draft, references: draft.references.map(cut) };
}

// sources: by SHA-256.
export function createReferences(editor, sources, disposer) {
  const element = h("div", { class: "ltx-timeline-references", role: "group", "aria-label": "references" });
  const label = h("span", { "data-lane": "reference" }, "Reference");
  let shown = "";
  let strips = [];

  function strip(index) {
    const name = h("span", { class: "ltx-timeline-source-name" });
    const slider = h("input", { type: "range", min: 0, max: 1, step: 0.05 });
    const output = h("output", { class: "ltx-number ltx-timeline-percent" });
    const remove = button("Take the reference away", { icon: icon("close") });
    const strong = () => withReferenceStrength(editor.draft, index, Number(slider.value));
    disposer.listen(slider, "input", () => {
      output.textContent = `${Math.round(slider.value * 100)} %`;
      editor.preview(strong());
    });
    disposer.listen(slider, "change", () => editor.commit(strong()));
    disposer.listen(remove, "click", () => editor.commit(withoutReference(editor.draft, index)));
    const block = h("div", { class: "ltx-timeline-reference" }, name, slider, output, remove);
    return { block, name, slider, output };
  }

  return {
    element,
    label,
    draw(draft, scale) {
      const references = referencesOf(draft);
      element.hidden = label.hidden = !references.length;
      element.style.height = label.style.height = `${references.length * STRIP_PX}px`;
      const state = references.map(({ source }) => source).join();
      if (state !== shown) {
        shown = state;
        strips = references.map((_, index) => strip(index));
        element.replaceChildren(...strips.map(({ block }) => block));
      }
      for (const [index, { block, name, slider, output }] of strips.entries()) {
        const item = references[index];
        const known = sources.get(item.source)?.name ?? "unknown source";
        block.title = `${known}: looked at from frame 0 to ${item.num_frames - 1}, no part of the clip`;
        // A picture is one frame, and its strip has room for its controls all the same.
        const extent_px = scale.toPx(item.num_frames / draft.frame_rate);
        block.style.width = `${extent_px}px`;
        block.style.setProperty("--ltx-extent", `${extent_px}px`);
        name.textContent = known;
        slider.setAttribute("aria-label", `Strength of the reference ${known}`);
        showIn(slider, item.strength);
        output.textContent = `${Math.round(item.strength * 100)} %`;
      }
    },
  };
}
