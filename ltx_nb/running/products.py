"""Matrix products in eight bits: activations by token and weights by output row, each with its scale, summed exactly.

int8 sums in int32: by a kernel of ours that scales the sums before they leave the chip (`int8_kernel`, sm_80 on), else
by `torch._int_mm`, the product that torchao's int8 goes by too, in chunks of tokens, since its sums take four bytes
each. fp8 is `torch._scaled_mm` by rows. What a device does of it is tried once on a small product, since drivers,
compilers and torch's builds differ more than capabilities say. Knows tensors alone.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import NamedTuple

import torch

from ltx_nb.running import fused

# Compute capability from which each is multiplied as it is: CUDA C++ Programming Guide, "Arithmetic Instructions".
CAPABILITY = {"int8": (7, 5), "fp8": (8, 9)}
CHUNK_TOKENS = 4096
LEAST_TOKENS = 17  # of torch._int_mm on CUDA
TRIED_TOKENS, TRIED_FEATURES, TRIED_ERROR = 33, 64, 0.01  # rounding to bf16 alone makes 0.002

_log = logging.getLogger(__name__)


class Int8Tokens(NamedTuple):
    """Activations [B, T, C] in int8 with float32 scale [B, T, 1], and the dtype that a product of them is to have."""

    values: torch.Tensor
    scale: torch.Tensor
    dtype: torch.dtype

    @property
    def shape(self) -> torch.Size:
        return self.values.shape

    @property
    def device(self) -> torch.device:
        return self.values.device

    def part(self, tokens: slice) -> Int8Tokens:
        return Int8Tokens(self.values[:, tokens], self.scale[:, tokens], self.dtype)

    def turned_back(self) -> torch.Tensor:
        return fused.turned_back(self.values, self.scale, self.dtype)


def can_multiply(compute: str, device: torch.device) -> bool:
    """Whether the device multiplies in "int8" or "fp8" in hardware; a CPU only shows what comes out.

    What fails on a small product, or is wrong, is said once and not used.
    """
    if compute == "float" or device.type == "cpu":
        return True
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < CAPABILITY[compute]:
        return False
    return _works(compute, device)


@cache
def _works(compute: str, device: torch.device) -> bool:
    """Try a product in "int8" or "fp8", or the one of "int8 kernel", on the device."""
    is_kernel = compute == "int8 kernel"
    what = ("the kernel of int8 products does", "is") if is_kernel else (f"{compute} products do", "are")
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(1, rows, TRIED_FEATURES, generator=generator) for rows in (TRIED_TOKENS, TRIED_FEATURES))
    x, weight = x.to(device, torch.bfloat16), weight.to(device)
    try:
        rounded = fused.fp8_tokens if compute == "fp8" else fused.int8_tokens
        (values, token_scale), (rows, scale) = rounded(x), rounded(weight[0])
        if compute == "fp8":
            made = fp8_product(x, rows, scale, None)
        else:
            product = _by_kernel if is_kernel else int8_product
            made = product(Int8Tokens(values, token_scale, x.dtype), rows, scale, None)
        exact = (values.double() * token_scale) @ (rows.double() * scale).t()
        error = float((made.double() - exact).norm() / exact.norm())
        if not error < TRIED_ERROR:
            raise ValueError(f"off by {error:.1%}")
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        said = (str(error) or type(error).__name__).partition("\n")[0]
        _log.warning("%s not work on this device, and %s done without: %s", *what, said)
        return False
    return True


def int8_product(
    tokens: Int8Tokens, weight: torch.Tensor, weight_scale: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Return tokens [B, T, K] times int8 weight [N, K] of scale [N, 1], plus bias: [B, T, N]."""
    if _has_kernel(tokens.values):
        return _by_kernel(tokens, weight, weight_scale, bias)
    values, scale = tokens.values.flatten(0, 1), tokens.scale.flatten(0, 1)
    rows = weight_scale.view(-1)
    out = torch.empty(len(values), len(weight), dtype=tokens.dtype, device=values.device)
    for part in _chunks(len(values)):
        sums = _int_mm(values[part], weight)
        out[part] = fused.scaled_back(sums, scale[part], rows, bias, tokens.dtype)
    return out.unflatten(0, tokens.values.shape[:2])


def _by_kernel(
    tokens: Int8Tokens, weight: torch.Tensor, weight_scale: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    from ltx_nb.running.int8_kernel import scaled_product

    values, scale = tokens.values.flatten(0, 1), tokens.scale.flatten(0, 1)
    out = scaled_product(values, weight, scale, weight_scale, bias, tokens.dtype)
    return out.unflatten(0, tokens.values.shape[:2])


def fp8_product(
    x: torch.Tensor, weight: torch.Tensor, weight_scale: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Return x [..., K] times float8_e4m3fn weight [N, K] of scale [N, 1] or [], plus bias: [..., N]."""
    values, scale = fused.fp8_tokens(x.flatten(0, -2))
    rows = weight_scale.view(1, -1).expand(1, len(weight)).contiguous()
    out = torch._scaled_mm(values, weight.t(), scale_a=scale, scale_b=rows, out_dtype=torch.bfloat16)
    out = out.to(x.dtype)
    return (out if bias is None else out + bias).unflatten(0, x.shape[:-1])


def _chunks(count: int) -> list[slice]:
    """As few as keep to CHUNK_TOKENS, and of one length, so that none is too short for the product."""
    number = -(-count // CHUNK_TOKENS)
    size = -(-count // number)
    return [slice(begin, min(begin + size, count)) for begin in range(0, count, size)]


def _int_mm(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    missing = LEAST_TOKENS - len(values)
    if missing > 0:
        return torch._int_mm(torch.nn.functional.pad(values, (0, 0, 0, missing)), weight.t())[:-missing]
    return torch._int_mm(values, weight.t())


def _has_kernel(values: torch.Tensor) -> bool:
    is_card = values.is_cuda and torch.cuda.get_device_capability(values.device) >= (8, 0)
    return is_card and fused.compiles(values.device) and _works("int8 kernel", values.device)
