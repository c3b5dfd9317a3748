"""Jobs that run one after the other while the notebook goes on: in a thread, or at once where threads are not heard.

Knows neither widgets nor what a job is.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class RunQueue(Generic[Job]):
    """work(job) is called for each job in turn and must not raise; on_change() whenever what waits has changed."""

    def __init__(self, work: Callable[[Job], None], on_change: Callable[[], None]):
        self._work = work
        self._on_change = on_change
        self._waiting: list[Job] = []
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()

    @property
    def inline(self) -> bool:
        """Colab shows nothing that a thread does until the next cell runs."""
        return "google.colab" in sys.modules

    @property
    def waiting(self) -> tuple[Job, ...]:
        with self._lock:
            return tuple(self._waiting)

    def add(self, job: Job) -> None:
        """Run the job when those before it are done; inline, it is done when this returns."""
        with self._lock:
            self._waiting.append(job)
            starts = self._idle.is_set()
            self._idle.clear()
        self._on_change()
        if not starts:
            return
        if self.inline:
            self._run_all()
        else:
            threading.Thread(target=self._run_all, name="ltx-run", daemon=True).start()

    def remove(self, job: Job) -> None:
        """Take out a job that waits; one that runs or is done goes its way."""
        with self._lock:
            self._waiting = [other for other in self._waiting if other is not job]
        self._on_change()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all jobs are done. Return whether they are."""
        return self._idle.wait(timeout_s)

    def _run_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._idle.set()
                    return
                job = self._waiting.pop(0)
            self._on_change()
            self._work(job)
