"""Linear layers whose weights stay at one byte each, with their scales: int8 by output row, or scaled fp8 as stored.

Activations stay in their own dtype. Knows tensors and modules, not files; which layers are quantised is the caller's,
but for the rule of what int8 leaves alone.
"""

from __future__ import annotations

import re

import torch
from torch import nn
from torch.nn import functional as F

# Rows of the weight are turned back in pieces of so many values: 16 MiB of float32 beside the result.
CHUNK_VALUES = 2**22
# Attention and feed-forward of the transformer's blocks. Gates, norms, adaLN, embeddings and projections in and out
# are small and sensitive: they keep their dtype.
_QUANTISED = re.compile(r"transformer_blocks\.\d+\..*(to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2)$")
_SAME_SIZE = {1: torch.uint8, 4: torch.int32}


class ScaledLinear(nn.Module):
    """`torch.nn.Linear` with weight [out, in] in int8 or float8_e4m3fn and float32 `weight_scale`, [out, 1] or [].

    The weight used is weight x weight_scale, rounded once to the dtype of the input; a conversion of the module to
    another dtype leaves both as they are.
    """

    def __init__(self, weight: torch.Tensor, weight_scale: torch.Tensor, bias: torch.Tensor | None):
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.out_features, self.in_features = weight.shape

    @classmethod
    def empty(cls, linear: nn.Linear, dtype: torch.dtype) -> ScaledLinear:
        """A place on the meta device for the int8 or fp8 weight and the scales of this layer."""
        weight = torch.empty(linear.weight.shape, dtype=dtype, device="meta")
        shape = (linear.out_features, 1) if dtype == torch.int8 else ()
        return cls(weight, torch.empty(shape, device="meta"), linear.bias)

    @classmethod
    def int8_rows(cls, linear: nn.Linear | ScaledLinear) -> ScaledLinear:
        """The layer with its weights rounded to 255 levels, the largest of each output row at 127."""
        shape, device = linear.weight.shape, linear.weight.device
        weight = torch.empty(shape, dtype=torch.int8, device=device)
        weight_scale = torch.empty(shape[0], 1, dtype=torch.float32, device=device)
        for rows in _row_chunks(shape):
            values = _float_rows(linear, rows)
            # A row of zeros stays one with any scale.
            scale = values.abs().amax(dim=1, keepdim=True).div(127).clamp(min=torch.finfo(torch.float32).tiny)
            weight[rows] = values.div(scale).round().to(torch.int8)
            weight_scale[rows] = scale
        return cls(weight, weight_scale, None if linear.bias is None else linear.bias.detach())

    def dequantised(self, dtype: torch.dtype) -> torch.Tensor:
        """The weight [out, in] that the layer multiplies by."""
        weight = torch.empty(self.weight.shape, dtype=dtype, device=self.weight.device)
        for rows in _row_chunks(self.weight.shape):
            weight[rows] = _float_rows(self, rows).to(dtype)
        return weight

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return F.linear(input, self.dequantised(input.dtype), self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, weight={self.weight.dtype}"

    def _apply(self, fn, recurse: bool = True):
        bits = {name: _SAME_SIZE[buffer.itemsize] for name, buffer in self._buffers.items()}
        dtypes = {name: buffer.dtype for name, buffer in self._buffers.items()}
        for name, integers in bits.items():  # as integers, so that a change of dtype passes them by
            self._buffers[name] = self._buffers[name].view(integers)
        super()._apply(fn, recurse)
        for name, dtype in dtypes.items():
            self._buffers[name] = self._buffers[name].view(dtype)
        return self


def is_quantised(name: str) -> bool:
    """Whether the layer of the transformer of this name is one of those that are brought to one byte."""
    return _QUANTISED.match(name) is not None


def quantise_blocks(transformer: nn.Module, keep_fp8: bool = False) -> None:
    """Bring attention and feed-forward of the transformer's blocks to int8, one layer after the other, in place."""
    for name, _ in list(transformer.named_modules()):
        quantise_layer(transformer, name, keep_fp8)


def quantise_layer(transformer: nn.Module, name: str, keep_fp8: bool = False) -> None:
    """Bring the layer of this name to int8 if it is one of those; one that is there already stays.

    keep_fp8: fp8 with its scale stays too, which has as many bytes and has been rounded once.
    """
    if not is_quantised(name):
        return
    layer = transformer.get_submodule(name)
    if layer.weight.dtype != torch.int8 and not (keep_fp8 and isinstance(layer, ScaledLinear)):
        transformer.set_submodule(name, ScaledLinear.int8_rows(layer))


def _row_chunks(shape: torch.Size) -> list[slice]:
    rows = max(CHUNK_VALUES // shape[1], 1)
    return [slice(begin, begin + rows) for begin in range(0, shape[0], rows)]


def _float_rows(layer: nn.Linear | ScaledLinear, rows: slice) -> torch.Tensor:
    values = layer.weight.detach()[rows].float()
    if not isinstance(layer, ScaledLinear):
        return values
    scale = layer.weight_scale
    return values.mul_(scale[rows] if scale.dim() else scale)
