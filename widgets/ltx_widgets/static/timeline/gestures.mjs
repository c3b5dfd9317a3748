// Pointer and keyboard on the board: drags that stay in the browser until they are released, and keys for all of it.
import { takeKey } from "../lib/dom.mjs";
import { roundHalfEven } from "../lib/time.mjs";
import { resized, withItem } from "./edits.mjs";
import { deleted, dragged, linkedParts, splitAt } from "./linked.mjs";
import { duration_s, hitPart, neighbours } from "./draft.mjs";
import { partKey, partsOf } from "./editor.mjs";
import { WORDS } from "./timed.mjs";

const LEAST_DRAG_PX = 3;
// How far an edge reaches into its part: a finger needs more than a mouse.
const HANDLE_PX = { mouse: 8, touch: 24, pen: 16 };
const handleOf = ({ pointerType }) => HANDLE_PX[pointerType] ?? HANDLE_PX.mouse;

export const KEYS = [
  ["Tab", "from part to part; on the ruler and at the clip's end, ← → move the cursor and the end"],
  ["← →", "move the selected part by a latent (by a frame with snapping off)"],
  ["Shift + ← →", "move its end"],
  ["Alt + ← →", "move its start"],
  ["↑ ↓", "strength of an image"],
  ["S", "split at the cursor"],
  ["W", "other words from the cursor on"],
  ["Delete", "take away what is given; on a generated stretch, keep the source there"],
  ["Ctrl + Z, Ctrl + Shift + Z", "undo, redo"],
  ["+ − 0", "zoom in, out, to fit"],
  ["Esc", "select nothing, or give up a drag"],
];

// board: {root, track, ruler, end, scale()}; view: {zoomBy(factor), fit(), addWords()}.
export function addGestures(editor, board, view, disposer) {
  let drag = null;

  const partOf = (target) => {
    const block = target.closest?.(".ltx-timeline-part");
    if (!block) return null;
    const lane = block.parentElement.dataset.lane;
    return partsOf(editor.draft, lane).find((part) => partKey(part) === block.dataset.key) ?? null;
  };
  // An edge of a gap is there to be taken where a span is behind it.
  function gripOf(block, event) {
    const grip = hitPart(event.clientX - block.getBoundingClientRect().left, block.offsetWidth, handleOf(event));
    const part = partOf(block);
    if (part?.kind !== "gap" || grip === "body") return grip;
    const { before, after } = neighbours(editor.draft, part);
    return (grip === "start" ? before : after) === null ? "body" : grip;
  }
  const timeAt = (event) => board.scale().toSeconds(event.clientX - board.track.getBoundingClientRect().left);

  // Follow the pointer: draftAt(delta_s, event) is shown while it moves and committed when it is released.
  function follow(event, draftAt) {
    // The scale at the beginning counts throughout, even where the draft's length changes.
    drag = { pointerId: event.pointerId, x_px: event.clientX, scale: board.scale(), draftAt, moved: false };
    board.track.setPointerCapture(event.pointerId);
  }

  disposer.listen(board.track, "pointerdown", (event) => {
    if (event.button !== 0 || drag) return;
    if (board.ruler.contains(event.target)) {
      editor.setCursor(timeAt(event));
      board.tellTime();
      return follow(event, null);
    }
    if (event.target === board.end) {
      const before = editor.draft;
      return follow(event, (delta_s) => resized(before, before.num_frames + delta_s * before.frame_rate));
    }
    if (event.target.closest(".ltx-timeline-references")) return;
    const part = partOf(event.target);
    editor.select(part);
    if (!part) return;
    const before = editor.draft;
    const box = event.target.closest(".ltx-timeline-part").getBoundingClientRect();
    const grip = part.kind === "image" ? "body" : hitPart(event.clientX - box.left, box.width, handleOf(event));
    follow(event, (delta_s) => dragged(before, part, grip, delta_s, editor.options));
  });

  disposer.listen(board.track, "pointermove", (event) => {
    if (!drag || event.pointerId !== drag.pointerId) {
      const block = event.target.closest?.('.ltx-timeline-part:not([data-kind="image"])');
      if (block) block.dataset.grip = gripOf(block, event);
      return;
    }
    const delta_px = event.clientX - drag.x_px;
    if (Math.abs(delta_px) >= LEAST_DRAG_PX) drag.moved = true;
    if (!drag.draftAt) {
      editor.setCursor(timeAt(event));
      board.tellTime();
    } else if (drag.moved) editor.preview(drag.draftAt(delta_px / drag.scale.pxPerSecond));
  });

  const release = (event) => {
    if (!drag || event.pointerId !== drag.pointerId) return;
    const { moved, draftAt } = drag;
    drag = null;
    if (draftAt && moved) editor.commit(editor.draft);
  };
  const giveUp = () => {
    if (!drag) return false;
    drag = null;
    editor.preview(null);
    return true;
  };
  disposer.listen(board.track, "pointerup", release);
  disposer.listen(board.track, "pointercancel", giveUp);

  function step_s(part) {
    const { snap, linked } = editor.options;
    const { frame_rate } = editor.draft;
    if (part.kind === "image") return 1 / frame_rate;
    if (part.kind === WORDS) return (snap ? 8 : 1) / frame_rate;
    const lanes = linkedParts(editor.draft, part, linked).map(({ lane }) => lane);
    if (lanes.includes("video")) return (snap ? 8 : 1) / frame_rate;
    return snap ? 0.04 : 0.01;
  }

  function arrow(event, part) {
    const sign = event.key === "ArrowLeft" ? -1 : 1;
    const grip = event.shiftKey ? "end" : event.altKey ? "start" : "body";
    editor.commit(dragged(editor.draft, part, grip, sign * step_s(part), editor.options));
  }

  function strength(event, part) {
    const item = editor.draft.given[part.index];
    const wanted = item.strength + (event.key === "ArrowUp" ? 0.05 : -0.05);
    const value = Math.min(Math.max(Math.round(wanted * 20) / 20, 0), 1);
    editor.commit(withItem(editor.draft, part.index, { strength: value }));
  }

  function rulerKey(event) {
    const frame_s = 1 / editor.draft.frame_rate;
    const by = { ArrowLeft: -frame_s, ArrowRight: frame_s, PageUp: 8 * frame_s, PageDown: -8 * frame_s }[event.key];
    if (by) {
      const frame = roundHalfEven((editor.cursor_s + by * (event.shiftKey ? 8 : 1)) * editor.draft.frame_rate);
      editor.setCursor(frame * frame_s);
    } else if (event.key === "Home") editor.setCursor(0);
    else if (event.key === "End") editor.setCursor(duration_s(editor.draft));
    else return false;
    board.tellTime();
    return true;
  }

  function endKey(event) {
    const by = { ArrowLeft: -8, ArrowDown: -8, ArrowRight: 8, ArrowUp: 8 }[event.key];
    if (by) editor.commit(resized(editor.draft, editor.draft.num_frames + by));
    return Boolean(by);
  }

  // Whether the key was taken.
  function partKeyDown(event, part) {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") arrow(event, part);
    else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && part.kind === "image") strength(event, part);
    else if (event.key === "Delete" || event.key === "Backspace") {
      editor.commit(deleted(editor.draft, part, editor.options));
    } else if (event.key === "Enter" || event.key === " ") editor.select(part);
    else return false;
    return true;
  }

  function boardKey(event) {
    const isCommand = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (isCommand && (key === "y" || (key === "z" && event.shiftKey))) editor.redo();
    else if (isCommand && key === "z") editor.undo();
    else if (isCommand) return false;
    else if (key === "w") view.addWords();
    else if (key === "s" && editor.part) {
      editor.commit(splitAt(editor.draft, editor.part, editor.cursor_s, editor.options));
    } else if (key === "+" || key === "=") view.zoomBy(1.5);
    else if (key === "-" || key === "−") view.zoomBy(1 / 1.5);
    else if (key === "0") view.fit();
    else if (key === "escape" && !giveUp()) editor.select(null);
    else return key === "escape";
    return true;
  }

  disposer.listen(board.root, "keydown", (event) => {
    if (event.target.closest("input, select, summary")) return;
    const part = partOf(event.target);
    const isTaken =
      (board.ruler.contains(event.target) && rulerKey(event)) ||
      (event.target === board.end && endKey(event)) ||
      (part && !(event.ctrlKey || event.metaKey) && partKeyDown(event, part)) ||
      boardKey(event);
    if (isTaken) takeKey(event);
  });

  // A part is selected when it gets the focus, so that Tab walks through them; a pointer has selected it already.
  disposer.listen(board.track, "focusin", (event) => {
    const part = partOf(event.target);
    if (part && !drag && editor.selected?.key !== partKey(part)) editor.select(part);
  });
}
