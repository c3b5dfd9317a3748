"""sweep(): many requests, each an MP4 in one folder; what is there already is not made again.

Runs them in a session, in processes of this machine, or in whatever has `submit()` as `concurrent.futures` does, a
`dask.distributed.Client` among them. One request that fails is recorded and ends no other.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ltx_nb import media
from ltx_nb.checks import whole_number
from ltx_nb.pipeline.session import Session
from ltx_nb.request import ClipRequest
from ltx_nb.sweep.work import make, make_in
from ltx_nb.trace import Cancelled

RECORD = "sweep.jsonl"
# A request during which so many workers died is given up: it may well be what kills them.
MOST_DEATHS = 2


@dataclass(frozen=True)
class Row:
    """Outcome of a request. seconds: that it took, None where its clip was there already. error: None if made."""

    request: ClipRequest
    path: Path
    seconds: float | None = None
    error: str | None = None


def sweep(
    workers: Session | int | Any,
    requests: Sequence[ClipRequest],
    out: str | os.PathLike[str],
    *,
    progress: bool = True,
    **load_arguments: Any,
) -> list[Row]:
    """Make the clip of every request into the folder `out`, and return a row for each, in their order.

    workers: a session, in which they are made one after the other; a number of processes on this machine, of which one
        that dies is replaced and its request made again; or anything with `submit()`, such as a
        `dask.distributed.Client`, whose workers see `out` under the same path.
    load_arguments: of `ltx_nb.load`, by which each worker loads the model for itself: `model="2.3-distilled"`, ...

    A clip's file is named after its place and its request; one in `out` whose stored request is equal is done. What
    becomes of each is added to `out`/sweep.jsonl as it happens. Ctrl-C and `session.cancel()` end the run in progress
    within a step and raise Cancelled; what was made stays.

    Raises ValueError for what is not a request and for workers that do not fit the rest.
    """
    requests = _checked(requests)
    if isinstance(workers, Session) and load_arguments:
        raise ValueError(f"a session is loaded already; leave out {', '.join(load_arguments)}")
    if not isinstance(workers, Session) and "model" not in load_arguments:
        raise ValueError('name the model that each worker loads: sweep(2, requests, out, model="tiny")')
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    rows: dict[int, Row] = {}
    pending: dict[int, ClipRequest] = {}
    for index, request in enumerate(requests):
        path = _path(out, index, request)
        if _is_made(path, request):
            rows[index] = Row(request, path)
        else:
            pending[index] = request
    if isinstance(workers, Session):
        done = _in_session(workers, out, pending)
    elif hasattr(workers, "submit"):
        done = _elsewhere(workers, load_arguments, out, pending)
    else:
        done = _in_processes(load_arguments, out, pending, whole_number("workers", workers, least=1))
    with tqdm(total=len(requests), initial=len(rows), desc="clips", disable=not progress) as bar:
        for index, row in done:
            rows[index] = row
            _record(out, row)
            bar.update()
    return [rows[index] for index in range(len(requests))]


def _checked(requests: Sequence[ClipRequest]) -> list[ClipRequest]:
    requests = list(requests)
    if not requests:
        raise ValueError("there are no requests; make some with ltx_nb.sweep.grid(prompt=[...], seed=range(8))")
    for index, request in enumerate(requests):
        if not isinstance(request, ClipRequest):
            raise ValueError(f"request {index} is a {type(request).__name__}; give ClipRequests")
    return requests


def _path(out: Path, index: int, request: ClipRequest) -> Path:
    digest = hashlib.sha256(request.to_json().encode()).hexdigest()
    return out / f"{index:04d}-{digest[:8]}.mp4"


def _is_made(path: Path, request: ClipRequest) -> bool:
    if not path.is_file():
        return False
    try:
        stored = ClipRequest.from_json(media.read_request_json(path) or "null").found_beside(path)
    except ValueError:
        return False
    return stored.replace(model=request.model) == request


def _in_session(session: Session, out: Path, pending: dict[int, ClipRequest]) -> Iterator[tuple[int, Row]]:
    for index, request in pending.items():
        path = _path(out, index, request)
        try:
            yield index, Row(request, path, make_in(session, request, path))
        except Cancelled:
            raise
        except Exception as error:
            yield index, Row(request, path, error=_words(error))


def _in_processes(
    arguments: dict[str, Any], out: Path, pending: dict[int, ClipRequest], processes: int
) -> Iterator[tuple[int, Row]]:
    """Run in a pool. A worker that dies breaks it; what may have been its request then goes one by one into another."""
    deaths = dict.fromkeys(pending, 0)
    left, suspects = dict(pending), 0
    while left:
        batch = dict(islice(left.items(), suspects or None))
        others = set(active_children())
        # "spawn": a forked torch may hang, and CUDA cannot be forked at all.
        pool = ProcessPoolExecutor(1 if suspects else processes, mp_context=get_context("spawn"))
        try:
            futures = {index: _submit(pool, arguments, out, index, request) for index, request in batch.items()}
            for index, future in futures.items():
                row = _row(future, left[index], _path(out, index, left[index]))
                del left[index]
                yield index, row
            suspects = 0
        except BrokenProcessPool:
            first = next(iter(left))
            if suspects:  # alone in its worker, so it is the one
                deaths[first] += 1
            if deaths[first] >= MOST_DEATHS:
                request = left.pop(first)
                yield first, Row(request, _path(out, first, request), error="its worker process died, time and again")
            suspects = processes
        except (KeyboardInterrupt, GeneratorExit):
            for child in set(active_children()) - others:
                child.terminate()
            raise Cancelled("the sweep was cancelled; call it again to go on", None) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _elsewhere(
    executor: Any, arguments: dict[str, Any], out: Path, pending: dict[int, ClipRequest]
) -> Iterator[tuple[int, Row]]:
    futures = {index: _submit(executor, arguments, out, index, request) for index, request in pending.items()}
    try:
        for index, future in futures.items():
            request = pending[index]
            try:
                row = _row(future, request, _path(out, index, request))
            except BrokenProcessPool as error:
                row = Row(request, _path(out, index, request), error=_words(error))
            yield index, row
    except (KeyboardInterrupt, GeneratorExit):
        for future in futures.values():
            future.cancel()
        raise Cancelled("the sweep was cancelled; call it again to go on", None) from None


def _submit(executor: Any, arguments: dict[str, Any], out: Path, index: int, request: ClipRequest) -> Future[float]:
    return executor.submit(make, arguments, request.to_json(), str(_path(out, index, request).absolute()))


def _row(future: Future[float], request: ClipRequest, path: Path) -> Row:
    try:
        return Row(request, path, future.result())
    except BrokenProcessPool:
        raise
    except Exception as error:
        return Row(request, path, error=_words(error))


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _record(out: Path, row: Row) -> None:
    line = {
        "path": row.path.name,
        "seconds": row.seconds,
        "error": row.error,
        "request": json.loads(row.request.to_json()),
    }
    with (out / RECORD).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
