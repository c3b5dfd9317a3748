// Which cell an arrow key leads to: cells are {row, column}, some places of the grid are empty.

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// Index of the nearest cell in the key's direction, along its row or column first; null where there is none, or for
// another key.
export function nextPlace(cells, from, key) {
  const step = STEPS[key];
  if (!step) return null;
  const [down, right] = step;
  const here = cells[from];
  let best = null;
  let least = Infinity;
  cells.forEach((cell, index) => {
    const along = down * (cell.row - here.row) + right * (cell.column - here.column);
    const aside = Math.abs(down ? cell.column - here.column : cell.row - here.row);
    // Left and right stay in their row; up and down find the nearest column of the next row that has cells.
    if (along <= 0 || (right && aside)) return;
    const far = along * 1000 + aside;
    if (far < least) [best, least] = [index, far];
  });
  return best;
}
