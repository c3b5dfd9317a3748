"""One job of `cards`, as a process: prints a JSON object for each thing it finds, and needs no network and no files.

Weights are drawn on the device and lie in host memory, where they would be mapped from files. Running out of memory is
a result. GB is 1e9 bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter
from typing import Any

import numpy as np
import psutil
import torch
from card_files import write_files
from card_forwards import decode_rows, forward_rows
from card_memory import DEVICE, cap_at, context_gb, memory_since
from card_products import other_rows, product_rows
from diffusers.modular_pipelines import ModularPipelineBlocks, PipelineState
from random_weights import bytes_of, components

from ltx_nb import ClipRequest, Given, Sampling, Source
from ltx_nb.catalogue.models import DISTILLED, TINY
from ltx_nb.catalogue.parameters import counts_of_parts, parameter_counts, text_dimensions
from ltx_nb.loading import load, session_of
from ltx_nb.media import Media
from ltx_nb.pipeline.out_of_memory import STAGE_OF_BLOCK, Fit
from ltx_nb.pipeline.session import Session
from ltx_nb.planning import OutOfMemory
from ltx_nb.planning.budget import CUDA_CONTEXT, GB
from ltx_nb.planning.planner import plan_to_load
from ltx_nb.planning.presets import PRESETS

SHAPES = {"768x512x121": (768, 512, 121), "1920x1088x121": (1920, 1088, 121)}
SMALL, LARGE = SHAPES
REHEARSED = {SMALL: (64, 64, 9), LARGE: (128, 64, 17)}
CLIPS = ((LARGE, "image-to-video"), (SMALL, "text-to-video"), (LARGE, "two stages"), (LARGE, "extend"))
STEPS = 2
CLAIM_GB = 7.2  # what the largest clips of 8gb are to pass within, CUDA's own included
NEAR_GB = 0.15  # the smallest cap is found to this


def main(job: dict[str, Any]) -> None:
    rehearses = job.pop("rehearses", False)
    shapes = REHEARSED if rehearses else SHAPES
    if "card" in job:
        cap_at(PRESETS[job["card"]].vram_gb)
        rows = pipeline_rows(job["card"], job["weights"], shapes, rehearses)
    elif "smallest cap" in job:
        rows = smallest_cap_rows(job["smallest cap"], job["weights"], shapes, rehearses)
    elif "decode" in job:
        cap_at(PRESETS[job["decode"]].vram_gb)
        rows = decode_rows(shapes[LARGE], streams=not PRESETS[job["decode"]].keeps_all, rehearses=rehearses)
    elif "single file" in job:
        rows = single_file_rows(job["single file"], shapes, rehearses)
    elif "other libraries" in job:
        rows = other_rows(rehearses)
    elif "products" in job:
        rows = product_rows(rehearses)
    else:
        cap_at(job["vram_gb"])
        rows = forward_rows(job["forwards"], job["do"], shapes, rehearses)
    for row in rows:
        print(json.dumps(row), flush=True)


def placed_session(card: str, weights: str, rehearses: bool) -> tuple[Session, float]:
    """A session of random weights, and how many GB of them stand for what is mapped from files."""
    # A given image is not compressed as H.264 first, which takes PyAV and no memory of the card.
    model = replace(TINY if rehearses else DISTILLED, image_crf=0)
    parts = components(weights, DEVICE, rehearses)
    counts = parameter_counts(model)
    if rehearses:
        counts = counts_of_parts(parts, text_dimensions(parts["text_encoder"].config.text_config))
    preset = PRESETS[card]
    mapped = ["text_encoder"] if preset.keeps_all else ["text_encoder", "connectors", "vocoder", "latent_upsampler"]
    mapped_gb = sum(num_bytes for name in mapped for num_bytes in bytes_of(parts[name]).values()) / GB
    fit = Fit(preset, counts, 2 if rehearses else plan_to_load(model, preset, counts).resident_blocks)
    session = session_of(model, parts, fit, device=DEVICE, dtype=torch.bfloat16, text="stream")
    return session, mapped_gb


def pipeline_rows(card: str, weights: str, shapes: dict[str, Any], rehearses: bool) -> Iterator[dict[str, Any]]:
    """A row for each clip: peaks and seconds of each stage beside the plan's, RAM, what CUDA takes by itself."""
    yield {"RAM of the process alone, GB": ram_gb()}
    start_s = perf_counter()
    session, mapped_gb = placed_session(card, weights, rehearses)
    yield {"made and placed in s": perf_counter() - start_s, "resident blocks": session.fit.resident}
    for shape, task in CLIPS:
        row = measured_run(session, request_of(*shapes[shape], task), memory_since)
        own_gb = psutil.Process().memory_full_info().uss / GB - mapped_gb
        yield {"shape": shape, "task": task, **row, "ram_gb": own_gb, "context_gb": context_gb()}


def single_file_rows(card: str, shapes: dict[str, Any], rehearses: bool) -> Iterator[dict[str, Any]]:
    """Loading by `load` from files on the disk: seconds, the most RAM meanwhile and what is kept; then two clips."""
    with TemporaryDirectory() as folder:
        start_s = perf_counter()
        model, gemma = write_files(Path(folder), rehearses)
        yield {"written_gb": model.stat().st_size / GB, "seconds": perf_counter() - start_s}
        cap_at(PRESETS[card].vram_gb)
        before_gb, start_s = ram_gb(), perf_counter()
        with most_ram_gb() as most:
            session = load(model, card, text_encoder=gemma, text="stream", device="cpu" if rehearses else None)
        loaded = {"loaded in s": perf_counter() - start_s, "resident blocks": session.fit.resident}
        yield loaded | {"before_gb": before_gb, "most_gb": most[0], "kept_gb": ram_gb(), "attention": session.attention}
        for shape in shapes:
            row = measured_run(session, request_of(*shapes[shape], "text-to-video"), memory_since)
            yield {"shape": shape, **row, "ram_gb": ram_gb(), "context_gb": context_gb()}


@contextmanager
def most_ram_gb(every_s: float = 0.05) -> Iterator[list[float]]:
    """Hand out a list whose one value is the most RAM since then, looked at so often."""
    most, is_over = [ram_gb()], Event()

    def watch() -> None:
        while not is_over.wait(every_s):
            most[0] = max(most[0], ram_gb())

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        is_over.set()
        watcher.join()


def ram_gb() -> float:
    """Return this process's own memory, page-locked included; what is mapped from files, the system can take back."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024 / GB
    raise ValueError("/proc/self/status has no RssAnon")


def smallest_cap_rows(card: str, weights: str, shapes: dict[str, Any], rehearses: bool) -> Iterator[dict[str, Any]]:
    """A row for each cap tried, CUDA's own included, halving the way between one that passes and one that does not."""
    session, _ = placed_session(card, weights, rehearses)
    request = request_of(*shapes[LARGE], "image-to-video")
    passes_gb, fails_gb, cap_gb = PRESETS[card].vram_gb, 0.0, CLAIM_GB
    while passes_gb - max(fails_gb, cap_gb - 1) > NEAR_GB:
        cap_at(cap_gb)
        row = measured_run(session, request, memory_since)
        yield {"cap_gb": cap_gb, "passes": "failed" not in row, **row}
        if "failed" in row:
            fails_gb = cap_gb
        else:
            passes_gb = cap_gb
        cap_gb = (passes_gb + fails_gb) / 2 if fails_gb else passes_gb - 4 * NEAR_GB
        if rehearses:
            break
    yield {"smallest cap_gb": passes_gb}


def request_of(width: int, height: int, num_frames: int, task: str) -> ClipRequest:
    """Where something is given, it is random pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    given: tuple[Given, ...] = ()
    if task == "image-to-video":
        given = (Given("video", Source.from_media(Media(frames=pixels))),)
    elif task == "extend":
        media = Media(frames=pixels.repeat(num_frames // 2, axis=0), frame_rate=24.0)
        given = (Given("video", Source.from_media(media), 0.0, num_frames // 2 / 24),)
    size = {"width": width, "height": height, "num_frames": num_frames}
    sampling = Sampling(sigmas=tuple(1 - step / STEPS for step in range(STEPS)))
    return ClipRequest("a ball", **size, given=given, sampling=sampling, two_stage=task == "two stages")


def measured_run(session: Session, request: ClipRequest, synchronise: Callable[[], dict[str, float]]) -> dict[str, Any]:
    """Note planned GB without CUDA's own, GB allocated and reserved, and seconds of each stage, as far as it got.

    synchronise: waits for the device and says the most that there was since it was last called.
    """
    stages: dict[str, dict[str, float]] = {}
    blocks = session.pipe._blocks.sub_blocks  # `blocks` is a copy
    stock = [(tree, name, tree[name]) for tree in (blocks, blocks["stage"].sub_blocks) for name in tree]
    for tree, name, block in stock:
        if name in STAGE_OF_BLOCK:
            tree[name] = Measured(name, block, stages, synchronise)
    result: dict[str, Any] = {"stages": stages}
    try:
        session.run(request, progress=False)
    except OutOfMemory as error:
        result["failed"] = f"out of memory in {error.stage}"
    except Exception as error:  # the other clips are worth having
        result["failed"] = f"{type(error).__name__}: {error}"[:300]
    finally:
        for tree, name, block in stock:
            tree[name] = block
    planned = {part.name: part for part in session.fit.plan(session.model, request).parts}
    for name in list(stages):
        if name not in planned:  # nothing was given to it
            del stages[name]
            continue
        lines = [line for line in planned[name].lines if line.what != CUDA_CONTEXT]
        stages[name]["planned_gb"] = sum(line.gb for line in lines)
    return result


class Measured:
    """Stands for a block of the pipeline, and notes what it reserves and how long it takes."""

    def __init__(
        self,
        name: str,
        block: ModularPipelineBlocks,
        stages: dict[str, dict[str, float]],
        synchronise: Callable[[], dict[str, float]],
    ):
        self._name, self._block, self._stages, self._synchronise = name, block, stages, synchronise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._block, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Measured:
        return self

    def __call__(self, components: Any, state: PipelineState) -> Any:
        name = STAGE_OF_BLOCK[self._name]
        name = f"stage {state.get('stage', 1)}" if name == "stage" else name
        self._synchronise()
        start_s = perf_counter()
        try:
            return self._block(components, state)
        finally:
            found, before = self._synchronise(), self._stages.get(name, {})
            most = {what: max(gb, before.get(what, 0.0)) for what, gb in found.items()}
            self._stages[name] = most | {"seconds": before.get("seconds", 0.0) + perf_counter() - start_s}


if __name__ == "__main__":
    sys.stdin.readline()  # all is imported: begin when told to
    main(json.loads(sys.argv[1]))
