"""One job of `cards`, as a process: prints a JSON object for each thing it finds, and needs no network and no files.

Weights are drawn on the device and lie in host memory, where they would be mapped from files. Running out of memory is
a result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np
import psutil
import torch
from cards import CASTING, OURS, SEQUENTIAL
from diffusers.modular_pipelines import ModularPipelineBlocks, PipelineState
from peaks import denoise
from random_weights import components, transformer

from ltx_nb import ClipRequest, Given, Sampling, Source
from ltx_nb.catalogue.models import DISTILLED
from ltx_nb.catalogue.parameters import parameter_counts
from ltx_nb.loading import session_of
from ltx_nb.media import Media
from ltx_nb.pipeline.out_of_memory import STAGE_OF_BLOCK, Fit
from ltx_nb.pipeline.session import Session
from ltx_nb.planning import OutOfMemory
from ltx_nb.planning.budget import CUDA_CONTEXT, CUDA_CONTEXT_GB, GB
from ltx_nb.planning.planner import plan_to_load
from ltx_nb.planning.presets import PRESETS
from ltx_nb.running.lean import make_lean
from ltx_nb.running.streaming import stop_streaming, stream_blocks

SHAPES = {"768x512x121": (768, 512, 121), "1920x1088x121": (1920, 1088, 121)}
SMALL, LARGE = SHAPES
CLIPS = ((SMALL, "text-to-video"), (LARGE, "image-to-video"), (LARGE, "two stages"), (LARGE, "extend"))
STEPS = 2
CUDA = torch.device("cuda")


def main(job: dict[str, Any]) -> None:
    vram_gb = job["vram_gb"] if "vram_gb" in job else PRESETS[job["card"]].vram_gb
    total = torch.cuda.get_device_properties(CUDA).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (vram_gb - CUDA_CONTEXT_GB) * GB / total))
    rows = pipeline_rows(job["card"], job["weights"]) if "card" in job else transformer_rows(job["transformer alone"])
    for row in rows:
        print(json.dumps(row), flush=True)


def pipeline_rows(card: str, weights: str) -> Iterator[dict[str, Any]]:
    """A row for each clip: peak and seconds of each stage beside the plan's, RAM, what CUDA takes by itself."""
    start_s = perf_counter()
    parts, preset, counts = components(weights, CUDA), PRESETS[card], parameter_counts(DISTILLED)
    mapped = ["text_encoder"] if preset.keeps_all else ["text_encoder", "connectors", "vocoder", "latent_upsampler"]
    tensors = [tensor for name in mapped for tensor in parts[name].parameters() if not tensor.is_meta]
    mapped_gb = sum(tensor.nbytes for tensor in tensors) / GB
    del tensors
    resident = plan_to_load(DISTILLED, preset, counts).resident_blocks
    fit = Fit(preset, counts, resident)
    session = session_of(DISTILLED, parts, fit, device=CUDA, dtype=torch.bfloat16, text="stream")
    yield {"resident blocks": resident, "made and placed in s": perf_counter() - start_s}
    for shape, task in CLIPS:
        row = measured_run(session, request_of(*SHAPES[shape], task), synchronise)
        ram_gb = psutil.Process().memory_full_info().uss / GB - mapped_gb
        free, total = torch.cuda.mem_get_info()
        context_gb = (total - free - torch.cuda.memory_reserved()) / GB
        yield {"shape": shape, "task": task, **row, "ram_gb": ram_gb, "beside the allocator_gb": context_gb}


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


def measured_run(session: Session, request: ClipRequest, synchronise: Callable[[], float]) -> dict[str, Any]:
    """Of each stage the planned GB without CUDA's own, the GB reserved, and seconds; as far as it got.

    synchronise: waits for the device and says how much has been reserved since it was last called.
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
        synchronise: Callable[[], float],
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
            before = self._stages.get(name, {"reserved_gb": 0.0, "seconds": 0.0})
            gb = max(before["reserved_gb"], self._synchronise())
            self._stages[name] = {"reserved_gb": gb, "seconds": before["seconds"] + perf_counter() - start_s}


def synchronise() -> float:
    """The most GB reserved since the last call; nothing is reserved afterwards that is not in use."""
    torch.cuda.synchronize()
    reserved_gb = torch.cuda.max_memory_reserved() / GB
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return reserved_gb


def transformer_rows(way: str) -> Iterator[dict[str, Any]]:
    """Seconds of a forward of the transformer alone, and what it reserves: ours, or offloaded as diffusers does it."""
    model = transformer("int8" if way == OURS else "bf16", CUDA)
    if way != OURS:
        offload(model, way)
        yield timed_forwards(model, SMALL, way)[0]
        return
    make_lean(model)
    stream_blocks(model, CUDA, resident=0, dtype=torch.bfloat16)
    made = {}
    for shape in SHAPES:
        row, made[shape] = timed_forwards(model, shape, "streamed")
        yield row
    stop_streaming(model)
    model.to(CUDA)
    for shape in SHAPES:
        row, again = timed_forwards(model, shape, "resident")
        yield row | {"equal to streamed": all(map(torch.equal, again, made[shape]))}


def offload(model: torch.nn.Module, way: str) -> None:
    if way == SEQUENTIAL:
        from accelerate import cpu_offload

        cpu_offload(model, CUDA)
        return
    if way == CASTING:
        model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    model.enable_group_offload(onload_device=CUDA, offload_type="block_level", num_blocks_per_group=1, use_stream=True)


def timed_forwards(model: torch.nn.Module, shape: str, way: str) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """The row, and what the last forward put out, on the CPU. The first forward warms up."""
    row: dict[str, Any] = {"way": way, "shape": shape, "forwards_s": []}
    made: list[torch.Tensor] = []
    synchronise()
    try:
        for _ in range(1 + STEPS):
            torch.manual_seed(0)
            start_s = perf_counter()
            with torch.no_grad():
                outputs = denoise(model, *SHAPES[shape], device="cuda")
            made = [output.cpu() for output in outputs]
            row["forwards_s"].append(perf_counter() - start_s)
    except torch.OutOfMemoryError:
        row["failed"] = "out of memory"
    return row | {"reserved_gb": synchronise()}, made


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
