"""Memory presets: what the planner projects (`--plan`), and what is measured (`--measure`).

`--plan` prints the table of presets x sizes, or puts it into a Markdown file between its markers
(`--write docs/presets.md`).
`--measure` writes presets.json beside this file, after each result, the most telling first: `cards`, where there is a
CUDA device, the full-size model with random weights under each card's memory, against diffusers' own ways to offload;
`peaks`, the planner against the meta device; `launches`, kernels and bytes between the products of a block; `blocks` of
full width, lean against stock, streamed against resident, in eight bits. What time is too short for is left to the
next run. It needs torch, diffusers, transformers, accelerate and peft, and this repository on the path; `--rehearse`
does the jobs of `cards` with the tiny architecture, without a card too.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

from ltx_nb.planning import PRESETS, Plan, plan
from ltx_nb.whole_files import whole_file

MODEL = "2.3-distilled"
SIZES = {"768x512": (768, 512), "1280x704": (1280, 704), "1920x1088": (1920, 1088)}
FRAMES = (121, 241, 481)
PARTS = ("cards", "peaks", "launches", "blocks")
MARKERS = "<!-- presets:start -->", "<!-- presets:end -->"
HEAD = (
    f"{MODEL}, one stage, text to video. Projected from the configs by `python benchmarks/presets.py --plan`, not "
    "measured on these cards: peak accelerator memory + RAM, transformer blocks that stay on the card (of 48; the "
    "others stream), seconds as the preset's speed assumes; - does not fit. On disk: the download, and what the first "
    "load writes where blocks stream from the disk."
)


def cell(made: Plan) -> str:
    if not made.fits:
        return "-"
    stay = made.resident_blocks
    blocks = f"{stay} block{'s' * (stay != 1)}"
    return f"{made.peak.gb:.1f} + {made.ram_gb:.1f} GB, {blocks}, {made.seconds:,.0f} s"


def table() -> str:
    """A table of presets by sizes: peak accelerator memory + RAM, resident blocks and seconds, or - where none fits."""
    rows = [["size x frames", *(f"{preset.name} ({preset.card})" for preset in PRESETS.values())]]
    rows.append(["---"] * len(rows[0]))
    rows.append(["on disk", *(f"{plan(MODEL, preset).download_gb:.0f} GB" for preset in PRESETS)])
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


def measure(path: Path, parts: Sequence[str], seconds: float, rehearses: bool = False) -> None:
    """Bring these parts of the JSON file up to date; `cards` in so much time, and as far as it has not got yet."""
    import torch

    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    start_s = monotonic()

    def save() -> None:
        with whole_file(path) as unfinished:
            unfinished.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

    found["machine"] = {"system": platform.machine(), "torch": torch.__version__}
    for part in parts:
        if part == "peaks":
            from peaks import peaks

            found["peaks"] = list(peaks())
        elif part == "blocks":
            from blocks import full_width_blocks

            found["blocks"] = full_width_blocks()
        elif part == "launches":
            from launches import launches_of_a_block

            found["launches"] = list(launches_of_a_block())
        elif torch.cuda.is_available() or rehearses:
            from cards import measure_cards

            gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
            found["cards"] = {
                "gpu": gpu,
                "day": date.today().isoformat(),
                "torch": torch.__version__,
                "rehearsal": rehearses,
                "jobs": found.get("cards", {}).get("jobs", []),
            }
            measure_cards(found["cards"]["jobs"], save, seconds - (monotonic() - start_s), rehearses)
        else:
            found.setdefault("cards", {"gpu": None, "jobs": [], "why": "not measured: no CUDA device"})
        save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", action="store_true", help="print the projected table")
    what.add_argument("--measure", nargs="*", choices=PARTS, help="measure what this machine can; default: all parts")
    parser.add_argument("--write", type=Path, help="with --plan: the Markdown file whose table is to be replaced")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_suffix(".json"), help="with --measure: the file"
    )
    parser.add_argument("--seconds", type=float, default=540, help="with --measure: how long it may take")
    parser.add_argument("--rehearse", action="store_true", help="with --measure cards: with the tiny architecture")
    arguments = parser.parse_args()
    if arguments.rehearse and arguments.out == parser.get_default("out"):
        parser.error("--rehearse measures nothing: give --out a file other than presets.json")
    if arguments.plan:
        text = f"{HEAD}\n\n{table()}"
        print(text)
        if arguments.write is not None:
            write_between_markers(arguments.write, text)
        return
    measure(arguments.out, arguments.measure or PARTS, arguments.seconds, arguments.rehearse)
    print(arguments.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
