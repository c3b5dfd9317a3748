"""Pictures and sound in any form as the Source that a request can name, and a Source as arrays again.

Takes a Clip, a file's path, a PIL image, numpy arrays, Media or a Source. Knows no request.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
        media = _pixels(media)
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


def is_sound_alone(media: Any) -> bool:
    """Whether it has sound and no picture, as far as `Source.of` takes it."""
    if isinstance(media, (Image.Image, np.ndarray)):
        return False
    # By its path an error can name the file: a small one goes on without it.
    info = files.probe(media) if isinstance(media, (str, os.PathLike)) else Source.of(media).info()
    return not info.num_frames and info.has_audio


def only_lane(source: Source, lane: str) -> Source:
    """The source with this lane alone, where it is in memory with both: what is not given is not stored."""
    media = source.media
    if media is None or media.frames is None or media.audio is None:
        return source
    if lane == "video":
        return Source.from_media(Media(frames=media.frames, frame_rate=media.frame_rate))
    return Source.from_media(Media(audio=media.audio, sample_rate=media.sample_rate))


def frames_at(source: Source, moments_s: np.ndarray) -> Iterator[np.ndarray]:
    """The picture of the source seen at each of ascending moments in s, uint8 [H, W, 3], one at a time.

    Before its first and after its last picture these stay. A still picture is seen at any time.
    """
    if source.media is None:
        with source.open() as file:
            if files.probe(file).is_image:
                yield from [files.read_image(file)] * len(moments_s)
            else:
                yield from files.read_frames_at(file, moments_s)
        return
    frames, rate = source.media.frames, source.media.frame_rate or 0.0
    if frames is None:
        raise ValueError("the given media have sound and no picture; give a video or an image")
    for moment_s in moments_s:
        yield frames[min(max(int(moment_s * rate), 0), len(frames) - 1)]


def read_sound(
    source: Source, sample_rate: int, start_s: float = 0.0, end_s: float | None = None
) -> tuple[np.ndarray, int]:
    """[start_s, end_s) of the sound, float32 [2, N] at `sample_rate`, and the rate that it came in, in Hz.

    All of it by default. N is less than asked for where the sound ends before.
    """
    if source.media is None:
        with source.open() as file:
            rate = files.probe(file).sample_rate
            return files.read_audio(file, sample_rate, start_s, end_s)[0], rate or sample_rate
    audio, rate = source.media.audio, source.media.sample_rate
    if audio is None or rate is None:
        raise ValueError("the given media have no sound; give a file or an array with sound")
    if rate != sample_rate:
        import soxr

        audio = np.clip(soxr.resample(audio.T, rate, sample_rate).T, -1, 1)
    end = None if end_s is None else round(end_s * sample_rate)
    return audio[:, round(start_s * sample_rate) : end], rate


def _pixels(image: Image.Image) -> np.ndarray:
    try:
        return files.pixels_of(image)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"cannot read the given PIL image: {error}; save it as PNG") from error
