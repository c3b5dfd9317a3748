"""Write video and sound files, whole or not at all, and encode them as bytes. Does not know what the media are for.

No clock goes into a file, and what is encoded as bytes is the same bytes for the same arrays.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import soxr
from av.video.reformatter import VideoReformatter

from ltx_nb.arrays import check_audio, check_frames
from ltx_nb.checks import finite_number, whole_number
from ltx_nb.media.colour import EXACT_COLOURS
from ltx_nb.media.contents import Media
from ltx_nb.media.encodings import (
    AUDIO_SUFFIXES,
    ENCODINGS,
    LOSSLESS,
    MP3,
    PREVIEW,
    VIDEO_SUFFIXES,
    Encoding,
)
from ltx_nb.media.pictures import poster
from ltx_nb.media.records import record
from ltx_nb.whole_files import whole_file

_BT709 = 1  # matrix, primaries and transfer of HD video, in FFmpeg's numbering; what browsers assume, and the file says
_LIMITED_RANGE = 1


def write_video(
    path: str | os.PathLike[str],
    frames: np.ndarray | None,
    frame_rate: float | None,
    audio: np.ndarray | None,
    sample_rate: int | None,
    *,
    request_json: str | None = None,
    clip_json: str | None = None,
    crf: int = 18,
    lossless: bool = False,
) -> Path:
    """Write frames (uint8 [F, H, W, 3]) and audio (float32 [2, N]), either of which may be None, to a video file.

    .mp4, .mov and .mkv hold H.264 (yuv420p, BT.709) and AAC, .webm holds VP9 and Opus, sound always in 48 kHz stereo.
    The same frames and audio make the same bytes each time.
    An odd width or height grows by one pixel, since yuv420p has even ones only.
    crf: the encoder's quality scale, 0 the best; at 18 H.264 looks like the original.
    lossless: RGB H.264 and WavPack in an .mkv, from which pixels and samples come back exactly.
    request_json, clip_json: any JSON, of any length, for `read_request_json` and `read_clip_json`.

    Raises ValueError for another suffix or malformed arrays, OSError if the file cannot be written.
    """
    path = Path(path)
    encoding = _encoding(path, VIDEO_SUFFIXES)
    if lossless and path.suffix.lower() != ".mkv":
        raise ValueError(f"{path}: lossless video goes into .mkv; give {path.with_suffix('.mkv').name}")
    options = {} if lossless else {"crf": str(whole_number("crf", crf, least=0, most=51))}
    encoding = LOSSLESS if lossless else replace(encoding, video_options=encoding.video_options | options)
    with whole_file(path) as unfinished:
        comment = record(request_json, clip_json)
        _encode(str(unfinished), encoding, frames, frame_rate, audio, sample_rate, comment)
    return path


def write_audio(
    path: str | os.PathLike[str],
    audio: np.ndarray,
    sample_rate: int | None,
    *,
    request_json: str | None = None,
    clip_json: str | None = None,
) -> Path:
    """Write audio (float32 [2, N]) to a .wav (32-bit float, exact), .flac (24 bit) or .mp3 (192 kbit/s, 48 kHz) file.

    Raises ValueError for another suffix or malformed audio, OSError if the file cannot be written.
    """
    path = Path(path)
    encoding = _encoding(path, AUDIO_SUFFIXES)
    with whole_file(path) as unfinished:
        _encode(str(unfinished), encoding, None, None, audio, sample_rate, record(request_json, clip_json))
    return path


def encode_lossless(
    frames: np.ndarray | None, frame_rate: float | None, audio: np.ndarray | None, sample_rate: int | None
) -> bytes:
    """A Matroska file from which `read_video` and `read_audio` give back exactly these pixels and samples."""
    return _encoded(LOSSLESS, frames, frame_rate, audio, sample_rate)


def encode(media: Media) -> tuple[bytes, str]:
    """Decoded media as the bytes of a file that gives them back exactly, and its media type.

    A single frame without a rate becomes a PNG, everything else Matroska (`encode_lossless`).
    """
    if media.frames is not None and media.frame_rate is None and media.audio is None:
        return poster(media.frames, "PNG"), "image/png"
    content = encode_lossless(media.frames, media.frame_rate, media.audio, media.sample_rate)
    return content, "audio/x-matroska" if media.frames is None else "video/x-matroska"


def encode_preview(
    frames: np.ndarray, frame_rate: float | None, audio: np.ndarray | None, sample_rate: int | None, *, aac: bool = True
) -> bytes:
    """An MP4 for a browser, smaller than a saved one; with MP3 instead of AAC where the browser has no AAC."""
    encoding = PREVIEW
    if not aac:
        encoding = replace(encoding, audio_codec=MP3.audio_codec, audio_options=MP3.audio_options)
    return _encoded(encoding, frames, frame_rate, audio, sample_rate)


def encode_sound(audio: np.ndarray | None, sample_rate: int | None) -> bytes:
    """An MP3 for a browser."""
    return _encoded(MP3, None, None, audio, sample_rate)


def _encoding(path: Path, suffixes: tuple[str, ...]) -> Encoding:
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise ValueError(f"{path}: the suffix {suffix!r} says no format; end the name in {', '.join(suffixes)}")
    return ENCODINGS[suffix]


def _encoded(encoding: Encoding, *media: Any) -> bytes:
    file = io.BytesIO()
    _encode(file, encoding, *media)
    return file.getvalue()


def _encode(
    target: str | BinaryIO,
    encoding: Encoding,
    frames: np.ndarray | None,
    frame_rate: float | None,
    audio: np.ndarray | None,
    sample_rate: int | None,
    comment: str = "{}",
) -> None:
    if frames is None and audio is None:
        raise ValueError("neither frames nor audio is given; give at least one of them")
    options = {"fflags": "+bitexact"} | encoding.options
    with av.open(target, "w", format=encoding.container, options=options) as container:
        if comment != "{}":
            container.metadata["comment"] = comment
        # Both streams are there before the first packet, which fixes the header.
        lanes: list[Callable[[], list[Any]]] = []
        if frames is not None:
            lanes.append(partial(_video_packets, _video_stream(container, encoding, frames, frame_rate), frames))
        if audio is not None:
            lanes.append(partial(_audio_packets, _audio_stream(container, encoding, sample_rate), audio, sample_rate))
        with ThreadPoolExecutor(len(lanes)) as both:
            packets = [packet for made in both.map(lambda encode_lane: encode_lane(), lanes) for packet in made]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)


def _video_stream(container: Any, encoding: Encoding, frames: np.ndarray, frame_rate: float | None) -> Any:
    frames = check_frames(frames)
    rate = Fraction(finite_number("frame_rate", frame_rate, least=0.1, most=1000)).limit_denominator(1001)
    stream = container.add_stream(encoding.video_codec, rate=rate, options=encoding.video_options)
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = encoding.pixel_format
    if encoding.pixel_format == "yuv420p":
        stream.height, stream.width = stream.height + stream.height % 2, stream.width + stream.width % 2
        codec = stream.codec_context
        codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
        codec.color_range = _LIMITED_RANGE
    return stream


def _video_packets(stream: Any, frames: np.ndarray) -> list[Any]:
    packets = []
    even = ((0, stream.height - frames.shape[1]), (0, stream.width - frames.shape[2]), (0, 0))
    # One for all frames, in one thread: what each frame's own sets up takes longer than the conversion.
    reformatter = VideoReformatter()
    for index, pixels in enumerate(frames):
        if even != ((0, 0), (0, 0), (0, 0)):
            pixels = np.pad(pixels, even, "edge")
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), format="rgb24")
        if stream.pix_fmt == "yuv420p":
            frame = reformatter.reformat(
                frame,
                format="yuv420p",
                dst_colorspace=_BT709,
                dst_color_range=_LIMITED_RANGE,
                interpolation=EXACT_COLOURS,
                threads=1,
            )
        frame.pts, frame.time_base = index, 1 / stream.codec_context.framerate
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _audio_stream(container: Any, encoding: Encoding, sample_rate: int | None) -> Any:
    rate = whole_number("sample_rate", sample_rate, least=1)
    options = {"rate": encoding.sample_rate or rate, "layout": "stereo", "options": encoding.audio_options}
    stream = container.add_stream(encoding.audio_codec, **options)
    stream.format = encoding.audio_format
    return stream


def _audio_packets(stream: Any, audio: np.ndarray, sample_rate: int | None) -> list[Any]:
    audio = check_audio(audio)
    if sample_rate != stream.rate:
        audio = np.clip(soxr.resample(audio.T, sample_rate, stream.rate).T, -1, 1)
    sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), format="fltp", layout="stereo")
    sound.sample_rate, sound.pts, sound.time_base = stream.rate, 0, Fraction(1, stream.rate)
    frame_size = stream.codec_context.frame_size or 4096
    resampler = av.AudioResampler(format=stream.format, layout="stereo", rate=stream.rate, frame_size=frame_size)
    packets = []
    for frame in [*resampler.resample(sound), *resampler.resample(None)]:
        packets += stream.encode(frame)
    return packets + stream.encode(None)
