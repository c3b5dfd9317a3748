"""The full-size model with random weights on one CUDA device, its memory capped to each card's, beside diffusers' ways.

A cap proves memory, not the smaller card's seconds. Each job is a process of its own (`card_jobs`): the cap is set
before the first allocation, and what one leaves behind cannot help the next. What a job finds is handed on row by row;
one that the end of the time cuts off is done anew by the next run, and those that have ended are not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Any

SEQUENTIAL, GROUP = "sequential offload", "group offload with a stream"
CASTING = "fp8 layerwise casting with group offload"
# The most telling first, since time may run out: nine minutes hold those down to the smallest cap. weights: of the
# transformer's blocks. A job of forwards does what is in `do`, in this order.
JOBS: tuple[dict[str, Any], ...] = (
    {"card": "8gb", "weights": "int8"},
    {
        "forwards": "int8",
        "vram_gb": 32.0,
        "do": ["floor", "int8", "float", "float, streamed", "float, steps not compiled"],
    },
    {"forwards": "bf16", "vram_gb": 24.0, "do": [CASTING]},
    {"forwards": "fp8", "vram_gb": 32.0, "do": ["fp8", "float"]},
    {"smallest cap": "8gb", "weights": "int8"},
    {"forwards": "bf16", "vram_gb": 24.0, "do": [GROUP]},
    {"forwards": "bf16", "vram_gb": 80.0, "do": ["floor", "float"]},
    {"decode": "8gb"},
    {"decode": "80gb"},
    {"card": "24gb", "weights": "int8"},
    {"card": "80gb", "weights": "bf16"},
    {"card": "16gb", "weights": "int8"},
    {"card": "12gb", "weights": "int8"},
    {"card": "8gb", "weights": "fp8"},
    {"forwards": "bf16", "vram_gb": 24.0, "do": [SEQUENTIAL]},
)
LEAST_S = 75  # a job takes one or two minutes: with less time left none is begun


def measure_cards(
    found: list[dict[str, Any]], save: Callable[[], None], seconds: float, rehearses: bool = False
) -> None:
    """Do the jobs that `found` has no result of, for so long. `save` is called after each row.

    rehearses: do them with the tiny architecture on whatever is here, to see that they run.
    """
    end_s = monotonic() + seconds
    found[:] = [record for record in found if "ended" in record]
    ended = [record["job"] for record in found]
    for job in JOBS:
        if job in ended:
            continue
        left_s = end_s - monotonic()
        if left_s < LEAST_S:
            return
        found.append({"job": job, "rows": []})
        for row in rows_of(job | {"rehearses": True} if rehearses else job, left_s):
            if "ended" in row:
                found[-1] |= row
            else:
                found[-1]["rows"].append(row)
            save()


def rows_of(job: dict[str, Any], seconds: float) -> Iterator[dict[str, Any]]:
    """What a process of its own finds out, and last how it ended; nothing of the end where the time was up."""
    setting = "expandable_segments:True"
    environment = os.environ | {"PYTORCH_CUDA_ALLOC_CONF": setting, "PYTORCH_ALLOC_CONF": setting}
    command = [sys.executable, str(Path(__file__).with_name("card_jobs.py")), json.dumps(job)]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        end_s = monotonic() + seconds
        timer = Timer(seconds, process.kill)
        timer.start()
        for line in process.stdout:
            if line.startswith("{"):
                yield json.loads(line)
        status = process.wait()
        was_cut_off = monotonic() >= end_s
        timer.cancel()
        errors.seek(0)
        said = errors.read().strip().splitlines()
    if not was_cut_off:
        yield {"ended": "done" if status == 0 else (said or [f"exit status {status}"])[-1][:300]}
