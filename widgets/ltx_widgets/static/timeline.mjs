// The Timeline widget: two lanes on one time axis, below them references, and what the model sees.
import { bytesOf } from "./lib/bytes.mjs";
import { createDesk } from "./lib/desk.mjs";
import { createDisposer, h, showError, widgetRoot } from "./lib/dom.mjs";
import { watchKernel } from "./lib/kernel.mjs";
import { timeScale } from "./lib/time.mjs";
import { createEditor } from "./timeline/editor.mjs";
import { KEYS, addGestures } from "./timeline/gestures.mjs";
import { createInspector } from "./timeline/inspector.mjs";
import { createLane, peaksPath } from "./timeline/lane.mjs";
import { createGhost } from "./timeline/ghost.mjs";
import { createMediaTools, landingText } from "./timeline/media_tools.mjs";
import { LANES, duration_s, maskSummary, sourceLength_s } from "./timeline/draft.mjs";
import { landing } from "./timeline/edits.mjs";
import { createReferences } from "./timeline/references.mjs";
import { createMaskRow, createRuler } from "./timeline/ruler.mjs";
import { WORDS, timedOf, withWords } from "./timeline/timed.mjs";
import { createToolbar } from "./timeline/toolbar.mjs";

const MOST_WIDTH_PX = 8000;
// Room after the end of the clip, to drag it to.
const TAIL = 1.06;

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "timeline", "Timeline");
  const desk = createDesk(disposer, root);
  const sources = new Map();
  const previews = new Map();
  let zoom = 1;
  let width_px = 0;
  let isDue = false;
  // What has just happened, until the next edit.
  let news = null;
  // The clip that is dragged here from another widget: {id, duration_s}.
  let carried = null;

  const draw = () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      drawNow();
    });
  };

  const lengths_s = (sha256, lane) => sourceLength_s(sources.get(sha256), lane);
  const editor = createEditor(model, disposer, desk, lengths_s, draw);
  const summary = h("p", { class: "ltx-muted ltx-timeline-summary", role: "status" });
  const view = {
    zoomBy: (factor) => setZoom(zoom * factor),
    fit: () => setZoom(1),
    addWords,
    status: summary,
  };

  const ruler = createRuler();
  const lanes = Object.fromEntries(LANES.map((lane) => [lane, createLane(lane)]));
  const words = createLane(WORDS);
  const masks = Object.fromEntries(LANES.map((lane) => [lane, createMaskRow(lane)]));
  const end = h("div", { class: "ltx-timeline-end", role: "slider", tabindex: 0, "aria-label": "Clip length" });
  const cursor = h("div", { class: "ltx-timeline-cursor", "aria-hidden": "true" });
  const outside = h("div", { class: "ltx-timeline-outside", "aria-hidden": "true" });
  const chosen = h("div", { class: "ltx-timeline-chosen", "aria-hidden": "true" });
  const references = createReferences(editor, sources, disposer);
  const rows = [
    ...LANES.map((lane) => lanes[lane].element),
    words.element,
    references.element,
    ...LANES.map((lane) => masks[lane].element),
  ];
  const track = h("div", { class: "ltx-timeline-track" }, ruler.element, ...rows, chosen, outside, end, cursor);
  const scroller = h("div", { class: "ltx-timeline-scroller" }, track);
  const wordsLabel = h("span", { "data-lane": WORDS }, "Words");
  const gutter = h(
    "div",
    { class: "ltx-timeline-gutter", "aria-hidden": "true" },
    ...["seconds", "frames", "latents"].map((unit) => h("span", { class: "ltx-timeline-unit" }, unit)),
    h("span", { "data-lane": "video" }, "Video"),
    h("span", { "data-lane": "audio" }, "Audio"),
    wordsLabel,
    references.label,
    h("span", { class: "ltx-timeline-sees" }, "Model sees"),
  );

  const scale = () => timeScale(0, duration_s(editor.draft) * TAIL, Math.max(width_px * zoom, 1));
  const ghost = createGhost(lanes, () => scale());
  const showGhost = (spans) => {
    ghost.show(spans);
    if (spans.length) say(landingText(editor.draft, spans), true);
    else if (news?.isOfGhost) say(null);
  };
  const toolbar = createToolbar(editor, view, KEYS, disposer);
  const inspector = createInspector(editor, sources, disposer);
  const retakeSpan_s = () => model.get("span_s").filter((edge_s) => edge_s <= duration_s(editor.draft) + 1e-6);
  const mediaTools = createMediaTools(model, editor, sources, disposer, {
    ghost: showGhost,
    say,
    retakeSpan_s: () => (retakeSpan_s().length === 2 ? retakeSpan_s() : []),
  });
  const legend = h(
    "p",
    { class: "ltx-timeline-legend ltx-muted" },
    ...[["keeps", "kept"], ["generates", "generated"]].map(([kind, label]) => h("span", { "data-kind": kind }, label)),
  );
  root.append(
    h(
      "div",
      { class: "ltx-stack" },
      toolbar.element,
      h("div", { class: "ltx-timeline-board" }, gutter, scroller),
      h("div", { class: "ltx-timeline-under" }, inspector.element, legend),
      showError(disposer, model),
      mediaTools.element,
    ),
  );
  watchKernel(disposer, model, root);

  function say(text, isOfGhost = false) {
    news = text && { text, isOfGhost, draft: editor.draft };
    drawSummary();
  }
  function drawSummary() {
    if (news && news.draft !== editor.draft) news = null;
    const text = news?.text ?? maskSummary(editor.draft);
    if (summary.textContent !== text) summary.textContent = summary.title = text;
  }

  // Begun with the prompt, whose words are then changed; the field for it is ready.
  function addWords() {
    const draft = withWords(editor.draft, model.get("prompt"), editor.cursor_s, editor.options.snap);
    if (draft === editor.draft) return say("there is no room for other words here; every moment has some");
    editor.commit(draft);
    editor.select({ lane: WORDS, kind: WORDS, index: timedOf(draft).length - 1 });
    drawNow();
    inspector.element.querySelector(".ltx-timeline-words")?.select();
  }

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
    words.element.hidden = wordsLabel.hidden = !timedOf(draft).length;
    words.draw(draft, now, editor.selected?.key, sources, previews);
    references.draw(draft, now);
    if (lost && focused.isConnected) focused.focus({ preventScroll: true });
    else if (lost) ({ ...lanes, [WORDS]: words })[lost.lane].focusAt(draft, now.toSeconds(lost.left_px));
    const end_px = now.toPx(duration_s(draft));
    end.style.left = outside.style.left = `${end_px}px`;
    end.setAttribute("aria-valuenow", draft.num_frames);
    end.setAttribute("aria-valuetext", `${draft.num_frames} frames, ${duration_s(draft).toFixed(2)} s`);
    moveCursor(now);
    drawChosen(now);
    toolbar.draw();
    inspector.draw();
    mediaTools.draw();
    drawSummary();
  }
  function moveCursor(now) {
    cursor.style.left = `${now.toPx(Math.min(editor.cursor_s, duration_s(editor.draft)))}px`;
  }
  // The span that is chosen in the player.
  function drawChosen(now = scale()) {
    const [start_s, end_s] = model.get("span_s").map((edge_s) => Math.min(edge_s, duration_s(editor.draft)));
    chosen.hidden = !(end_s > start_s);
    if (chosen.hidden) return;
    chosen.style.left = `${now.toPx(start_s)}px`;
    chosen.style.width = `${now.toPx(end_s) - now.toPx(start_s)}px`;
  }

  function takeSources() {
    sources.clear();
    for (const source of model.get("sources") ?? []) sources.set(source.sha256, source);
    for (const [sha256, preview] of previews) {
      if (sources.has(sha256)) continue;
      preview.picture?.close();
      previews.delete(sha256);
    }
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
      if (disposer.isDisposed || previews.get(sha256) !== preview) return preview.picture.close();
    }
    draw();
  }

  const tellTime = () => desk.tell("time", { time_s: editor.cursor_s });
  addGestures(editor, { root, track, ruler: ruler.element, end, scale, tellTime }, view, disposer);
  const timeOf = (event) => scale().toSeconds(event.clientX - track.getBoundingClientRect().left);
  disposer.listen(track, "dragover", (event) => {
    event.preventDefault();
    // How long a file is, is not known before it is here.
    const lengths_s = carried ? { video: carried.duration_s, audio: carried.duration_s } : { video: 1e9, audio: 1e9 };
    showGhost(landing(editor.draft, lengths_s, timeOf(event), editor.options.snap));
  });
  disposer.listen(track, "dragleave", (event) => track.contains(event.relatedTarget) || showGhost([]));
  disposer.listen(track, "drop", (event) => {
    event.preventDefault();
    showGhost([]);
    const [file] = event.dataTransfer.files;
    if (carried) desk.tell("drop", { id: carried.id, time_s: Math.max(timeOf(event), 0) });
    else if (file) mediaTools.drop(file, Math.max(timeOf(event), 0));
  });
  desk.hear("carry", ({ id, duration_s: length_s }) => (carried = id === null ? null : { id, duration_s: length_s }));
  desk.hear("time", ({ time_s }) => {
    editor.follow(time_s);
    if (!width_px) return;
    moveCursor(scale());
    ruler.drawCursor(editor.draft, editor.cursor_s);
  });
  const zoomByWheel = (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    setZoom(zoom * 1.0015 ** -event.deltaY);
  };
  disposer.listen(scroller, "wheel", zoomByWheel, { passive: false });
  disposer.onChange(model, "sources", takeSources);
  disposer.onChange(model, "span_s", () => drawChosen());
  disposer.add(() => previews.forEach(({ picture }) => picture?.close()));
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
