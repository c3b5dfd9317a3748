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
from contextlib import suppress
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import IO, Any

SEQUENTIAL, GROUP = "sequential offload", "group offload with a stream"
CASTING = "fp8 layerwise casting with group offload"
# The most telling first, since time may run out: five minutes hold those down to the first of diffusers' ways. weights:
# of the transformer's blocks. A job of forwards does what is in `do`, in this order.
JOBS: tuple[dict[str, Any], ...] = (
    {"forwards": "int8", "vram_gb": 32.0, "do": ["floor", "float, streamed", "float", "float, steps not compiled"]},
    {"products": True},
    {"forwards": "int8", "vram_gb": 32.0, "do": ["int8", "float"]},
    {"forwards": "fp8", "vram_gb": 32.0, "do": ["fp8", "float"]},
    {"decode": "80gb"},
    {"card": "8gb", "weights": "int8"},
    {"smallest cap": "8gb", "weights": "int8"},
    {"decode": "8gb"},
    {"forwards": "bf16", "vram_gb": 24.0, "do": [CASTING]},
    {"forwards": "bf16", "vram_gb": 24.0, "do": [GROUP]},
    {"forwards": "bf16", "vram_gb": 80.0, "do": ["float"]},
    {"other libraries": True},
    {"single file": "8gb", "most_s": 300},
    {"card": "24gb", "weights": "int8"},
    {"card": "80gb", "weights": "bf16"},
    {"card": "16gb", "weights": "int8"},
    {"card": "12gb", "weights": "int8"},
    {"card": "8gb", "weights": "fp8"},
    {"forwards": "bf16", "vram_gb": 24.0, "do": [SEQUENTIAL]},
)
LEAST_S, MOST_S = 20, 120  # with less time left no job is begun, and none may take more, unless it says so


def measure_cards(
    found: list[dict[str, Any]], save: Callable[[], None], seconds: float, rehearses: bool = False
) -> None:
    """Do the jobs that `found` has no result of, for so long. `save` is called after each row.

    rehearses: do them with the tiny architecture on whatever is here, to see that they run.
    """
    end_s = monotonic() + seconds
    found[:] = [record for record in found if "ended" in record]
    ended = [record["job"] for record in found]
    left = [job for job in JOBS if job not in ended]
    jobs = [job | {"rehearses": True} if rehearses else job for job in left]
    try:
        for number, (record, job) in enumerate(zip(left, jobs, strict=True)):
            left_s = end_s - monotonic()
            if left_s < LEAST_S:
                return
            most_s = record.get("most_s", MOST_S)
            found.append({"job": record, "rows": []})
            for row in rows_of(job, min(left_s, most_s), *jobs[number + 1 : number + 2]):
                if "ended" in row:
                    found[-1] |= row
                else:
                    found[-1]["rows"].append(row)
                save()
            if "ended" not in found[-1] and end_s - monotonic() > LEAST_S:
                found[-1]["ended"] = f"took more than {most_s} s"
                save()
    finally:
        for process, errors in _READY.values():
            process.kill()
            process.wait()
            errors.close()
        _READY.clear()


_READY: dict[str, tuple[subprocess.Popen[str], IO[str]]] = {}  # processes that have imported all and wait, by their job


def rows_of(job: dict[str, Any], seconds: float, *following: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a process of its own finds out, and last how it ended; nothing of the end where the time was up.

    following: the job after it, whose process imports what it needs meanwhile.
    """
    process, errors = _READY.pop(json.dumps(job), None) or _begun(job)
    for later in following:
        _READY[json.dumps(later)] = _begun(later)
    with errors:
        end_s = monotonic() + seconds
        timer = Timer(seconds, process.kill)
        timer.start()
        with suppress(BrokenPipeError):  # it failed before it was to start
            process.stdin.write("start\n")
            process.stdin.close()
        for line in process.stdout:
            if line.startswith("{"):
                yield json.loads(line)
        status = process.wait()
        was_cut_off = monotonic() >= end_s
        timer.cancel()
        errors.seek(0)
        said = errors.read().strip().splitlines()
        print(json.dumps(job), *said[-40:], sep="\n", file=sys.stderr, flush=True)
    if not was_cut_off:
        yield {"ended": "done" if status == 0 else (said or [f"exit status {status}"])[-1][:300]}


def _begun(job: dict[str, Any]) -> tuple[subprocess.Popen[str], IO[str]]:
    """The job's process, which waits for a line once it has imported what it needs, and what it says of errors."""
    setting = "expandable_segments:True"
    environment = os.environ | {"PYTORCH_CUDA_ALLOC_CONF": setting, "PYTORCH_ALLOC_CONF": setting}
    command = [sys.executable, str(Path(__file__).with_name("card_jobs.py")), json.dumps(job)]
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, whoever reads it closes it
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
    return subprocess.Popen(command, text=True, env=environment, **pipes), errors
