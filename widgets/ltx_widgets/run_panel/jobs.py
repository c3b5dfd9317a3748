"""Requests that a run panel is to run, in turn, and those that other kernels left in its folder. Knows no widget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_widgets.base import error_text
from ltx_widgets.run_panel.queue import RunQueue
from ltx_widgets.run_panel.text import title_of
from ltx_widgets.run_panel.waiting_files import WaitingFiles


@dataclass(frozen=True, eq=False)
class Job:
    """run(request, on_step=...): makes the clip. then(clip): takes it in place of the strip, if anybody does.

    in_passes: whether it makes more of the request than one pass of it, so that the clip alone knows its request.
    file: where the request is kept while it waits and runs.
    """

    id: int
    request: ClipRequest
    run: Callable[..., Clip]
    then: Callable[[Clip], Any] | None = None
    in_passes: bool = False
    file: Path | None = None


class Waiting(NamedTuple):
    id: int
    request: ClipRequest
    is_left: bool


class Jobs:
    """work(job) is called for each in turn and must not raise; on_change() whenever what waits has changed; note(kind,
    text) with what there is to say, kind "info" or "warning".

    next_id(): a number for each request that is found in the folder. Without a folder nothing is kept.
    """

    def __init__(
        self,
        work: Callable[[Job], None],
        on_change: Callable[[], None],
        note: Callable[[str, str], None],
        next_id: Callable[[], int],
        folder: Path | None,
    ) -> None:
        self._work, self._on_change, self._note = work, on_change, note
        self._queue: RunQueue[Job] = RunQueue(self._run, on_change)
        self._files = None if folder is None else WaitingFiles(folder)
        left = {} if self._files is None else self._files.read()
        # Never changed in place: the thread that runs jobs goes through it, too.
        self._left = {next_id(): (path, request) for path, request in left.items()}

    @property
    def inline(self) -> bool:
        """Whether a job is done when `add` returns."""
        return self._queue.inline

    @property
    def waiting(self) -> list[Waiting]:
        """Requests that were left and that no other kernel has run or dropped meanwhile, then those that wait here."""
        left = [Waiting(id, request, True) for id, (path, request) in self._left.items() if path.exists()]
        return left + [Waiting(job.id, job.request, False) for job in self._queue.waiting]

    def add(self, job: Job) -> None:
        """Run a job after those that wait. One in passes is not kept: its request alone does not make it again."""
        if self._files is not None and not job.in_passes:
            try:
                job = replace(job, file=self._files.add(job.request))
            except (OSError, ValueError) as error:
                self._note("warning", f"what waits is not kept in the folder: {error_text(error)}")
        self._queue.add(job)

    def take(self, id: int, run: Callable[..., Clip]) -> None:
        """Run a request that was left. Raises ValueError for another id, and for one that is not there any more."""
        if id not in self._left:
            raise ValueError(f"id={id} is no request that was left; there: {', '.join(map(str, self._left)) or 'none'}")
        assert self._files is not None
        path, request = self._left[id]
        file = self._files.take(path)
        self._pop_left(id)
        if file is None:
            self._on_change()
            raise ValueError(f"{title_of(request)}: another kernel has run or dropped it meanwhile")
        self._queue.add(Job(id, request, run, file=file))

    def drop(self, id: int) -> None:
        """Let a request go that was left or waits; one that runs or is done goes its way."""
        if id in self._left:
            self._let_go(self._pop_left(id)[0])
            self._on_change()
        for job in self._queue.waiting:
            if job.id == id:
                self._queue.remove(job)
                self._let_go(job.file)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all jobs are done. Return whether they are."""
        return self._queue.wait(timeout_s)

    def _pop_left(self, id: int) -> tuple[Path, ClipRequest]:
        self._left, popped = {other: it for other, it in self._left.items() if other != id}, self._left[id]
        return popped

    def _run(self, job: Job) -> None:
        if job.file is not None and not job.file.exists():
            self._note("info", f"another kernel has taken or dropped it: {title_of(job.request)}")
            return
        self._work(job)
        self._let_go(job.file)

    def _let_go(self, file: Path | None) -> None:
        if self._files is None or file is None:
            return
        try:
            self._files.drop(file)
        except OSError as error:
            self._note("warning", f"{file} stays in the folder: {error_text(error)}")
