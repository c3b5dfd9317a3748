"""Matrix products in eight bits: activations by token and weights by output row, each with its scale, summed exactly.

int8 sums in int32: by a kernel of ours that scales the sums before they leave the chip (`int8_kernel`, sm_80 on), else
by `torch._int_mm`, the product that torchao's int8 goes by too, in chunks of tokens, since its sums take four bytes
each. fp8 is `torch._scaled_mm` by rows. Knows tensors alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from ltx_nb.running import fused

# Compute capability from which each is multiplied as it is: CUDA C++ Programming Guide, "Arithmetic Instructions".
CAPABILITY = {"int8": (7, 5), "fp8": (8, 9)}
CHUNK_TOKENS = 4096
LEAST_TOKENS = 17  # of torch._int_mm on CUDA


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
    """Whether the device multiplies in "int8" or "fp8" in hardware; a CPU only shows what comes out."""
    if compute == "float" or device.type == "cpu":
        return True
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= CAPABILITY[compute]


def int8_product(
    tokens: Int8Tokens, weight: torch.Tensor, weight_scale: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Return tokens [B, T, K] times int8 weight [N, K] of scale [N, 1], plus bias: [B, T, N]."""
    values, scale = tokens.values.flatten(0, 1), tokens.scale.flatten(0, 1)
    if _has_kernel(values):
        from ltx_nb.running.int8_kernel import scaled_product

        out = scaled_product(values, weight, scale, weight_scale, bias, tokens.dtype)
    else:
        rows = weight_scale.view(-1)
        out = torch.empty(len(values), len(weight), dtype=tokens.dtype, device=values.device)
        for part in _chunks(len(values)):
            sums = _int_mm(values[part], weight)
            out[part] = fused.scaled_back(sums, scale[part], rows, bias, tokens.dtype)
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
    return is_card and fused.compiles(values.device) and fused.has_triton()
