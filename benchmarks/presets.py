"""Memory presets: what the planner projects (`--plan`), and what is measured (`--measure`).

`--plan` prints the table of presets x sizes, or puts it into a Markdown file between its markers (`--write README.md`).
`--measure` writes presets.json beside this file: the planner against peaks on the meta device; blocks of full width,
lean against stock, streamed against resident, in one byte; and, where there is a CUDA device, the full-size model with
random weights under each card's memory, against diffusers' own ways to offload.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

from ltx_nb.files import whole_file
from ltx_nb.plan import Plan
from ltx_nb.planner import plan
from ltx_nb.presets import PRESETS

MODEL = "2.3-distilled"
SIZES = {"768x512": (768, 512), "1280x704": (1280, 704), "1920x1088": (1920, 1088)}
FRAMES = (121, 241, 481)
MARKERS = "<!-- presets:start -->", "<!-- presets:end -->"
HEAD = (
    f"{MODEL}, one stage, text to video. Projected from the configs by `python benchmarks/presets.py --plan`, not "
    "measured on these cards: peak accelerator memory, transformer blocks that stay (of 48), seconds as the preset's "
    "speed assumes; - does not fit."
)


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


def write_between_markers(path: Path, text: str) -> None:
    """Raises ValueError for a file without the markers."""
    content = path.read_text(encoding="utf-8")
    before, start, rest = content.partition(MARKERS[0])
    _, end, after = rest.partition(MARKERS[1])
    if not start or not end:
        raise ValueError(f"{path} has no {' ... '.join(MARKERS)} for the table to go between")
    with whole_file(path) as unfinished:
        unfinished.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def measure() -> dict[str, Any]:
    import torch
    from blocks import full_width_blocks
    from peaks import peaks

    found: dict[str, Any] = {
        "machine": {"system": platform.machine(), "torch": torch.__version__},
        "peaks": peaks(),
        "blocks": full_width_blocks(),
    }
    if not torch.cuda.is_available():
        found["cards"] = "not measured: this machine has no CUDA device"
        return found
    from cards import cards

    found["machine"]["gpu"] = torch.cuda.get_device_name()
    return found | {"cards": cards()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", action="store_true", help="print the projected table")
    what.add_argument("--measure", action="store_true", help="measure what this machine can, into presets.json")
    parser.add_argument("--write", type=Path, help="with --plan: the Markdown file whose table is to be replaced")
    arguments = parser.parse_args()
    if arguments.plan:
        text = f"{HEAD}\n\n{table()}"
        print(text)
        if arguments.write is not None:
            write_between_markers(arguments.write, text)
        return
    found = measure()
    text = json.dumps(found, indent=2)
    print(text)
    with whole_file(Path(__file__).with_suffix(".json")) as path:
        path.write_text(text + "\n")


if __name__ == "__main__":
    main()
