// The Timeline widget: two lanes on one time axis, and below them what the model sees.
import { bytesOf } from "./lib/bytes.mjs";
import { createDisposer, h, showError, widgetRoot } from "./lib/dom.mjs";
import { timeScale } from "./lib/time.mjs";
import { createEditor } from "./timeline/editor.mjs";
import { KEYS, addGestures } from "./timeline/gestures.mjs";
import { createInspector } from "./timeline/inspector.mjs";
import { createLane, peaksPath } from "./timeline/lane.mjs";
import { createMediaTools } from "./timeline/media_tools.mjs";
import { LANES, duration_s, maskSummary, sourceLength_s } from "./timeline/draft.mjs";
import { createMaskRow, createRuler } from "./timeline/ruler.mjs";
import { createToolbar } from "./timeline/toolbar.mjs";

const MOST_WIDTH_PX = 8000;
// Room after the end of the clip, to drag it to.
const TAIL = 1.06;

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "timeline", "Timeline");
  const sources = new Map();
  const previews = new Map();
  let zoom = 1;
  let width_px = 0;
  let isDue = false;

  const draw = () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      drawNow();
    });
  };

  const lengths_s = (sha256, lane) => sourceLength_s(sources.get(sha256), lane);
  const editor = createEditor(model, disposer, lengths_s, draw);
  const view = {
    zoomBy: (factor) => setZoom(zoom * factor),
    fit: () => setZoom(1),
  };

  const ruler = createRuler();
  const lanes = Object.fromEntries(LANES.map((lane) => [lane, createLane(lane)]));
  const masks = Object.fromEntries(LANES.map((lane) => [lane, createMaskRow(lane)]));
  const end = h("div", { class: "ltx-timeline-end", role: "slider", tabindex: 0, "aria-label": "Clip length" });
  const cursor = h("div", { class: "ltx-timeline-cursor", "aria-hidden": "true" });
  const outside = h("div", { class: "ltx-timeline-outside", "aria-hidden": "true" });
  const rows = [...LANES.map((lane) => lanes[lane].element), ...LANES.map((lane) => masks[lane].element)];
  const track = h("div", { class: "ltx-timeline-track" }, ruler.element, ...rows, outside, end, cursor);
  const scroller = h("div", { class: "ltx-timeline-scroller" }, track);
  const gutter = h(
    "div",
    { class: "ltx-timeline-gutter", "aria-hidden": "true" },
    ...["seconds", "frames", "latents"].map((unit) => h("span", { class: "ltx-timeline-unit" }, unit)),
    h("span", { "data-lane": "video" }, "Video"),
    h("span", { "data-lane": "audio" }, "Audio"),
    h("span", { class: "ltx-timeline-sees" }, "Model sees"),
  );

  const scale = () => timeScale(0, duration_s(editor.draft) * TAIL, Math.max(width_px * zoom, 1));
  const toolbar = createToolbar(editor, view, disposer);
  const inspector = createInspector(editor, sources, disposer);
  const mediaTools = createMediaTools(model, editor, sources, disposer);
  const summary = h("p", { class: "ltx-muted", role: "status" });
  const legend = h(
    "p",
    { class: "ltx-timeline-legend ltx-muted" },
    ...[["keeps", "kept"], ["generates", "generated"]].map(([kind, label]) => h("span", { "data-kind": kind }, label)),
  );
  const keys = h(
    "details",
    { class: "ltx-muted" },
    h("summary", {}, "Keys"),
    h("dl", { class: "ltx-timeline-keys" }, ...KEYS.flatMap(([key, use]) => [h("dt", {}, key), h("dd", {}, use)])),
  );
  root.append(
    h(
      "div",
      { class: "ltx-stack" },
      toolbar.element,
      h("div", { class: "ltx-timeline-board" }, gutter, scroller),
      h("div", { class: "ltx-row ltx-timeline-under" }, legend, summary),
      inspector.element,
      showError(disposer, model),
      mediaTools.element,
      keys,
    ),
  );

  function setZoom(wanted) {
    const { toPx, toSeconds } = scale();
    const inView = (x_px) => x_px >= scroller.scrollLeft && x_px <= scroller.scrollLeft + width_px;
    // What stays where it is: the cursor, or the middle of what is in view.
    const anchor_px = inView(toPx(editor.cursor_s)) ? toPx(editor.cursor_s) : scroller.scrollLeft + width_px / 2;
    const anchor_s = toSeconds(anchor_px);
    zoom = Math.min(Math.max(wanted, 1), Math.max(MOST_WIDTH_PX / Math.max(width_px, 1), 1));
    drawNow();
    scroller.scrollLeft += scale().toPx(anchor_s) - anchor_px;
  }

  function drawNow() {
    if (!width_px) return;
    const { draft } = editor;
    const now = scale();
    const focused = document.activeElement?.closest?.(".ltx-timeline-part");
    const lost = track.contains(focused) && { lane: focused.parentElement.dataset.lane, left_px: focused.offsetLeft };
    track.style.width = `${now.width_px}px`;
    ruler.draw(draft, now, editor.cursor_s);
    for (const lane of LANES) {
      lanes[lane].draw(draft, now, editor.selected?.key, sources, previews);
      masks[lane].draw(draft, now);
    }
    if (lost && focused.isConnected) focused.focus({ preventScroll: true });
    else if (lost) lanes[lost.lane].focusAt(draft, now.toSeconds(lost.left_px));
    const end_px = now.toPx(duration_s(draft));
    end.style.left = outside.style.left = `${end_px}px`;
    end.setAttribute("aria-valuenow", draft.num_frames);
    end.setAttribute("aria-valuetext", `${draft.num_frames} frames, ${duration_s(draft).toFixed(2)} s`);
    cursor.style.left = `${now.toPx(Math.min(editor.cursor_s, duration_s(draft)))}px`;
    toolbar.draw();
    inspector.draw();
    mediaTools.draw();
    const text = maskSummary(draft);
    if (summary.textContent !== text) summary.textContent = text;
  }

  function takeSources() {
    sources.clear();
    for (const source of model.get("sources") ?? []) sources.set(source.sha256, source);
    draw();
  }

  async function takePreview({ sha256, thumbnails }, [strip, peaks]) {
    // Every view that opens asks for all; those that are open have them.
    if (previews.has(sha256)) return;
    const outline = new Int8Array(bytesOf(peaks));
    const preview = { thumbnails, points: outline.length / 2, outline: peaksPath(outline), picture: null };
    previews.set(sha256, preview);
    if (thumbnails) {
      preview.picture = await createImageBitmap(new Blob([bytesOf(strip)], { type: "image/jpeg" }));
      disposer.add(() => preview.picture.close());
    }
    draw();
  }

  addGestures(editor, { root, track, ruler: ruler.element, end, scale }, view, disposer);
  disposer.listen(track, "dragover", (event) => event.preventDefault());
  disposer.listen(track, "drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) mediaTools.drop(file, scale().toSeconds(event.clientX - track.getBoundingClientRect().left));
  });
  const zoomByWheel = (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    setZoom(zoom * 1.0015 ** -event.deltaY);
  };
  disposer.listen(scroller, "wheel", zoomByWheel, { passive: false });
  disposer.onChange(model, "sources", takeSources);
  disposer.onMessage(model, "preview", takePreview);
  disposer.onWidth(scroller, (now_px) => {
    width_px = now_px;
    drawNow();
  });
  takeSources();
  model.send({ type: "ready" });
  return () => {
    width_px = 0;
    disposer.dispose();
    root.remove();
  };
}

export default { render };
