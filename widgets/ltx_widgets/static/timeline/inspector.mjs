// Exact values of the selected part, and of the clip where nothing is selected.
import { button, createDisposer, field, h } from "../lib/dom.mjs";
import { latentNumFrames, maxNumFrames, secondsText } from "../lib/time.mjs";
import { cleared, resized, trimmed, withItem } from "./edits.mjs";
import { deleted } from "./linked.mjs";
import { duration_s, frameIndex, isBetween, isContinuous, neighbours } from "./plan.mjs";

// editor: its plan, part and commit; sources: by SHA-256.
export function createInspector(editor, sources, viewDisposer) {
  const element = h("div", { class: "ltx-timeline-inspector ltx-row", role: "group", "aria-label": "Selected part" });
  let shown = null;
  // Of the fields that are there now; new ones come with every selection.
  let disposer = createDisposer();
  viewDisposer.add(() => disposer.dispose());

  // A number with its unit; apply(value) gives the plan to commit. Commits once, on Enter or when the field is left.
  function number(label, value, unit, step, limits, apply) {
    const digits = step < 1 ? 3 : 0;
    const input = h("input", { type: "number", step, ...limits, value: Number(value.toFixed(digits)) });
    disposer.listen(input, "change", () => {
      if (input.value.trim() !== "") editor.commit(apply(Number(input.value)));
    });
    return field(label, input, unit);
  }

  function clipFields(plan) {
    const latents = latentNumFrames(plan.num_frames);
    const limits = { min: 9, max: maxNumFrames(plan.frame_rate) };
    return [
      number("Clip length", plan.num_frames, "frames", 8, limits, (frames) => resized(plan, frames)),
      h("span", { class: "ltx-muted ltx-number" }, `${secondsText(duration_s(plan))}, ${latents} video latents`),
    ];
  }

  function gapFields(plan, part) {
    const { before, after } = neighbours(plan, part);
    const fields = [h("strong", {}, `Generated ${part.lane}`)];
    const edge = (label, time_s, index, side) => {
      if (index === null) return h("span", { class: "ltx-muted ltx-number" }, `${label} ${secondsText(time_s, 0.001)}`);
      const apply = (value) => trimmed(plan, index, side, value, false, editor.options.lengths_s);
      return number(label, time_s, "s", 0.01, { min: 0 }, apply);
    };
    fields.push(edge("from", part.start_s, before, "end"), edge("to", part.end_s, after, "start"));
    if (isBetween(plan, part) && isContinuous(plan.given[before], plan.given[after])) {
      const keep = button("Keep the source here");
      disposer.listen(keep, "click", () => editor.commit(deleted(plan, part, editor.options)));
      fields.push(keep);
    }
    return fields;
  }

  function spanFields(plan, part) {
    const item = plan.given[part.index];
    const trim = (edge) => (value) => trimmed(plan, part.index, edge, value, false, editor.options.lengths_s);
    const from = (value) => withItem(plan, part.index, { source_start_s: value });
    const generate = button("Generate instead");
    disposer.listen(generate, "click", () => editor.commit(cleared(plan, item.lane, item.start_s, item.end_s)));
    return [
      name(item),
      number("from", item.start_s, "s", 0.01, { min: 0 }, trim("start")),
      number("to", item.end_s, "s", 0.01, { min: 0 }, trim("end")),
      number("source from", item.source_start_s, "s", 0.01, { min: 0 }, from),
      ...(item.lane === "video" ? [fit(plan, part, item)] : []),
      generate,
    ];
  }

  function imageFields(plan, part) {
    const item = plan.given[part.index];
    const slider = h("input", { type: "range", min: 0, max: 1, step: 0.05, value: item.strength });
    const output = h("output", { class: "ltx-number ltx-timeline-percent" }, `${Math.round(item.strength * 100)} %`);
    const strong = () => withItem(plan, part.index, { strength: Number(slider.value) });
    disposer.listen(slider, "input", () => {
      output.textContent = `${Math.round(slider.value * 100)} %`;
      editor.preview(strong());
    });
    disposer.listen(slider, "change", () => editor.commit(strong()));
    const limits = { min: 0, max: plan.num_frames - 1 };
    const at = (frame) => withItem(plan, part.index, { start_s: Math.round(frame) / plan.frame_rate });
    return [
      name(item),
      number("frame", frameIndex(item, plan.frame_rate), secondsText(item.start_s), 1, limits, at),
      field("strength", slider),
      output,
      fit(plan, part, item),
    ];
  }

  function name(item) {
    return h("strong", { class: "ltx-timeline-source-name" }, sources.get(item.source)?.name ?? "unknown source");
  }

  function fit(plan, part, item) {
    const options = ["crop", "pad"].map((value) => h("option", { value, selected: value === item.fit }, value));
    const select = h("select", {}, ...options);
    disposer.listen(select, "change", () => editor.commit(withItem(plan, part.index, { fit: select.value })));
    return field("fit", select);
  }

  return {
    element,
    draw() {
      const { plan, part } = editor;
      // Fields that are being typed into or dragged keep their state.
      const state = JSON.stringify([part, plan, [...sources.keys()]]);
      const isInUse = element.contains(document.activeElement) && editor.isDraft;
      if (state === shown || isInUse) return;
      shown = state;
      disposer.dispose();
      disposer = createDisposer();
      const focused = [...element.querySelectorAll("input, select, button")].indexOf(document.activeElement);
      const make = { gap: gapFields, span: spanFields, image: imageFields };
      element.replaceChildren(...(part ? make[part.kind](plan, part) : clipFields(plan)));
      if (focused >= 0) element.querySelectorAll("input, select, button")[focused]?.focus({ preventScroll: true });
    },
  };
}
