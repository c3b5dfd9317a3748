// Both lanes of latents: a frame with the grid over it, and picture and sound over one time axis. Draws; decides nothing.

import { createDisposer, h, s, takeKey } from "../lib/dom.mjs";
import { canvasOf, heatPixels, rgbPixels } from "./colours.mjs";
import { cellAt, interval_s, lanesEnd_s, latentAt, moved, placeText } from "./places.mjs";

const MOST_HEIGHT_PX = 400;
const STRIP_PX = { video: 40, audio: 56 };

// onPick(place) when a latent is picked by pointer or key. Returns {element, draw(state)}.
export function lanesView(disposer, grid, onPick) {
  const { rows, columns, frames, sounds } = grid;
  let picked = null;
  let cell = { t: 0, y: 0, x: 0 };
  const frame = h("canvas", {});
  const lines = [
    ...Array.from({ length: columns - 1 }, (_, n) => s("line", { x1: n + 1, x2: n + 1, y1: 0, y2: rows })),
    ...Array.from({ length: rows - 1 }, (_, n) => s("line", { x1: 0, x2: columns, y1: n + 1, y2: n + 1 })),
  ];
  const marks = ["explorer-mark-under", "explorer-mark"].map((name) => s("rect", { class: name, width: 1, height: 1 }));
  const viewBox = `0 0 ${columns} ${rows}`;
  const overlay = s("svg", { viewBox, class: "explorer-grid", "aria-hidden": "true" }, lines, marks);
  const picture = h(
    "div",
    {
      class: "explorer-picture",
      style: `aspect-ratio: ${columns} / ${rows}; max-width: ${Math.round((MOST_HEIGHT_PX * columns) / rows)}px`,
      tabindex: 0,
      role: "application",
      "aria-label": "Video latents: arrow keys move the cell, page keys the latent frame",
    },
    frame,
    overlay,
  );
  const strip = (lane, label) => {
    const canvas = h("canvas", {});
    const mark = h("span", { class: "explorer-strip-mark" });
    const element = h(
      "div",
      { class: `explorer-strip explorer-strip-${lane}`, style: `height: ${STRIP_PX[lane]}px`, role: "group", "aria-label": label },
      canvas,
      mark,
    );
    if (lane === "audio") {
      element.tabIndex = 0;
      element.setAttribute("role", "application");
    }
    return { canvas, mark, element };
  };
  const strips = {
    video: strip("video", "Latent frames over time"),
    audio: strip("audio", "Audio latents over time: arrow keys move the latent"),
  };
  const element = h(
    "div",
    { class: "ltx-stack" },
    picture,
    h("div", { class: "explorer-strips" }, strips.video.element, strips.audio.element),
  );

  const pointed = (target, event) => {
    const box = target.getBoundingClientRect();
    const [left, top] = [box.left + target.clientLeft, box.top + target.clientTop]; // within the border
    return [event.clientX - left, event.clientY - top, target.clientWidth, target.clientHeight];
  };
  const drag = (target, placeAt) => {
    disposer.listen(target, "pointerdown", (event) => {
      if (event.button !== 0) return;
      const dragging = createDisposer();
      target.setPointerCapture(event.pointerId);
      dragging.listen(target, "pointermove", (moving) => onPick(placeAt(...pointed(target, moving))));
      for (const end of ["pointerup", "pointercancel"]) dragging.listen(target, end, () => dragging.dispose());
      onPick(placeAt(...pointed(target, event)));
    });
  };
  drag(picture, (x, y, width, height) => ({ lane: "video", t: cell.t, ...cellAt(x, y, width, height, grid) }));
  const end_s = lanesEnd_s(grid);
  const pickedAt = (lane, time_s) => {
    const t = latentAt(time_s, lane, grid);
    return lane === "video" ? { lane, ...cell, t } : { lane, t };
  };
  for (const [lane, { element: target }] of Object.entries(strips)) {
    drag(target, (x, _, width) => pickedAt(lane, (x / width) * end_s));
  }
  const onKey = (lane, event) => {
    // From the other lane, a key goes on from the same time.
    const from = picked.lane === lane ? picked : pickedAt(lane, interval_s(picked, grid)[0]);
    const to = moved(from, event.key, grid);
    if (to === null || event.ctrlKey || event.metaKey || event.altKey) return;
    takeKey(event);
    onPick(to);
  };
  disposer.listen(picture, "keydown", (event) => onKey("video", event));
  disposer.listen(strips.audio.element, "keydown", (event) => onKey("audio", event));

  const drawFrame = ({ pictures, colours, heat, mode, reference }) => {
    // A reference may be a single picture, or shorter than the clip; its last frame stays.
    const t = reference ? Math.min(cell.t, reference.pictures.length - 1) : cell.t;
    const image = reference ? reference.pictures[t] : pictures[t];
    const context = frame.getContext("2d");
    [frame.width, frame.height] = image ? [image.width, image.height] : [columns * 16, rows * 16];
    const whole = [0, 0, frame.width, frame.height];
    if (image && mode !== "colours") {
      context.drawImage(image, ...whole);
    } else if (colours.video) {
      drawSmall(context, rgbPixels(colours.video.subarray(cell.t * rows * columns * 3), columns, rows), whole);
    }
    if (heat.video) {
      const { levels, width, height } = heat.video;
      context.fillStyle = "rgb(0 0 0 / 55%)";
      context.fillRect(...whole);
      const mine = levels.subarray(t * width * height, (t + 1) * width * height);
      drawSmall(context, heatPixels(mine, width, height, heat.video), whole, width > columns);
    }
  };
  const x_of = (time_s, width) => (time_s / end_s) * width;
  let drawn = [];
  const drawStrips = ({ pictures, colours, heat }) => {
    const toDraw = [pictures, colours.audio, heat.audio?.levels];
    if (toDraw.every((part, index) => part === drawn[index])) return; // as while the pointer moves
    drawn = toDraw;
    for (const [lane, { canvas }] of Object.entries(strips)) {
      [canvas.width, canvas.height] = [1024, 2 * STRIP_PX[lane]];
      const context = canvas.getContext("2d");
      const boxOf = (t) => {
        const [from, to] = interval_s({ lane, t }, grid).map((time_s) => x_of(time_s, canvas.width));
        return [from, 0, to - from, canvas.height];
      };
      if (lane === "video") {
        for (let t = 0; t < frames; t += 1) if (pictures[t]) drawCovering(context, pictures[t], boxOf(t));
      } else if (heat.audio) {
        const { levels, width, height, wide_s } = heat.audio;
        const box = [0, 0, x_of(wide_s, canvas.width), canvas.height];
        context.fillStyle = "#000";
        context.fillRect(...box);
        drawSmall(context, heatPixels(levels, width, height, heat.audio), box);
      } else if (colours.audio) {
        const mels = colours.audio.length / 3 / sounds;
        for (let t = 0; t < sounds; t += 1) {
          const rgb = flipped(colours.audio.subarray(t * mels * 3, (t + 1) * mels * 3));
          drawSmall(context, rgbPixels(rgb, 1, mels), boxOf(t));
        }
      }
    }
  };
  const drawMarks = () => {
    for (const mark of marks) {
      mark.setAttribute("x", cell.x);
      mark.setAttribute("y", cell.y);
      mark.toggleAttribute("hidden", picked.lane !== "video");
    }
    for (const [lane, { mark }] of Object.entries(strips)) {
      const shown = picked.lane === lane ? picked : lane === "video" ? { lane, t: cell.t } : null;
      mark.hidden = shown === null;
      if (shown === null) continue;
      const [from, to] = interval_s(shown, grid).map((time_s) => 100 * x_of(time_s, 1));
      mark.style.cssText = `left: ${from}%; width: max(${to - from}%, 3px)`;
      mark.classList.toggle("explorer-picked", picked.lane === lane);
    }
  };
  const draw = (state) => {
    picked = state.picked;
    if (picked.lane === "video") cell = { t: picked.t, y: picked.y, x: picked.x };
    else cell = { ...cell, t: latentAt(interval_s(picked, grid)[0], "video", grid) };
    for (const target of [picture, strips.audio.element]) {
      target.setAttribute("aria-description", placeText(picked, grid));
    }
    drawFrame(state);
    drawStrips(state);
    drawMarks();
  };
  return { element, draw };
}

function drawSmall(context, pixels, [x, y, width, height], smooth = false) {
  context.imageSmoothingEnabled = smooth;
  context.drawImage(canvasOf(pixels), x, y, width, height);
}

// The middle of an image, as much as fills the box in its proportions.
function drawCovering(context, image, [x, y, width, height]) {
  const scale = Math.max(width / image.width, height / image.height);
  const [part, tall] = [width / scale, height / scale];
  context.imageSmoothingEnabled = true;
  context.drawImage(image, (image.width - part) / 2, (image.height - tall) / 2, part, tall, x, y, width, height);
}

// Rows of pixels, uint8 [rows, 3], from bottom to top: low tones are drawn below.
function flipped(rgb) {
  const rows = rgb.length / 3;
  return Uint8Array.from(rgb, (_, index) => rgb[3 * (rows - 1 - Math.floor(index / 3)) + (index % 3)]);
}
