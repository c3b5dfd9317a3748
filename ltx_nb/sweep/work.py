"""One request made into a file, by whichever process is asked to. What is passed is plain data."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter
from typing import Any

from ltx_nb.request import ClipRequest

# A worker's session, by what it was loaded as: loading takes longer than many a clip.
_sessions: dict[str, Any] = {}


def make(load_arguments: dict[str, Any], request_json: str, path: str) -> float:
    """Make the clip of a request, save it as `path`, and return the seconds that took.

    load_arguments: of `ltx_nb.load`; the session stays in this process for the next request.
    """
    import ltx_nb

    key = repr(sorted(load_arguments.items()))
    if key not in _sessions:
        _sessions.clear()  # one model fills a worker
        _sessions[key] = ltx_nb.load(**load_arguments)
    return make_in(_sessions[key], ClipRequest.from_json(request_json), path)


def make_in(session: Any, request: ClipRequest, path: str | os.PathLike[str]) -> float:
    """Make the clip of a request in a session, save it as `path`, and return the seconds that took."""
    began = perf_counter()
    session.run(request, progress=False).save(Path(path))
    return perf_counter() - began
