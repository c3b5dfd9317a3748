"""How far a run is, and how long its stage and its decoding still take. Knows no widget and no model."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ltx_nb.request import ClipRequest
    from ltx_nb.trace import StepEvent


class DecodePace:
    """How long decoding took, by pixels and frames, to tell how long it will take next time."""

    def __init__(self) -> None:
        self._s_per_px: float | None = None

    def learn(self, request: ClipRequest, took_s: float) -> None:
        self._s_per_px = took_s / _pixels(request)

    def expected_s(self, request: ClipRequest) -> float | None:
        """None before the first run."""
        return None if self._s_per_px is None else self._s_per_px * _pixels(request)


class RunClock:
    """Clock of one run of a request. decode_s: what decoding will take, if known. now: a clock in seconds."""

    def __init__(
        self, request: ClipRequest, decode_s: float | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._decode_s = decode_s
        self._start_s = self._step_end_s = now()
        self._num_stages = 2 if request.two_stage else 1
        self._step_lengths_s: list[float] = []
        self._is_decoding = False

    @property
    def elapsed_s(self) -> float:
        return self._now() - self._start_s

    @property
    def since_last_step_s(self) -> float | None:
        """Seconds since the last step of the last stage; None before it."""
        return self._now() - self._step_end_s if self._is_decoding else None

    def begun(self) -> dict[str, Any]:
        """Progress before the first step: the prompt is encoded, given media are read."""
        return self._progress("preparing")

    def after(self, event: StepEvent) -> dict[str, Any]:
        """Progress after a step. left_s: what the other steps of its stage will take, decode_s what decoding will; None
        where that is not known.

        The first step of a stage also holds what comes before it, so that only the later ones are a measure.
        """
        now_s = self._now()
        if event.index == 0:
            self._step_lengths_s = []
        else:
            self._step_lengths_s.append(now_s - self._step_end_s)
        self._step_end_s = now_s
        left = event.num_steps - 1 - event.index
        self._is_decoding = left == 0 and event.stage == self._num_stages
        return self._progress(
            "decoding" if self._is_decoding else "sampling",
            stage=event.stage,
            step=event.index + 1,
            num_steps=event.num_steps,
            sigma=event.sigma,
            left_s=median(self._step_lengths_s) * left if self._step_lengths_s else None,
        )

    def _progress(self, phase: str, **values: Any) -> dict[str, Any]:
        nothing = {"stage": 1, "step": 0, "num_steps": None, "sigma": None, "left_s": None}
        return {"phase": phase, "num_stages": self._num_stages, "decode_s": self._decode_s} | nothing | values


def _pixels(request: ClipRequest) -> int:
    return request.width * request.height * request.num_frames
