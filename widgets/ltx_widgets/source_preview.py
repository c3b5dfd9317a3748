"""A given source as a timeline shows it: what is in it, small pictures in one strip, and the outline of its sound.

Reads media through `ltx_nb.media`, a long video frame by frame. Knows no widget and no request.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ltx_nb import media
from ltx_nb.clip import Clip
from ltx_nb.source import Media, Source
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


def source_of(given: Source | Clip | str | os.PathLike[str]) -> Source:
    """What a user may hand over, as a Source. Raises ValueError for anything else."""
    if isinstance(given, Source):
        return given
    if isinstance(given, Clip):
        # A clip of one lane has a rate for that one; both default to None.
        parts: dict[str, Any] = {"frames": given.frames, "audio": given.audio}
        parts["frame_rate"] = None if given.frames is None else given.frame_rate
        parts["sample_rate"] = None if given.audio is None else given.sample_rate
        return Source.from_media(Media(**parts))
    if isinstance(given, (str, os.PathLike)):
        return Source.from_path(given)
    raise ValueError(f"media is a {type(given).__name__}; give a Clip, a file's path or a Source")


def facts_of(source: Source) -> dict[str, Any]:
    """duration_s, frame_rate (None of a still picture), num_frames, width, height, has_audio, as plain data.

    Raises ValueError if the source cannot be read.
    """
    if source.media is None:
        with source.open() as file:
            info = media.probe(file)
        return {
            "duration_s": info.duration_s,
            "frame_rate": info.frame_rate,
            "num_frames": info.num_frames,
            "width": info.width,
            "height": info.height,
            "has_audio": info.has_audio,
        }
    frames, audio = source.media.frames, source.media.audio
    facts: dict[str, Any] = {"frame_rate": source.media.frame_rate, "has_audio": audio is not None, "duration_s": 0.0}
    facts |= {"num_frames": 0, "width": None, "height": None}
    if audio is not None:
        facts["duration_s"] = audio.shape[1] / source.media.sample_rate
    if frames is not None:
        facts |= {"num_frames": len(frames), "height": frames.shape[1], "width": frames.shape[2]}
        if source.media.frame_rate is not None:
            facts["duration_s"] = len(frames) / source.media.frame_rate
    return facts


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
