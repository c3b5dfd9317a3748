"""When frames are shown: a constant rate for any time stamps, and which frame is seen at a moment. Pure arithmetic."""

from __future__ import annotations

import numpy as np

_RATES = (5, 6, 8, 10, 12, 15, 18, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120)
_NTSC_RATES = (24000 / 1001, 30000 / 1001, 60000 / 1001)
_ROUNDING_S = 0.001  # of time stamps in Matroska
_OFF_GRID = 0.25  # of a frame
_LEAST_RATE, _MOST_RATE = 0.1, 1000.0  # of a Clip


def constant_rate(times_s: np.ndarray, declared: float | None) -> float | None:
    """The rate in frames/s that frames shown at these times are brought to; None where neither says one.

    The declared one where frames keep to it or only leave some out, else that of the usual step between two, as a usual
    rate: of a phone that slows down in the dark, its rate in the light.
    """
    steps_s = np.diff(times_s)
    steps_s = steps_s[steps_s > 0]
    if not len(steps_s):
        return declared and float(np.clip(declared, _LEAST_RATE, _MOST_RATE))
    if declared is not None and _LEAST_RATE <= declared <= _MOST_RATE:
        places = (times_s - times_s[0]) * declared
        if (np.abs(places - np.arange(len(places))) < 0.5).all():
            return declared
        on_grid = np.abs(places - np.rint(places)) < _OFF_GRID
        if on_grid.mean() > 0.95 and len(places) > places[-1] / 1.5:
            return declared
    median_s, mean_s = float(np.median(steps_s)), float(steps_s.mean())
    if abs(mean_s - median_s) < _ROUNDING_S:
        rate = _usual(1 / mean_s, (*_RATES, *_NTSC_RATES), within=0.0005)
    else:
        rate = _usual(1 / median_s, _RATES, within=0.025)
    return float(np.clip(rate, _LEAST_RATE, _RATES[-1]))


def _usual(rate: float, rates: tuple[float, ...], within: float) -> float:
    nearest = min(rates, key=lambda usual: abs(usual - rate))
    return nearest if abs(nearest - rate) < within * nearest else rate


def num_frames_at(rate: float, length_s: float) -> int:
    return max(round(length_s * rate), 1)


def middles_s(start_s: float, num_frames: int, rate: float) -> np.ndarray:
    """The middle of each frame's time: rounded time stamps lie on the right side of it."""
    return start_s + (np.arange(num_frames) + 0.5) / rate


def shown_at(times_s: np.ndarray, moments_s: np.ndarray) -> np.ndarray:
    """For each moment the index of the frame that is seen then: the last to begin, or the first of all."""
    return np.maximum(np.searchsorted(times_s, moments_s, side="right") - 1, 0)
