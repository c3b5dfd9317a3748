"""How a clip came about: from a trace, what becomes of the predicted clean latents (x0) from step to step, both lanes.

How far x0 moves, how much there is of coarse, middle and fine structure, and when each is settled. Coarse is layout in
a picture and slow change in a sound. One step's latents are looked at at a time. Knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """A lane over S steps.

    travelled: [S], RMS movement of x0 since the step before, of its final RMS (the first step: NaN). remaining: [S],
    RMS distance to the last x0, of the same. band_energy: [3, S], mean square of x0 by BANDS of frequency over (rows,
    columns) of video, (time, mel bins) of audio. settled: for each band, the first step (index into `steps`) from which
    on it stays within 10 % of its final value; None for a band without energy.
    """

    lane: str
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
    last = check_latents(x0[-1], "x0")
    final_rms = max(_rms(last), 1e-12)
    travelled, remaining, band_energy, missing = [], [], [], []
    before = None
    for one in (check_latents(one, "x0") for one in x0):
        travelled.append(np.nan if before is None else _rms(one - before) / final_rms)
        remaining.append(_rms(one - last) / final_rms)
        band_energy.append(_energy_by_band(one))
        missing.append(_energy_by_band(one - last))
        before = one
    return LaneTrajectory(
        lane=lane,
        travelled=np.array(travelled),
        remaining=np.array(remaining),
        band_energy=np.stack(band_energy, axis=1),
        settled={
            name: _settled(of_band, final)
            for name, of_band, final in zip(BANDS, np.stack(missing, axis=1), band_energy[-1], strict=True)
        },
    )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean(dtype=np.float64)))


def _energy_by_band(latents: np.ndarray) -> np.ndarray:
    """[3]: mean square of what is in each of BANDS along the last two axes; together that of the latents (Parseval)."""
    rows, columns = latents.shape[-2:]
    highest = np.maximum(np.abs(fft.fftfreq(rows))[:, None], fft.rfftfreq(columns))
    power = np.zeros(highest.shape)
    for channel in latents:  # at once, their spectra would be twice as large as the latents
        spectrum = fft.rfft2(channel, norm="ortho")
        power += (np.square(spectrum.real) + np.square(spectrum.imag)).reshape(-1, *power.shape).sum(0)
    # What has no mirror image counts once: column 0, and the highest of an even number.
    power[:, 1 : (columns + 1) // 2] *= 2
    low, high = BAND_EDGES
    bands = (highest <= low, (highest > low) & (highest <= high), highest > high)
    return np.array([power[band].sum() for band in bands]) / latents.size


def _settled(missing: np.ndarray, final: float) -> int | None:
    if final <= 0:
        return None
    far = np.flatnonzero(np.sqrt(missing / final) > SETTLED)
    return int(far[-1]) + 1 if len(far) else 0
