"""Statistics of latents: per channel, per latent frame, and by frequency over space and time. Knows no model.

The same measures for both lanes. Channels of audio are its 128 packed ones (8 x 16 mel bins, channel first), so that a
token of either lane has 128; space is rows and columns of video, mel bins of audio.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import fft

from ltx_nb.inspect.inputs import check_latents, edges_s, lane_of
from ltx_nb.shapes import AUDIO_LATENTS_PER_SECOND, VIDEO_TEMPORAL_COMPRESSION

DEAD_SHARE = 0.01  # of the median channel's standard deviation
OUTLIER_SIGMAS = 5.0
MAD_TO_SIGMA = 1.4826  # of a normal distribution


@dataclass(frozen=True, eq=False)
class LatentStats:
    """Result of `latent_stats`. T latent frames, K channels (128 a token).

    mean, std, kurtosis: [K]; kurtosis is 0 for a normal distribution (Fisher's) and for a constant channel.
    dead: channels whose std is below 1 % of the median channel's. outliers: channels whose mean or log std lies over 5
        robust standard deviations (1.4826 x median absolute deviation) from the median channel's; dead ones apart.
    energy: [T], mean square of each latent frame. change: [T - 1], RMS difference of each from the one before.
    edges_s: [T + 1], where each latent frame begins, and the end.
    spatial_power at spatial_frequency (cycles a latent, up to 0.5) and temporal_power at temporal_hz: mean over
        channels and positions; white noise of variance 1 has power 1 throughout. Empty where there is one latent only.
    """

    lane: str
    mean: np.ndarray
    std: np.ndarray
    kurtosis: np.ndarray
    dead: tuple[int, ...]
    outliers: tuple[int, ...]
    energy: np.ndarray
    change: np.ndarray
    edges_s: np.ndarray
    spatial_frequency: np.ndarray
    spatial_power: np.ndarray
    temporal_hz: np.ndarray
    temporal_power: np.ndarray


def latent_stats(latents: Any, frame_rate: float = 24.0) -> LatentStats:
    """Measure video latents [C, F, H, W] or audio latents [C, L, M]; frame_rate (frames/s) counts for video only.

    Raises ValueError for another rank, no values, NaN or infinity, and for something that is no frame rate.
    """
    latents = check_latents(latents)
    lane, edges = lane_of(latents), edges_s(latents, frame_rate)
    channels = latents if lane == "video" else latents.transpose(0, 2, 1).reshape(-1, latents.shape[1])
    mean, std, kurtosis = _moments(channels)
    dead = std < DEAD_SHARE * np.median(std) if np.median(std) else std == 0
    dead &= channels[0].size > 1  # one value has no spread
    log_std = np.log(np.maximum(std, np.finfo(float).tiny))
    outliers = (_far_out(mean, ~dead) | _far_out(log_std, ~dead)) & ~dead
    # By latent frame, a frame at a time: a difference of all of them would be a second copy of the latents.
    by_frame = [latents[:, index] for index in range(latents.shape[1])]
    energy = np.array([np.square(frame).mean() for frame in by_frame])
    change = np.array([np.sqrt(np.square(b - a).mean()) for a, b in pairwise(by_frame)])
    spatial_frequency, spatial_power = _spatial_spectrum(latents)
    rate_hz = frame_rate / VIDEO_TEMPORAL_COMPRESSION if lane == "video" else AUDIO_LATENTS_PER_SECOND
    temporal_hz, temporal_power = _temporal_spectrum(latents, rate_hz)
    return LatentStats(
        lane=lane,
        mean=mean,
        std=std,
        kurtosis=kurtosis,
        dead=tuple(map(int, np.flatnonzero(dead))),
        outliers=tuple(map(int, np.flatnonzero(outliers))),
        energy=energy,
        change=change,
        edges_s=edges,
        spatial_frequency=spatial_frequency,
        spatial_power=spatial_power,
        temporal_hz=temporal_hz,
        temporal_power=temporal_power,
    )


def _moments(channels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and excess kurtosis of each channel, a channel at a time to stay within caches."""
    found = np.zeros((3, len(channels)))
    for index, channel in enumerate(channels):
        values = channel.ravel()
        mean = values.mean(dtype=np.float64)
        square = np.square(values - np.float32(mean))
        variance = square.mean(dtype=np.float64)
        fourth = np.square(square).mean(dtype=np.float64)
        found[:, index] = mean, np.sqrt(variance), fourth / variance**2 - 3 if variance else 0.0
    return found[0], found[1], found[2]


def _far_out(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mark the values that lie over OUTLIER_SIGMAS from the median of the counted ones."""
    median = np.median(values[counted]) if counted.any() else 0.0
    spread = MAD_TO_SIGMA * np.median(np.abs(values[counted] - median)) if counted.any() else 0.0
    return np.abs(values - median) > OUTLIER_SIGMAS * max(spread, 1e-6)


def _spatial_spectrum(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power by distance from frequency 0, in rings as wide as the shorter side resolves."""
    sizes = latents.shape[2:]
    num_rings = min(size for size in sizes if size > 1) // 2 if max(sizes) > 1 else 0
    if num_rings == 0:
        return np.zeros(0), np.zeros(0)
    axes = tuple(range(1, 1 + len(sizes)))
    grids = [fft.fftfreq(size) for size in sizes[:-1]] + [fft.rfftfreq(sizes[-1])]
    radius = np.sqrt(sum(np.square(grid) for grid in np.meshgrid(*grids, indexing="ij")))
    ring = np.rint(radius * 2 * num_rings).astype(int)
    ring[radius > 0.5] = num_rings + 1  # the corners of the square, which not all directions reach
    power = np.zeros(radius.shape)
    for channel in latents:
        spectrum = fft.rfftn(channel - channel.mean(axes, keepdims=True), axes=axes)
        power += (np.square(spectrum.real) + np.square(spectrum.imag)).mean(0)
    power /= len(latents) * np.prod(sizes)
    total = np.bincount(ring.ravel(), power.ravel(), num_rings + 1)[1 : num_rings + 1]
    count = np.bincount(ring.ravel(), minlength=num_rings + 1)[1 : num_rings + 1]
    return np.arange(1, num_rings + 1) / (2 * num_rings), total / np.maximum(count, 1)


def _temporal_spectrum(latents: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    count = latents.shape[1]
    if count < 2:
        return np.zeros(0), np.zeros(0)
    power = np.zeros(count // 2 + 1)
    for channel in latents:
        values = channel.reshape(count, -1)
        spectrum = fft.rfft(values - values.mean(0), axis=0)
        power += (np.square(spectrum.real) + np.square(spectrum.imag)).mean(1)
    return fft.rfftfreq(count, 1 / rate_hz)[1:], power[1:] / (len(latents) * count)
