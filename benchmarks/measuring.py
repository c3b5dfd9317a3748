"""What the benchmarks share: a clock, a Markdown table, and the JSON beside a script. Knows no model and no session."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ltx_nb.whole_files import whole_file


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the wall clock and of CPU, which a busy machine does not stretch."""
    start, cpu_start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu_start


def report(script: str, found: Mapping[str, float], bounds: Mapping[str, float], clock: str = "") -> None:
    """Print what was found beside the most that it may be, and keep it. clock: of which the seconds are, in words."""
    found = {name: round(value, 3) for name, value in found.items()}
    print(table([clock, "measured", "bound"], ([name, value, bounds.get(name, "")] for name, value in found.items())))
    keep(script, found)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def keep(script: str, found: Mapping[str, Any]) -> None:
    """Write a JSON file named after the script, beside it, with the machine that it ran on."""
    import torch  # late: overhead.py times the first import of it

    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    with whole_file(Path(script).with_suffix(".json")) as path:
        path.write_text(json.dumps({"machine": machine, **found}, indent=2) + "\n", encoding="utf-8")
