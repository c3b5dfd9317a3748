"""Timelines of a video file's picture and sound, found from its packets' time stamps without decoding them.

The timeline begins where the file begins to play. Packets that an edit list hides are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

from ltx_nb.media.colour import HDR, rgb_of, square_size
from ltx_nb.media.contents import MediaInfo
from ltx_nb.media.opening import MediaSource, name_of, open_media, stream_of
from ltx_nb.media.timing import constant_rate, num_frames_at

# FFmpeg reads a video that was cut off as far as it goes; containers round the length that they declare.
_SHORTFALL_S = 0.25
# Formats whose declared length is a guess from the bit rate.
GUESSED_LENGTHS = ("aac", "mp3", "mpegts")


@dataclass(frozen=True)
class Timeline:
    """begin_s: what the file's own clock says where it begins to play. video_shift_s: by how much its pictures' time
    stamps are late beside that. size: width and height of a picture before it is turned, in square pixels."""

    info: MediaInfo
    begin_s: float
    video_shift_s: float = 0.0
    size: tuple[int, int] = (0, 0)


def timeline_of(source: MediaSource) -> Timeline:
    """Raises ValueError for a file that cannot be read, or that breaks off before the length that it declares."""
    with open_media(source) as container:
        video, audio = stream_of(container, "video"), stream_of(container, "audio")
        times_s, ends_s, sound_end_s, delay_s = _packet_times(container, video, audio)
        begin_s = max(0, container.start_time or 0) / av.time_base
        found: dict[str, Any] = {}
        video_notes, audio_notes = [], []
        if audio is not None:
            found |= {"sample_rate": audio.rate, "channels": audio.channels}
            if (count := len(container.streams.audio)) > 1:
                audio_notes.append(f"sound track {container.streams.audio.index(audio) + 1} of {count} read")
        end_s = max([sound_end_s, *ends_s[-1:]], default=0.0)
        size = (0, 0)
        if video is not None:
            declared = float(video.guessed_rate) if video.guessed_rate else None
            rate = constant_rate(times_s, declared)
            if not rate:
                raise ValueError(f"{name_of(source)} does not say its frame rate; export it again, as MP4")
            if len(times_s) and 0 < times_s[0] - begin_s < 1.01 / rate:
                begin_s = float(times_s[0])  # sound that is ahead by no more than a frame is the encoder's padding
            size, turned, hdr = _picture(container, video, len(times_s))
            shown_s = (
                (ends_s[-1] if ends_s[-1] > times_s[-1] else times_s[-1] + 1 / rate) - begin_s if len(times_s) else 0
            )
            end_s = max(end_s, begin_s + shown_s)
            width, height = size[::-1] if turned else size
            found |= {"frame_rate": rate, "width": width, "height": height}
            found["num_frames"] = num_frames_at(rate, shown_s) if len(times_s) else 0
            if len(times_s) and abs(len(times_s) - found["num_frames"]) > max(1, 0.01 * len(times_s)):
                video_notes.append(f"{len(times_s)} frames of uneven length brought to {rate:.5g} frames/s")
            if size != (video.width, video.height):
                video_notes.append(
                    f"picture of {video.width}x{video.height} oblong pixels brought to {size[0]}x{size[1]}"
                )
            if hdr:
                video_notes.append(f"HDR picture ({hdr}) tone-mapped to SDR")
        # Declared lengths count from 0 in Matroska, from the first stream's start in MP4, where they leave out padding.
        declared_s = container.duration / av.time_base if container.duration else end_s
        if len(times_s) and end_s < declared_s - _SHORTFALL_S:
            message = f"it breaks off at {end_s:.3g} of {declared_s:.3g} s; copy or download it again"
            raise ValueError(f"cannot read {name_of(source)}: {message}")
        played_s = end_s - begin_s
        duration_s = played_s if container.format.name in GUESSED_LENGTHS else min(declared_s, played_s)
        if audio is not None:
            found["audio_duration_s"] = max(sound_end_s - begin_s, 0.0)
        found |= {"video_notes": tuple(video_notes), "audio_notes": tuple(audio_notes)}
        return Timeline(MediaInfo(duration_s=duration_s, **found), begin_s, delay_s, size)


def _packet_times(container: Any, video: Any, audio: Any) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Begin and end of each shown picture in order, the end of the sound, and by how much pictures are stamped late."""
    starts: list[float] = []
    ends: list[float] = []
    first_dts_s, sound_end_s = None, 0.0
    streams = [stream for stream in (video, audio) if stream is not None]
    tick_s = {stream.index: float(stream.time_base) for stream in streams}
    for packet in container.demux(*streams) if streams else ():
        stamp = packet.dts if packet.pts is None else packet.pts
        if not packet.size or packet.is_discard or stamp is None:
            continue
        start_s = stamp * tick_s[packet.stream_index]
        end_s = start_s + (packet.duration or 0) * tick_s[packet.stream_index]
        if video is not None and packet.stream_index == video.index:
            starts.append(start_s)
            ends.append(end_s)
            if first_dts_s is None and packet.dts is not None:
                first_dts_s = packet.dts * tick_s[video.index]
        else:
            sound_end_s = max(sound_end_s, end_s)
    # An AVI counts frames as they are stored; those that wait for later ones to be decoded are not shown late.
    is_avi = container.format.name == "avi" and bool(starts) and first_dts_s is not None
    delay_s = max(min(starts) - (first_dts_s or 0.0), 0.0) if is_avi else 0.0
    order = np.argsort(starts, kind="stable")
    return np.array(starts)[order] - delay_s, np.array(ends)[order] - delay_s, sound_end_s, delay_s


def _picture(container: Any, video: Any, num_packets: int) -> tuple[tuple[int, int], bool, str | None]:
    """Size in square pixels, whether a quarter turn is to follow, and what kind of HDR it is, if it is."""
    aspect = video.sample_aspect_ratio
    frame = None
    if num_packets:
        container.seek(0)
        frame = next(container.decode(video), None)
    if frame is None:
        return square_size(video.width, video.height, aspect), False, None
    return square_size(video.width, video.height, aspect), frame.rotation % 180 != 0, HDR.get(int(frame.color_trc))


@contextmanager
def shown_frames(source: MediaSource, timeline: Timeline) -> Iterator[Any]:
    """A function that gives, for a moment in s from where the file begins to play, the picture seen then.

    uint8 [H, W, 3]. Moments go forward; one that is far ahead is sought, and what lies between is not decoded.
    """
    with open_media(source) as container:
        yield _Pictures(container, timeline, name_of(source)).at


class _Pictures:
    """The pictures of a video as time goes on."""

    def __init__(self, container: Any, timeline: Timeline, name: str):
        self._container, self._timeline, self._name = container, timeline, name
        self._stream = stream_of(container, "video")
        self._stream.thread_type = "AUTO"
        self._decoded = self._decode()
        self._shown: Any = None
        self._next: Any = next(self._decoded, None)
        self._pixels: tuple[Any, np.ndarray] | None = None
        if self._next is None:
            raise ValueError(f"{name} has a video stream without a frame; export it again")

    def at(self, moment_s: float) -> np.ndarray:
        if self._next is not None and moment_s > self._next[0] + _SEEK_AHEAD_S:
            self._seek(moment_s)
        while self._next is not None and self._next[0] <= moment_s:
            self._shown, self._next = self._next, next(self._decoded, None)
        frame = (self._shown or self._next)[1]
        if self._pixels is None or self._pixels[0] is not frame:
            self._pixels = frame, rgb_of(frame, *self._timeline.size)
        return self._pixels[1]

    def _decode(self) -> Iterator[tuple[float, Any]]:
        info, begin_s = self._timeline.info, self._timeline.begin_s + self._timeline.video_shift_s
        for index, frame in enumerate(self._container.decode(self._stream)):
            yield index / (info.frame_rate or 1) if frame.pts is None else frame.time - begin_s, frame

    def _seek(self, moment_s: float) -> None:
        """Go to the last key frame before a moment; further back where what comes from there is not yet a picture."""
        here_s = (self._next or self._shown)[0]
        tries_s = [moment_s - before_s for before_s in _SEEK_BEFORE_S if moment_s - before_s > here_s]
        for target_s in [*tries_s, None] if tries_s else []:
            decoded = self._decode()
            try:
                if target_s is None:
                    self._container.seek(0)
                else:
                    on_clock_s = self._timeline.begin_s + self._timeline.video_shift_s + target_s
                    self._container.seek(round(on_clock_s / self._stream.time_base), stream=self._stream)
                first = next(decoded, None)
            except av.FFmpegError:
                if target_s is None:
                    raise
                continue
            if first is not None and (first[0] <= moment_s or target_s is None):
                self._decoded, self._shown, self._next = decoded, None, first
                return


# Less than this is decoded through; a key frame is seldom nearer.
_SEEK_AHEAD_S = 5.0
_SEEK_BEFORE_S = (0.0, 10.0)
