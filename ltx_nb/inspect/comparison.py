"""Two clips side by side: how alike their frames and sounds are, and what of their requests differs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ltx_nb.clip import Clip
from ltx_nb.inspect.inputs import check_clip
from ltx_nb.inspect.quality import mel_distance_db, psnr_db, ssim
from ltx_nb.mel import log_mel
from ltx_nb.request import ClipRequest


@dataclass(frozen=True, eq=False)
class Comparison:
    """Likeness of two clips, over as long as both last. What either lacks is None.

    psnr_db, ssim: [F], of each frame. mel_distance_db: [T], 100 a second. differing: fields of their requests that
    differ, with both values.
    """

    a: Clip
    b: Clip
    psnr_db: np.ndarray | None
    ssim: np.ndarray | None
    mel_distance_db: np.ndarray | None
    differing: dict[str, tuple[Any, Any]]

    def summary(self) -> dict[str, float | bool | None]:
        """Return the means, and whether frames and samples are the same. Of frames that are, PSNR is infinite."""
        means = {
            name: None if values is None else float(values.mean())
            for name, values in (("psnr_db", self.psnr_db), ("ssim", self.ssim), ("mel_db", self.mel_distance_db))
        }
        same = {
            "same_frames": _are_equal(self.a.frames, self.b.frames),
            "same_audio": _are_equal(self.a.audio, self.b.audio),
        }
        return means | same


def compare(a: Clip, b: Clip) -> Comparison:
    """Compare two clips, lane by lane, for as long as both last.

    Raises ValueError where frames differ in size or rate, or sounds in rate.
    """
    for clip in (a, b):
        check_clip(clip)
    psnr = likeness = distance = None
    if a.frames is not None and b.frames is not None:
        for name in ("width", "height", "frame_rate"):
            _check_same(name, a, b)
        count = min(a.num_frames, b.num_frames)
        psnr, likeness = psnr_db(a.frames[:count], b.frames[:count]), ssim(a.frames[:count], b.frames[:count])
    if a.audio is not None and b.audio is not None:
        _check_same("sample_rate", a, b)
        samples = min(a.audio.shape[1], b.audio.shape[1])
        mels = (log_mel(clip.audio[:, :samples], clip.sample_rate or 0).numpy() for clip in (a, b))
        distance = mel_distance_db(*mels)
    return Comparison(a, b, psnr, likeness, distance, _differing(a.request, b.request))


def _check_same(name: str, a: Clip, b: Clip) -> None:
    one, other = getattr(a, name), getattr(b, name)
    if one != other:
        raise ValueError(f"{name} is {one} of the first clip and {other} of the second; compare clips that agree in it")


def _differing(a: ClipRequest | None, b: ClipRequest | None) -> dict[str, tuple[Any, Any]]:
    if a is None or b is None:
        return {}
    values = {field.name: (getattr(a, field.name), getattr(b, field.name)) for field in fields(ClipRequest)}
    return {name: both for name, both in values.items() if both[0] != both[1]}


def _are_equal(a: np.ndarray | None, b: np.ndarray | None) -> bool | None:
    return None if a is None or b is None else bool(np.array_equal(a, b))
