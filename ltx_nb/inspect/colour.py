"""Latents as colours: the three strongest directions of their channels, or the map that best imitates the decoder.

Both are linear in the 128 channels, so a latent frame becomes a small picture. Knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ltx_nb.arrays import check_frames
from ltx_nb.inspect.inputs import check_latents, edges_s, lane_of
from ltx_nb.shapes import VIDEO_SPATIAL_COMPRESSION, VIDEO_TEMPORAL_COMPRESSION, VideoLatentShape

RANGE_PERCENTILES = (1, 99)
RIDGE = 1e-3  # of the mean channel variance: keeps the map defined where a clip has fewer cells than channels


@dataclass(frozen=True, eq=False)
class PcaRgb:
    """Latents in three colours. One basis and one range for all frames, so that colours keep their meaning over time.

    rgb: float32 in 0..1, video [F, H, W, 3], audio [L, M, 3]; edges_s: [F + 1] or [L + 1].
    mean: [C]; components: [3, C], orthonormal, each with its largest entry positive; explained: [3], their shares of
    the variance; low, high: [3], the 1st and 99th percentiles, which become 0 and 1.
    """

    lane: str
    rgb: np.ndarray
    edges_s: np.ndarray
    mean: np.ndarray
    components: np.ndarray
    explained: np.ndarray
    low: np.ndarray
    high: np.ndarray


def pca_rgb(latents: Any, frame_rate: float = 24.0, basis: PcaRgb | None = None) -> PcaRgb:
    """Three principal components over channels as red, green and blue: [C, F, H, W] or [C, L, M], with C >= 3.

    basis: an earlier result whose directions and range are used again, as to compare steps or clips.
    Raises ValueError for malformed latents, or a basis of another lane or number of channels.
    """
    latents = check_latents(latents)
    points = latents.reshape(len(latents), -1)
    if len(points) < 3:
        raise ValueError(f"latents have {len(points)} channels; three colours need at least 3")
    if basis is not None and not isinstance(basis, PcaRgb):
        raise ValueError(f"basis is a {type(basis).__name__}; give what pca_rgb returned for other latents")
    if basis is not None and (basis.lane, len(basis.mean)) != (lane_of(latents), len(points)):
        raise ValueError(
            f"basis is of {len(basis.mean)} {basis.lane} channels, latents have {len(points)} of {lane_of(latents)}"
        )
    mean = points.mean(1, dtype=np.float64).astype(np.float32) if basis is None else basis.mean
    centred = points - mean[:, None]
    components, explained = _principal(centred) if basis is None else (basis.components, basis.explained)
    coordinates = components.astype(np.float32) @ centred
    low, high = np.percentile(coordinates, RANGE_PERCENTILES, axis=1) if basis is None else (basis.low, basis.high)
    span = np.where(high > low, high - low, 1.0)
    middle = np.where(high > low, 0.0, 0.5)  # a constant component is grey
    rgb = np.clip((coordinates.T - low) / span + middle, 0, 1).astype(np.float32)
    return PcaRgb(
        lane=lane_of(latents),
        rgb=rgb.reshape(*latents.shape[1:], 3),
        edges_s=edges_s(latents, frame_rate),
        mean=mean,
        components=components,
        explained=explained,
        low=low,
        high=high,
    )


def _principal(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    covariance = (centred @ centred.T).astype(np.float64) / centred.shape[1]
    variance, vectors = np.linalg.eigh(covariance)
    components = vectors[:, :-4:-1].T
    # The sign of an eigenvector is arbitrary; without a rule, colours would flip from clip to clip.
    largest = np.abs(components).argmax(1)
    components = components * np.sign(components[np.arange(3), largest])[:, None]
    total = max(variance.sum(), np.finfo(float).tiny)
    return components, np.maximum(variance[:-4:-1], 0) / total


@dataclass(frozen=True, eq=False)
class PreviewRgb:
    """A linear map from channels to colours beside what the decoder makes, both uint8 [F, H, W, 3], a pixel a cell.

    Of the frames that a latent frame decodes to, the last one stands for all.

    weights: [C, 3] and bias [3], to levels 0..255. error: RMS difference in levels over all cells, `baseline` that of
    the clip's mean colour: how much of the picture the map gets.
    """

    preview: np.ndarray
    decoded: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    error: float
    baseline: float


def preview_rgb(latents: Any, frames: np.ndarray) -> PreviewRgb:
    """Fit latents [C, F, H, W] to the mean colour of each cell in the last of the frames that it decodes to.

    frames: uint8 [8(F - 1) + 1, 32H, 32W, 3]. Least squares with a slight ridge.
    Raises ValueError where the two do not belong together.
    """
    latents, frames = check_latents(latents, lane="video"), check_frames(frames)
    num_frames, height, width = latents.shape[1:]
    pixels = VideoLatentShape(num_frames, height, width).pixel
    wanted = [pixels.num_frames, pixels.height, pixels.width]
    if list(frames.shape[:3]) != wanted:
        raise ValueError(f"frames are {list(frames.shape[:3])}, but these latents decode to {wanted}")
    last = frames[::VIDEO_TEMPORAL_COMPRESSION]
    # Rows first: long sums over neighbouring bytes are quick.
    rows = [frame.reshape(height, VIDEO_SPATIAL_COMPRESSION, -1).sum(1, dtype=np.uint32) for frame in last]
    cells = np.stack(rows).reshape(num_frames, height, width, VIDEO_SPATIAL_COMPRESSION, 3).sum(3)
    decoded = cells / VIDEO_SPATIAL_COMPRESSION**2
    points = latents.reshape(len(latents), -1).T.astype(np.float64)
    colours = decoded.reshape(-1, 3).astype(np.float64)
    centre, bias = points.mean(0), colours.mean(0)
    offset = points - centre
    gram = offset.T @ offset
    gram[np.diag_indices_from(gram)] += RIDGE * max(np.trace(gram) / len(gram), 1e-12)
    weights = np.linalg.solve(gram, offset.T @ (colours - bias))
    fitted = offset @ weights + bias
    return PreviewRgb(
        preview=np.clip(np.rint(fitted), 0, 255).astype(np.uint8).reshape(decoded.shape),
        decoded=np.rint(decoded).astype(np.uint8),
        weights=weights,
        bias=bias - centre @ weights,
        error=float(np.sqrt(np.square(fitted - colours).mean())),
        baseline=float(np.sqrt(np.square(colours - bias).mean())),
    )
