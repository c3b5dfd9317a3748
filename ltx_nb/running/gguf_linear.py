"""Linear layers whose weights stay in GGUF's blocks of a few bits, and are turned back when they are multiplied by.

The arithmetic of the blocks is diffusers'. Knows tensors and modules, not files.
"""

from __future__ import annotations

from math import prod

import torch
from torch import nn
from torch.nn import functional as F

CHUNK_VALUES = 2**24  # of a weight are turned back at a time: the blocks' arithmetic takes several times their result
# Types by GGUF's own numbers (ggml.h, `enum ggml_type`), with the values of a block and its bytes.
BLOCKS = {
    "Q4_0": (2, 32, 18),
    "Q4_1": (3, 32, 20),
    "Q5_0": (6, 32, 22),
    "Q5_1": (7, 32, 24),
    "Q8_0": (8, 32, 34),
    "Q2_K": (10, 256, 84),
    "Q3_K": (11, 256, 110),
    "Q4_K": (12, 256, 144),
    "Q5_K": (13, 256, 176),
    "Q6_K": (14, 256, 210),
    "IQ4_NL": (20, 32, 18),
    "IQ4_XS": (23, 256, 136),
}
_NAMES = {number: name for name, (number, *_) in BLOCKS.items()}


class GgufLinear(nn.Module):
    """`torch.nn.Linear` with weight uint8 [out, bytes of a row] in blocks of `quant`, a name in BLOCKS."""

    def __init__(self, weight: torch.Tensor, quant: str, bias: torch.Tensor | None):
        super().__init__()
        number, values, num_bytes = BLOCKS[quant]
        self.register_buffer("weight", weight)
        self.register_buffer("weight_quant", torch.tensor(number, dtype=torch.int32, device=weight.device))
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.quant = quant
        self.out_features, self.in_features = weight.shape[0], weight.shape[1] // num_bytes * values

    @classmethod
    def empty(cls, linear: nn.Linear, quant: str) -> GgufLinear:
        """A place on the meta device for the blocks of this layer."""
        shape = (linear.out_features, row_bytes(linear.in_features, quant))
        return cls(torch.empty(shape, dtype=torch.uint8, device="meta"), quant, linear.bias)

    def dequantised(self, dtype: torch.dtype) -> torch.Tensor:
        """The weight [out, in] that the layer multiplies by."""
        return dequantised(self.weight, self.quant, dtype)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return F.linear(input, self.dequantised(input.dtype), self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, weight={self.quant}"


def quant_named(number: int) -> str | None:
    """The name in BLOCKS of GGUF's number of a type."""
    return _NAMES.get(number)


def row_bytes(values: int, quant: str) -> int:
    """Bytes of a row of so many values. Raises ValueError where they are no whole blocks."""
    _, block, num_bytes = BLOCKS[quant]
    if values % block:
        raise ValueError(f"a row of {values} values is no whole number of {quant}'s blocks of {block}")
    return values // block * num_bytes


def dequantised(raw: torch.Tensor, quant: str, dtype: torch.dtype) -> torch.Tensor:
    """uint8 [..., bytes of a row] as the values [..., values of a row] that its blocks stand for."""
    from diffusers.quantizers.gguf.utils import GGML_QUANT_SIZES, dequantize_functions

    number, values, num_bytes = BLOCKS[quant]
    kind = next(kind for kind in GGML_QUANT_SIZES if kind == number)
    shape = (*raw.shape[:-1], raw.shape[-1] // num_bytes * values)
    made = torch.empty(shape, dtype=dtype, device=raw.device)
    blocks, rows = raw.reshape(-1, num_bytes), made.view(-1, values)
    step = max(CHUNK_VALUES // values, 1)
    for begin in range(0, prod(shape) // values, step):
        part = blocks[begin : begin + step]
        rows[begin : begin + step] = dequantize_functions[kind](part, values, num_bytes, torch.float32)
    return made
