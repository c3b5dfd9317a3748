// The planner's sums as bars: every preset's peak, and the picked one stage by stage against what may be used.

import { createDisposer, field, h, showError, widgetRoot } from "./lib/dom.mjs";
import { watchKernel } from "./lib/kernel.mjs";
import { KINDS, barEnd_gb, durationText, gbText, segmentsOf, sumOf, verdictText } from "./preset_picker/plans.mjs";
import { shapeView } from "./lib/shape_view.mjs";

function percent(share) {
  return `${(100 * share).toFixed(2)}%`;
}

// A stacked bar of lines, with a mark at the limit; what lies beyond it is hatched.
function bar(lines, limit_gb, end_gb, label) {
  const segments = segmentsOf(lines).map(({ kind, title, gb, what }) =>
    h("span", {
      class: `ltx-segment ltx-kind-${kind}`,
      style: `width: ${percent(gb / end_gb)}`,
      title: `${title}: ${gbText(gb)} (${what})`,
    }),
  );
  const sum_gb = sumOf(lines);
  const over =
    sum_gb > limit_gb
      ? h("span", {
          class: "ltx-over",
          style: `left: ${percent(limit_gb / end_gb)}; width: ${percent((sum_gb - limit_gb) / end_gb)}`,
        })
      : null;
  const mark = h("span", { class: "ltx-limit", style: `left: ${percent(limit_gb / end_gb)}` });
  return h("span", { class: "ltx-bar", role: "img", "aria-label": label }, segments, over, mark);
}

function ofText(sum_gb, limit_gb) {
  return `${gbText(sum_gb)} of ${gbText(limit_gb)}`;
}

function fitClass(fits) {
  return fits ? "ltx-fits" : "ltx-too-much";
}

function sumText(sum_gb, limit_gb) {
  return `${gbText(sum_gb)}${sum_gb > limit_gb ? `, ${(sum_gb - limit_gb).toFixed(1)} over` : ""}`;
}

// One sum as a bar that opens to its lines.
function sumView({ name, lines, note }, limit_gb, end_gb) {
  const sum_gb = sumOf(lines);
  const row = (...cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)));
  const rows = lines.map(({ what, gb, why }) => row(`${gb.toFixed(2)} GB`, what, why));
  const summary = h(
    "summary",
    {},
    h("span", { class: "ltx-sum-name" }, name),
    bar(lines, limit_gb, end_gb, `${name}: ${ofText(sum_gb, limit_gb)}`),
    h("span", { class: `ltx-number${sum_gb > limit_gb ? " ltx-too-much" : ""}` }, sumText(sum_gb, limit_gb)),
  );
  const table = h("table", { class: "ltx-lines ltx-number" }, h("tbody", {}, rows));
  return h("details", {}, summary, table, note && h("p", { class: "ltx-muted" }, note));
}

function limitKey(limit_gb) {
  const mark = h("span", { class: "ltx-swatch ltx-limit-key" });
  return h("span", { class: "ltx-key" }, mark, `${gbText(limit_gb)} can be used`);
}

function headed(title, ...keys) {
  return h("div", { class: "ltx-row" }, h("div", { class: "ltx-title" }, title), h("span", { class: "ltx-space" }), keys);
}

function planView(plan) {
  const parts = plan.parts.map(({ name, lines, seconds, assuming }) => ({
    name,
    lines,
    note: `about ${durationText(seconds)}: ${assuming}`,
  }));
  const end_gb = barEnd_gb(plan.limit_gb, parts.map(({ lines }) => sumOf(lines)));
  const ramEnd_gb = barEnd_gb(plan.ram_limit_gb, [sumOf(plan.ram)]);
  const kinds = new Set(plan.parts.flatMap(({ lines }) => segmentsOf(lines).map(({ kind }) => kind)));
  const legend = KINDS.filter(({ kind }) => kinds.has(kind)).map(({ kind, title }) =>
    h("span", { class: "ltx-key" }, h("span", { class: `ltx-swatch ltx-kind-${kind}` }), title),
  );
  const download_gb = sumOf(plan.download);
  const disk = plan.disk_free_gb === null ? "" : `; ${gbText(plan.disk_free_gb)} of disk are free`;
  return [
    h("p", { class: `ltx-verdict ${fitClass(plan.sums.fits)}`, role: "status" }, verdictText(plan)),
    plan.would_fit.length > 0
      ? h("div", {}, "What would fit:", h("ul", {}, plan.would_fit.map((what) => h("li", {}, what))))
      : null,
    headed("Memory of each part of the run", ...legend, limitKey(plan.limit_gb)),
    h("div", { class: "ltx-sums" }, parts.map((part) => sumView(part, plan.limit_gb, end_gb))),
    headed("Memory of the machine", limitKey(plan.ram_limit_gb)),
    h("div", { class: "ltx-sums" }, sumView({ name: "RAM", lines: plan.ram }, plan.ram_limit_gb, ramEnd_gb)),
    download_gb > 0 ? h("p", {}, `Download and disk, once: ${gbText(download_gb)}${disk}.`) : null,
    h("p", { class: "ltx-muted" }, `Projected from the configs, not measured. ${plan.reasons.join(" ")}`),
  ];
}

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "preset-picker", "Memory presets");
  const group = `ltx-preset-${Math.random()}`;
  const choose = (changes) => model.send({ type: "choose", ...changes });

  const models = h("select", {}, model.get("models").map((name) => h("option", {}, name)));
  disposer.listen(models, "change", () => choose({ model: models.value }));
  let drawn = {};
  const shape = shapeView(disposer, ({ crop_width: _, crop_height: __, ...changes }, { drawOnly = false } = {}) => {
    drawn = { ...drawn, ...changes };
    if (drawOnly) return fillShape();
    choose({ job: drawn });
  });
  const twoStage = h("input", { type: "checkbox" });
  disposer.listen(twoStage, "change", () => choose({ job: { two_stage: twoStage.checked } }));
  const controls = h(
    "div",
    { class: "ltx-controls" },
    h(
      "div",
      { class: "ltx-setting" },
      field("Model", models),
      h("label", { class: "ltx-field" }, twoStage, "Two stages: half the size first"),
    ),
    shape.elements,
  );
  const machine = h("p", { class: "ltx-muted" });
  const presets = h("div", { class: "ltx-presets", role: "radiogroup", "aria-label": "Preset" });
  disposer.listen(presets, "change", (event) => choose({ preset: event.target.value }));
  const sums = h("div", { class: "ltx-stack" });
  root.append(controls, machine, presets, sums, showError(disposer, model));
  watchKernel(disposer, model, root);

  const fillShape = () => {
    const job = { ...model.get("job"), ...drawn };
    const sizes = model.get("sizes");
    const size = sizes.find(({ width, height }) => width === job.width && height === job.height);
    const crops = { crop_width: size?.crop_width ?? null, crop_height: size?.crop_height ?? null };
    shape.fill({ ...job, ...crops }, sizes, { ...model.get("job"), ...crops });
    twoStage.checked = job.two_stage;
  };
  const fillPresets = () => {
    const focused = presets.contains(document.activeElement);
    const picked = model.get("preset");
    const rows = model.get("plans").map((plan) => {
      const { fits, peak_gb, seconds } = plan.sums;
      const radio = h("input", { type: "radio", name: group, value: plan.preset, checked: plan.preset === picked });
      const peak = plan.parts.find(({ name }) => name === plan.sums.peak_part);
      return h(
        "label",
        { class: `ltx-preset${plan.preset === picked ? " ltx-picked" : ""}` },
        radio,
        h("span", { class: "ltx-preset-name" }, plan.preset),
        h("span", { class: "ltx-muted ltx-card" }, plan.card),
        bar(peak.lines, plan.limit_gb, barEnd_gb(plan.limit_gb, [peak_gb]), ofText(peak_gb, plan.limit_gb)),
        h("span", { class: fitClass(fits) }, fits ? "fits" : "does not fit"),
        h("span", { class: "ltx-number ltx-muted ltx-time" }, durationText(seconds)),
      );
    });
    presets.replaceChildren(...rows);
    if (focused) presets.querySelector("input:checked")?.focus();
  };
  const fill = () => {
    drawn = {};
    controls.hidden = !model.get("controls");
    models.value = model.get("model");
    machine.textContent = `This machine: ${model.get("machine_text")}.`;
    fillShape();
    fillPresets();
    const opened = new Set([...sums.querySelectorAll("details[open] .ltx-sum-name")].map((name) => name.textContent));
    const plan = model.get("plans").find(({ preset }) => preset === model.get("preset"));
    sums.replaceChildren(...(plan ? planView(plan).filter((part) => part !== null) : []));
    for (const details of sums.querySelectorAll("details")) {
      details.open = opened.has(details.querySelector(".ltx-sum-name").textContent);
    }
  };
  for (const name of ["plans", "preset", "model", "job", "sizes", "controls"]) disposer.onChange(model, name, fill);
  fill();
  return () => {
    disposer.dispose();
    root.remove();
  };
}

export default { render };
