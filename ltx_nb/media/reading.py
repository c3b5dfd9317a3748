"""Read video files: what is in them, and their frames.

Time stamps are the truth: frames of any length come out at a constant rate, each as it is seen in the middle of its
time, on a timeline that begins where the file begins to play. A stretch of a file is sought, and the rest of it is not
decoded. Does not know what the media are for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from ltx_nb.checks import finite_number, whole_number
from ltx_nb.media.animations import animation_frames, frame_ends_s, is_animation
from ltx_nb.media.contents import MediaInfo
from ltx_nb.media.opening import MediaSource, check_decoded_size, name_of
from ltx_nb.media.pictures import is_picture, open_picture
from ltx_nb.media.timeline import shown_frames, timeline_of
from ltx_nb.media.timing import constant_rate, middles_s, num_frames_at, shown_at


def probe(source: MediaSource) -> MediaInfo:
    """Facts of a video, sound or picture file, read without decoding more than a video's first frame.

    Raises ValueError if it cannot be read.
    """
    return _picture_info(source) if is_picture(source) else timeline_of(source).info


def read_video(
    source: MediaSource, start_s: float = 0.0, end_s: float | None = None, frame_rate: float | None = None
) -> tuple[np.ndarray, float]:
    """Frames, uint8 [F, H, W, 3], and their rate in frames/s: of [start_s, end_s), all by default, at `frame_rate`.

    Raises ValueError if the file cannot be read, has no picture that moves, or has none in that stretch, and for more
    frames than the limit on decoded media allows.
    """
    info = _moving(source)
    moments_s, rate = _moments(source, info, start_s, end_s, frame_rate)
    frames = np.empty((len(moments_s), info.height or 0, info.width or 0, 3), np.uint8)
    for index, picture in enumerate(read_frames_at(source, moments_s)):
        frames[index] = picture
    return frames, rate


def read_frames_at(source: MediaSource, moments_s: np.ndarray) -> Iterator[np.ndarray]:
    """The picture seen at each of ascending moments in s, uint8 [H, W, 3], one at a time, so that few are in memory.

    Raises ValueError if the file cannot be read or has no picture that moves.
    """
    if is_picture(source):
        with open_picture(source) as image:
            starts_s = np.concatenate([[0.0], frame_ends_s(image)[:-1]])
            yield from animation_frames(image, shown_at(starts_s, moments_s))
        return
    with shown_frames(source, timeline_of(source)) as picture_at:
        for moment_s in moments_s:
            yield picture_at(moment_s)


def read_still(source: MediaSource) -> np.ndarray:
    """The frame in the middle of a video, uint8 [H, W, 3]. Raises ValueError if the file has no picture that moves."""
    return read_thumbnails(source, 1)[0]


def read_thumbnails(source: MediaSource, count: int, height_px: int | None = None) -> np.ndarray:
    """At most `count` frames, uint8 [T, height_px, W, 3], each from the middle of one of T equal stretches of a video.

    A long video takes no more memory than a short one. height_px: the video's own if left out. Raises ValueError if the
    file cannot be read or has no picture that moves.
    """
    whole_number("count", count, least=1)
    info = probe(source)
    if info.frame_rate is None or not info.num_frames:
        raise ValueError(f"{name_of(source)} is no video; give one, or read a picture with read_image")
    count = min(count, info.num_frames)
    scale = 1.0 if height_px is None else height_px / (info.height or 1)
    width, height = (max(round((side_px or 1) * scale), 1) for side_px in (info.width, info.height))
    pictures = read_frames_at(source, middles_s(0.0, count, count * info.frame_rate / info.num_frames))
    return np.stack([np.asarray(Image.fromarray(picture).resize((width, height))) for picture in pictures])


def _moving(source: MediaSource) -> MediaInfo:
    info = probe(source)
    if info.is_image:
        raise ValueError(f"{name_of(source)} is a still picture, not a video; read it with read_image")
    if info.frame_rate is None:
        raise ValueError(f"{name_of(source)} has sound but no picture; read it with read_audio, or give a video")
    if not info.num_frames:
        raise ValueError(f"{name_of(source)} has a video stream without a frame; export it again")
    return info


def _moments(
    source: MediaSource, info: MediaInfo, start_s: float, end_s: float | None, frame_rate: float | None
) -> tuple[np.ndarray, float]:
    """The middle of each frame that is asked for, and their rate; within what is there and what is allowed."""
    assert info.frame_rate is not None
    rate = info.frame_rate if frame_rate is None else finite_number("frame_rate", frame_rate, least=0.1, most=1000)
    length_s = info.num_frames / info.frame_rate
    start_s = finite_number("start_s", start_s, least=0)
    asked_s = length_s if end_s is None else finite_number("end_s", end_s)
    end_s = min(asked_s, length_s)
    if start_s >= end_s:
        raise ValueError(f"{name_of(source)} lasts {length_s:.6g} s and shows nothing in [{start_s:g}, {asked_s:g}) s")
    count = num_frames_at(rate, end_s - start_s)
    size = f"{count} frames of {info.width}x{info.height} px"
    num_bytes = 3 * count * (info.width or 0) * (info.height or 0)
    check_decoded_size(name_of(source), size, num_bytes, "less of it, with start_s and end_s")
    return middles_s(start_s, count, rate), rate


def _picture_info(source: MediaSource) -> MediaInfo:
    with open_picture(source) as image:
        turned = image.getexif().get(0x0112, 1) >= 5  # orientations 5 to 8 swap the sides
        width, height = (image.height, image.width) if turned else (image.width, image.height)
        if not is_animation(image):
            image.load()
            return MediaInfo(num_frames=1, width=width, height=height)
        ends_s = frame_ends_s(image)
        rate = constant_rate(np.concatenate([[0.0], ends_s[:-1]]), None) or 10.0
        num_frames = num_frames_at(rate, ends_s[-1])
        return MediaInfo(
            duration_s=float(ends_s[-1]), frame_rate=rate, num_frames=num_frames, width=width, height=height
        )
