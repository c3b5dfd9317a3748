"""The clips that runs made, as many as a bound of memory allows. Knows no widget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_widgets.run_text import title_of
from ltx_widgets.thumbnail import thumbnail


@dataclass(frozen=True, eq=False)
class Result:
    """A clip with the request that it was made for. took_s: how long that was. thumbnail: a JPEG."""

    id: int
    request: ClipRequest
    clip: Clip
    took_s: float
    thumbnail: bytes

    @property
    def facts(self) -> dict[str, object]:
        """All that can be read, as plain data."""
        return {
            "id": self.id,
            "title": title_of(self.request),
            "seed": self.request.seed,
            "duration_s": self.clip.duration_s,
            "took_s": self.took_s,
        }


class RunResults:
    """Oldest first. Where the clips take more than keep_bytes together, the oldest leave; the newest stays."""

    def __init__(self, keep_bytes: float):
        self._keep_bytes = keep_bytes
        self._results: dict[int, Result] = {}

    def __iter__(self) -> Iterator[Result]:
        return iter(list(self._results.values()))

    def get(self, id: int) -> Result | None:
        return self._results.get(id)

    def add(self, id: int, request: ClipRequest, clip: Clip, took_s: float) -> int:
        """Keep a clip; how many had to leave for it."""
        self._results[id] = Result(id, request, clip, took_s, thumbnail(clip))
        sizes = {id: num_bytes(result.clip) for id, result in self._results.items()}
        left = 0
        for oldest in list(sizes)[:-1]:
            if sum(sizes.values()) <= self._keep_bytes:
                break
            del self._results[oldest], sizes[oldest]
            left += 1
        return left


def num_bytes(clip: Clip) -> int:
    """Of the frames, samples and trace of a clip in memory."""
    arrays = (clip.frames, clip.audio)
    return sum(0 if array is None else array.nbytes for array in arrays) + getattr(clip.trace, "num_bytes", 0)
