"""Which of diffusers' attention backends the transformer goes by: the best that works here, or one asked for.

torch's own is the fastest measured where it takes cuDNN (docs/on_a_card.md). Cards that multiply bf16 with float32 sums
at half their rate or less gain from SageAttention's int8 scores, where that is installed. Names are diffusers'.
Backends that come from the hub are code from there, and are not run. Knows the transformer's modules and devices.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache

import torch
from diffusers.models.attention_dispatch import (
    AttentionBackendName,
    _AttentionBackendRegistry,
    _check_attention_backend_requirements,
    dispatch_attention_fn,
)
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention
from torch import nn
from torch.nn import functional as F

NATIVE, SAGE = "native", "sage"
# GeForce and workstation cards of Ampere, Ada and Blackwell: NVIDIA's architecture whitepapers, rates of tensor cores.
SAGE_CAPABILITIES = {(8, 6), (8, 9), (12, 0)}
WITHOUT_MASKS = ("sage", "_sage", "flash", "_flash", "_native_flash")
TO_WORDS = (".attn2", ".audio_attn2")  # the words' mask counts there; attention between tokens has none
TRIED_TOKENS, TRIED_HEADS, TRIED_ERROR = 192, 2, 0.05  # sums in int8 and fp8 are off by 0.01 to 0.03
HEAD_CHANNELS = (64, 128)  # of LTX-2.3's sound and picture

_log = logging.getLogger(__name__)


def attention_names() -> list[str]:
    """Name the backends that diffusers has, but for those of the hub, and `flex`, which keeps all scores here."""
    names = (it.value for it in _AttentionBackendRegistry._backends)
    return sorted(name for name in names if not name.endswith("_hub") and name != "flex")


def best_attention(device: torch.device, dtype: torch.dtype, channels: tuple[int, ...] = HEAD_CHANNELS) -> str:
    """Name the best backend that works on the device, by its kind and not by a clock, so that clips stay the same.

    channels: of a head, of each kind of attention that it is for.
    """
    if device.type == "cuda" and torch.cuda.get_device_capability(device) in SAGE_CAPABILITIES:
        reason = why_not(SAGE, device, dtype, channels)
        if reason is None:
            return SAGE
        if "not usable because of missing package" not in reason:
            _log.warning("attention goes by %s, since %s does not work on this device: %s", NATIVE, SAGE, reason)
    return NATIVE


def attention_here() -> dict[str, str | list[str]]:
    """Name the best backend of this machine's device, and all that work there."""
    kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device, dtype = torch.device(kind), torch.float32 if kind == "cpu" else torch.bfloat16
    working = [name for name in attention_names() if why_not(name, device, dtype) is None]
    return {"best": best_attention(device, dtype), "working": working}


def check_attention(
    name: str, device: torch.device, dtype: torch.dtype, channels: tuple[int, ...] = HEAD_CHANNELS
) -> None:
    """Raise ValueError for a backend that does not work on the device."""
    reason = why_not(name, device, dtype, channels)
    if reason is not None:
        raise ValueError(f"attention={name!r} does not work here: {reason}; nearest: {NATIVE!r}")


def check_name(name: str) -> None:
    """Raise ValueError for a backend that is unknown."""
    names = attention_names()
    if name not in names:
        close = get_close_matches(name, names, n=1) or [NATIVE]
        hub = "; one from the hub is code from there, which is not run" * name.endswith("_hub")
        raise ValueError(f"attention={name!r} is not one of {', '.join(names)}{hub}; nearest: {close[0]!r}")


@cache
def why_not(
    name: str, device: torch.device, dtype: torch.dtype, channels: tuple[int, ...] = HEAD_CHANNELS
) -> str | None:
    """Try a small attention and say why the backend does not work on the device; None where it does."""
    generator = torch.Generator().manual_seed(0)
    try:
        _check_attention_backend_requirements(AttentionBackendName(name))
        for size in channels:
            drawn = (torch.randn(1, TRIED_TOKENS, TRIED_HEADS, size, generator=generator) for _ in range(3))
            query, key, value = (it.to(device, dtype) for it in drawn)
            made = dispatch_attention_fn(query, key, value, backend=AttentionBackendName(name))
            query, key, value = (it.double().cpu().transpose(1, 2) for it in (query, key, value))
            exact = F.scaled_dot_product_attention(query, key, value).transpose(1, 2)
            error = float((made.double().cpu() - exact).norm() / exact.norm())
            if not error < TRIED_ERROR:
                return f"off by {error:.1%}"
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return (str(error) or type(error).__name__).partition("\n")[0]
    return None


def head_channels(transformer: nn.Module) -> tuple[int, ...]:
    """Return the channels of a head, of each kind of attention in the transformer."""
    layers = (layer for layer in transformer.modules() if isinstance(layer, LTX2Attention))
    return tuple(sorted({layer.inner_dim // layer.heads for layer in layers}))


def attend_by(transformer: nn.Module, name: str) -> None:
    """Let the transformer attend by this backend; to words by torch's own, where the backend takes no masks."""
    backend = None if name == NATIVE else AttentionBackendName(name)
    for path, layer in transformer.named_modules():
        if isinstance(layer, LTX2Attention):
            is_masked = path.endswith(TO_WORDS) and name.startswith(WITHOUT_MASKS)
            layer.processor._attention_backend = None if is_masked else backend


def attention_of(transformer: nn.Module) -> str:
    """Name the backend by which tokens of the transformer attend to each other."""
    backend = getattr(transformer.transformer_blocks[0].attn1.processor, "_attention_backend", None)
    return NATIVE if backend is None else AttentionBackendName(backend).value


@contextmanager
def attending_natively(transformer: nn.Module) -> Iterator[None]:
    """Attend by torch's own, which gradients go through, for a while."""
    before = attention_of(transformer)
    attend_by(transformer, NATIVE)
    try:
        yield
    finally:
        attend_by(transformer, before)
