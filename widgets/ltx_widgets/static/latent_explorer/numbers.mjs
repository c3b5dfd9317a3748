// What the messages with a latent's details hold, and the sums that are drawn of them.

import { bytesOf } from "../lib/bytes.mjs";

// Little-endian float32 as they come, also where they do not start at a multiple of four.
export function floatsOf(buffer) {
  return new Float32Array(bytesOf(buffer).slice().buffer);
}

// {picked, steps, channels [C], history [S][C], attention {name: [N]}, words, references [{levels, share}]} of a "details"
// message.
export function detailsOf({ picked, steps, attention, words, references = [] }, buffers) {
  const [channels, history, ...rest] = buffers.map(floatsOf);
  const rows = steps.map((_, index) => history.subarray(index * channels.length, (index + 1) * channels.length));
  const maps = Object.fromEntries(attention.map((name, index) => [name, rest[index]]));
  const seen = references.map((share, index) => ({ share, levels: rest[attention.length + index] }));
  return { picked, steps, channels, history: rows, attention: maps, words, references: seen };
}

export function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

// RMS distance of each step's channels to the last step's, of the last one's RMS.
export function distances(history) {
  const last = history.at(-1);
  if (!last) return [];
  const rms = (values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  const size = Math.max(rms(last), 1e-12);
  return history.map((row) => rms(row.map((value, index) => value - last[index])) / size);
}

// The mean of each of `count` equal stretches: cells [F x H x W] to one number a latent frame.
export function meansOf(values, count) {
  const length = values.length / count;
  return Array.from({ length: count }, (_, index) => {
    const part = values.subarray(index * length, (index + 1) * length);
    return part.reduce((sum, value) => sum + value, 0) / length;
  });
}
