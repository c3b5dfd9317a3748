"""A clip's file as a cell of a grid takes it: facts and a small picture, and a file of which a page can hold dozens.

Knows no widget.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ltx_nb import media
from ltx_nb.clip import Clip

STILL_WIDTH_PX = 320
MOST_BYTES = 2 * 2**20  # of a file that is sent as it is


@dataclass(frozen=True, eq=False)
class Cell:
    """facts: what the browser knows before the file, as plain data. still: a small frame, None of sound alone."""

    path: Path
    facts: dict[str, Any]
    still: Image.Image | None

    def picture(self) -> bytes:
        """The still as a JPEG; empty without one."""
        if self.still is None:
            return b""
        file = io.BytesIO()
        self.still.save(file, "JPEG", quality=85)
        return file.getvalue()

    def content(self, *, aac: bool = True) -> bytes:
        """An MP4 of the clip, made smaller where it is large; with MP3 inside for a browser without AAC."""
        if aac and self.path.stat().st_size <= MOST_BYTES:
            return self.path.read_bytes()
        clip = Clip.load(self.path)
        if clip.frames is None:
            return media.encode_sound(clip.audio, clip.sample_rate)
        frames = clip.frames
        factor = max(-(-frames.shape[2] // STILL_WIDTH_PX), 1)
        small = np.stack([np.asarray(Image.fromarray(frame).reduce(factor)) for frame in frames])
        even = small[:, : small.shape[1] // 2 * 2, : small.shape[2] // 2 * 2]
        return media.encode_preview(even, clip.frame_rate, clip.audio, clip.sample_rate, aac=aac)


def cell_of(path: Path) -> Cell:
    """Raises ValueError for a file that cannot be read."""
    info = media.probe(path)
    still = Image.fromarray(media.read_still(path)) if info.has_video else None
    facts = {
        "duration_s": info.duration_s,
        "has_video": info.has_video,
        "aspect": still.width / still.height if still is not None else None,
    }
    if still is not None:
        still.thumbnail((STILL_WIDTH_PX, STILL_WIDTH_PX))
    return Cell(path, facts, still)
