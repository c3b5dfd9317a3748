"""Anything that holds pictures or sound, as the Source that a request can name, and what is in it.

Takes a Clip, a file's path, a PIL image, numpy arrays, Media or a Source. Reads no more than it must; knows no request.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import soxr
from PIL import Image

from ltx_nb.arrays import check_audio, check_frames
from ltx_nb.clip import Clip
from ltx_nb.media import MediaInfo, probe, read_audio, read_image, read_video
from ltx_nb.request import Media, Source


def picture_source(media: Any, frame_rate: float | None = None) -> Source:
    """The Source of a picture or of moving ones.

    media: besides what `source_of` takes, a PIL image, uint8 [H, W, 3], or uint8 [F, H, W, 3] at `frame_rate`.
    Raises ValueError for anything else, and for a clip without pictures.
    """
    if isinstance(media, Image.Image):
        media = np.array(media.convert("RGB"))
    if isinstance(media, np.ndarray):
        frames = media[None] if media.ndim == 3 and media.shape[-1] == 3 else media
        return Source.from_media(Media(frames=check_frames(frames), frame_rate=frame_rate))
    return source_of(media)


def sound_source(media: Any, sample_rate: int | None = None) -> Source:
    """The Source of a sound: besides what `source_of` takes, float32 [2, N] or [N] at `sample_rate` Hz."""
    if isinstance(media, np.ndarray):
        stereo = np.stack([media, media]) if media.ndim == 1 else media
        return Source.from_media(Media(audio=check_audio(stereo), sample_rate=sample_rate))
    return source_of(media)


def source_of(media: Any) -> Source:
    """The Source of a Clip, a file's path, Media or a Source, with all the lanes it has."""
    if isinstance(media, Source):
        return media
    if isinstance(media, Clip):
        media = Media(
            frames=media.frames,
            frame_rate=None if media.frames is None else media.frame_rate,
            audio=media.audio,
            sample_rate=None if media.audio is None else media.sample_rate,
        )
    if isinstance(media, Media):
        return Source.from_media(media)
    if isinstance(media, (str, os.PathLike)):
        return Source.from_path(media)
    raise ValueError(f"media is a {type(media).__name__}; give a Clip, a path, an array or a PIL image")


def lane_of(source: Source, lane: str) -> Source:
    """The source with this lane alone, where it is in memory with both: what is not given is not stored."""
    media = source.media
    if media is None or media.frames is None or media.audio is None:
        return source
    if lane == "video":
        return Source.from_media(Media(frames=media.frames, frame_rate=media.frame_rate))
    return Source.from_media(Media(audio=media.audio, sample_rate=media.sample_rate))


def info_of(source: Source) -> MediaInfo:
    """What is in a source. Raises ValueError if it cannot be read."""
    if source.media is None:
        with source.open() as file:
            return probe(file)
    media, found = source.media, {}
    if media.audio is not None and media.sample_rate is not None:
        found = {
            "duration_s": media.audio.shape[1] / media.sample_rate,
            "sample_rate": media.sample_rate,
            "channels": 2,
        }
    if media.frames is not None:
        height, width = media.frames.shape[1:3]
        found |= {"num_frames": len(media.frames), "frame_rate": media.frame_rate, "width": width, "height": height}
        if media.frame_rate is not None:
            found["duration_s"] = len(media.frames) / media.frame_rate
    return MediaInfo(**found)


def read_frames(source: Source) -> tuple[np.ndarray, float | None]:
    """All frames, uint8 [F, H, W, 3], and their rate: None for a still picture."""
    if source.media is not None:
        if source.media.frames is None:
            raise ValueError("the given media have sound and no picture; give a video or an image")
        return source.media.frames, source.media.frame_rate
    with source.open() as file:
        if probe(file).is_image:
            return read_image(file)[None], None
        return read_video(file)


def read_sound(source: Source, sample_rate: int) -> tuple[np.ndarray, int]:
    """float32 [2, N] at `sample_rate`, and the rate that it came in, in Hz."""
    if source.media is None:
        with source.open() as file:
            rate = probe(file).sample_rate
            return read_audio(file, sample_rate)[0], rate or sample_rate
    audio, rate = source.media.audio, source.media.sample_rate
    if audio is None or rate is None:
        raise ValueError("the given media have no sound; give a file or an array with sound")
    if rate == sample_rate:
        return audio, rate
    return np.clip(soxr.resample(audio.T, rate, sample_rate).T, -1, 1), rate
