// One lane: its parts as blocks that can be focused, with pictures or the outline of sound where their source is known.
import { h, s } from "../lib/dom.mjs";
import { waveformScale } from "../lib/sound.mjs";
import { TIME_TOLERANCE_S, secondsText } from "../lib/time.mjs";
import { partKey, partsOf } from "./editor.mjs";
import { duration_s, isBetween, parts } from "./draft.mjs";
import { WORDS, timedOf } from "./timed.mjs";

const CARD_PX = 48;
const PEAK_HEIGHT = 256;
const LANE_PX = 56;
// Browsers draw no canvas that is much wider than this.
const MOST_CANVAS_PX = 8192;

// The outline of int8 peaks [P, 2], low and high, as an SVG path P wide and 256 high; silence keeps a thin line, and what
// stays below full scale is drawn larger, as in a player.
export function peaksPath(peaks) {
  const count = peaks.length / 2;
  const scale = waveformScale(peaks);
  const y = (value) => Math.round(127 - scale * value);
  const points = [];
  for (let index = 0; index < count; index += 1) points.push(`${index} ${Math.min(y(peaks[2 * index + 1]), 126)}`);
  for (let index = count - 1; index >= 0; index -= 1) points.push(`${index} ${Math.max(y(peaks[2 * index]), 129)}`);
  return count ? `M${points.join("L")}z` : "";
}

// What a part is, for its label and for screen readers.
export function partText(draft, part, sources) {
  const when = `${secondsText(part.start_s)} to ${secondsText(part.end_s)}`;
  if (part.kind === "gap") return `${part.lane} generated, ${when}`;
  if (part.kind === WORDS) return `words, ${when}: ${timedOf(draft)[part.index].prompt || "none yet"}`;
  const item = draft.given[part.index];
  const name = sources.get(item.source)?.name ?? "unknown source";
  if (part.kind === "span") return `${part.lane} given, ${when}, from ${name}`;
  const strength = `strength ${Math.round(item.strength * 100)} %`;
  return `image given at ${secondsText(part.start_s)}, ${name}, ${strength}`;
}

export function createLane(lane) {
  const label = `${lane} lane`;
  const element = h("div", { class: "ltx-timeline-lane", "data-lane": lane, role: "group", "aria-label": label });
  const blocks = new Map();
  return {
    element,
    // sources and previews: by SHA-256.
    draw(draft, scale, selectedKey, sources, previews) {
      const wanted = partsOf(draft, lane);
      const keys = new Set(wanted.map(partKey));
      for (const [key, block] of blocks) {
        if (keys.has(key)) continue;
        block.remove();
        blocks.delete(key);
      }
      for (const [at, part] of wanted.entries()) {
        const key = partKey(part);
        if (!blocks.has(key)) {
          const block = h("div", { class: "ltx-timeline-part", role: "button", tabindex: 0, "data-key": key });
          block.dataset.kind = part.kind;
          blocks.set(key, block);
        }
        const block = blocks.get(key);
        // Tab goes through them in order of time.
        if (element.children[at] !== block) element.insertBefore(block, element.children[at] ?? null);
        drawPart(block, draft, part, scale, sources, previews);
        block.setAttribute("aria-pressed", String(key === selectedKey));
      }
    },
    // Focus the part that is at a time.
    focusAt(draft, time_s) {
      const part = partsOf(draft, lane).findLast(({ start_s }) => start_s <= time_s + TIME_TOLERANCE_S);
      blocks.get(part && partKey(part))?.focus({ preventScroll: true });
    },
  };
}

function drawPart(block, draft, part, scale, sources, previews) {
  const left_px = scale.toPx(part.start_s);
  const width_px = Math.max(scale.toPx(part.end_s) - left_px, 1);
  const text = partText(draft, part, sources);
  block.setAttribute("aria-label", text);
  block.title = text;
  if (part.kind === "gap") {
    place(block, left_px, width_px);
    block.dataset.movable = String(isBetween(draft, part));
    const [free_px, freeEnd_px] = widestFree_px(draft, part, scale);
    const middle_px = (free_px + freeEnd_px) / 2 - left_px;
    const label = () => h("span", { class: "ltx-timeline-name", style: `left: ${middle_px}px` }, "generated");
    fill(block, String(middle_px), () => [label()]);
    block.classList.toggle("ltx-timeline-narrow", freeEnd_px - free_px < 72);
    return;
  }
  if (part.kind === WORDS) {
    place(block, left_px, width_px);
    const { prompt } = timedOf(draft)[part.index];
    return fill(block, prompt, () => [h("span", { class: "ltx-timeline-name" }, prompt || "no words yet")]);
  }
  const item = draft.given[part.index];
  const preview = previews.get(item.source);
  const name = sources.get(item.source)?.name ?? "unknown source";
  if (part.kind === "image") {
    // A frame is narrower than its picture: the card begins at the frame, or ends there at the end of the lane.
    const card_px = Math.max(width_px, CARD_PX);
    const isLate = left_px + card_px > scale.toPx(duration_s(draft)) + 1;
    place(block, isLate ? left_px + width_px - card_px : left_px, card_px);
    block.classList.toggle("ltx-timeline-late", isLate);
    const state = [item.source, item.strength, item.source_start_s, Boolean(preview?.picture)].join();
    fill(block, state, () => [
      picture(preview, card_px, () => momentShare(item.source_start_s, sources.get(item.source))),
      h("span", { class: "ltx-timeline-strength" }, `${Math.round(item.strength * 100)} %`),
    ]);
    return;
  }
  place(block, left_px, width_px);
  block.classList.toggle("ltx-timeline-narrow", width_px < 72);
  const length_s = sources.get(item.source)?.duration_s;
  const span = [item.source_start_s, item.end_s - item.start_s];
  const width = Math.round(width_px);
  const state = [item.source, ...span, width, name, Boolean(preview?.picture), preview?.outline?.length].join();
  const shareAt = (share) => momentShare(span[0] + share * span[1], sources.get(item.source));
  fill(block, state, () => [
    part.lane === "video" ? picture(preview, width_px, shareAt) : waveform(preview, span, length_s),
    h("span", { class: "ltx-timeline-name" }, name),
  ]);
}

// The widest stretch of a gap that no image's card covers, from and to in px on the track.
function widestFree_px(draft, gap, scale) {
  const [left_px, right_px] = [scale.toPx(gap.start_s), scale.toPx(gap.end_s)];
  const cards = parts(draft, gap.lane)
    .filter(({ kind }) => kind === "image")
    .map(({ start_s }) => scale.toPx(start_s))
    .filter((at_px) => at_px > left_px - CARD_PX && at_px < right_px);
  const starts = [left_px, ...cards.map((at_px) => at_px + CARD_PX)];
  const ends = [...cards, right_px];
  const stretches = starts.map((start_px, index) => [start_px, ends[index]]);
  return stretches.reduce((best, one) => (one[1] - one[0] > best[1] - best[0] ? one : best));
}

function place(block, left_px, width_px) {
  block.style.left = `${left_px}px`;
  block.style.width = `${width_px}px`;
}

// New content where it has changed; a drag mostly only moves a block.
function fill(block, state, makeContent) {
  if (block.dataset.state === state) return;
  block.dataset.state = state;
  block.replaceChildren(...makeContent());
}

// A moment of a source as a share of its length.
function momentShare(time_s, source) {
  return source?.duration_s ? Math.min(Math.max(time_s / source.duration_s, 0), 1) : 0;
}

// Pictures of the source side by side, as many as fill the width, each of the moment that it stands at.
function picture(preview, width_px, shareAt) {
  const canvas = h("canvas", { class: "ltx-timeline-picture", "aria-hidden": "true" });
  if (!preview?.picture) return canvas;
  const { picture: strip, thumbnails } = preview;
  const source_px = strip.width / thumbnails;
  const ratio = Math.min(window.devicePixelRatio, MOST_CANVAS_PX / width_px);
  canvas.width = Math.round(width_px * ratio);
  canvas.height = Math.round(LANE_PX * ratio);
  const context = canvas.getContext("2d");
  const tile_px = (canvas.height * source_px) / strip.height;
  const first_px = tile_px > canvas.width ? (canvas.width - tile_px) / 2 : 0;
  for (let x_px = first_px; x_px < canvas.width; x_px += tile_px) {
    const index = Math.min(Math.floor(shareAt((x_px + tile_px / 2) / canvas.width) * thumbnails), thumbnails - 1);
    context.drawImage(strip, index * source_px, 0, source_px, strip.height, x_px, 0, tile_px, canvas.height);
  }
  return canvas;
}

function waveform(preview, [start_s, span_s], length_s) {
  const svg = s("svg", { class: "ltx-timeline-wave", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (!preview?.outline || !length_s) return svg;
  const perSecond = preview.points / length_s;
  svg.setAttribute("viewBox", `${start_s * perSecond} 0 ${span_s * perSecond} ${PEAK_HEIGHT}`);
  svg.append(s("path", { d: preview.outline }));
  return svg;
}
