"""TrainingPanel: a training as it goes, with its loss lane by lane, clips on fixed seeds, cancel and go on.

The training runs in a thread of its own, so that the page can cancel it. It is a function that is given; no engine is
known here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import traitlets

from ltx_nb.checks import keys, whole_number
from ltx_nb.clip import LANES, Clip
from ltx_nb.display import reduced
from ltx_nb.media import encode_preview, encode_sound
from ltx_nb.trace import Cancelled
from ltx_widgets.base import KitWidget, error_text

MEAN_OVER_STEPS = 20  # as in ltx_nb.plots.training_log
MOST_POINTS = 300
MOST_SAMPLES = 24
TELL_EVERY_S = 0.5
READY, RUNNING, CANCELLING, CANCELLED, DONE, FAILED = "ready", "running", "cancelling", "cancelled", "done", "failed"


class Log(Protocol):
    """A training's record, as far as the panel reads it: see `ltx_nb.training.TrainingLog`."""

    losses: list[dict[str, float]]
    samples: list[tuple[int, Clip]]


class TrainingPanel(KitWidget):
    """A training that can be watched, cancelled and gone on with.

    train(on_step=...): what is run, such as partial(train_lora, session, "clips", "bells.safetensors", steps=150,
        progress=False). It calls on_step(step, log) after each step, ends where that raises KeyboardInterrupt, and goes
        on from there when it is called again; what it returns is `result`.
    steps: how many there will be.
    """

    _name = "training_panel"

    state = traitlets.Unicode(READY).tag(sync=True)
    """Where it stands: "ready", "running", "cancelling", "cancelled", "done" or "failed"; `error` says why."""

    step = traitlets.Int(0).tag(sync=True)
    """Steps done."""

    steps = traitlets.Int(0).tag(sync=True)

    curves = traitlets.Dict().tag(sync=True)
    """By lane, points [step, mean loss of the last 20 steps], at most 300."""

    samples = traitlets.List(traitlets.Dict()).tag(sync=True)
    """Clips made on the way, {id, step, media_type}, the latest last; their files come as messages."""

    def __init__(self, train: Callable[..., Any], *, steps: int, **traits: Any) -> None:
        self._train = train
        self._thread: threading.Thread | None = None
        self._is_cancelled = threading.Event()
        self._files: dict[int, bytes] = {}
        self._told_s = 0.0
        self._log: Log | None = None
        self._result: Any = None
        super().__init__(steps=whole_number("steps", steps, least=1), **traits)

    def __repr__(self) -> str:
        return f"TrainingPanel({self.state}, {self.step} of {self.steps} steps)"

    @property
    def training_log(self) -> Log | None:
        """The training's own record; None before its first step."""
        return self._log

    @property
    def result(self) -> Any:
        """Return value of `train`; None until it has ended by itself."""
        return self._result

    def start(self) -> None:
        """Begin, or go on where it was cancelled. Nothing happens while it runs."""
        if self.state in (RUNNING, CANCELLING):
            return
        self._is_cancelled.clear()
        self.error, self.state = "", RUNNING
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """End it after the step in progress."""
        if self.state == RUNNING:
            self.state = CANCELLING
            self._is_cancelled.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended. Return whether it has."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            self._result = self._train(on_step=self._on_step)
            end = DONE
        except (Cancelled, KeyboardInterrupt):
            end = CANCELLED
        except Exception as error:
            self.error, end = error_text(error), FAILED
        self._tell()
        self.state = end

    def _on_step(self, step: int, log: Log) -> None:
        self._log = log
        is_new = len(log.samples) > (self.samples[-1]["id"] + 1 if self.samples else 0)
        if is_new or time.monotonic() - self._told_s > TELL_EVERY_S:
            self._tell()
        if self._is_cancelled.is_set():
            raise KeyboardInterrupt

    def _tell(self) -> None:
        if self._log is None:
            return
        self._told_s = time.monotonic()
        self.step, self.curves = len(self._log.losses), curves_of(self._log.losses)
        known = self.samples[-1]["id"] + 1 if self.samples else 0
        for number, (step, clip) in list(enumerate(self._log.samples))[known:]:
            media_type, self._files[number] = _file_of(clip)
            fresh = {"id": number, "step": step, "media_type": media_type}
            self.samples = [*self.samples, fresh][-MOST_SAMPLES:]
            self._files = {one["id"]: self._files[one["id"]] for one in self.samples}
            self._send_sample(number)

    def _send_sample(self, number: int) -> None:
        self.send_bytes("sample", {"id": number}, [self._files[number]])

    def _on_ready(self) -> None:
        for number in list(self._files):
            self._send_sample(number)

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind not in ("start", "cancel"):
            return super()._on_message(kind, content, buffers)
        keys(kind, content, ("type",))
        self.start() if kind == "start" else self.cancel()


def curves_of(losses: Sequence[dict[str, float]]) -> dict[str, list[list[float]]]:
    """Points [step, mean loss of the last 20 steps] of each lane that is learned, at most MOST_POINTS."""
    if not losses:
        return {}
    done = np.arange(1, len(losses) + 1)
    first = np.maximum(done - MEAN_OVER_STEPS, 0)
    chosen = np.unique(np.linspace(0, len(losses) - 1, MOST_POINTS).round().astype(int))
    curves = {}
    for lane in (lane for lane in LANES if lane in losses[0]):
        sums = np.cumsum([0.0, *(step[lane] for step in losses)])
        means = (sums[done] - sums[first]) / (done - first)
        curves[lane] = [[int(done[at]), float(means[at])] for at in chosen]
    return curves


def _file_of(clip: Clip) -> tuple[str, bytes]:
    """A clip as browsers play it."""
    if clip.frames is None:
        return "audio/mpeg", encode_sound(clip.audio, clip.sample_rate)
    return "video/mp4", encode_preview(reduced(clip.frames), clip.frame_rate, clip.audio, clip.sample_rate, aac=True)
