"""How sharp and how round what a clip shows is, and how still what does not move: measured on pixels alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .picture import cover_of

AWAY_PX = 6  # from the object's outline, wherever it ever is: there nothing moves


@dataclass(frozen=True)
class Outline:
    """rise_px: across the object's edge, from 10 to 90 % of its colour. roundness: 4 pi area / perimeter^2, 1 for a
    disc, pi / 4 for a square. flicker_levels: mean absolute change from frame to frame, of 255, where nothing moves.
    NaN where there is no object, or no place where nothing moves."""

    rise_px: float
    roundness: float
    flicker_levels: float


def outline(frames: np.ndarray) -> Outline:
    """Measure a clip, frames uint8 [F, H, W, 3].

    The perimeter is the integral of the gradient of the cover between a quarter and three quarters, which is the mean
    length of its contours there (the co-area formula). The rise is the area between the contours of 10 and 90 % over
    that length, so holes in the object and haze around it count, too.
    """
    covers = cover_of(frames)[2]
    if covers is None:
        return Outline(np.nan, np.nan, np.nan)
    band = np.clip(2 * covers - 0.5, 0, 1)
    perimeter = np.hypot(*np.gradient(band, axis=(1, 2))).sum((1, 2))
    area = band.sum((1, 2))
    seen = perimeter > 0
    between = ((covers > 0.1) & (covers < 0.9)).sum((1, 2))
    moves = ndimage.binary_dilation((covers > 0.1).any(0), iterations=AWAY_PX)
    changes = np.abs(np.diff(frames.astype(np.int16), axis=0))[:, ~moves]
    return Outline(
        rise_px=float(np.median(between[seen] / perimeter[seen])) if seen.any() else np.nan,
        roundness=float(np.median(4 * np.pi * area[seen] / perimeter[seen] ** 2)) if seen.any() else np.nan,
        flicker_levels=float(changes.mean()) if changes.size else np.nan,
    )
