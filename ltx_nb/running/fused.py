"""Small steps between the large products, as pure functions: one kernel each where there is a compiler.

On CUDA each kind of call is compiled once, for any number of tokens (`torch.compile`, whose kernels outlive the
process); everywhere else, and where the compiler fails, they run as they are written, with the arithmetic and the order
of diffusers' blocks, bit for bit. Compiled, a step is rounded once at its end instead of after each operation. Knows
tensors alone.
"""

from __future__ import annotations

import functools
import logging
import os
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

import torch
from huggingface_hub.constants import HF_HOME
from torch.nn import functional as F

SWITCH = "LTX_NB_COMPILE"  # in the environment: 0 never compiles, 1 on the CPU too
KERNELS = "TORCHINDUCTOR_CACHE_DIR"
INT8_MAX, FP8_MAX = 127.0, torch.finfo(torch.float8_e4m3fn).max

_log = logging.getLogger(__name__)
_state = {"failed": False}


@functools.cache
def has_triton() -> bool:
    return find_spec("triton") is not None


def compiles(device: torch.device) -> bool:
    """Whether the steps are compiled on this device."""
    wanted = os.environ.get(SWITCH, "")
    if _state["failed"] or wanted == "0":
        return False
    return (device.type == "cuda" and has_triton()) or (wanted == "1" and device.type == "cpu")


@contextmanager
def compiling(wanted: bool) -> Iterator[None]:
    """Compile the steps, or not, for a while, whatever the environment says."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "1" if wanted else "0"
    try:
        yield
    finally:
        os.environ.pop(SWITCH)
        if before is not None:
            os.environ[SWITCH] = before


def _step(function: Callable[..., Any]) -> Callable[..., Any]:
    """A pure function whose first argument says where it runs, compiled there if that is possible."""
    variants: dict[tuple[Any, ...], Callable[..., Any]] = {}

    @functools.wraps(function)
    def call(first: torch.Tensor, *others: Any) -> Any:
        if compiles(first.device):
            try:
                kind = tuple(map(_kind, (first, *others)))
                if kind not in variants:
                    variants[kind] = _variant(function)
                return variants[kind](first, *others)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # no compiler, or one that fails: slower, and no reason to fail
                _state["failed"] = True
                _log.warning("steps run uncompiled, which is slower: %s", str(error).partition("\n")[0])
        return function(first, *others)

    return call


def _kind(argument: Any) -> Any:
    """Tell what is compiled apart: which sizes of a tensor are 1, or any other argument."""
    return tuple(size == 1 for size in argument.shape) if isinstance(argument, torch.Tensor) else argument


def _variant(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a copy of the function, for any number of tokens.

    What was compiled is kept with a function's code, and looked through entry by entry at each call: four entries take
    twice as long as one (79 against 40 us on a CPU, where an operation takes 2), so that each kind has its own code.
    """
    _keep_kernels()
    code, cells = function.__code__.replace(), function.__closure__
    own = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, cells)
    return torch.compile(own, dynamic=True)


def _keep_kernels() -> None:
    """Keep compiled kernels in the user's own cache, unless the environment says where: /tmp goes with a restart."""
    kernels = os.path.join(HF_HOME, "ltx-nb", "kernels")
    with suppress(OSError):
        os.makedirs(kernels, mode=0o700, exist_ok=True)
        os.environ.setdefault(KERNELS, kernels)


@_step
def modulated(
    x: torch.Tensor,
    scale: torch.Tensor,
    shift: torch.Tensor,
    index: torch.Tensor | None,
    weight: torch.Tensor | None,
    eps: float | None,
) -> torch.Tensor:
    """Return x [B, T, C], normed by its root mean square, x (1 + scale) + shift.

    scale, shift: [B, rows, C]; index [T] gives each token its row, None where there is one row, or one a token.
    weight, eps: of diffusers' RMSNorm; without eps, x is not normed.
    """
    return _modulated(x, scale, shift, index, weight, eps)


@_step
def modulated_int8(
    x: torch.Tensor,
    scale: torch.Tensor,
    shift: torch.Tensor,
    index: torch.Tensor | None,
    weight: torch.Tensor | None,
    eps: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `int8_tokens` of `modulated`."""
    return _int8_tokens(_modulated(x, scale, shift, index, weight, eps))


@_step
def add_gated(x: torch.Tensor, out: torch.Tensor, gate: torch.Tensor, index: torch.Tensor | None) -> None:
    """Add out x gate to x in place; gate and index as for `modulated`."""
    x += out * (gate if index is None else gate[:, index])


@_step
def normed_rotated(
    x: torch.Tensor, weight: torch.Tensor | None, eps: float | None, cos: torch.Tensor | None, sin: torch.Tensor | None
) -> torch.Tensor:
    """Return queries or keys [B, T, C], normed over all heads and rotated; cos, sin [B, heads, T, C / heads / 2]."""
    x = F.rms_norm(x, x.shape[-1:], weight, eps)
    return x if cos is None else _rotated(x, cos, sin)


@_step
def gated_heads(attended: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Return what was attended to [B, T, heads, D], each head times its gate, as [B, T, C]."""
    return (attended * (2.0 * torch.sigmoid(logits)).unsqueeze(-1)).flatten(2, 3)


@_step
def turned_back(weight: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return weight x scale, rounded once to dtype."""
    return (weight.float() * scale).to(dtype)


@_step
def int8_tokens(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x [..., C] in int8 and float32 scales [..., 1], the largest value of each token at 127."""
    return _int8_tokens(x)


@_step
def gelu_int8(x: torch.Tensor, approximate: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `int8_tokens` of GELU."""
    return _int8_tokens(F.gelu(x, approximate=approximate))


@_step
def fp8_tokens(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x [..., C] in float8_e4m3fn and float32 scales [..., 1], the largest value of each token at 448."""
    values = x.float()
    scale = (values.abs().amax(dim=-1, keepdim=True) / FP8_MAX).clamp(min=torch.finfo(torch.float32).tiny)
    return (values / scale).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn), scale


@_step
def scaled_back(
    product: torch.Tensor,
    token_scale: torch.Tensor,
    row_scale: torch.Tensor,
    bias: torch.Tensor | None,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Return the int32 product [T, N] x token_scale [T, 1] x row_scale [N], plus bias, rounded once to dtype."""
    values = product.float() * token_scale * row_scale
    return (values if bias is None else values + bias.float()).to(dtype)


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Return diffusers' `apply_split_rotary_emb`, bit for bit, in the order in which x lies: none is transposed."""
    first, second = x.unflatten(-1, (cos.shape[1], 2, -1)).float().unbind(-2)  # each [B, T, heads, C / heads / 2]
    cos, sin = cos.transpose(1, 2), sin.transpose(1, 2)
    turned = torch.addcmul(first * cos, -sin, second), torch.addcmul(second * cos, sin, first)
    return torch.stack([half.to(x.dtype) for half in turned], dim=-2).flatten(-3)


def _modulated(x, scale, shift, index, weight, eps):
    if index is not None:
        scale, shift = scale[:, index], shift[:, index]
    normed = x
    if eps is not None:
        normed = x * torch.rsqrt(x.to(torch.float32).pow(2).mean(-1, keepdim=True) + eps)
        normed = normed.to(x.dtype if weight is None else weight.dtype)
    if weight is not None:
        normed = normed * weight
    return normed * (1 + scale) + shift


def _int8_tokens(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    values = x.float()
    # A token of zeros stays one with any scale.
    scale = (values.abs().amax(dim=-1, keepdim=True) / INT8_MAX).clamp(min=torch.finfo(torch.float32).tiny)
    return (values / scale).round().to(torch.int8), scale
