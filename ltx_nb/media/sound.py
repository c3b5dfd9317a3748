"""Read sound: samples in their places on the timeline of the file, silence where it has none.

The timeline begins where the file begins to play: padding that encoders put before the sound (priming) or after it is
gone, a late start and gaps are silence. A stretch of a file is sought, and the rest of it is not decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import floor
from typing import Any

import av
import numpy as np
import soxr

from ltx_nb.checks import finite_number, whole_number
from ltx_nb.media.opening import READABLE, MediaSource, check_decoded_size, name_of, open_media, stream_of
from ltx_nb.media.pictures import is_picture
from ltx_nb.media.timeline import GUESSED_LENGTHS, Timeline, timeline_of

# Time stamps of blocks are rounded, to 1 ms in Matroska, and jitter in phones; a codec's block lasts 20 ms or more.
_JITTER_S = 0.015
# Less than this is decoded through; a decoder is right again some blocks after the one it begins with.
_SEEK_AHEAD_S = 5.0
_SEEK_BEFORE_S = 0.5
_CONTEXT_S = 0.1  # of sound on both sides, which resampling a stretch needs
_Stamped = tuple[int | None, np.ndarray]
_BYTES = 8  # of one moment: two channels of float32


def read_audio(
    source: MediaSource, sample_rate: int | None = None, start_s: float = 0.0, end_s: float | None = None
) -> tuple[np.ndarray, int]:
    """The sound, float32 [2, N] in [-1, 1], and its rate: the file's own, or `sample_rate` (Hz), resampled.

    [start_s, end_s): the stretch to read, all by default; what the sound ends before is left out, so that N may be 0.
    Mono goes to both channels; more than two are mixed down with FFmpeg's standard weights.
    Raises ValueError if the file cannot be read or has no sound, and for more than the limit on decoded media.
    """
    if sample_rate is not None:
        whole_number("sample_rate", sample_rate, least=1, most=768_000)
    start_s = finite_number("start_s", start_s, least=0)
    end_s = None if end_s is None else finite_number("end_s", end_s, least=start_s)
    if is_picture(source):
        raise ValueError(f"{name_of(source)} is a still picture; give a file with sound: {READABLE}")
    timeline = timeline_of(source)
    own_rate = timeline.info.sample_rate
    if not own_rate:
        raise ValueError(f"{name_of(source)} has no sound; give a file with an audio stream, or go without")
    rate = own_rate if sample_rate is None else sample_rate
    wanted_s = min(timeline.info.audio_duration_s, np.inf if end_s is None else end_s) - start_s
    _check_length(source, wanted_s, max(rate, own_rate))
    if rate == own_rate:
        return _samples(source, timeline, round(start_s * rate), None if end_s is None else round(end_s * rate)), rate
    # From a whole second on, where both rates have a sample.
    first_s = max(floor(start_s - _CONTEXT_S), 0)
    last = None if end_s is None else round((end_s + _CONTEXT_S) * own_rate)
    audio = _samples(source, timeline, first_s * own_rate, last)
    audio = np.clip(soxr.resample(audio.T, own_rate, rate).T, -1, 1)
    begin = round((start_s - first_s) * rate)
    end = None if end_s is None else begin + round((end_s - start_s) * rate)
    return np.ascontiguousarray(audio[:, begin:end], np.float32), rate


def _samples(source: MediaSource, timeline: Timeline, start: int, end: int | None) -> np.ndarray:
    """float32 [2, N] of samples [start, end) at the file's own rate."""
    with open_media(source) as container:
        stream = stream_of(container, "audio")
        placed: list[tuple[int, np.ndarray]] = []
        reached = first = None
        for place, block in _placed_blocks(container, stream, timeline, start):
            first = place if first is None else first
            reached = place + block.shape[1]
            if reached > start:
                placed.append((place, block))
                _check_length(source, (reached - start) / stream.rate, stream.rate)
            if end is not None and reached >= end:
                break
        else:
            if reached is None and start:
                return np.zeros((2, 0), np.float32)
            if reached is None:
                raise ValueError(f"{name_of(source)} has an audio stream without a sample; export it again")
            reached = _without_padding(container, stream, timeline, first, reached)
    stop = reached if end is None else min(end, reached)
    audio = np.zeros((placed[0][1].shape[0] if placed else 1, max(stop - start, 0)), np.float32)
    for place, block in placed:
        block = block[:, max(start - place, 0) : max(stop - place, 0)]
        place = max(place - start, 0)
        audio[:, place : place + block.shape[1]] = block
    if not np.isfinite(audio).all():
        raise ValueError(f"{name_of(source)} holds samples that are NaN or infinite; export it again")
    np.clip(audio, -1, 1, out=audio)
    return audio if len(audio) == 2 else np.repeat(audio, 2, axis=0)


def _placed_blocks(container: Any, stream: Any, timeline: Timeline, start: int) -> Iterator[tuple[int, np.ndarray]]:
    """Decoded blocks, float32 [channels, n], each with the sample at which it begins; from some before `start` on."""
    rate = stream.rate
    # Without an index, the place of a block is a guess; those formats decode a thousand times as fast as they play.
    if start / rate > _SEEK_AHEAD_S and container.format.name not in GUESSED_LENGTHS:
        # Where stamps are coarser than samples, the first blocks tell on which samples blocks begin.
        coarse = stream.time_base * rate > 1
        first = list(islice(_stamped_blocks(container, stream, timeline), 2)) if coarse else []
        target_s = timeline.begin_s + start / rate - _SEEK_BEFORE_S
        try:
            container.seek(round(target_s / stream.time_base), stream=stream)
            sought = _in_place(_stamped_blocks(container, stream, timeline), rate, first)
            place, block = next(sought, (start + 1, None))
            if block is not None and place <= start:
                yield place, block
                yield from sought
                return
        except av.FFmpegError:
            pass  # no index, or a wrong one
        container.seek(0)
    yield from _in_place(_stamped_blocks(container, stream, timeline), rate)


def _in_place(
    stamped: Iterator[_Stamped], rate: int, first: Sequence[_Stamped] = ()
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks one after the other, but for gaps that are longer than stamps jitter. first: two from the beginning."""
    expected: int | None = None
    for stamp, block in stamped:
        place = stamp if expected is None else expected
        if expected is None and stamp is not None and len(first) == 2 and first[0][0] is not None:
            origin, length = first[0][0] + first[0][1].shape[1], first[1][1].shape[1]
            on_grid = origin + round((stamp - origin) / length) * length
            place = on_grid if abs(on_grid - stamp) <= 0.001 * rate else stamp
        if stamp is not None and expected is not None and abs(stamp - expected) > _JITTER_S * rate:
            place = stamp
        yield place or 0, block
        expected = (place or 0) + block.shape[1]


def _stamped_blocks(container: Any, stream: Any, timeline: Timeline) -> Iterator[_Stamped]:
    """Decoded blocks with the sample at which their time stamps say that they begin."""
    for frame, block in _blocks(container, stream):
        yield None if frame.pts is None else round((frame.time - timeline.begin_s) * stream.rate), block


def _blocks(container: Any, stream: Any) -> Iterator[tuple[Any, np.ndarray]]:
    resampler, made_for = None, None
    for frame in container.decode(stream):
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if resampler is None or kind != made_for:
            layout = "stereo" if frame.layout.nb_channels > 2 else frame.layout.name
            resampler, made_for = av.AudioResampler(format="fltp", layout=layout, rate=stream.rate), kind
        blocks = [block.to_ndarray() for block in resampler.resample(frame)]
        if blocks:
            yield frame, np.concatenate(blocks, axis=1)


def _without_padding(container: Any, stream: Any, timeline: Timeline, first: int | None, reached: int) -> int:
    """Where the sound ends: the last codec block is filled up with silence, whose length a container may tell."""
    if not stream.duration or container.format.name in GUESSED_LENGTHS:
        return reached
    begin = first or 0
    if stream.start_time is not None:
        begin = max(round((float(stream.start_time * stream.time_base) - timeline.begin_s) * stream.rate), 0)
    declared = begin + round(stream.duration * stream.time_base * stream.rate)
    return declared if 0 < reached - declared <= (stream.codec_context.frame_size or 0) else reached


def _check_length(source: MediaSource, length_s: float, rate: int) -> None:
    what = f"{length_s:.6g} s of sound at {rate} Hz"
    check_decoded_size(name_of(source), what, length_s * rate * _BYTES, "less of it, with start_s and end_s")
