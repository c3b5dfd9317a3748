"""RunPanel: start and cancel runs, watch them, and keep what they made, each clip with its request.

Runs what it is given, a `run(request, on_step=...)`; a Session has one. Knows requests and clips, and no engine.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import traitlets

from ltx_nb.checks import finite_number, keys, whole_number
from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_nb.trace import Cancelled
from ltx_widgets.base import KitWidget, error_text
from ltx_widgets.run_panel.clock import RunClock
from ltx_widgets.run_panel.queue import RunQueue
from ltx_widgets.run_panel.results import Result, RunResults
from ltx_widgets.run_panel.text import explained, title_of, warnings_to

if TYPE_CHECKING:
    from ltx_nb.trace import StepEvent
    from ltx_widgets.step_preview import StepPreview

MOST_LOG_LINES = 200


@dataclass(frozen=True, eq=False)
class Job:
    id: int
    request: ClipRequest


class RunPanel(KitWidget):
    """run(request, on_step=callback): makes a Clip and calls the callback with a StepEvent after every step, as
    `functools.partial(session.run, progress=False)` does; what the callback raises ends it.

    cancel(): ends a run between two steps too, such as `session.cancel`.
    preview(event): what to show of a step, as `step_preview.step_preview` makes it.
    give(clip, name): offers a clip of the strip to be given to a next one, such as `Timeline.add_source`.
    keep_mb: how much memory the clips in the strip may take; the oldest leave first, the newest stays.
    """

    _name = "run_panel"

    request = traitlets.Instance(ClipRequest, allow_none=True)
    """What Generate makes; None disables it."""

    summary = traitlets.Unicode("").tag(sync=True)
    """The request in one line; set with it."""

    state = traitlets.Unicode("idle").tag(sync=True)
    """"idle", "running" or "cancelling"."""

    progress = traitlets.Dict().tag(sync=True)
    """How far the run is, see `RunClock`; empty when idle."""

    queue = traitlets.List(traitlets.Dict()).tag(sync=True)
    """Id and title of each request that waits."""

    results = traitlets.List(traitlets.Dict()).tag(sync=True)
    """Id, title, seed and length of each clip, oldest first, with the seconds that it took."""

    selected = traitlets.Int(-1).tag(sync=True)
    """Id of the clip that is looked at; -1 for none. A new clip is selected."""

    compared = traitlets.Int(-1).tag(sync=True)
    """Id of a clip to be looked at beside the selected one; -1 for none."""

    log = traitlets.List(traitlets.Dict()).tag(sync=True)
    """What happened, as {time, kind, text}; kind is "info", "warning" or "error"."""

    can_cancel = traitlets.Bool(True).tag(sync=True)
    """False where runs block the notebook (Colab), whose own stop button ends them."""

    can_give = traitlets.Bool(False).tag(sync=True)
    """Whether there is a `give`."""

    def __init__(
        self,
        run: Callable[..., Clip],
        cancel: Callable[[], None] = lambda: None,
        *,
        preview: Callable[[StepEvent], StepPreview] | None = None,
        give: Callable[[Clip, str], Any] | None = None,
        keep_mb: float = 2000,
        **traits: Any,
    ) -> None:
        self._run, self._cancel, self._preview, self._give = run, cancel, preview, give
        self._kept = RunResults(finite_number("keep_mb", keep_mb, least=0) * 1e6)
        self._ids = count()
        self._is_cancelled = threading.Event()
        self._lock = threading.RLock()  # state and log change in the thread of the run and in the kernel's own
        self._jobs: RunQueue[Job] = RunQueue(self._work, self._show_queue)
        super().__init__(**traits)
        self.can_cancel, self.can_give = not self._jobs.inline, give is not None

    def __repr__(self) -> str:
        return f"RunPanel({self.state}, {len(self.results)} clips)"

    @property
    def clips(self) -> list[Clip]:
        """Clips in the strip, oldest first."""
        return [result.clip for result in self._kept]

    @property
    def clip(self) -> Clip | None:
        """The one that is selected."""
        return None if self.selected == -1 else self._result("selected", self.selected).clip

    @property
    def other_clip(self) -> Clip | None:
        """The one that is compared with it."""
        return None if self.compared == -1 else self._result("compared", self.compared).clip

    def generate(self, request: ClipRequest | None = None) -> None:
        """Run this request, or the panel's, after those that wait. Raises ValueError where there is none."""
        request = self.request if request is None else request
        if request is None:
            raise ValueError("there is no request to run; write a prompt, or set RunPanel.request")
        self._jobs.add(Job(next(self._ids), request))

    def cancel(self) -> None:
        """End the run in progress within one step; those that wait go on."""
        with self._lock:
            if self.state != "running":
                return
            self.state = "cancelling"
            self._is_cancelled.set()
        self._cancel()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until everything has run. Return whether it has."""
        return self._jobs.wait(timeout_s)

    def reload(self, id: int) -> None:
        """Make the request of a clip in the strip the panel's own again. Raises ValueError for another id."""
        self.request = self._result("id", id).request

    @traitlets.observe("request")
    def _summarise(self, change: dict[str, Any]) -> None:
        self.summary = "" if self.request is None else title_of(self.request)

    @traitlets.validate("selected", "compared")
    def _check_id(self, proposal: dict[str, Any]) -> int:
        return -1 if proposal["value"] == -1 else self._result(proposal["trait"].name, proposal["value"]).id

    def _result(self, name: str, id: int) -> Result:
        result = self._kept.get(id)
        if result is None:
            known = ", ".join(str(result.id) for result in self._kept) or "none"
            raise ValueError(f"{name}={id} is no clip in the strip; there: {known}")
        return result

    def _work(self, job: Job) -> None:
        """Run one job and show what becomes of it. Raises nothing: the next job has to come."""
        self._is_cancelled.clear()
        self._note("info", f"started: {title_of(job.request)}")
        clock = RunClock(job.request)
        self.error, self.progress, self.state = "", clock.begun(), "running"
        try:
            with warnings_to(lambda text: self._note("warning", text)):
                clip = self._run(job.request, on_step=lambda event: self._after_step(event, job, clock))
            self._keep(job, clip, clock.elapsed_s)
            self._note("info", f"finished in {clock.elapsed_s:.1f} s")
        except (Cancelled, KeyboardInterrupt):
            self._note("info", "cancelled")
        except Exception as error:
            self.error = explained(error)
            self._note("error", self.error)
            if not isinstance(error, ValueError):
                self._note("error", traceback.format_exc(limit=-4))
        finally:
            with self._lock:
                self.progress, self.state = {}, "idle"

    def _after_step(self, event: StepEvent, job: Job, clock: RunClock) -> None:
        if self._is_cancelled.is_set():
            raise Cancelled("the run was cancelled")
        self.progress = clock.after(event)
        if self._preview is None:
            return
        try:
            preview = self._preview(event)
            facts = preview.facts | {"frame_rate": job.request.frame_rate}
            self.send_bytes("preview", facts, preview.pictures())
        except Exception as error:  # a run is worth more than its preview
            self._preview = None
            self._note("warning", f"no more previews: {error_text(error)}")

    def _keep(self, job: Job, clip: Clip, took_s: float) -> None:
        left = self._kept.add(job.id, job.request, clip, took_s)
        if left:
            self._note("info", f"{left} older clip(s) left the strip to make room")
        self.results = [result.facts for result in self._kept]
        self._send_thumbnail(self._result("id", job.id))
        self.compared, self.selected = -1, job.id

    def _show_queue(self) -> None:
        self.queue = [{"id": job.id, "title": title_of(job.request)} for job in self._jobs.waiting]

    def _note(self, kind: str, text: str) -> None:
        with self._lock:
            line = {"time": time.strftime("%H:%M:%S"), "kind": kind, "text": text}
            self.log = [*self.log, line][-MOST_LOG_LINES:]

    def _still(self) -> bytes | None:
        """The strip of clips."""
        return self._kept.picture(self.selected)

    def _on_ready(self) -> None:
        for result in self._kept:
            self._send_thumbnail(result)

    def _send_thumbnail(self, result: Result) -> None:
        self.send_bytes("thumbnail", {"id": result.id}, [result.thumbnail])

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind == "generate":
            keys(kind, content, ("type",))
            self.generate()
        elif kind == "cancel":
            keys(kind, content, ("type",))
            self.cancel()
        elif kind == "reload":
            self.reload(_id_of(kind, content))
        elif kind == "give":
            result = self._result("id", _id_of(kind, content))
            if self._give is None:
                raise ValueError("there is no timeline that takes a clip; give RunPanel one with give=...")
            self._give(result.clip, title_of(result.request))
        elif kind == "drop":
            id = _id_of(kind, content)
            for job in self._jobs.waiting:  # one that has begun meanwhile is not among them
                if job.id == id:
                    self._jobs.remove(job)
        else:
            super()._on_message(kind, content, buffers)


def _id_of(kind: str, content: dict[str, Any]) -> int:
    return whole_number("id", keys(kind, content, ("type", "id"), required=("id",))["id"], least=0)
