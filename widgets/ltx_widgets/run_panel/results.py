"""The clips that runs made, as many as a bound of memory allows. Knows no widget."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_widgets.run_panel.text import title_of
from ltx_widgets.run_panel.thumbnail import THUMBNAIL_PX, thumbnail

_MOST_IN_PICTURE = 5
_GAP_PX = 8


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


def num_bytes(clip: Clip) -> int:
    """Size in memory of a clip's frames, samples and trace."""
    arrays = (clip.frames, clip.audio)
    return sum(0 if array is None else array.nbytes for array in arrays) + getattr(clip.trace, "num_bytes", 0)
