"""How a clip came about: from a trace, the predicted clean latents (x0) of each step, both lanes.

How far x0 moves, how much there is of coarse, middle and fine structure, and when each is settled. Coarse is layout in
a picture and slow change in a sound. Knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import fft

from ltx_nb.checks import whole_number
from ltx_nb.inspect.inputs import check_latents
from ltx_nb.trace import Trace

BANDS = ("coarse", "middle", "fine")
# Thirds of the way to the highest frequency along an axis, 0.5 cycles a latent.
BAND_EDGES = (1 / 6, 1 / 3)
SETTLED = 0.1  # of the band's final size


@dataclass(frozen=True, eq=False)
class LaneTrajectory:
    """One lane over S steps. x0: [S, C, ...] float32.

    travelled: [S], RMS movement of x0 since the step before, of its final RMS (the first step: NaN). remaining: [S],
    RMS distance to the last x0, of the same. band_energy: [3, S], mean square of x0 by BANDS of frequency over (rows,
    columns) of video, (time, mel rows) of audio. settled: for each band, the first step (index into `steps`) from which
    on it stays within 10 % of its final value; None for a band without energy.
    """

    lane: str
    x0: np.ndarray
    travelled: np.ndarray
    remaining: np.ndarray
    band_energy: np.ndarray
    settled: dict[str, int | None]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Both lanes of one stage. steps: [S] step numbers, sigmas: [S] noise levels they started from."""

    stage: int
    steps: np.ndarray
    sigmas: np.ndarray
    video: LaneTrajectory
    audio: LaneTrajectory


def trajectory(trace: Trace, stage: int = 1) -> Trajectory:
    """The path of x0 through one stage of a traced run.

    Steps whose x0 the trace had no room for are left out. Raises ValueError where fewer than two are left.
    """
    stage = whole_number("stage", stage, least=1)
    if not isinstance(trace, Trace):
        raise ValueError(f"trace is a {type(trace).__name__}; run with trace=True and give clip.trace")
    kept = [step for step in trace.steps if step.stage == stage and step.x0 is not None]
    if len(kept) < 2:
        notes = f" ({'; '.join(trace.notes)})" if trace.notes else ""
        raise ValueError(f"the trace holds x0 of {len(kept)} steps of stage {stage}; a path needs at least 2{notes}")
    return Trajectory(
        stage=stage,
        steps=np.array([step.index for step in kept]),
        sigmas=np.array([step.sigma for step in kept]),
        video=_lane("video", [step.x0 for step in kept]),
        audio=_lane("audio", [step.audio_x0 for step in kept]),
    )


def _lane(lane: str, x0: list[Any]) -> LaneTrajectory:
    path = np.stack([check_latents(one, "x0") for one in x0])
    final_rms = max(_rms(path[-1]), 1e-12)
    spectra = [_spectrum(one) for one in path]
    bands = _bands(path.shape[-2:])
    count = spectra[0].size

    def energy(spectrum: np.ndarray) -> np.ndarray:
        power = np.square(np.abs(spectrum))
        return np.array([power[..., band].sum() for band in bands]) / count

    band_energy = np.stack([energy(spectrum) for spectrum in spectra], axis=1)
    missing = np.stack([energy(spectrum - spectra[-1]) for spectrum in spectra], axis=1)
    return LaneTrajectory(
        lane=lane,
        x0=path,
        travelled=np.array([np.nan, *(_rms(b - a) / final_rms for a, b in pairwise(path))]),
        remaining=np.array([_rms(one - path[-1]) / final_rms for one in path]),
        band_energy=band_energy,
        settled={name: _settled(missing[n], band_energy[n, -1]) for n, name in enumerate(BANDS)},
    )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def _spectrum(latents: np.ndarray) -> np.ndarray:
    """Over the last two axes, so that its mean square is that of the latents (Parseval)."""
    return fft.fft2(latents, norm="ortho")


def _bands(shape: tuple[int, ...]) -> list[np.ndarray]:
    rows, columns = (np.abs(fft.fftfreq(size)) for size in shape)
    highest = np.maximum(rows[:, None], columns[None])
    low, high = BAND_EDGES
    return [highest <= low, (highest > low) & (highest <= high), highest > high]


def _settled(missing: np.ndarray, final: float) -> int | None:
    if final <= 0:
        return None
    far = np.flatnonzero(np.sqrt(missing / final) > SETTLED)
    return int(far[-1]) + 1 if len(far) else 0
