// Small pictures for buttons, in the colour of the text around them.

import { s } from "./dom.mjs";

const SPEAKER = "M2 6h3l4-3.5v11L5 10H2z";
const STAR = "M8 1.8l1.9 4 4.3.5-3.2 3 .9 4.3L8 11.4l-3.9 2.2.9-4.3-3.2-3 4.3-.5z";
const FILLED = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  previous: "M3 3h2v10H3zM13 3v10L6 8z",
  next: "M11 3h2v10h-2zM3 3v10l7-5z",
  sound: SPEAKER,
  muted: SPEAKER,
  starred: STAR,
  more: "M3 6.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zM8 6.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zM13 6.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z",
  dice: "M5 4.2a.9.9 0 1 0 0 1.7.9.9 0 0 0 0-1.7zM11 10.2a.9.9 0 1 0 0 1.7.9.9 0 0 0 0-1.7zM8 7.1a.9.9 0 1 0 0 1.8.9.9 0 0 0 0-1.8z",
};
const STROKED = {
  sound: "M11 5.5a3.5 3.5 0 0 1 0 5M12.5 3.5a6 6 0 0 1 0 9",
  muted: "M11 6l4 4M15 6l-4 4",
  close: "M4 4l8 8M12 4l-8 8",
  star: STAR,
  starred: STAR,
  undo: "M5.5 3L2.5 6l3 3M2.5 6h6.5a4 4 0 0 1 0 8H6",
  redo: "M10.5 3l3 3-3 3M13.5 6H7a4 4 0 0 0 0 8h3",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M2 5V2.5h2.5M11.5 2.5H14V5M14 11v2.5h-2.5M4.5 13.5H2V11",
  loop: "M4 5.5h8.5v3M12 10.5H3.5v-3M6 3L3.5 5.5 6 8M10 8l2.5 2.5L10 13",
  retake: "M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3.2h3.2",
  extend: "M2 4v8M5 8h8M10 5l3 3-3 3",
  source: "M8 2v7M5 6l3 3 3-3M2.5 11v2.5h11V11",
  split: "M8 1.5v13M2 5h3v6H2M14 5h-3v6h3",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 9h5.8l.6-9",
  magnet: "M3.5 2.5v5.5a4.5 4.5 0 0 0 9 0V2.5h-3V8a1.5 1.5 0 0 1-3 0V2.5zM3.5 5h3M9.5 5h3",
  link: "M6.5 9.5l3-3M7 4.5l1.6-1.6a3 3 0 0 1 4.3 4.3L11.3 8.8M9 11.5l-1.6 1.6a3 3 0 0 1-4.3-4.3l1.6-1.6",
  dice: "M2.5 4a1.5 1.5 0 0 1 1.5-1.5h8A1.5 1.5 0 0 1 13.5 4v8a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 12z",
  info: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 7.2v4M8 4.6v1.2",
  full: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  down: "M4 6l4 4 4-4",
  words: "M3 3.5h10M8 3.5v9.5M6 13h4M3 3.5v2M13 3.5v2",
  swap: "M3 5.5h10l-3-3M13 10.5H3l3 3",
};

export const ICONS = [...new Set([...Object.keys(FILLED), ...Object.keys(STROKED)])];

export function icon(name) {
  return s(
    "svg",
    { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" },
    FILLED[name] && s("path", { d: FILLED[name], fill: "currentColor" }),
    STROKED[name] &&
      s("path", {
        d: STROKED[name],
        fill: "none",
        stroke: "currentColor",
        "stroke-width": 1.5,
        "stroke-linecap": "round",
        "stroke-linejoin": "round",
      }),
  );
}
