"""The requests that wait or run, beside the clips in the user's folder, so that they outlive the kernel.

A file for each request, `waiting-<when>-<who>.json`, so that several kernels share a folder without locks: who renames
a file has taken its request, and no one else can. Knows requests and these files; no widget.
"""

from __future__ import annotations

import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

from ltx_nb.request import ClipRequest
from ltx_nb.whole_files import whole_file

MOST_BYTES = 64_000_000  # a request holds small pictures and sounds itself
_NAME = re.compile(r"(?P<stem>waiting-\d{19}-[0-9a-f]{8})(\.[0-9a-f]{8})?\.json")


class WaitingFiles:
    """Waiting requests in a folder, as one panel sees and takes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = secrets.token_hex(4)
        self._last_ns = 0

    def read(self) -> dict[Path, ClipRequest]:
        """Requests that are there, in order of time; an edited one that cannot be read is left out."""
        found = {}
        for path in sorted(self._folder.glob("waiting-*.json")):
            if not _NAME.fullmatch(path.name):
                continue
            with suppress(OSError, ValueError, TypeError, RecursionError):
                if path.stat().st_size <= MOST_BYTES:
                    found[path] = ClipRequest.from_json(path.read_text("utf-8")).found_beside(path)
        return found

    def add(self, request: ClipRequest) -> Path:
        """Keep a request; large media in memory go into files beside it. Raises OSError and ValueError."""
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        path = self._folder / f"waiting-{self._last_ns:019}-{self._owner}.json"
        content = request.saved_beside(path).to_json()
        with whole_file(path) as unfinished:
            unfinished.write_text(content, "utf-8")
        return path

    def take(self, path: Path) -> Path | None:
        """Make a request this panel's own. Return its new place; None where someone else was faster."""
        mine = path.with_name(f"{_stem(path)}.{self._owner}.json")
        try:
            path.rename(mine)
        except FileNotFoundError:
            return None
        return mine

    def drop(self, path: Path) -> None:
        """Let a request go, with its media unless someone else has taken it. Raises OSError."""
        path.unlink(missing_ok=True)
        if not any(self._folder.glob(f"{_stem(path)}*.json")):
            for media in self._folder.glob(f"{_stem(path)}.given-*.mkv"):
                media.unlink(missing_ok=True)


def _stem(path: Path) -> str:
    """The part of a name that a request keeps, whoever takes it."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return match["stem"]
