"""Linear layers whose weights stay at one byte each, with their scales: int8 or fp8 by output row, or fp8 as stored.

They multiply in the dtype of their input, or in eight bits (`ltx_nb.running.products`). Knows tensors and modules, not
files; which layers are quantised is the caller's, but for the rule of what is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from ltx_nb.running import fused
from ltx_nb.running.products import Int8Tokens, can_multiply, fp8_product, int8_product

# On a CPU, rows of the weight are turned back in pieces of so many values: 16 MiB of float32 beside the result.
CHUNK_VALUES = 2**22
# Attention and feed-forward of the transformer's blocks. Gates, norms, adaLN, embeddings and projections in and out
# are small and sensitive: they keep their dtype.
_QUANTISED = re.compile(r"transformer_blocks\.\d+\..*(to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2)$")
_SAME_SIZE = {1: torch.uint8, 4: torch.int32}
_LARGEST = {torch.int8: fused.INT8_MAX, torch.float8_e4m3fn: fused.FP8_MAX}

Tokens: TypeAlias = torch.Tensor | Int8Tokens


class ScaledLinear(nn.Module):
    """`torch.nn.Linear` with weight [out, in] in int8 or fp8 and float32 `weight_scale`, [out, 1] or [].

    compute: "float", where the weight used is weight x weight_scale, rounded once to the dtype of the input; "int8" or
    "fp8", where activations are brought to that too, by token. A conversion of the module to another dtype leaves
    weight and scale as they are. rotation: where it is not 0, what is stored is W @ H, with H `hadamard(rotation)` for
    each group of so many input features, and is turned back to be multiplied by. Gradients go through to its input,
    always in the dtype of that; the weight does not learn.
    """

    def __init__(self, weight: torch.Tensor, weight_scale: torch.Tensor, bias: torch.Tensor | None, rotation: int = 0):
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.out_features, self.in_features = weight.shape
        self.compute = "float"
        self._keeps, self._kept = False, None
        self.rotation = rotation
        if rotation:  # among the tensors too, so that it is kept with them
            self.register_buffer("weight_rotation", torch.tensor(rotation, dtype=torch.int32, device=weight.device))

    @classmethod
    def empty(
        cls, linear: nn.Linear, dtype: torch.dtype, scale_by_row: bool | None = None, rotation: int = 0
    ) -> ScaledLinear:
        """A place on the meta device for the int8 or fp8 weight and the scales of this layer; int8 has one a row."""
        weight = torch.empty(linear.weight.shape, dtype=dtype, device="meta")
        by_row = dtype == torch.int8 if scale_by_row is None else scale_by_row
        shape = (linear.out_features, 1) if by_row else ()
        return cls(weight, torch.empty(shape, device="meta"), linear.bias, rotation)

    @classmethod
    def int8_rows(cls, linear: nn.Linear | ScaledLinear) -> ScaledLinear:
        """The layer with its weights rounded to 255 levels, the largest of each output row at 127."""
        return cls._by_rows(linear, torch.int8)

    @classmethod
    def fp8_rows(cls, linear: nn.Linear | ScaledLinear) -> ScaledLinear:
        """The layer with its weights in float8_e4m3fn, the largest of each output row at 448."""
        return cls._by_rows(linear, torch.float8_e4m3fn)

    @classmethod
    def _by_rows(cls, linear: nn.Linear | ScaledLinear, dtype: torch.dtype) -> ScaledLinear:
        shape, device = linear.weight.shape, linear.weight.device
        weight = torch.empty(shape, dtype=dtype, device=device)
        weight_scale = torch.empty(shape[0], 1, dtype=torch.float32, device=device)
        for rows in _row_chunks(shape):
            values = _float_rows(linear, rows)
            # A row of zeros stays one with any scale.
            scale = values.abs().amax(dim=1, keepdim=True).div(_LARGEST[dtype])
            scale.clamp_(min=torch.finfo(torch.float32).tiny)
            values = values.div(scale)  # not in place: float32 rows are the layer's own
            weight[rows] = (values.round() if dtype == torch.int8 else values).to(dtype)
            weight_scale[rows] = scale
        return cls(weight, weight_scale, None if linear.bias is None else linear.bias.detach())

    def dequantised(self, dtype: torch.dtype) -> torch.Tensor:
        """The weight [out, in] that the layer multiplies by."""
        if self.rotation:
            return self._by_chunks(dtype)
        if fused.compiles(self.weight.device):
            return fused.turned_back(self.weight, self.weight_scale, dtype)
        if self.weight.is_cuda and self.weight.dtype == torch.int8:  # one pass: CUDA converts as it reads and writes
            weight = torch.empty(self.weight.shape, dtype=dtype, device=self.weight.device)
            return torch.mul(self.weight, self.weight_scale, out=weight)
        return self._by_chunks(dtype)

    def _by_chunks(self, dtype: torch.dtype) -> torch.Tensor:
        weight = torch.empty(self.weight.shape, dtype=dtype, device=self.weight.device)
        for rows in _row_chunks(self.weight.shape):
            weight[rows] = _float_rows(self, rows).to(dtype)
        return weight

    def forward(self, input: Tokens) -> torch.Tensor:
        if isinstance(input, torch.Tensor) and input.requires_grad and torch.is_grad_enabled():
            return _TurnedBack.apply(input, self)
        if self.compute == "int8":
            tokens = prepared(input, self)
            return int8_product(tokens, self.weight, self.weight_scale, self.bias)
        if self.compute == "fp8":
            return fp8_product(input, self.weight, self.weight_scale, self.bias)
        weight = self.dequantised(input.dtype) if self._kept is None else self._kept
        if self._keeps:
            self._kept = weight
        return F.linear(input, weight, self.bias)

    def extra_repr(self) -> str:
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{sizes}, weight={self.weight.dtype}, compute={self.compute}"

    def _apply(self, fn, recurse: bool = True):
        bits = {name: _SAME_SIZE[buffer.itemsize] for name, buffer in self._buffers.items()}
        dtypes = {name: buffer.dtype for name, buffer in self._buffers.items()}
        for name, integers in bits.items():  # as integers, so that a change of dtype passes them by
            self._buffers[name] = self._buffers[name].view(integers)
        super()._apply(fn, recurse)
        for name, dtype in dtypes.items():
            self._buffers[name] = self._buffers[name].view(dtype)
        return self


class _TurnedBack(torch.autograd.Function):
    """The product with a weight that is turned back for each way, forwards and backwards, and kept for neither."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, layer: ScaledLinear) -> torch.Tensor:
        ctx.layer = layer
        return F.linear(input, layer.dequantised(input.dtype), layer.bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient @ ctx.layer.dequantised(gradient.dtype), None


def is_quantised(name: str) -> bool:
    """Whether the layer of the transformer of this name is one of those that are brought to one byte."""
    return _QUANTISED.match(name) is not None


def quantise_blocks(transformer: nn.Module, keep_fp8: bool = False, form: str = "int8") -> None:
    """Bring attention and feed-forward of the transformer's blocks to one byte, one layer after the other, in place."""
    for name, _ in list(transformer.named_modules()):
        quantise_layer(transformer, name, keep_fp8, form)


def quantise_layer(transformer: nn.Module, name: str, keep_fp8: bool = False, form: str = "int8") -> None:
    """Bring the layer of this name to int8 if it is one of those; one that has a byte or less already stays.

    keep_fp8: fp8 with its scale stays too, which has as many bytes and has been rounded once. form: "int8" or "fp8".
    """
    if not is_quantised(name):
        return
    layer = transformer.get_submodule(name)
    if not isinstance(layer, (nn.Linear, ScaledLinear)):
        return
    if form == "fp8":
        if layer.weight.dtype != torch.float8_e4m3fn:
            transformer.set_submodule(name, ScaledLinear.fp8_rows(layer))
    elif layer.weight.dtype != torch.int8 and not (keep_fp8 and isinstance(layer, ScaledLinear)):
        transformer.set_submodule(name, ScaledLinear.int8_rows(layer))


def multiply_in(transformer: nn.Module, compute: str, device: torch.device) -> int:
    """Let one-byte layers multiply in "int8" or "fp8", or in "float" as before, and return how many do in eight bits.

    Those of the first and the last block stay as they are, as in the official fp8 file, and those whose weights are of
    another form or rotated, or that the device cannot multiply so.
    """
    weight_dtype = {"int8": torch.int8, "fp8": torch.float8_e4m3fn}.get(compute)
    found, blocks = 0, list(transformer.transformer_blocks)
    for index, block in enumerate(blocks):
        for layer in block.modules():
            if isinstance(layer, ScaledLinear):
                does = 0 < index < len(blocks) - 1 and layer.weight.dtype == weight_dtype
                does = does and not layer.rotation and can_multiply(compute, device)
                layer.compute = compute if does else "float"
                found += does
    return found


def multiplies_in_int8(layer: nn.Module) -> bool:
    return isinstance(layer, ScaledLinear) and layer.compute == "int8"


def prepared(x: Tokens, *layers: nn.Module) -> Tokens:
    """Return x as these layers multiply it, so that it is brought to int8 once for all of them; else as it is."""
    if isinstance(x, Int8Tokens) or not all(map(multiplies_in_int8, layers)):
        return x
    values, scales = fused.int8_tokens(x)
    return Int8Tokens(values, scales, x.dtype)


@contextmanager
def turned_back_once(module: nn.Module) -> Iterator[None]:
    """Turn the weights of one-byte layers in the module back at their first call inside, and keep them to the end."""
    layers = [layer for layer in module.modules() if isinstance(layer, ScaledLinear)]
    for layer in layers:
        layer._keeps = True
    try:
        yield
    finally:
        for layer in layers:
            layer._keeps, layer._kept = False, None


def _row_chunks(shape: torch.Size) -> list[slice]:
    rows = max(CHUNK_VALUES // shape[1], 1)
    return [slice(begin, begin + rows) for begin in range(0, shape[0], rows)]


def _float_rows(layer: nn.Linear | ScaledLinear, rows: slice) -> torch.Tensor:
    values = layer.weight.detach()[rows].float()
    if not isinstance(layer, ScaledLinear):
        return values
    scale = layer.weight_scale
    values = values.mul_(scale[rows] if scale.dim() else scale)
    return turned(values, layer.rotation) if layer.rotation else values


def turned(values: torch.Tensor, group: int) -> torch.Tensor:
    """[..., features] times `hadamard(group)`, each group of features apart; done twice it changes nothing."""
    return (values.unflatten(-1, (-1, group)) @ hadamard(group, values.device).to(values.dtype)).flatten(-2)


@cache
def hadamard(size: int, device: torch.device) -> torch.Tensor:
    """The regular orthogonal Hadamard matrix [size, size] of ConvRot, symmetric and its own inverse.

    size: a power of 4. The Kronecker power of the matrix of four whose rows all sum to 2, over the square root of size
    (comfy-kitchen, which quantises the files that are stored so).
    """
    one = torch.tensor([[1, 1, 1, -1], [1, 1, -1, 1], [1, -1, 1, 1], [-1, 1, 1, 1]], dtype=torch.float32)
    made = one / 2
    while len(made) < size:
        made = torch.kron(made, one / 2)
    return made.to(device)
