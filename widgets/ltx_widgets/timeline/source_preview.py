"""A given source as a timeline shows it: what is in it, small pictures in one strip, and the outline of its sound.

Reads media through `ltx_nb.media`, a long video frame by frame. Knows no widget and no request.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ltx_nb import media
from ltx_nb.source import Source
from ltx_widgets.sound_picture import waveform_peaks

# Twice the height of a lane on the screen, for screens with two dots per pixel; enough pictures to fill one.
THUMBNAIL_HEIGHT_PX = 112
MOST_THUMBNAILS = 32
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class SourcePreview:
    """strip: a JPEG of `thumbnails` pictures side by side, spread evenly over the source; b"" of sound alone.

    peaks: int8 [P, 2], the lowest and the highest sample, of left and right, behind each of P points; 127 is 1.
    """

    strip: bytes
    thumbnails: int
    peaks: np.ndarray


def facts_of(source: Source) -> dict[str, Any]:
    """duration_s, frame_rate (None of a still picture), num_frames, width, height, has_audio, as plain data.

    Raises ValueError if the source cannot be read.
    """
    info, names = source.info(), ("duration_s", "frame_rate", "num_frames", "width", "height", "has_audio")
    return {name: getattr(info, name) for name in names}


def preview_of(source: Source) -> SourcePreview:
    """Raises ValueError if the source cannot be read."""
    if source.media is not None:
        audio, frames = source.media.audio, source.media.frames
        pictures = [] if frames is None else [Image.fromarray(frame) for frame in _spread(frames)]
    else:
        with source.open() as file:
            pictures, audio = _read(file)
    strip = _strip(pictures) if pictures else b""
    if audio is None:
        return SourcePreview(strip, len(pictures), np.empty((0, 2), np.int8))
    peaks = waveform_peaks(audio)
    outline = np.stack([peaks[..., 0].min(0), peaks[..., 1].max(0)], axis=-1)
    return SourcePreview(strip, len(pictures), outline)


def _read(file: BinaryIO) -> tuple[list[Image.Image], np.ndarray | None]:
    info = media.probe(file)
    if info.is_image:
        return [Image.fromarray(media.read_image(file))], None
    pictures = []
    if info.has_video:
        pictures = list(map(Image.fromarray, media.read_thumbnails(file, MOST_THUMBNAILS, THUMBNAIL_HEIGHT_PX)))
    return pictures, media.read_audio(file)[0] if info.has_audio else None


def _spread(frames: np.ndarray) -> np.ndarray:
    """At most MOST_THUMBNAILS frames, each from the middle of one of equal stretches."""
    count = min(MOST_THUMBNAILS, len(frames))
    return frames[((np.arange(count) + 0.5) * len(frames) / count).astype(int)]


def _strip(pictures: Sequence[Image.Image]) -> bytes:
    width = max(round(pictures[0].width * THUMBNAIL_HEIGHT_PX / pictures[0].height), 1)
    strip = Image.new("RGB", (width * len(pictures), THUMBNAIL_HEIGHT_PX))
    for index, picture in enumerate(pictures):
        strip.paste(picture.resize((width, THUMBNAIL_HEIGHT_PX), Image.Resampling.BILINEAR), (index * width, 0))
    file = io.BytesIO()
    strip.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()
