// Shots {prompt, seconds} in a row, and what a dragged boundary makes of their lengths. No function changes a list in place.

export const MOST_S = 20;

// The boundary behind a shot moved by delta_s, to the grid: the next shot gives what this one takes; behind the last one
// the whole gets longer.
export function withBoundary(shots, index, delta_s, grid_s) {
  const seconds = (at) => shots[at].seconds;
  const isLast = index === shots.length - 1;
  const most = isLast ? MOST_S : Math.min(seconds(index) + seconds(index + 1) - grid_s, MOST_S);
  const least = isLast ? grid_s : Math.max(grid_s, seconds(index) + seconds(index + 1) - MOST_S);
  const wanted = Math.round((seconds(index) + delta_s) / grid_s) * grid_s;
  const length_s = Math.min(Math.max(wanted, least), most);
  const moved_s = length_s - seconds(index);
  return shots.map((shot, at) => {
    if (at === index) return { ...shot, seconds: length_s };
    return at === index + 1 ? { ...shot, seconds: shot.seconds - moved_s } : shot;
  });
}

// A shot more at the end, as long as the last.
export function withShot(shots) {
  return [...shots, { prompt: "", seconds: shots.at(-1)?.seconds ?? 2 }];
}

export function withoutShot(shots, index) {
  return shots.filter((_, at) => at !== index);
}
