// Exact values of the selected part, and of the clip where nothing is selected.
import { button, createDisposer, field, h } from "../lib/dom.mjs";
import { latentNumFrames, maxNumFrames, secondsText } from "../lib/time.mjs";
import { cleared, resized, trimmed, withItem } from "./edits.mjs";
import { deleted } from "./linked.mjs";
import { duration_s, frameIndex, isBetween, isContinuous, neighbours } from "./draft.mjs";
import { WORDS, draggedWords, timedOf, withWordsOf } from "./timed.mjs";

// editor: its draft, part and commit; sources: by SHA-256.
export function createInspector(editor, sources, viewDisposer) {
  const element = h("div", { class: "ltx-timeline-inspector ltx-row", role: "group", "aria-label": "Selected part" });
  let shown = null;
  // Of the fields that are there now; new ones come with every selection.
  let disposer = createDisposer();
  viewDisposer.add(() => disposer.dispose());

  // A number with its unit; apply(value) gives the draft to commit. Commits once, on Enter or when the field is left.
  function number(label, value, unit, step, limits, apply) {
    const digits = step < 1 ? 3 : 0;
    const input = h("input", { type: "number", step, ...limits, value: Number(value.toFixed(digits)) });
    disposer.listen(input, "change", () => {
      if (input.value.trim() !== "") editor.commit(apply(Number(input.value)));
    });
    return field(label, input, unit);
  }

  function clipFields(draft) {
    const latents = latentNumFrames(draft.num_frames);
    const limits = { min: 9, max: maxNumFrames(draft.frame_rate) };
    return [
      number("Clip length", draft.num_frames, "frames", 8, limits, (frames) => resized(draft, frames)),
      h("span", { class: "ltx-muted ltx-number" }, `${secondsText(duration_s(draft))}, ${latents} video latents`),
    ];
  }

  function gapFields(draft, part) {
    const { before, after } = neighbours(draft, part);
    const fields = [h("strong", {}, `Generated ${part.lane}`)];
    const edge = (label, time_s, index, side) => {
      if (index === null) return h("span", { class: "ltx-muted ltx-number" }, `${label} ${secondsText(time_s, 0.001)}`);
      const apply = (value) => trimmed(draft, index, side, value, false, editor.options.lengths_s);
      return number(label, time_s, "s", 0.01, { min: 0 }, apply);
    };
    fields.push(edge("from", part.start_s, before, "end"), edge("to", part.end_s, after, "start"));
    if (isBetween(draft, part) && isContinuous(draft.given[before], draft.given[after])) {
      const keep = button("Keep the source here");
      disposer.listen(keep, "click", () => editor.commit(deleted(draft, part, editor.options)));
      fields.push(keep);
    }
    return fields;
  }

  function spanFields(draft, part) {
    const item = draft.given[part.index];
    const trim = (edge) => (value) => trimmed(draft, part.index, edge, value, false, editor.options.lengths_s);
    const from = (value) => withItem(draft, part.index, { source_start_s: value });
    const generate = button("Generate instead");
    disposer.listen(generate, "click", () => editor.commit(cleared(draft, item.lane, item.start_s, item.end_s)));
    return [
      name(item),
      number("from", item.start_s, "s", 0.01, { min: 0 }, trim("start")),
      number("to", item.end_s, "s", 0.01, { min: 0 }, trim("end")),
      number("source from", item.source_start_s, "s", 0.01, { min: 0 }, from),
      ...(item.lane === "video" ? [fit(draft, part, item)] : []),
      generate,
    ];
  }

  function wordsFields(draft, part) {
    const { prompt, start_s, end_s } = timedOf(draft)[part.index];
    const words = h("input", { type: "text", class: "ltx-timeline-words", "aria-label": "Words", placeholder: "What happens here" });
    words.value = prompt;
    disposer.listen(words, "change", () => editor.commit(withWordsOf(draft, part.index, { prompt: words.value })));
    const edge = (grip, was_s) => (value) => draggedWords(draft, part.index, grip, value - was_s, false);
    return [
      words,
      number("from", start_s, "s", 0.01, { min: 0 }, edge("start", start_s)),
      number("to", end_s, "s", 0.01, { min: 0 }, edge("end", end_s)),
    ];
  }

  function imageFields(draft, part) {
    const item = draft.given[part.index];
    const slider = h("input", { type: "range", min: 0, max: 1, step: 0.05, value: item.strength });
    const output = h("output", { class: "ltx-number ltx-timeline-percent" }, `${Math.round(item.strength * 100)} %`);
    const strong = () => withItem(draft, part.index, { strength: Number(slider.value) });
    disposer.listen(slider, "input", () => {
      output.textContent = `${Math.round(slider.value * 100)} %`;
      editor.preview(strong());
    });
    disposer.listen(slider, "change", () => editor.commit(strong()));
    const limits = { min: 0, max: draft.num_frames - 1 };
    const at = (frame) => withItem(draft, part.index, { start_s: Math.round(frame) / draft.frame_rate });
    return [
      name(item),
      number("frame", frameIndex(item, draft.frame_rate), secondsText(item.start_s), 1, limits, at),
      field("strength", slider),
      output,
      fit(draft, part, item),
    ];
  }

  function name(item) {
    return h("strong", { class: "ltx-timeline-source-name" }, sources.get(item.source)?.name ?? "unknown source");
  }

  function fit(draft, part, item) {
    const options = ["crop", "pad", "stretch"].map((value) => h("option", { value, selected: value === item.fit }, value));
    const select = h("select", {}, ...options);
    disposer.listen(select, "change", () => editor.commit(withItem(draft, part.index, { fit: select.value })));
    return field("fit", select);
  }

  return {
    element,
    draw() {
      const { draft, part } = editor;
      // Fields that are being typed into or dragged keep their state.
      const state = JSON.stringify([part, draft, [...sources.keys()]]);
      const isInUse = element.contains(document.activeElement) && editor.isTentative;
      if (state === shown || isInUse) return;
      shown = state;
      disposer.dispose();
      disposer = createDisposer();
      const focused = [...element.querySelectorAll("input, select, button")].indexOf(document.activeElement);
      const make = { gap: gapFields, span: spanFields, image: imageFields, [WORDS]: wordsFields };
      element.replaceChildren(...(part ? make[part.kind](draft, part) : clipFields(draft)));
      if (focused >= 0) element.querySelectorAll("input, select, button")[focused]?.focus({ preventScroll: true });
    },
  };
}
