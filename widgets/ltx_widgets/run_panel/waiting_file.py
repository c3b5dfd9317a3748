"""The requests that wait or run, beside the clips in the user's folder, so that they outlive the kernel.

Knows requests and one JSON file; no widget.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ltx_nb.request import ClipRequest
from ltx_nb.whole_files import whole_file

NAME = "waiting.json"
MOST_BYTES = 256_000_000  # a request holds small pictures and sounds itself


class WaitingFile:
    """`waiting.json` in a folder; there is none while nothing waits."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def read(self) -> list[ClipRequest]:
        """Requests in order; without those that cannot be read, for the file may have been edited by hand."""
        try:
            if self.path.stat().st_size > MOST_BYTES:
                return []
            entries = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return []
        found = []
        for entry in entries if isinstance(entries, list) else []:
            with suppress(ValueError, TypeError):
                found.append(ClipRequest.from_dict(entry).found_beside(self.path))
        return found

    def write(self, requests: Iterable[ClipRequest]) -> None:
        """Keep these and no others; large media in memory go into files beside it. Raises OSError and ValueError."""
        entries = [request.saved_beside(self.path).to_dict() for request in requests]
        if entries:
            with whole_file(self.path) as unfinished:
                unfinished.write_text(json.dumps(entries, ensure_ascii=False), "utf-8")
        else:
            self.path.unlink(missing_ok=True)
        text = json.dumps(entries)
        for media in self.path.parent.glob(f"{self.path.stem}.given-*.mkv"):
            if media.name not in text:
                media.unlink(missing_ok=True)
