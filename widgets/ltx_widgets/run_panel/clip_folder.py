"""A folder of finished clips that outlives the kernel: an MP4 for each, which holds its request, and their names.

Knows no widget.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

from ltx_nb.checks import keys
from ltx_nb.clip import Clip
from ltx_nb.whole_files import whole_file

INDEX = "clips.json"
_FACTS: dict[str, Any] = {"name": str, "starred": bool, "took_s": (int, float)}


class ClipFolder:
    """Made where it is not there yet. Raises ValueError for a path that is no folder."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"folder={str(path)!r} cannot be a folder of clips: {error.strerror}") from None

    def clips(self) -> dict[int, tuple[Path, dict[str, Any]]]:
        """Each clip's file and what is known of it {name, starred, took_s}, by number. Other files are left alone.

        Of two with one number, which two kernels made at a time, the second gets the next one that is free.
        """
        known = self._index()
        found: dict[int, tuple[Path, dict[str, Any]]] = {}
        again = []
        for path in sorted(self.path.glob("*.mp4")):
            if number := re.match(r"(\d+)\b", path.name):
                clip = (path, known.get(path.name, {}))
                if found.setdefault(int(number[1]), clip) is not clip:
                    again.append(clip)
        return found | dict(enumerate(again, max(found, default=-1) + 1))

    def save(self, number: int, clip: Clip) -> Path:
        """Write a clip, beside one of that number and seed if there is one."""
        stem = f"{number:04}" if clip.request is None else f"{number:04}-seed-{clip.request.seed}"
        names = itertools.chain([stem], (f"{stem}-{more}" for more in itertools.count(2)))
        path = next(path for path in (self.path / f"{name}.mp4" for name in names) if not path.exists())
        return clip.save(path)

    def note(self, path: Path, facts: dict[str, Any]) -> None:
        """Keep {name, starred, took_s} of a clip's file."""
        self._write(self._index() | {path.name: facts})

    def delete(self, path: Path) -> None:
        index = self._index()
        index.pop(path.name, None)
        self._write(index)
        path.unlink(missing_ok=True)

    def _write(self, index: dict[str, Any]) -> None:
        with whole_file(self.path / INDEX) as unfinished:
            unfinished.write_text(json.dumps(index, indent=1), "utf-8")

    def _index(self) -> dict[str, dict[str, Any]]:
        """Read the index; nothing of what is malformed, for it may have been edited by hand."""
        try:
            entries = json.loads((self.path / INDEX).read_text("utf-8"))
            return {str(name): _checked(facts) for name, facts in entries.items()}
        except (OSError, ValueError, AttributeError):
            return {}


def _checked(facts: Any) -> dict[str, Any]:
    return {name: value for name, value in keys("clip", facts, _FACTS).items() if isinstance(value, _FACTS[name])}
