"""The clips that runs made: their names and facts, in order; their arrays lie in a `ClipStore`. Knows no widget."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ltx_nb import media
from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_widgets.run_panel.clip_folder import ClipFolder
from ltx_widgets.run_panel.clip_store import ClipStore
from ltx_widgets.run_panel.text import title_of, what_of
from ltx_widgets.run_panel.thumbnail import THUMBNAIL_PX, thumbnail, thumbnail_of

_MOST_IN_PICTURE = 5
_GAP_PX = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """A clip that was made. request: None where no single one makes it. took_s: how long it took, 0 where that is not
    known. thumbnail: a JPEG. path: its file in the user's folder, if there is one."""

    id: int
    request: ClipRequest | None
    duration_s: float
    took_s: float
    thumbnail: bytes
    name: str
    starred: bool = False
    path: Path | None = None

    @property
    def facts(self) -> dict[str, object]:
        """All that can be read, as plain data."""
        return {
            "id": self.id,
            "name": self.name,
            "what": "several passes" if self.request is None else what_of(self.request),
            "title": self.name if self.request is None else title_of(self.request),
            "seed": None if self.request is None else self.request.seed,
            "duration_s": self.duration_s,
            "took_s": self.took_s,
            "starred": self.starred,
        }


class RunResults:
    """Oldest first. keep_bytes: how much of them stays in memory, see `ClipStore`.

    folder: where each is also kept as an MP4; those that are in it already come first. Raises ValueError for a path
    that is no folder.
    """

    def __init__(self, keep_bytes: float, folder: str | os.PathLike[str] | None = None) -> None:
        self._store = ClipStore(keep_bytes)
        self._folder = None if folder is None else ClipFolder(folder)
        self._results: dict[int, Result] = {}
        for number, (path, known) in ({} if self._folder is None else self._folder.clips()).items():
            try:
                self._results[number] = _result_of_file(number, path, known)
            except ValueError:
                continue  # a file that someone else put there
            self._store.put_file(number, path)
        self._ids = itertools.count(max(self._results, default=-1) + 1)

    def __iter__(self) -> Iterator[Result]:
        return iter(list(self._results.values()))

    def next_id(self) -> int:
        return next(self._ids)

    def get(self, id: int) -> Result | None:
        return self._results.get(id)

    def clip(self, id: int) -> Clip:
        """Raises KeyError for an id that is not there."""
        return self._store.get(id)

    def add(self, id: int, request: ClipRequest | None, clip: Clip, took_s: float) -> Result:
        """Keep a clip, and write it to the folder if there is one. Raises OSError if that cannot be."""
        self._results[id] = Result(
            id=id,
            request=request,
            duration_s=clip.duration_s,
            took_s=took_s,
            thumbnail=thumbnail(clip),
            name=_name(id, request),
            path=None if self._folder is None else self._folder.save(id, clip),
        )
        self._store.put(id, clip)
        self._note(self._results[id])
        return self._results[id]

    def change(self, id: int, **changes: Any) -> None:
        """Give a clip another name, or a star."""
        self._results[id] = replace(self._results[id], **changes)
        self._note(self._results[id])

    def delete(self, id: int) -> None:
        """Let a clip go, with its file."""
        result = self._results.pop(id)
        self._store.drop(id)
        if self._folder is not None and result.path is not None:
            self._folder.delete(result.path)

    def _note(self, result: Result) -> None:
        if self._folder is not None and result.path is not None:
            facts = {"name": result.name, "starred": result.starred, "took_s": result.took_s}
            self._folder.note(result.path, facts)

    def picture(self, selected: int) -> bytes | None:
        """A PNG of the newest clips side by side, the newest first, the selected one framed; None without clips."""
        newest = list(self)[: -_MOST_IN_PICTURE - 1 : -1]
        if not newest:
            return None
        width, height = THUMBNAIL_PX
        strip = Image.new("RGB", (len(newest) * (width + _GAP_PX) + _GAP_PX, height + 2 * _GAP_PX), "#ffffff")
        draw = ImageDraw.Draw(strip)
        for place, result in enumerate(newest):
            left = _GAP_PX + place * (width + _GAP_PX)
            thumbnail = Image.open(io.BytesIO(result.thumbnail))
            strip.paste(thumbnail, (left + (width - thumbnail.width) // 2, _GAP_PX + (height - thumbnail.height) // 2))
            if result.id == selected:
                draw.rectangle(
                    (left - 4, _GAP_PX - 4, left + width + 3, _GAP_PX + height + 3), outline="#0b5cad", width=3
                )
        file = io.BytesIO()
        strip.save(file, "PNG")
        return file.getvalue()


def _result_of_file(id: int, path: Path, known: dict[str, Any]) -> Result:
    """Raises ValueError for a file that is no clip."""
    info = media.probe(path)
    if not info.has_video:
        raise ValueError(f"{path} has no picture")
    request_json = media.read_request_json(path)
    try:
        request = ClipRequest.from_json(request_json).found_beside(path) if request_json else None
    except ValueError:
        request = None  # of another version
    facts: dict[str, Any] = {"name": _name(id, request), "took_s": 0.0} | known
    picture = thumbnail_of(media.read_still(path))
    return Result(id=id, request=request, duration_s=info.duration_s, thumbnail=picture, path=path, **facts)


def _name(id: int, request: ClipRequest | None) -> str:
    return f"#{id}" if request is None else f"#{id} · seed {request.seed}"
