"""Cost of rounding weights: the error of every linear layer of the transformer, and of the clip that comes out.

Weights are rounded and turned back (`roundings`), so that only their values change, not how they are computed with.
Knows no plots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from ltx_nb.checks import choice
from ltx_nb.clip import Clip
from ltx_nb.inspect.inputs import check_request, listed
from ltx_nb.inspect.quality import mel_distance_db, psnr_db, ssim
from ltx_nb.inspect.roundings import ROUNDINGS, USUAL
from ltx_nb.mel import log_mel
from ltx_nb.running.one_byte import ScaledLinear
from ltx_nb.running.streaming import check_not_streamed

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session
    from ltx_nb.request import ClipRequest


@dataclass(frozen=True)
class LayerError:
    """One linear layer: relative error |W - rounded W| / |W| (Frobenius), and the bytes of the rounded weight."""

    name: str
    error: float
    num_bytes: int


@dataclass(frozen=True)
class ClipError:
    """Distance of the clip of the same seed from that of the unrounded weights.

    latent_error, audio_latent_error: relative, in the norm. psnr_db and ssim: means over frames (infinite and 1 for the
    same clip); mel_distance_db: mean over time.
    """

    latent_error: float
    audio_latent_error: float
    psnr_db: float
    ssim: float
    mel_distance_db: float


@dataclass(frozen=True)
class DtypePrecision:
    """One number format. layers: the worst first. error: of all weights together. clip: None without a request."""

    dtype: str
    layers: tuple[LayerError, ...]
    error: float
    num_bytes: int
    clip: ClipError | None


@dataclass(frozen=True)
class PrecisionReport:
    """A row for each number format; prints as a table."""

    rows: tuple[DtypePrecision, ...]

    def __str__(self) -> str:
        lines = [f"{'dtype':<11}{'MB':>10}{'error':>9}  worst layer"]
        for row in self.rows:
            worst = row.layers[0]
            lines.append(
                f"{row.dtype:<11}{row.num_bytes / 1e6:>10.2f}{row.error:>9.3%}  {worst.name} ({worst.error:.2%})"
            )
            if (clip := row.clip) is not None:
                lines.append(
                    f"{'':<11}clip: latents {clip.latent_error:.2%}, audio latents {clip.audio_latent_error:.2%}, "
                    f"PSNR {clip.psnr_db:.1f} dB, SSIM {clip.ssim:.3f}, mel {clip.mel_distance_db:.1f} dB"
                )
        return "\n".join(lines)


def precision_report(
    session: Session, dtypes: Sequence[str] | None = None, request: ClipRequest | None = None
) -> PrecisionReport:
    """Round every linear layer of the session's transformer to each format, and compare.

    dtypes: of "bf16", "fp8" (cast as it is), "fp8-scaled" (by the tensor's largest value), "int8-row" (by the row's)
    and "nf4" (by the largest of 64 values), these if left out; further those in which files come: "fp8-row",
    "fp8-e5m2", "int8-rotated" (ComfyUI's ConvRot), and GGUF's "q8_0", "q6_k", "q5_k", "q4_k" (to the nearest, without
    llama.cpp's search for scales). request: run it with each, too, for the clip's error; that takes a copy of the
    weights in memory. The weights are as before afterwards.

    Raises ValueError for another format or none, or a transformer whose weights are already quantised, or stream.
    """
    chosen = USUAL if dtypes is None else listed("dtypes", dtypes)
    chosen = list(dict.fromkeys(choice("dtypes", dtype, ROUNDINGS) for dtype in chosen))
    if request is not None:
        check_request(request)
    transformer = session.pipe.transformer
    check_not_streamed(transformer)
    linears = {name: module for name, module in transformer.named_modules() if isinstance(module, nn.Linear)}
    if not linears or any(isinstance(module, ScaledLinear) for module in transformer.modules()):
        raise ValueError("the transformer's weights are already quantised; load it in bf16 or fp32 to compare formats")
    reference = None if request is None else session.run(request, progress=False)
    rows = []
    for dtype in chosen:
        clip_error = None
        if request is not None:
            with _rounded_weights(linears, dtype):
                clip_error = _clip_error(reference, session.run(request, progress=False))
        rows.append(_measured(linears, dtype, clip_error))
    return PrecisionReport(tuple(rows))


def _measured(linears: dict[str, nn.Linear], dtype: str, clip: ClipError | None) -> DtypePrecision:
    layers, missed, total = [], 0.0, 0.0
    for name, linear in linears.items():
        weight = linear.weight.detach().float()
        rounded, num_bytes = ROUNDINGS[dtype](linear)
        off, size = float((weight - rounded).norm()), float(weight.norm())
        layers.append(LayerError(name, off / size if size else 0.0, num_bytes))
        missed, total = missed + off**2, total + size**2
    layers.sort(key=lambda layer: -layer.error)
    error = (missed / total) ** 0.5 if total else 0.0
    return DtypePrecision(dtype, tuple(layers), error, sum(layer.num_bytes for layer in layers), clip)


@contextmanager
def _rounded_weights(linears: dict[str, nn.Linear], dtype: str) -> Iterator[None]:
    kept = {name: linear.weight.detach().clone() for name, linear in linears.items()}
    try:
        for linear in linears.values():
            linear.weight.data.copy_(ROUNDINGS[dtype](linear)[0])
        yield
    finally:
        for name, linear in linears.items():
            linear.weight.data.copy_(kept[name])


def _clip_error(reference: Clip, clip: Clip) -> ClipError:
    def relative(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a.float() - b.float()).norm() / b.float().norm())

    mels = [log_mel(one.audio, one.sample_rate).numpy() for one in (clip, reference)]
    return ClipError(
        latent_error=relative(clip.latents, reference.latents),
        audio_latent_error=relative(clip.audio_latents, reference.audio_latents),
        psnr_db=float(psnr_db(clip.frames, reference.frames).mean()),
        ssim=float(ssim(clip.frames, reference.frames).mean()),
        mel_distance_db=float(mel_distance_db(*mels).mean()),
    )
