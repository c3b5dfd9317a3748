// Small pictures for buttons, in the colour of the text around them.

import { s } from "./dom.mjs";

const SPEAKER = "M2 6h3l4-3.5v11L5 10H2z";
const FILLED = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  previous: "M3 3h2v10H3zM13 3v10L6 8z",
  next: "M11 3h2v10h-2zM3 3v10l7-5z",
  sound: SPEAKER,
  muted: SPEAKER,
};
const STROKED = {
  sound: "M11 5.5a3.5 3.5 0 0 1 0 5M12.5 3.5a6 6 0 0 1 0 9",
  muted: "M11 6l4 4M15 6l-4 4",
  close: "M4 4l8 8M12 4l-8 8",
};

export function icon(name) {
  return s(
    "svg",
    { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" },
    FILLED[name] && s("path", { d: FILLED[name], fill: "currentColor" }),
    STROKED[name] && s("path", { d: STROKED[name], fill: "none", stroke: "currentColor", "stroke-width": 1.5 }),
  );
}
