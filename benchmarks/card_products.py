"""Products, steps and attention alone, at the sizes of the model's layers: what each form of them costs on a card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from card_memory import DEVICE
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from ltx_nb.running import fused, products
from ltx_nb.running.one_byte import ScaledLinear, prepared
from ltx_nb.running.products import can_multiply, int8_product

# Tokens, input and output features: attention's at 768x512x121 and 1920x1088x121, and a chunk of feed-forward.
LAYERS = ((6144, 4096, 4096), (32640, 4096, 4096), (4096, 4096, 16384), (4096, 16384, 4096), (126, 2048, 2048))
# Queries and keys: of picture on itself, on the prompt and on sound.
ATTENTIONS = ((6144, 6144), (32640, 32640), (6144, 1024), (32640, 1024), (32640, 126))
HEADS, HEAD_DIM = 32, 128
BACKENDS = {
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
}
REHEARSED = 64


def product_rows(rehearses: bool) -> Iterator[dict[str, Any]]:
    """A row for each size: milliseconds of each way, or how it failed."""
    share = REHEARSED if rehearses else 1
    for layer in LAYERS:
        tokens, columns, rows = (max(size // share, 32) for size in layer)
        yield {"layer": [tokens, columns, rows], "ms": dict(timed(layer_ways(tokens, columns, rows)))}
        if DEVICE.type == "cuda" and can_multiply("int8", DEVICE):
            yield {"layer": [tokens, columns, rows], "int8 tiles, ms": dict(timed(tile_ways(tokens, columns, rows)))}
    for tokens in (6144 // share, 32640 // share):
        yield {"steps on tokens": tokens, "ms": dict(timed(step_ways(tokens, (HEADS * HEAD_DIM) // share)))}
    for queries, keys in ATTENTIONS:
        sizes = max(queries // share, 1), max(keys // share, 1)
        yield {"attention": sizes, "ms": dict(timed(attention_ways(*sizes)))}


def other_rows(rehearses: bool) -> Iterator[dict[str, Any]]:
    """A row for each size: the same by torchao and SageAttention, where they are installed, beside ours."""
    share = REHEARSED if rehearses else 1
    for layer in LAYERS[:-1]:
        tokens, columns, rows = (max(size // share, 32) for size in layer)
        linear = nn.Linear(columns, rows, device=DEVICE, dtype=torch.bfloat16).requires_grad_(False)
        x, ours = torch.randn(1, tokens, columns, device=DEVICE, dtype=torch.bfloat16), ScaledLinear.int8_rows(linear)
        ours.compute = "int8"
        ways = {"bf16": linear, "ours, int8": ours, "torchao, int8, compiled": torchao_int8(linear)}
        works = [(name, lambda way=way, x=x: way(x)) for name, way in ways.items()]
        row: dict[str, Any] = {"layer": [tokens, columns, rows], "ms": dict(timed(works)), "relative error": {}}
        for name, way in list(ways.items())[1:]:
            with suppress(Exception):  # said above
                row["relative error"][name] = float((way(x) - linear(x)).norm() / linear(x).norm())
        yield row
    for queries, keys in ATTENTIONS[:2]:
        query, key = (torch.randn(1, max(it // share, 1), HEADS, HEAD_DIM, device=DEVICE) for it in (queries, keys))
        query, key = query.to(torch.bfloat16), key.to(torch.bfloat16)
        names = ["native", "sage"]
        works = [(it, lambda it=it, q=query, k=key: dispatch_attention_fn(q, k, k, backend=it)) for it in names]
        yield {"attention": [queries, keys], "ms": dict(timed(works))}


def torchao_int8(linear: nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    """The layer with torchao's int8 weights and dynamic int8 tokens, made and compiled at its first call."""
    made: list[Callable[[torch.Tensor], torch.Tensor]] = []

    def product(x: torch.Tensor) -> torch.Tensor:
        if not made:
            from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

            layer = deepcopy(linear)
            quantize_(layer, Int8DynamicActivationInt8WeightConfig())
            made.append(torch.compile(layer))
        return made[0](x)

    return product


Ways = Iterator[tuple[str, Callable[[], Any]]]


def timed(ways: Iterable[tuple[str, Callable[[], Any]]]) -> Iterator[tuple[str, float | str]]:
    for name, work in ways:
        try:
            yield name, 1e3 * seconds_each(work)
        except Exception as error:  # what this card or this torch does not do
            yield name, f"{type(error).__name__}: {error}".partition("\n")[0][:200]


def seconds_each(work: Callable[[], Any], times: int = 5) -> float:
    """The median of some runs, as the device's own clock has it, after two that warm up."""
    from card_forwards import seconds_of

    if DEVICE.type != "cuda":
        return seconds_of(work, 1)
    work()
    work()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(times + 1)]
    events[0].record()
    for event in events[1:]:
        work()
        event.record()
    torch.cuda.synchronize()
    taken = [begin.elapsed_time(end) for begin, end in pairwise(events)]
    return sorted(taken)[times // 2] / 1e3


def layer_ways(tokens: int, columns: int, rows: int) -> Ways:
    linear = nn.Linear(columns, rows, device=DEVICE, dtype=torch.bfloat16).requires_grad_(False)
    x = torch.randn(1, tokens, columns, device=DEVICE, dtype=torch.bfloat16)
    yield "bf16", lambda: linear(x)
    layers = {"int8": ScaledLinear.int8_rows(linear), "fp8": ScaledLinear.fp8_rows(linear)}
    for form, layer in layers.items():
        yield f"{form}, turned back", lambda layer=layer: layer.dequantised(torch.bfloat16)
        yield f"{form}, turned back and multiplied in bf16", lambda layer=layer: layer(x)
        yield f"{form}, turned back uncompiled", lambda layer=layer: uncompiled(lambda: layer.dequantised(x.dtype))
    layer = layers["int8"]
    layer.compute = "int8"
    ready = prepared(x, layer)
    yield "tokens to int8", lambda: fused.int8_tokens(x)
    yield "int8 product of ready tokens", lambda: layer(ready)
    yield "int8 product, tokens and all", lambda: layer(x)
    values = ready.values[0]
    yield "torch._int_mm alone", lambda: products._int_mm(values, layer.weight)
    by_torch = (ready, layer.weight, layer.weight_scale, layer.bias)
    yield "torch._int_mm, chunked and scaled", lambda: uncompiled(lambda: int8_product(*by_torch))
    layer = layers["fp8"]
    layer.compute = "fp8"
    values, scale = fused.fp8_tokens(x[0])
    by_row = layer.weight_scale.view(1, -1)
    yield "tokens to fp8", lambda: fused.fp8_tokens(x)
    yield "fp8 product, tokens and all", lambda: layer(x)
    for fast in (False, True):
        for bias in (None, layer.bias):
            yield (
                f"torch._scaled_mm{', fast sums' * fast}{', bias' * (bias is not None)}",
                lambda fast=fast, bias=bias: torch._scaled_mm(
                    values,
                    layer.weight.t(),
                    scale_a=scale,
                    scale_b=by_row,
                    bias=bias,
                    out_dtype=torch.bfloat16,
                    use_fast_accum=fast,
                ),
            )


def uncompiled(work: Callable[[], Any]) -> Any:
    with fused.compiling(False):
        return work()


def tile_ways(tokens: int, columns: int, rows: int) -> Ways:
    """The kernel of int8 products, by the tiles that it chooses from and some more."""
    from ltx_nb.running.int8_kernel import TILES, scaled_product

    values = torch.randint(-127, 128, (tokens, columns), dtype=torch.int8, device=DEVICE)
    weight = torch.randint(-127, 128, (rows, columns), dtype=torch.int8, device=DEVICE)
    scale, row_scale = torch.rand(tokens, 1, device=DEVICE), torch.rand(rows, 1, device=DEVICE)
    more = ((128, 256, 128, 8, 4), (256, 128, 128, 8, 3), (64, 256, 128, 4, 3), (128, 128, 128, 4, 4))
    names = ("ROWS", "COLUMNS", "DEPTH", "num_warps", "num_stages")
    for tile in (*TILES, *(dict(zip(names, sizes, strict=True)) for sizes in more)):
        name = " ".join(map(str, tile.values()))
        yield (
            name,
            lambda tile=tile: scaled_product(values, weight, scale, row_scale, None, torch.bfloat16, tile),
        )


def step_ways(tokens: int, channels: int) -> Ways:
    """The steps between products, compiled and as they are written, and a copy of the same tensor beside them."""
    x = torch.randn(1, tokens, channels, device=DEVICE, dtype=torch.bfloat16)
    other, of_heads = torch.randn_like(x), x.unflatten(2, (HEADS, -1))
    row, weight = torch.randn(1, 1, channels, device=DEVICE, dtype=torch.bfloat16), torch.ones_like(x[0, 0])
    index = torch.zeros(tokens, dtype=torch.long, device=DEVICE)
    cos = torch.rand(1, HEADS, tokens, channels // HEADS // 2, device=DEVICE, dtype=torch.bfloat16)
    logits = torch.randn(1, tokens, HEADS, device=DEVICE, dtype=torch.bfloat16)
    steps = {
        "modulated": lambda: fused.modulated(x, row, row, None, weight, 1e-6),
        "modulated by index": lambda: fused.modulated(x, row, row, index, None, 1e-6),
        "modulated to int8": lambda: fused.modulated_int8(x, row, row, None, None, 1e-6),
        "normed and rotated": lambda: fused.normed_rotated(x, weight, 1e-6, cos, cos),
        "gated and added": lambda: fused.add_gated(x, other, row, None),
        "heads gated": lambda: fused.gated_heads(of_heads, logits),
        "GELU to int8": lambda: fused.gelu_int8(x, "tanh"),
    }
    yield "a copy", lambda: other.copy_(x)
    for name, work in steps.items():
        yield name, work
        yield f"{name}, uncompiled", lambda work=work: uncompiled(work)


def attention_ways(queries: int, keys: int) -> Ways:
    query, key = (
        torch.randn(1, HEADS, tokens, HEAD_DIM, device=DEVICE, dtype=torch.bfloat16) for tokens in (queries, keys)
    )
    mask = torch.zeros(1, HEADS, 1, keys, device=DEVICE, dtype=torch.bfloat16)
    yield "as torch chooses", lambda: F.scaled_dot_product_attention(query, key, key)
    if queries != keys:
        yield (
            "as torch chooses, with a mask of ones",
            lambda: F.scaled_dot_product_attention(query, key, key, attn_mask=mask),
        )
    for name, backend in BACKENDS.items():

        def work(backend: SDPBackend = backend) -> torch.Tensor:
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(query, key, key)

        yield name, work
