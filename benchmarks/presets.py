"""Memory presets: `--plan` prints what the planner projects for every preset and size, as a Markdown table.

Every figure is projected from configs on the meta device; none is measured here.
"""

from __future__ import annotations

import argparse

from ltx_nb.plan import Plan
from ltx_nb.planner import plan
from ltx_nb.presets import PRESETS

MODEL = "2.3-distilled"
SIZES = {"768x512": (768, 512), "1280x704": (1280, 704), "1920x1088": (1920, 1088)}
FRAMES = (121, 241, 481)


def cell(made: Plan) -> str:
    if not made.fits:
        return "-"
    return f"{made.peak.gb:.1f} GB, {made.resident_blocks} blocks, {made.seconds:,.0f} s"


def table() -> str:
    """Columns are presets; a cell is peak accelerator memory, resident blocks and seconds, or - where none fits."""
    rows = [["size x frames", *(f"{preset.name} ({preset.card})" for preset in PRESETS.values())]]
    rows.append(["---"] * len(rows[0]))
    for name, (width, height) in SIZES.items():
        for frames in FRAMES:
            made = [plan(MODEL, preset, width=width, height=height, num_frames=frames) for preset in PRESETS]
            rows.append([f"{name} x {frames}", *map(cell, made)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", action="store_true", required=True, help="print the projected table")
    parser.parse_args()
    print(f"{MODEL}, one stage, text to video. Projected from the configs, not measured: peak accelerator memory,")
    print("transformer blocks that stay (of 48), seconds as the preset's speed assumes; - does not fit.\n")
    print(table())


if __name__ == "__main__":
    main()
