"""Pictures and sound in any form as the Source that a request can name, and a Source as arrays again.

Takes a Clip, a file's path, a PIL image, numpy arrays, Media or a Source. Knows no request.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image

from ltx_nb import media as files
from ltx_nb.arrays import check_audio, check_frames
from ltx_nb.media import Media
from ltx_nb.request import Source


def picture_source(media: Any, frame_rate: float | None = None) -> Source:
    """The Source of a picture or of moving ones.

    media: besides what `Source.of` takes, a PIL image, uint8 [H, W, 3], or uint8 [F, H, W, 3] at `frame_rate`.
    Raises ValueError for anything else, and for a clip without pictures.
    """
    if isinstance(media, Image.Image):
        media = np.array(media.convert("RGB"))
    if isinstance(media, np.ndarray):
        frames = media[None] if media.ndim == 3 and media.shape[-1] == 3 else media
        return Source.from_media(Media(frames=check_frames(frames), frame_rate=frame_rate))
    return _checked(media, "video")


def sound_source(media: Any, sample_rate: int | None = None) -> Source:
    """The Source of a sound: besides what `Source.of` takes, float32 [2, N] or [N] at `sample_rate` Hz."""
    if isinstance(media, np.ndarray):
        stereo = np.stack([media, media]) if media.ndim == 1 else media
        return Source.from_media(Media(audio=check_audio(stereo), sample_rate=sample_rate))
    return _checked(media, "audio")


def _checked(media: Any, lane: str) -> Source:
    source = Source.of(media)
    if isinstance(media, (str, os.PathLike)):
        # Here an error can name the file: a small one goes on without its path.
        info = files.probe(media)
        if not (info.num_frames if lane == "video" else info.has_audio):
            lacks = "picture" if lane == "video" else "sound"
            raise ValueError(f"{os.fspath(media)} has no {lacks}; give a file that has")
    return source


def lane_of(source: Source, lane: str) -> Source:
    """The source with this lane alone, where it is in memory with both: what is not given is not stored."""
    media = source.media
    if media is None or media.frames is None or media.audio is None:
        return source
    if lane == "video":
        return Source.from_media(Media(frames=media.frames, frame_rate=media.frame_rate))
    return Source.from_media(Media(audio=media.audio, sample_rate=media.sample_rate))


def read_frames(source: Source) -> tuple[np.ndarray, float | None]:
    """All frames, uint8 [F, H, W, 3], and their rate: None for a still picture."""
    if source.media is not None:
        if source.media.frames is None:
            raise ValueError("the given media have sound and no picture; give a video or an image")
        return source.media.frames, source.media.frame_rate
    with source.open() as file:
        if files.probe(file).is_image:
            return files.read_image(file)[None], None
        return files.read_video(file)


def read_sound(source: Source, sample_rate: int) -> tuple[np.ndarray, int]:
    """float32 [2, N] at `sample_rate`, and the rate that it came in, in Hz."""
    if source.media is None:
        with source.open() as file:
            rate = files.probe(file).sample_rate
            return files.read_audio(file, sample_rate)[0], rate or sample_rate
    audio, rate = source.media.audio, source.media.sample_rate
    if audio is None or rate is None:
        raise ValueError("the given media have no sound; give a file or an array with sound")
    if rate == sample_rate:
        return audio, rate
    import soxr

    return np.clip(soxr.resample(audio.T, rate, sample_rate).T, -1, 1), rate
