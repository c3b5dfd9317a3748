"""Contents of media: the facts of a file, and decoded pictures and sound in memory. Reads and writes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ltx_nb.arrays import check_audio, check_frames
from ltx_nb.checks import finite_number, whole_number


@dataclass(frozen=True)
class MediaInfo:
    """Facts of a file. A still picture is one frame without a rate; what is not there is None or 0.

    width and height are in square pixels as shown, that is, turned as the file says. num_frames counts frames at
    frame_rate for as long as the picture is shown, which is what `read_video` gives, however many are stored.
    video_notes, audio_notes: in words, how each lane is converted when it is read.
    """

    duration_s: float = 0.0
    frame_rate: float | None = None
    num_frames: int = 0
    width: int | None = None
    height: int | None = None
    sample_rate: int | None = None
    channels: int = 0
    audio_duration_s: float = 0.0
    video_notes: tuple[str, ...] = ()
    audio_notes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        return self.video_notes + self.audio_notes

    @property
    def has_video(self) -> bool:
        return self.frame_rate is not None

    @property
    def has_audio(self) -> bool:
        return self.channels > 0

    @property
    def is_image(self) -> bool:
        return self.num_frames == 1 and self.frame_rate is None


@dataclass(frozen=True, eq=False, kw_only=True)
class Media:
    """Decoded media: pictures, sound or both. Raises ValueError for other dtypes and shapes, NaN, or a missing rate.

    frames: uint8 [F, H, W, 3], RGB; frame_rate in frames/s, which a single frame, an image, may lack.
    audio: float32 [2, N] in [-1, 1], left and right; sample_rate in Hz.
    """

    frames: np.ndarray | None = None
    frame_rate: float | None = None
    audio: np.ndarray | None = None
    sample_rate: int | None = None

    def __post_init__(self) -> None:
        if self.frames is None and self.audio is None:
            raise ValueError("neither frames nor audio is given; give at least one of them")
        if self.frames is not None:
            check_frames(self.frames)
            if len(self.frames) > 1 or self.frame_rate is not None:
                object.__setattr__(
                    self, "frame_rate", finite_number("frame_rate", self.frame_rate, least=0.1, most=1000)
                )
        if self.audio is not None:
            check_audio(self.audio)
            object.__setattr__(self, "sample_rate", whole_number("sample_rate", self.sample_rate, least=1))

    @cached_property
    def sha256(self) -> str:
        """Digest of shapes, rates and samples."""
        digest = hashlib.sha256()
        for array, rate in ((self.frames, self.frame_rate), (self.audio, self.sample_rate)):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape} at {rate}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @property
    def info(self) -> MediaInfo:
        found: dict[str, float | int | None] = {}
        if self.audio is not None and self.sample_rate is not None:
            duration_s = self.audio.shape[1] / self.sample_rate
            found = {
                "duration_s": duration_s,
                "sample_rate": self.sample_rate,
                "channels": 2,
                "audio_duration_s": duration_s,
            }
        if self.frames is not None:
            height, width = self.frames.shape[1:3]
            found |= {"num_frames": len(self.frames), "frame_rate": self.frame_rate, "width": width, "height": height}
            if self.frame_rate is not None:
                found["duration_s"] = len(self.frames) / self.frame_rate
        return MediaInfo(**found)  # type: ignore[arg-type]
