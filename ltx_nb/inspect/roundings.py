"""Number formats of weights, each as a rounding: a linear layer in, its weight as the format has it and its bytes out.

As formats of files are, from their own descriptions: GGUF's are ggml's `block_q*` (ggml-common.h).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import nn

from ltx_nb.running.one_byte import ScaledLinear, turned

Rounding: TypeAlias = Callable[[nn.Linear], tuple[torch.Tensor, int]]

FP8 = torch.float8_e4m3fn
NF4_BLOCK = 64
# Dettmers et al., "QLoRA" (2023), appendix E: quantiles of a normal distribution, and an exact 0.
NF4_LEVELS = (
    -1.0, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0.0,
    0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.5626170, 0.7229568, 1.0,
)  # fmt: skip
K_BLOCK = 256  # of GGUF's K formats; rows that are no whole number of them lie in Q8_0, as in such files


def _bf16(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    return linear.weight.detach().to(torch.bfloat16).float(), 2 * linear.weight.numel()


def _fp8(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    return _as_fp8(linear.weight.detach().float()), linear.weight.numel()


def _fp8_scaled(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    weight = linear.weight.detach().float()
    scale = (weight.abs().max() / torch.finfo(FP8).max).clamp(min=1e-30)
    return _as_fp8(weight / scale) * scale, weight.numel() + 4


def _int8_row(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    return ScaledLinear.int8_rows(linear).dequantised(torch.float32), linear.weight.numel() + 4 * linear.out_features


def _nf4(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    flat = linear.weight.detach().float().flatten()
    blocks = nn.functional.pad(flat, (0, -len(flat) % NF4_BLOCK)).view(-1, NF4_BLOCK)
    scale = blocks.abs().amax(1, keepdim=True).clamp(min=1e-30)
    levels = torch.tensor(NF4_LEVELS, device=flat.device)
    nearest = torch.bucketize(blocks / scale, (levels[1:] + levels[:-1]) / 2)
    rounded = (levels[nearest] * scale).flatten()[: len(flat)].view(linear.weight.shape)
    return rounded, -(-len(flat) // 2) + 4 * len(blocks)


def _as_fp8(weight: torch.Tensor) -> torch.Tensor:
    most = torch.finfo(FP8).max
    return weight.clamp(-most, most).to(FP8).float()


def _fp8_row(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    return ScaledLinear.fp8_rows(linear).dequantised(torch.float32), linear.weight.numel() + 4 * linear.out_features


def _fp8_e5m2(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    weight, most = linear.weight.detach().float(), torch.finfo(torch.float8_e5m2).max
    scale = (weight.abs().max() / most).clamp(min=1e-30)
    return (weight / scale).clamp(-most, most).to(torch.float8_e5m2).float() * scale, weight.numel() + 4


def _int8_rotated(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    """As ConvRot: rows turned in groups of the largest power of 4 up to 256 that divides them; not where none does."""
    group = next((size for size in (256, 64, 16, 4) if linear.in_features % size == 0), None)
    if group is None:
        return _int8_row(linear)
    weight = turned(linear.weight.detach().float(), group)
    scale = (weight.abs().amax(1, keepdim=True) / 127).clamp(min=1e-30)
    return turned((weight / scale).round() * scale, group), weight.numel() + 4 * linear.out_features


def _q8_0(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    """GGUF's: 255 levels for each 32 values, with a scale in float16."""
    flat = linear.weight.detach().float().flatten()
    blocks = nn.functional.pad(flat, (0, -len(flat) % 32)).view(-1, 32)
    scale = (blocks.abs().amax(1, keepdim=True) / 127).clamp(min=1e-30)
    rounded = (blocks / scale).round() * scale.half().float()
    return rounded.flatten()[: len(flat)].view(linear.weight.shape), 34 * len(blocks)


def _q6_k(linear: nn.Linear) -> tuple[torch.Tensor, int]:
    """GGUF's: 64 levels for each 16 values, whose scale is one of 255 of its 256 values' own, which is in float16."""
    if linear.in_features % K_BLOCK:
        return _q8_0(linear)
    blocks = linear.weight.detach().float().view(-1, K_BLOCK // 16, 16)
    wanted = blocks.abs().amax(2, keepdim=True) / 31
    whole = _half(wanted.amax(1, keepdim=True) / 127)
    scale = whole * (wanted / whole).round()
    rounded = (blocks / scale.clamp(min=1e-30)).round().clamp(-32, 31) * scale
    return rounded.view(linear.weight.shape), 210 * len(blocks)


def _k_with_least(linear: nn.Linear, bits: int) -> tuple[torch.Tensor, int]:
    """GGUF's with 2**bits levels for each 32 values, whose scale and least value are each one of 64 of a block's."""
    if linear.in_features % K_BLOCK:
        return _q8_0(linear)
    most = 2**bits - 1
    blocks = linear.weight.detach().float().view(-1, K_BLOCK // 32, 32)
    least = (-blocks.amin(2, keepdim=True)).clamp(min=0)
    wanted = (blocks.amax(2, keepdim=True) + least) / most
    whole, whole_least = (_half(value.amax(1, keepdim=True) / 63) for value in (wanted, least))
    scale, low = (
        whole * (wanted / whole).round().clamp(max=63),
        whole_least * (least / whole_least).round().clamp(max=63),
    )
    levels = ((blocks + low) / scale.clamp(min=1e-30)).round().clamp(0, most)
    return (levels * scale - low).view(linear.weight.shape), (16 + 32 * bits) * len(blocks)


def _half(value: torch.Tensor) -> torch.Tensor:
    return value.half().float().clamp(min=2.0**-24)  # float16's least


ROUNDINGS: dict[str, Rounding] = {
    "bf16": _bf16,
    "fp8": _fp8,
    "fp8-scaled": _fp8_scaled,
    "int8-row": _int8_row,
    "nf4": _nf4,
    "fp8-row": _fp8_row,
    "fp8-e5m2": _fp8_e5m2,
    "int8-rotated": _int8_rotated,
    "q8_0": _q8_0,
    "q6_k": _q6_k,
    "q5_k": partial(_k_with_least, bits=5),
    "q4_k": partial(_k_with_least, bits=4),
}
USUAL = ("bf16", "fp8", "fp8-scaled", "int8-row", "nf4")
