// Where a latent is: {lane: "video", t, y, x} or {lane: "audio", t}; found under the pointer, moved by keys, in words.

import { audioTokenInterval_s, videoTokenInterval_s } from "../lib/time.mjs";

const AUDIO_PAGE = 25; // one second

export function samePlace(a, b) {
  return a.lane === b.lane && a.t === b.t && a.y === b.y && a.x === b.x;
}

function clamped(value, count) {
  return Math.min(Math.max(value, 0), count - 1);
}

// The cell {y, x} under a point of a picture of this size.
export function cellAt(x_px, y_px, width_px, height_px, { rows, columns }) {
  return {
    y: clamped(Math.floor((y_px / height_px) * rows), rows),
    x: clamped(Math.floor((x_px / width_px) * columns), columns),
  };
}

// The end of both lanes in seconds.
export function lanesEnd_s({ frames, sounds, frame_rate }) {
  return Math.max(videoTokenInterval_s(frames - 1, frame_rate)[1], audioTokenInterval_s(sounds - 1)[1]);
}

export function interval_s({ lane, t }, { frame_rate }) {
  return lane === "video" ? videoTokenInterval_s(t, frame_rate) : audioTokenInterval_s(t);
}

// The index along time of the latent of this lane at this time, the last one after its end.
export function latentAt(time_s, lane, grid) {
  const count = lane === "video" ? grid.frames : grid.sounds;
  let t = 0;
  while (t < count - 1 && interval_s({ lane, t }, grid)[1] <= time_s) t += 1;
  return t;
}

// Where a key leads, or null for a key that does not move. Page keys move in time.
export function moved(place, key, grid) {
  const step = (axis, by, count) => ({ ...place, [axis]: clamped(place[axis] + by, count) });
  const { frames, rows, columns, sounds } = grid;
  const moves =
    place.lane === "video"
      ? {
          ArrowLeft: ["x", -1, columns],
          ArrowRight: ["x", 1, columns],
          ArrowUp: ["y", -1, rows],
          ArrowDown: ["y", 1, rows],
          PageUp: ["t", -1, frames],
          PageDown: ["t", 1, frames],
          Home: ["t", -frames, frames],
          End: ["t", frames, frames],
        }
      : {
          ArrowLeft: ["t", -1, sounds],
          ArrowRight: ["t", 1, sounds],
          PageUp: ["t", -AUDIO_PAGE, sounds],
          PageDown: ["t", AUDIO_PAGE, sounds],
          Home: ["t", -sounds, sounds],
          End: ["t", sounds, sounds],
        };
  return key in moves ? step(...moves[key]) : null;
}

// "Video latent 3, row 1, column 2: frames 17 to 24, 0.71 to 1.04 s, 32 x 32 px at (64, 32)"
export function placeText(place, grid) {
  const [start_s, end_s] = interval_s(place, grid);
  const time = `${start_s.toFixed(2)} to ${end_s.toFixed(2)} s`;
  if (place.lane === "audio") return `Audio latent ${place.t}: ${time}`;
  const [first, last] = [Math.max(8 * place.t - 7, 0), 8 * place.t];
  const frames = first === last ? `frame ${first}` : `frames ${first} to ${last}`;
  const corner = `(${32 * place.x}, ${32 * place.y})`;
  return `Video latent ${place.t}, row ${place.y}, column ${place.x}: ${frames}, ${time}, 32 × 32 px at ${corner}`;
}
