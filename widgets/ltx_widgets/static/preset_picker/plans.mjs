// A plan of ltx_nb.planning in words and lengths: what the segments of a bar are, how far they reach, what would fit.

// What the lines of a stage are kinds of, in the order in which a bar stacks them.
export const KINDS = [
  { kind: "blocks", title: "transformer blocks", pattern: /blocks$|streamed blocks/ },
  { kind: "activations", title: "activations", pattern: /activations|tile/ },
  { kind: "context", title: "CUDA context", pattern: /context/ },
  { kind: "weights", title: "other weights", pattern: /./ },
];

// "weights around the blocks" are not blocks: a count or the slots for them stand before the word.
export function kindOf(what) {
  if (what.startsWith("weights")) return "weights";
  return KINDS.find(({ pattern }) => pattern.test(what)).kind;
}

// [{kind, title, gb, what}], the lines of one kind put together, in the order of KINDS; empty kinds left out.
export function segmentsOf(lines) {
  return KINDS.map(({ kind, title }) => {
    const mine = lines.filter((line) => kindOf(line.what) === kind);
    const gb = mine.reduce((sum, line) => sum + line.gb, 0);
    return { kind, title, gb, what: mine.map((line) => line.what).join(", ") };
  }).filter(({ gb }) => gb > 0);
}

export function sumOf(lines) {
  return lines.reduce((sum, line) => sum + line.gb, 0);
}

// GB at the right end of the bars: the limit and every sum have room.
export function barEnd_gb(limit_gb, sums_gb) {
  return 1.04 * Math.max(limit_gb, ...sums_gb, 1e-9);
}

export function gbText(gb) {
  return `${gb.toFixed(1)} GB`;
}

export function durationText(seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

// "It fits: ..." with the peak and the time, or what is too little.
export function verdictText(plan) {
  const { fits, shortages, peak_gb, peak_part, ram_gb, seconds } = plan.sums;
  if (!fits) return `It does not fit: ${shortages.join("; ")}.`;
  const peak = `${gbText(peak_gb)} of ${gbText(plan.limit_gb)} at the peak, in ${peak_part}`;
  return `It fits: ${peak}; ${gbText(ram_gb)} of RAM; about ${durationText(seconds)}.`;
}
