"""RunPanel: start and cancel runs, watch them, and keep what they made, each clip with its request.

Runs what it is given, a `run(request, on_step=...)`; a Session has one. Knows requests and clips, and no engine.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from ltx_nb.checks import choice, finite_number, flag, keys, text, whole_number
from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_nb.trace import Cancelled
from ltx_widgets.base import KitWidget, error_text
from ltx_widgets.run_panel.clock import DecodePace, RunClock
from ltx_widgets.run_panel.exports import MEDIA_TYPES, exported, file_name
from ltx_widgets.run_panel.jobs import Job, Jobs
from ltx_widgets.run_panel.results import Result, RunResults
from ltx_widgets.run_panel.text import explained, title_of, warnings_to

if TYPE_CHECKING:
    from ltx_nb.trace import StepEvent
    from ltx_widgets.step_preview import StepPreview

MOST_LOG_LINES = 60
MANY_SEEDS = 4
HOW = ("once", "new_seed", "seeds")
USES = ("give", "retake", "extend")


class RunPanel(KitWidget):
    """run(request, on_step=callback): makes a Clip and calls the callback with a StepEvent after every step, as
    `functools.partial(session.run, progress=False)` does; what the callback raises ends it.

    cancel(): ends a run between two steps too, such as `session.cancel`.
    preview(event): what to show of a step, as `step_preview.step_preview` makes it. show(preview, frame_rate): where to
    show it, by default in the strip.
    give(clip, name), retake(clip, name), extend(clip, name): what the buttons of a clip do with it, such as
    `Timeline.add_source`; a clip that is dropped on a timeline is given with the time_s it was dropped at.
    keep_mb: how much memory the clips may take; the others wait on disk, without their traces.
    folder: where every clip is also kept as an MP4, which holds its request; those that are there come first. Requests
    that wait or run are kept there too: those that a kernel has left are offered, and run when they are taken. Several
    kernels may share a folder.

    Raises ValueError for a folder that cannot be one.
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

    blocked = traitlets.Unicode("").tag(sync=True)
    """Why there is nothing to generate though there is a request; "" where there is no such reason."""

    queue = traitlets.List(traitlets.Dict()).tag(sync=True)
    """Id, name and title of each request that waits, those first that another kernel has left, `is_left`."""

    results = traitlets.List(traitlets.Dict()).tag(sync=True)
    """Id, name, what was made anew, title, seed and length of each clip, oldest first, how long it took, and whether it
    has a star."""

    selected = traitlets.Int(-1).tag(sync=True)
    """Id of the clip that is looked at; -1 for none. A new clip is selected."""

    compared = traitlets.Int(-1).tag(sync=True)
    """Id of a clip to be looked at beside the selected one; -1 for none."""

    log = traitlets.List(traitlets.Dict()).tag(sync=True)
    """What happened, as {time, kind, text}; kind is "info", "warning" or "error"."""

    can_cancel = traitlets.Bool(True).tag(sync=True)
    """False where runs block the notebook (Colab), whose own stop button ends them."""

    uses = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """What can be done with a clip: which of "give", "retake" and "extend" there are."""

    def __init__(
        self,
        run: Callable[..., Clip],
        cancel: Callable[[], None] = lambda: None,
        *,
        preview: Callable[[StepEvent], StepPreview] | None = None,
        show: Callable[[StepPreview, float], Any] | None = None,
        give: Callable[..., Any] | None = None,
        retake: Callable[[Clip, str], Any] | None = None,
        extend: Callable[[Clip, str], Any] | None = None,
        keep_mb: float = 48,
        folder: str | os.PathLike[str] | None = None,
        **traits: Any,
    ) -> None:
        self._run, self._cancel, self._preview = run, cancel, preview
        self._show = self._show_here if show is None else show
        given = {"give": give, "retake": retake, "extend": extend}
        self._uses = {name: use for name, use in given.items() if use is not None}
        self._kept = RunResults(finite_number("keep_mb", keep_mb, least=0) * 1e6, folder)
        self._pace = DecodePace()
        self._is_cancelled = threading.Event()
        self._lock = threading.RLock()  # state and log change in the thread of the run and in the kernel's own
        where = None if folder is None else Path(folder)
        self._jobs = Jobs(self._work, self._show_queue, self._note, self._kept.next_id, where)
        super().__init__(**traits)
        self.can_cancel, self.uses = not self._jobs.inline, list(self._uses)
        self._tell_results()
        self._show_queue()

    def __repr__(self) -> str:
        return f"RunPanel({self.state}, {len(self.results)} clips)"

    @property
    def clips(self) -> list[Clip]:
        """Clips in the strip, oldest first, read from disk where they are there."""
        return [self._kept.clip(result.id) for result in self._kept]

    @property
    def timed(self) -> list[Result]:
        """Results whose time is known, oldest first."""
        return [result for result in self._kept if result.took_s > 0]

    @property
    def clip(self) -> Clip | None:
        """The one that is selected."""
        return None if self.selected == -1 else self._kept.clip(self._result("selected", self.selected).id)

    @property
    def other_clip(self) -> Clip | None:
        """The one that is compared with it."""
        return None if self.compared == -1 else self._kept.clip(self._result("compared", self.compared).id)

    @property
    def clip_name(self) -> str:
        """Name of the selected clip; "" where none is."""
        return "" if self.selected == -1 else self._result("selected", self.selected).name

    @property
    def other_name(self) -> str:
        """Name of the clip that is compared with it."""
        return "" if self.compared == -1 else self._result("compared", self.compared).name

    def generate(self, request: ClipRequest | None = None, seeds: int = 1) -> None:
        """Run this request, or the panel's, after those that wait; with as many seeds, from its own on.

        Raises ValueError where there is none, or where the panel is `blocked`.
        """
        if request is None and self.blocked:
            raise ValueError(self.blocked)
        request = self.request if request is None else request
        if request is None:
            raise ValueError("there is no request to run; write a prompt, or set RunPanel.request")
        for more in range(whole_number("seeds", seeds, least=1)):
            self._jobs.add(Job(self._kept.next_id(), request.replace(seed=request.seed + more), self._run))

    def generate_new_seed(self) -> None:
        """Give the panel's request another seed, and run it. Raises ValueError as `generate` does."""
        if self.request is not None and not self.blocked:
            self.request = self.request.replace(seed=secrets.randbits(32))
        self.generate()

    def make(self, request: ClipRequest, run: Callable[..., Clip], then: Callable[[Clip], Any] | None = None) -> None:
        """Run a request in a way of its own, run(request, on_step=...), in its turn among the others.

        then(clip): what takes the clip, in place of the strip.
        """
        self._jobs.add(Job(self._kept.next_id(), request, run, then, in_passes=True))

    def start(self, how: str) -> None:
        """Generate "once", with a "new_seed", or with several "seeds". Raises ValueError as `generate` does."""
        if how == "new_seed":
            self.generate_new_seed()
        else:
            self.generate(seeds=MANY_SEEDS if how == "seeds" else 1)

    def take(self, id: int) -> None:
        """Run a request that another kernel has left, after those that wait.

        Raises ValueError for another id, and where another kernel has run or dropped it meanwhile.
        """
        self._jobs.take(id, self._run)

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
        """Make the request of a clip in the strip the panel's own again.

        Raises ValueError for another id, and for a clip that no single request makes.
        """
        result = self._result("id", id)
        if result.request is None:
            raise ValueError(f"{result.name} has no request of its own; it was made in several passes")
        self.request = result.request

    def use(self, name: str, id: int, **details: Any) -> None:
        """Give, retake or extend a clip in the strip. Raises ValueError for another id, and where nobody does that."""
        result = self._result("id", id)
        if name not in self._uses:
            raise ValueError(f"there is no timeline that takes a clip; give RunPanel one with {name}=...")
        self._uses[name](self._kept.clip(id), result.name, **details)

    def delete(self, id: int) -> None:
        """Let a clip in the strip go, with its file in the folder. Raises ValueError for another id."""
        self._result("id", id)
        if id in (self.selected, self.compared):
            self.compared = -1
        if id == self.selected:
            self.selected = -1
        with self._lock:
            self._kept.delete(id)
            self._tell_results()

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
        clock = RunClock(job.request, self._pace.expected_s(job.request))
        self.error, self.progress, self.state = "", clock.begun(), "running"
        try:
            with warnings_to(lambda text: self._note("warning", text)):
                clip = job.run(job.request, on_step=lambda event: self._after_step(event, job, clock))
            if clock.since_last_step_s is not None:
                self._pace.learn(job.request, clock.since_last_step_s)
            if job.then is None:
                self._keep(job, clip, clock.elapsed_s)
            else:
                job.then(clip)
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
            self._show(self._preview(event), job.request.frame_rate)
        except Exception as error:  # a run is worth more than its preview
            self._preview = None
            self._note("warning", f"no more previews: {error_text(error)}")

    def _show_here(self, preview: StepPreview, frame_rate: float) -> None:
        self.send_bytes("preview", preview.facts | {"frame_rate": frame_rate}, preview.pictures())

    def _keep(self, job: Job, clip: Clip, took_s: float) -> None:
        with self._lock:
            result = self._kept.add(job.id, clip.request if job.in_passes else job.request, clip, took_s)
            if result.path is not None:
                self._note("info", f"saved as {result.path}")
            self._tell_results()
        self._send_thumbnail(result)
        self.compared, self.selected = -1, job.id

    def _tell_results(self) -> None:
        self.results = [result.facts for result in self._kept]

    def _show_queue(self) -> None:
        self.queue = [
            {"id": id, "name": f"#{id} · seed {request.seed}", "title": title_of(request), "is_left": is_left}
            for id, request, is_left in self._jobs.waiting
        ]

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
            how = choice("how", keys(kind, content, ("type", "how")).get("how", "once"), HOW)
            self.start(how)
        elif kind == "cancel":
            keys(kind, content, ("type",))
            self.cancel()
        elif kind == "reload":
            self.reload(_id_of(kind, content))
        elif kind in USES:
            details = {"time_s": finite_number("time_s", content["time_s"], least=0)} if "time_s" in content else {}
            self.use(kind, _id_of(kind, content, "time_s"), **details)
        elif kind == "change":
            self._change(_id_of(kind, content, "name", "starred"), content)
        elif kind == "delete":
            self.delete(_id_of(kind, content))
        elif kind == "export":
            self._export(_id_of(kind, content, "suffix", "view"), content)
        elif kind == "take":
            self.take(_id_of(kind, content))
        elif kind == "drop":
            self._jobs.drop(_id_of(kind, content))
        else:
            super()._on_message(kind, content, buffers)

    def _change(self, id: int, content: dict[str, Any]) -> None:
        changes: dict[str, Any] = {}
        if "name" in content and text("name", content["name"]).strip():
            changes["name"] = content["name"].strip()
        if "starred" in content:
            changes["starred"] = flag("starred", content["starred"])
        with self._lock:
            self._result("id", id)
            self._kept.change(id, **changes)
            self._tell_results()

    def _export(self, id: int, content: dict[str, Any]) -> None:
        suffix = choice("suffix", content.get("suffix"), MEDIA_TYPES)
        result = self._result("id", id)
        meta = {"name": file_name(result.name, suffix), "media_type": MEDIA_TYPES[suffix], "view": content.get("view")}
        self.send_bytes("export", meta, [exported(self._kept.clip(id), suffix)])


def _id_of(kind: str, content: dict[str, Any], *also: str) -> int:
    return whole_number("id", keys(kind, content, ("type", "id", *also), required=("id",))["id"], least=0)
