"""Read video and sound files: what is in them, frames and samples.

Picture and sound come out on one timeline, which begins where the file begins to play: what encoders put before the
sound (priming) or after it is gone, and frames of uneven length are brought to a constant rate. Does not know what the
media are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
import numpy as np
import soxr
from av.stream import Disposition
from av.video.reformatter import Interpolation

from ltx_nb.checks import whole_number
from ltx_nb.media.contents import MediaInfo
from ltx_nb.media.pictures import MediaSource, file_of, is_image, name_of, read_image

READABLE = "MP4, MOV, WebM, MKV, WAV, MP3 or FLAC"
# Names of FFmpeg's demuxers. Others are refused: some, such as playlists, open further files and addresses.
_DEMUXERS = "mov,matroska,wav,mp3,flac"

# Without these, swscale rounds down, and everything comes out about one level of 255 too dark.
EXACT_COLOURS = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
)

# FFmpeg reads a video that was cut off as far as it goes; containers round the length that they declare.
_SHORTFALL_S = 0.25


def probe(source: MediaSource) -> MediaInfo:
    """What is in a video, sound or picture file, read without decoding more than one frame.

    Raises ValueError if it cannot be read.
    """
    if is_image(source):
        height, width, _ = read_image(source).shape
        return MediaInfo(num_frames=1, width=width, height=height)
    with open_media(source) as container:
        found: dict[str, Any] = {}
        audio = _stream(container, "audio")
        if audio is not None:
            found |= {"sample_rate": audio.rate, "channels": audio.channels}
        video = _stream(container, "video")
        num_frames, end_s = 0, 0.0
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                num_frames += packet.stream is video
        if video is not None:
            if not video.guessed_rate:
                raise ValueError(f"{name_of(source)} does not say its frame rate; export it again, as MP4")
            found |= {"frame_rate": float(video.guessed_rate), "num_frames": num_frames}
            found |= {"width": video.width, "height": video.height}
            if num_frames:
                container.seek(0)
                if next(container.decode(video)).rotation % 180:
                    found |= {"width": video.height, "height": video.width}
        # Declared lengths count from 0 in Matroska, from the first stream's start in MP4, where they leave out padding.
        declared_s = container.duration / av.time_base if container.duration else end_s
        if num_frames and end_s < declared_s - _SHORTFALL_S:
            message = f"it breaks off at {end_s:.3g} of {declared_s:.3g} s; copy or download it again"
            raise ValueError(f"cannot read {name_of(source)}: {message}")
        duration_s = min(declared_s, end_s - _begin_s(container))
        return MediaInfo(duration_s=duration_s, **found)


def read_video(source: MediaSource) -> tuple[np.ndarray, float]:
    """All frames, uint8 [F, H, W, 3], and their rate in frames/s.

    Raises ValueError if the file cannot be read or has no picture that moves.
    """
    info = probe(source)
    if info.is_image:
        raise ValueError(f"{name_of(source)} is a still picture, not a video; read it with read_image")
    if info.frame_rate is None:
        raise ValueError(f"{name_of(source)} has sound but no picture; read it with read_audio, or give a video")
    frames = np.empty((info.num_frames, info.height or 0, info.width or 0, 3), np.uint8)
    times_s = []
    with open_media(source) as container:
        stream = _stream(container, "video")
        stream.thread_type = "AUTO"
        begin_s = _begin_s(container)
        # Frames beyond num_frames would be of packets that hold several; none of the codecs in use here makes them.
        for index, frame in zip(range(info.num_frames), container.decode(stream), strict=False):
            frames[index] = _pixels(frame, stream)
            times_s.append(index / info.frame_rate if frame.pts is None else frame.time - begin_s)
    if not times_s:
        raise ValueError(f"{name_of(source)} has a video stream without a frame; export it again")
    return _at_constant_rate(frames[: len(times_s)], np.array(times_s), info.frame_rate), info.frame_rate


def read_still(source: MediaSource) -> np.ndarray:
    """One frame, uint8 [H, W, 3], found without decoding others: the last key frame before the middle.

    Raises ValueError if the file cannot be read or has no picture.
    """
    info = probe(source)
    if info.is_image or not info.num_frames:
        raise ValueError(f"{name_of(source)} is no video; give one, or read a picture with read_image")
    with open_media(source) as container:
        stream = _stream(container, "video")
        container.seek(round((_begin_s(container) + info.duration_s / 2) * av.time_base))
        return np.ascontiguousarray(_pixels(next(container.decode(stream)), stream))


def read_thumbnails(source: MediaSource, count: int, height_px: int) -> np.ndarray:
    """At most `count` frames, uint8 [T, height_px, W, 3], each from the middle of one of T equal stretches of a video.

    The others are decoded but not kept, so that a long video takes no more memory than a short one. Raises ValueError
    if the file cannot be read or has no picture that moves.
    """
    info = probe(source)
    if info.is_image or not info.num_frames:
        raise ValueError(f"{name_of(source)} is no video; give one, or read a picture with read_image")
    count = min(count, info.num_frames)
    wanted = {int((index + 0.5) * info.num_frames / count) for index in range(count)}
    with open_media(source) as container:
        stream = _stream(container, "video")
        stream.thread_type = "AUTO"
        scale = height_px / (info.height or 1)
        width, height = (max(round(side * scale), 1) for side in (stream.width, stream.height))
        pictures = [
            np.rot90(frame.to_ndarray(format="rgb24", width=width, height=height), frame.rotation // 90)
            for index, frame in enumerate(container.decode(stream))
            if index in wanted
        ]
    return np.stack(pictures)


def read_audio(source: MediaSource, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """The sound, float32 [2, N] in [-1, 1], and its rate: the file's own, or `sample_rate` (Hz), resampled.

    Mono goes to both channels; more than two are mixed down with FFmpeg's standard weights.
    Raises ValueError if the file cannot be read or has no sound.
    """
    if sample_rate is not None:
        whole_number("sample_rate", sample_rate, least=1)
    info = probe(source)
    if info.is_image:
        raise ValueError(f"{name_of(source)} is a still picture; give a file with sound: {READABLE}")
    if not info.has_audio:
        raise ValueError(f"{name_of(source)} has no sound; give a file with an audio stream, or go without")
    with open_media(source) as container:
        stream = _stream(container, "audio")
        resampler = av.AudioResampler(format="fltp", layout="stereo" if stream.channels > 2 else None)
        blocks, first_s = [], None
        for frame in container.decode(stream):
            first_s = frame.time if first_s is None else first_s
            blocks += [block.to_ndarray() for block in resampler.resample(frame)]
        blocks += [block.to_ndarray() for block in resampler.resample(None)]
        audio = np.concatenate(blocks, axis=1) if blocks else np.empty((2, 0), np.float32)
        # The last codec frame is filled up with silence; where the container says how long the sound is, it is cut off.
        declared = round(stream.duration * stream.time_base * stream.rate) if stream.duration else audio.shape[1]
        if 0 < audio.shape[1] - declared <= stream.codec_context.frame_size:
            audio = audio[:, :declared]
        begin_s = _begin_s(container)
        late = round(((begin_s if first_s is None else first_s) - begin_s) * stream.rate)
        rate = stream.rate
    if not audio.size:
        raise ValueError(f"{name_of(source)} has an audio stream without a sample; export it again")
    if not np.isfinite(audio).all():
        raise ValueError(f"{name_of(source)} holds samples that are NaN or infinite; export it again")
    audio = np.pad(audio, ((0, 0), (max(late, 0), 0)))[:, max(-late, 0) :]
    audio = audio if len(audio) == 2 else np.repeat(audio, 2, axis=0)
    if sample_rate is not None and sample_rate != rate:
        audio, rate = soxr.resample(audio.T, rate, sample_rate).T, sample_rate
    return np.ascontiguousarray(np.clip(audio, -1, 1), np.float32), rate


@contextmanager
def open_media(source: MediaSource) -> Iterator[Any]:
    """PyAV's container of a file. Raises ValueError if it cannot be read."""
    try:
        with av.open(file_of(source), options={"format_whitelist": _DEMUXERS}) as container:
            yield container
    except av.FileNotFoundError:
        raise ValueError(f"cannot read {name_of(source)}: no such file; check the path") from None
    except av.FFmpegError as error:
        reason = f"it is damaged, or not {READABLE}; export it again, as MP4 or WAV"
        raise ValueError(f"cannot read {name_of(source)}: {reason} ({error.strerror})") from error


def _stream(container: Any, kind: str) -> Any:
    """The first stream of a kind, None if there is none; the cover picture of a song is not a video stream."""
    streams = getattr(container.streams, kind)
    return next((stream for stream in streams if not stream.disposition & Disposition.attached_pic), None)


def _pixels(frame: Any, stream: Any) -> np.ndarray:
    rgb = frame.to_ndarray(format="rgb24", width=stream.width, height=stream.height, interpolation=EXACT_COLOURS)
    return np.rot90(rgb, frame.rotation // 90)


def _begin_s(container: Any) -> float:
    """Where the timeline begins: at the first stream's start; what lies before 0 is priming and is not played."""
    return max(0, container.start_time or 0) / av.time_base


def _at_constant_rate(frames: np.ndarray, times_s: np.ndarray, frame_rate: float) -> np.ndarray:
    """The frame nearest to each multiple of 1 / frame_rate, unless all are already within half a frame of theirs."""
    if (np.abs(times_s * frame_rate - np.arange(len(frames))) < 0.5).all():
        return frames
    grid_s = np.arange(max(1, round(times_s[-1] * frame_rate) + 1)) / frame_rate
    return frames[np.rint(np.interp(grid_s, times_s, np.arange(len(frames)))).astype(int)]
