"""Clips by number, the latest used in memory and the others on disk, so that a long sitting takes little memory.

What goes to disk comes back exactly, but for its trace, which is let go. Knows no widget.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file

from ltx_nb.clip import Clip
from ltx_nb.inspect.inputs import check_latents

_ARRAYS = ("frames", "audio", "latents", "audio_latents")
_FACTS = ("frame_rate", "sample_rate", "request", "provenance", "notes")


class ClipStore:
    """keep_bytes: how much the clips in memory may take together; the one used last stays, however large."""

    def __init__(self, keep_bytes: float) -> None:
        self._keep_bytes = keep_bytes
        self._hot: dict[int, Clip] = {}  # the one used last at the end
        self._readers: dict[int, Callable[[], Clip]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.RLock()  # runs add clips in a thread of their own

    def put(self, number: int, clip: Clip) -> None:
        with self._lock:
            self._hot[number] = clip
            self._make_room()

    def put_file(self, number: int, path: Path) -> None:
        """A clip that is read from its file when it is first used."""
        with self._lock:
            self._readers[number] = partial(Clip.load, path)

    def get(self, number: int) -> Clip:
        """Raises KeyError for a number that is not there, ValueError for a file that cannot be read any more."""
        with self._lock:
            clip = self._hot.pop(number, None) or self._readers[number]()
            self._hot[number] = clip
            self._make_room()
            return clip

    def drop(self, number: int) -> None:
        with self._lock:
            self._hot.pop(number, None)
            self._readers.pop(number, None)
            if self._folder is not None:
                self._path(number).unlink(missing_ok=True)

    def _make_room(self) -> None:
        sizes = {number: num_bytes(clip) for number, clip in self._hot.items()}
        for number in list(sizes)[:-1]:
            if sum(sizes.values()) <= self._keep_bytes:
                break
            clip = self._hot.pop(number)
            if number not in self._readers:
                self._readers[number] = self._written(number, clip)
            del sizes[number]

    def _written(self, number: int, clip: Clip) -> Callable[[], Clip]:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="ltx-nb-clips-")
        arrays = {name: getattr(clip, name) for name in _ARRAYS if getattr(clip, name) is not None}
        for name in arrays.keys() & {"latents", "audio_latents"}:
            arrays[name] = check_latents(arrays[name])
        save_file({name: array.copy(order="C") for name, array in arrays.items()}, self._path(number))
        return partial(_read, self._path(number), {name: getattr(clip, name) for name in _FACTS})

    def _path(self, number: int) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / f"{number}.safetensors"


def num_bytes(clip: Clip) -> int:
    """Size in memory of a clip's frames, samples and trace."""
    arrays = (clip.frames, clip.audio)
    return sum(0 if array is None else array.nbytes for array in arrays) + getattr(clip.trace, "num_bytes", 0)


def _read(path: Path, facts: dict[str, Any]) -> Clip:
    arrays: dict[str, Any] = load_file(path)
    return Clip(**arrays, **facts)
