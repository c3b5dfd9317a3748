"""Forwards of the transformer alone and the decoder alone: seconds beside the card's own floor, and what they take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from time import perf_counter
from typing import Any

import numpy as np
import torch
from card_memory import DEVICE, memory_since
from cards import CASTING, GROUP, SEQUENTIAL
from peaks import denoise
from random_weights import components, transformer
from torch.nn import functional as F

from ltx_nb import shapes as arithmetic
from ltx_nb.pipeline.decode import decoded_frames
from ltx_nb.planning.budget import TFLOP_PER_TOKEN, TFLOP_PER_TOKEN_PAIR
from ltx_nb.running import fused
from ltx_nb.running.lean import make_lean
from ltx_nb.running.one_byte import multiply_in
from ltx_nb.running.streaming import stop_streaming, stream_blocks, stream_parts

FORWARDS = 2
COPIED_BYTES = 2**29


def forward_rows(
    weights: str, ways: list[str], shapes: dict[str, tuple[int, int, int]], rehearses: bool
) -> Iterator[dict[str, Any]]:
    """A row for each way and size, with the error of products in eight bits, and whether streamed equals resident."""
    if "floor" in ways:
        yield {"way": "floor", **floor(shapes, rehearses)}
    model = transformer(weights, DEVICE, rehearses)
    made: dict[tuple[str, str], list[torch.Tensor]] = {}
    is_ours = not {SEQUENTIAL, GROUP, CASTING} & set(ways)
    if is_ours:
        make_lean(model)
        model.to(DEVICE)
    for way in (way for way in ways if way != "floor"):
        compute = way.partition(",")[0]
        with ExitStack() as stack:
            if not is_ours:
                offload(model, way)
            else:
                multiply_in(model, compute, DEVICE)
                stack.enter_context(fused.compiling(False) if "not compiled" in way else nullcontext())
                if "streamed" in way:
                    model.to("cpu")
                    stream_blocks(model, DEVICE, resident=0, dtype=torch.bfloat16)
                    stack.callback(stop_streaming, model)
            # diffusers' slower ways tell enough at one size.
            for shape in shapes if is_ours or way == CASTING else list(shapes)[:1]:
                row, outputs = timed_forwards(model, shapes[shape])
                made[way, shape] = outputs
                if way == "float" and made.get((weights, shape)) and outputs:
                    row["relative error in eight bits"] = relative_error(made[weights, shape], outputs)
                if way == "float, streamed" and made.get(("float", shape)):
                    row["equal to resident"] = all(map(torch.equal, outputs, made["float", shape]))
                yield {"way": way, "weights": weights, "shape": shape, **row}


def floor(shapes: dict[str, tuple[int, int, int]], rehearses: bool) -> dict[str, Any]:
    """What the card does of products, attention and copies, and the seconds of a forward that did nothing else."""
    rows, columns, depth = (64, 64, 64) if rehearses else (6144, 4096, 16384)
    a = torch.randn(rows, depth, device=DEVICE, dtype=torch.bfloat16)
    b = torch.randn(columns, depth, device=DEVICE, dtype=torch.bfloat16)
    tflop_s = 2e-12 * rows * columns * depth / seconds_of(lambda: F.linear(a, b))
    whole = torch.empty(COPIED_BYTES >> (10 if rehearses else 0), dtype=torch.uint8, pin_memory=DEVICE.type == "cuda")
    to = torch.empty_like(whole, device=DEVICE)
    link = whole.nbytes / 1e9 / seconds_of(lambda: to.copy_(whole, non_blocking=True))
    found: dict[str, Any] = {"bf16 product, TFLOP/s": tflop_s, "page-locked link, GB/s": link, "attention, TFLOP/s": {}}
    found["forward_s"] = {}
    for shape, (width, height, num_frames) in shapes.items():
        tokens = arithmetic.VideoShape(num_frames, height, width).latent.tokens
        query = torch.randn(1, 32, tokens, 128, device=DEVICE, dtype=torch.bfloat16)
        attention = 4e-12 * 32 * 128 * tokens**2
        speed = attention / seconds_of(lambda query=query: F.scaled_dot_product_attention(query, query, query))
        every = tokens + arithmetic.audio_num_latents(num_frames / 24)
        found["attention, TFLOP/s"][shape] = speed
        found["forward_s"][shape] = TFLOP_PER_TOKEN * every / tflop_s + TFLOP_PER_TOKEN_PAIR * every**2 / speed
    return found


def seconds_of(work: Callable[[], Any], times: int = 5) -> float:
    """The median of some runs after one that warms up."""
    taken = []
    for _ in range(1 + times):
        synchronise()
        start_s = perf_counter()
        work()
        synchronise()
        taken.append(perf_counter() - start_s)
    return sorted(taken[1:])[times // 2]


def synchronise() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def offload(model: torch.nn.Module, way: str) -> None:
    if way == SEQUENTIAL:
        from accelerate import cpu_offload

        cpu_offload(model, DEVICE)
        return
    if way == CASTING:
        model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    model.enable_group_offload(
        onload_device=DEVICE, offload_type="block_level", num_blocks_per_group=1, use_stream=DEVICE.type == "cuda"
    )


def timed_forwards(model: torch.nn.Module, clip: tuple[int, int, int]) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """The row, and what the last forward put out, on the CPU. The first forward warms up, and compiles."""
    row: dict[str, Any] = {"forwards_s": []}
    made: list[torch.Tensor] = []
    memory_since()
    try:
        for _ in range(1 + FORWARDS):
            torch.manual_seed(0)
            start_s = perf_counter()
            with torch.no_grad():
                outputs = denoise(model, *clip, device=DEVICE.type)
            made = [output.cpu() for output in outputs]
            row["forwards_s"].append(perf_counter() - start_s)
    except torch.OutOfMemoryError:
        row["failed"] = "out of memory"
    return row | memory_since(), made


def relative_error(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> list[float]:
    """Of video and of audio velocity."""
    pairs = [(a.float(), b.float()) for a, b in zip(found, wanted, strict=True)]
    return [float((a - b).norm() / b.norm()) for a, b in pairs]


def decode_rows(clip: tuple[int, int, int], streams: bool, rehearses: bool) -> Iterator[dict[str, Any]]:
    """The video VAE's decoder on one clip, tile by tile: seconds, and those of its operations at the card's speed."""
    vae = components("bf16", DEVICE, rehearses)["vae"].to(torch.bfloat16)
    width, height, num_frames = clip
    latent = arithmetic.VideoShape(num_frames, height, width).latent
    latents = torch.randn(1, 128, latent.num_frames, latent.height, latent.width, device=DEVICE, dtype=torch.bfloat16)
    if streams:
        stream_parts(vae.decoder, DEVICE, source="ram", dtype=torch.bfloat16)
    else:
        vae.to(DEVICE)
    memory_since()
    for _ in range(2):  # the first finds its convolutions' algorithms
        start_s = perf_counter()
        with torch.no_grad():
            frames = sum(len(part) for part in decoded_frames(vae, latents) if isinstance(part, np.ndarray))
        yield {"streams": streams, "frames": frames, "seconds": perf_counter() - start_s, **memory_since()}
