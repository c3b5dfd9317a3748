"""Forwards of the transformer alone and the decoder alone: seconds beside the card's own floor, and what they take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from time import perf_counter
from typing import Any
from unittest import mock

import numpy as np
import torch
from card_memory import DEVICE, memory_since
from cards import CASTING, GROUP, SEQUENTIAL
from peaks import denoise
from random_weights import components_of, transformer
from torch.autograd import DeviceType
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from ltx_nb import shapes as arithmetic
from ltx_nb.pipeline.decode import decoded_frames
from ltx_nb.planning.budget import TFLOP_PER_TOKEN, TFLOP_PER_TOKEN_PAIR
from ltx_nb.running import fused, tiles
from ltx_nb.running.lean import make_lean
from ltx_nb.running.one_byte import multiply_in
from ltx_nb.running.streaming import stop_streaming, stream_blocks, stream_parts

FORWARDS, LONG_S = (2, 1), 1.0  # after one that warms up; fewer where each is as long as this
KERNELS = 30
COPIED_BYTES = 2**29


def forward_rows(
    weights: str, ways: list[str], shapes: dict[str, tuple[int, int, int]], rehearses: bool
) -> Iterator[dict[str, Any]]:
    """A row for each way and size, with the error of products in eight bits, and whether streamed equals resident."""
    if "floor" in ways:
        yield {"way": "floor", **floor(shapes, rehearses)}
    model = transformer(weights, DEVICE, rehearses)
    made: dict[tuple[str, str], list[torch.Tensor]] = {}
    is_ours, is_in_eight_bits = not {SEQUENTIAL, GROUP, CASTING} & set(ways), weights in ways
    if is_ours:
        make_lean(model)
    for way in (way for way in ways if way != "floor"):
        compute = way.partition(",")[0]
        with ExitStack() as stack:
            if not is_ours:
                offload(model, way)
            else:
                multiply_in(model, compute, DEVICE)
                stack.enter_context(fused.compiling(False) if "not compiled" in way else nullcontext())
                if "streamed" in way:
                    stream_blocks(model, DEVICE, resident=0, dtype=torch.bfloat16)
                    stack.callback(stop_streaming, model)
                else:
                    model.to(DEVICE)
            # The others tell enough at one size: diffusers' slower ways, and what these are compared with.
            is_told_by_all = way in (CASTING, weights) or (way == "float" and not is_in_eight_bits)
            for shape in shapes if is_told_by_all else list(shapes)[:1]:
                row, outputs = timed_forwards(model, shapes[shape])
                made[way, shape] = outputs
                if is_ours and shape == next(iter(shapes)):
                    row["kernels"] = kernels_of(lambda clip=shapes[shape]: denoise(model, *clip, device=DEVICE.type))
                if way == "float" and made.get((weights, shape)) and outputs:
                    row["relative error in eight bits"] = relative_error(made[weights, shape], outputs)
                if way == "float" and made.get(("float, streamed", shape)):
                    row["equal to streamed"] = all(map(torch.equal, outputs, made["float, streamed", shape]))
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
    row: dict[str, Any] = {"forwards_s": [], "queued_s": []}
    made: list[torch.Tensor] = []
    memory_since()
    try:
        while len(row["forwards_s"]) <= FORWARDS[min(row["forwards_s"], default=0.0) > LONG_S]:
            torch.manual_seed(0)
            start_s = perf_counter()
            with torch.no_grad():
                outputs = denoise(model, *clip, device=DEVICE.type)
            row["queued_s"].append(perf_counter() - start_s)
            made = [output.cpu() for output in outputs]
            row["forwards_s"].append(perf_counter() - start_s)
    except torch.OutOfMemoryError:
        row["failed"] = "out of memory"
    return row | memory_since(), made


def kernels_of(work: Callable[[], Any]) -> list[dict[str, Any]]:
    """Kernels that took most of it, by their names: how many, and milliseconds of all."""
    activity = ProfilerActivity.CUDA if DEVICE.type == "cuda" else ProfilerActivity.CPU
    with torch.no_grad(), profile(activities=[activity]) as profiled:
        work()
        synchronise()
    rows = [
        {"kernel": it.key[:120], "count": it.count, "ms": it.self_device_time_total / 1e3}
        for it in profiled.key_averages()
        if it.device_type != DeviceType.CPU or DEVICE.type == "cpu"
    ]
    return sorted(rows, key=lambda row: -row["ms"])[:KERNELS]


def relative_error(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> list[float]:
    """Of video and of audio velocity."""
    pairs = [(a.float(), b.float()) for a, b in zip(found, wanted, strict=True)]
    return [float((a - b).norm() / b.norm()) for a, b in pairs]


def decode_rows(clip: tuple[int, int, int], streams: bool, rehearses: bool) -> Iterator[dict[str, Any]]:
    """The video VAE's decoder on one clip, tile by tile: seconds, and those of its operations at the card's speed.

    Where it does not stream, also one tile in other layouts of memory, and the clip in larger tiles.
    """
    vae = components_of(("vae",), DEVICE, rehearses)["vae"].to(torch.bfloat16)
    width, height, num_frames = clip
    latent = arithmetic.VideoShape(num_frames, height, width).latent
    latents = torch.randn(1, 128, latent.num_frames, latent.height, latent.width, device=DEVICE, dtype=torch.bfloat16)
    if streams:
        stream_parts(vae.decoder, DEVICE, source="ram", dtype=torch.bfloat16)
    else:
        vae.to(DEVICE)
    for _ in range(2):  # the first finds its convolutions' algorithms
        yield {"streams": streams, **timed_decoding(vae, latents)}
    if streams:
        return
    tile = tiles.tile_shape(latent)
    part = latents[:, :, : tile.num_frames, : tile.height, : tile.width]
    for is_last, benchmarks in ((False, False), (False, True), (True, False), (True, True)):
        torch.backends.cudnn.benchmark = benchmarks
        handles = channels_last(vae.decoder) if is_last else []
        row: dict[str, Any] = {"tile": str(tile), "channels last": is_last, "cudnn.benchmark": benchmarks}
        memory_since()
        with suppress(torch.OutOfMemoryError), torch.no_grad():
            row["seconds"] = seconds_of(lambda: vae.decoder(part), 2)
        row |= memory_since()
        if benchmarks == is_last:
            with torch.no_grad():
                row["kernels"] = kernels_of(lambda: vae.decoder(part))
        yield row
        for handle in handles:
            handle.remove()
    torch.backends.cudnn.benchmark = False
    handles = channels_last(vae.decoder)
    for share in (1, 2, 4):
        with mock.patch.object(tiles, "MAX_PX", share * tiles.MAX_PX):
            tiles.tile_shape.cache_clear()
            yield {"channels last": True, "tile": str(tiles.tile_shape(latent)), **timed_decoding(vae, latents)}
    tiles.tile_shape.cache_clear()


def timed_decoding(vae: torch.nn.Module, latents: torch.Tensor) -> dict[str, Any]:
    """decoder_s: of the decoder's calls alone, each waited for; the rest is blending and copying."""
    row: dict[str, Any] = {"frames": 0, "decoder_s": 0.0}
    original = vae.decoder.forward

    def timed(*args: Any, **options: Any) -> torch.Tensor:
        synchronise()
        start_s = perf_counter()
        made = original(*args, **options)
        synchronise()
        row["decoder_s"] += perf_counter() - start_s
        return made

    memory_since()
    vae.decoder.forward = timed
    start_s = perf_counter()
    try:
        with torch.no_grad():
            row["frames"] = sum(len(part) for part in decoded_frames(vae, latents) if isinstance(part, np.ndarray))
    except torch.OutOfMemoryError:
        row["failed"] = "out of memory"
    finally:
        vae.decoder.forward = original
    return row | {"seconds": perf_counter() - start_s, **memory_since()}


def channels_last(decoder: torch.nn.Module) -> list[Any]:
    """Have each convolution's input and weight with channels last; for good in the weights."""
    layers = [layer for layer in decoder.modules() if isinstance(layer, torch.nn.Conv3d)]

    def turned(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(each.contiguous(memory_format=torch.channels_last_3d) for each in inputs)

    for layer in layers:
        layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last_3d)
    return [layer.register_forward_pre_hook(turned) for layer in layers]
