// A latent's details as charts: its channels, their way over the steps, its attention over the other lane and words.

import { h, s } from "../lib/dom.mjs";
import { canvasOf, signedPixels } from "./colours.mjs";
import { distances, largest, meansOf } from "./numbers.mjs";
import { interval_s, lanesEnd_s } from "./places.mjs";

const WIDTH = 256;

function chart(label, height, ...parts) {
  const box = { viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", style: `height: ${height}px` };
  return s("svg", { ...box, class: "explorer-chart", role: "img", "aria-label": label }, parts.flat());
}

function card(title, note, ...parts) {
  const told = note && h("p", { class: "ltx-muted" }, note);
  return h("div", { class: "explorer-card" }, h("div", { class: "ltx-title" }, title), parts.flat(), told);
}

// Bars of every channel over the band of mean ± one standard deviation of the clip.
export function channelsCard({ channels, picked }, { mean, std }) {
  const height = 96;
  const most = Math.max(largest(channels), largest(mean.map((value, index) => Math.abs(value) + std[index])));
  const y = (value) => height / 2 - (value / most) * (height / 2 - 2);
  const step = WIDTH / channels.length;
  const upper = Array.from(mean, (value, index) => `${(index + 0.5) * step},${y(value + std[index])}`);
  const lower = Array.from(mean, (value, index) => `${(index + 0.5) * step},${y(value - std[index])}`).reverse();
  const bars = Array.from(channels, (value, index) => {
    const tall = Math.max(Math.abs(y(value) - y(0)), 0.5);
    const box = { x: (index + 0.1) * step, width: step * 0.8, y: Math.min(y(value), y(0)), height: tall };
    const clip = `${mean[index].toFixed(2)} ± ${std[index].toFixed(2)}`;
    const told = s("title", {}, `channel ${index}: ${value.toFixed(2)}; over the clip ${clip}`);
    return s("rect", { class: `explorer-${picked.lane}`, ...box }, told);
  });
  const band = s("polygon", { class: "explorer-band", points: [...upper, ...lower].join(" ") });
  const zero = s("line", { class: "explorer-zero", x1: 0, x2: WIDTH, y1: y(0), y2: y(0) });
  return card(
    `${channels.length} channels`,
    `From −${most.toFixed(1)} to ${most.toFixed(1)}; grey: mean ± one standard deviation over the clip.`,
    chart("Value of each channel", height, band, bars, zero),
  );
}

// Each step's prediction as a row of channels, and how far it is from the last one.
export function historyCard({ history, steps }) {
  if (steps.length === 0) return card("History", "The clip has no trace; run with trace=True to see each step.");
  const most = largest(history.at(-1));
  const pixels = signedPixels(history.flatMap((row) => Array.from(row)), history[0].length, history.length, most);
  const rows = canvasOf(pixels);
  rows.className = "explorer-history";
  rows.setAttribute("role", "img");
  rows.setAttribute("aria-label", "Channels predicted at each step, first step on top");
  const height = Math.max(96, 12 * steps.length);
  rows.style.height = `${height}px`;
  const far = distances(history);
  const top = Math.max(...far, 1e-9);
  const bars = steps.map(({ sigma, stage, index }, row) =>
    h(
      "span",
      { class: "explorer-distance", title: `stage ${stage}, step ${index}: ${far[row].toFixed(2)} away` },
      h("span", { style: `width: ${((100 * far[row]) / top).toFixed(1)}%` }),
    ),
  );
  const labels = steps.map(({ sigma }) => h("span", {}, sigma.toFixed(2)));
  return card(
    "History",
    "What each step predicts of the latent, from the first, on top, to the last: its noise level, " +
      "its channels (purple below 0, orange above), and how far it is from the last.",
    h(
      "div",
      { class: "explorer-steps", style: `height: ${height}px` },
      h("div", { class: "explorer-rows ltx-number ltx-muted" }, labels),
      rows,
      h("div", { class: "explorer-rows" }, bars),
    ),
  );
}

const ASKED = {
  looks_at: { video: "How much it listens to each audio latent", audio: "How much it looks at each latent frame" },
  seen_by: { video: "How much each audio latent looks at it", audio: "How much each latent frame listens to it" },
};

// Over the time of the other lane, as many times chance.
export function attentionCard({ attention, words, picked }, grid) {
  const other = picked.lane === "video" ? "audio" : "video";
  const end_s = lanesEnd_s(grid);
  const [start, end] = interval_s(picked, grid).map((time_s) => (time_s / end_s) * WIDTH);
  const height = 48;
  const charts = Object.entries(attention).map(([name, values]) => {
    const line = other === "video" ? meansOf(values, grid.frames) : Array.from(values);
    const most = Math.max(...line, 1);
    const bars = line.map((value, t) => {
      const [from, to] = interval_s({ lane: other, t }, grid).map((time_s) => (time_s / end_s) * WIDTH);
      const tall = (value / most) * height;
      const box = { x: from, width: Math.max(to - from - 0.3, 0.3), y: height - tall, height: tall };
      const told = s("title", {}, `${other} latent ${t}: ${value.toFixed(2)} × chance`);
      return s("rect", { class: `explorer-${other}`, ...box }, told);
    });
    const own = s("rect", { class: "explorer-own", x: start, width: Math.max(end - start, 1), y: 0, height });
    const chance_y = height - height / most;
    const chance = s("line", { class: "explorer-zero", x1: 0, x2: WIDTH, y1: chance_y, y2: chance_y });
    const label = ASKED[name][picked.lane];
    const title = h("p", { class: "ltx-muted" }, `${label} (up to ${most.toFixed(1)} × chance)`);
    return [title, chart(label, height, own, bars, chance)];
  });
  return card(
    "Attention",
    null,
    charts.length > 0 ? h("p", { class: "ltx-muted" }, "Line: chance. Shaded: the latent's own time.") : null,
    charts.flat(),
    words.length > 0 ? wordRows(words) : null,
  );
}

function wordRows(words) {
  const most = Math.max(...words.map(([, share]) => share));
  const rows = words.map(([word, share]) => [
    h("span", {}, word),
    h("span", { class: "explorer-share" }, h("span", { style: `width: ${((100 * share) / most).toFixed(1)}%` })),
    h("span", { class: "ltx-number ltx-muted" }, `${share.toFixed(1)} ×`),
  ]);
  const title = h("p", { class: "ltx-muted" }, "Words it looks at, as many times chance");
  return h("div", {}, title, h("div", { class: "explorer-words" }, rows.flat()));
}
