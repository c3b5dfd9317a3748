"""Shape arithmetic of both modalities: pixels <-> latents <-> tokens, and which seconds each token covers.

A video token is 128 channels for 8 frames x 32 x 32 px (in the first latent frame: for one frame). An audio token is
8 channels x 16 mel bins for 4 mel frames of 10 ms (the first: for one). Time intervals are [start, end) in seconds.
Source: diffusers 0.42.1, `LTX2Pipeline.__call__` and `LTX2AudioVideoRotaryPosEmbed`. Knows no tensors and no requests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ltx_nb.checks import choice, finite_number

VIDEO_TEMPORAL_COMPRESSION = 8
VIDEO_SPATIAL_COMPRESSION = 32
AUDIO_TEMPORAL_COMPRESSION = 4
AUDIO_SAMPLING_RATE_HZ = 16_000
MEL_HOP_LENGTH = 160
AUDIO_LATENTS_PER_SECOND = AUDIO_SAMPLING_RATE_HZ / MEL_HOP_LENGTH / AUDIO_TEMPORAL_COMPRESSION

# Rotary positions are laid out for 20 s. The nearest legal length of 20 s is up to 4 frames longer.
MAX_SECONDS = 20
MAX_EXTRA_FRAMES = 4
# Twice what rotary positions are laid out for (2048 px), so that 4K fits and a slip of the finger does not.
MAX_SIDE_PX = 4096

# How a picture of other proportions is brought to a size: cut, given black bars, or distorted.
FITS = ("crop", "pad", "stretch")

# From time lapse to the fastest screens; outside it, 8k + 1 frames and 25 audio latents/s make no sensible clip.
FRAME_RATES = (1, 120)

# Spans that differ by less count as touching: far below one sample at 48 kHz (21 µs), far above float rounding at 20 s.
TIME_TOLERANCE_S = 1e-6


@dataclass(frozen=True)
class VideoShape:
    """Frames and their size in pixels. Raises ValueError unless num_frames is 8k + 1 and sides are multiples of 32."""

    num_frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        check_num_frames(self.num_frames)
        check_side("height", self.height)
        check_side("width", self.width)

    @property
    def latent(self) -> VideoLatentShape:
        return VideoLatentShape(
            latent_num_frames(self.num_frames),
            self.height // VIDEO_SPATIAL_COMPRESSION,
            self.width // VIDEO_SPATIAL_COMPRESSION,
        )


@dataclass(frozen=True)
class VideoLatentShape:
    """Latent frames and their size in latents; tokens are in (frame, row, column) order."""

    num_frames: int
    height: int
    width: int

    @property
    def tokens_per_frame(self) -> int:
        return self.height * self.width

    @property
    def tokens(self) -> int:
        return self.num_frames * self.tokens_per_frame

    @property
    def pixel(self) -> VideoShape:
        return VideoShape(
            VIDEO_TEMPORAL_COMPRESSION * (self.num_frames - 1) + 1,
            self.height * VIDEO_SPATIAL_COMPRESSION,
            self.width * VIDEO_SPATIAL_COMPRESSION,
        )


@dataclass(frozen=True)
class AudioLatentShape:
    """Audio latent frames, one token each."""

    num_latents: int

    @property
    def tokens(self) -> int:
        return self.num_latents

    @property
    def mel_frames(self) -> int:
        """Mel frames that decode from these latents, 100 a second; the first latent gives one (causal decoder)."""
        return AUDIO_TEMPORAL_COMPRESSION * (self.num_latents - 1) + 1


@dataclass(frozen=True)
class Size:
    """Pixels to generate, and what is left of them on export where a named size is no multiple of 32."""

    width: int
    height: int
    crop_width: int | None = None
    crop_height: int | None = None


NAMED_SIZES = {
    "1080p": Size(1920, 1088, crop_width=1920, crop_height=1080),
    "1080p-portrait": Size(1088, 1920, crop_width=1080, crop_height=1920),
    "portrait": Size(1088, 1920, crop_width=1080, crop_height=1920),
    "720p": Size(1280, 704),
    "720p-portrait": Size(704, 1280),
    "square": Size(768, 768),
}


@dataclass(frozen=True)
class Upscaling:
    """By how much a latent upscaler enlarges a clip's sides, and how many frames it makes of one."""

    space: Fraction = Fraction(1)
    time: int = 1

    @property
    def side_multiple_px(self) -> int:
        """Number that divides the sides of its result, so that those it starts from are whole latents."""
        return VIDEO_SPATIAL_COMPRESSION * self.space.numerator

    @property
    def frame_multiple(self) -> int:
        """Number that divides the frames of its result, less one."""
        return VIDEO_TEMPORAL_COMPRESSION * self.time

    def side_before(self, side_px: int) -> int:
        """The side that it makes `side_px` of."""
        return side_px * self.space.denominator // self.space.numerator

    def frames_before(self, num_frames: int) -> int:
        """The frames that it makes `num_frames` of; the first latent holds one frame and is not divided."""
        return (num_frames - 1) // self.time + 1


# As the publisher names the files.
UPSCALINGS = {
    "spatial-x2": Upscaling(Fraction(2)),
    "spatial-x1.5": Upscaling(Fraction(3, 2)),
    "temporal-x2": Upscaling(time=2),
}


def latent_num_frames(num_frames: int) -> int:
    return (num_frames - 1) // VIDEO_TEMPORAL_COMPRESSION + 1


def audio_num_latents(duration_s: float) -> int:
    """Audio latents of a clip of num_frames / frame_rate seconds; Python's rounding to even at halves, as diffusers."""
    return round(duration_s * AUDIO_LATENTS_PER_SECOND)


def video_token_interval_s(latent_frame: int, frame_rate: float) -> tuple[float, float]:
    """Seconds [start, end) of the frames max(8i - 7, 0) .. 8i that latent frame i holds."""
    end = VIDEO_TEMPORAL_COMPRESSION * latent_frame + 1
    return max(end - VIDEO_TEMPORAL_COMPRESSION, 0) / frame_rate, end / frame_rate


def audio_token_interval_s(latent: int) -> tuple[float, float]:
    """Seconds [start, end) of the mel frames max(4i - 3, 0) .. 4i that audio latent i holds."""
    end = AUDIO_TEMPORAL_COMPRESSION * latent + 1
    start = max(end - AUDIO_TEMPORAL_COMPRESSION, 0)
    return start * MEL_HOP_LENGTH / AUDIO_SAMPLING_RATE_HZ, end * MEL_HOP_LENGTH / AUDIO_SAMPLING_RATE_HZ


def video_intervals_s(num_latent_frames: int, frame_rate: float) -> list[tuple[float, float]]:
    return [video_token_interval_s(i, frame_rate) for i in range(num_latent_frames)]


def audio_intervals_s(num_latents: int) -> list[tuple[float, float]]:
    return [audio_token_interval_s(i) for i in range(num_latents)]


def tokens_meeting(intervals_s: Sequence[tuple[float, float]], start_s: float, end_s: float) -> list[int]:
    """Indices of the intervals (of either lane) that meet [start_s, end_s): t_end > start_s and t_start < end_s."""
    return [
        index
        for index, (token_start_s, token_end_s) in enumerate(intervals_s)
        if token_end_s > start_s + TIME_TOLERANCE_S and token_start_s < end_s - TIME_TOLERANCE_S
    ]


def gaps_s(spans_s: Iterable[tuple[float, float]], duration_s: float) -> list[tuple[float, float]]:
    """Gaps between the spans in [0, duration_s), in order."""
    gaps, covered_until_s = [], 0.0
    for start_s, end_s in sorted(spans_s):
        if start_s > covered_until_s + TIME_TOLERANCE_S:
            gaps.append((covered_until_s, start_s))
        covered_until_s = max(covered_until_s, end_s)
    if duration_s > covered_until_s + TIME_TOLERANCE_S:
        gaps.append((covered_until_s, duration_s))
    return gaps


def named_size(name: str) -> Size:
    """The size called `name` in NAMED_SIZES. Raises ValueError for another name."""
    return NAMED_SIZES[choice("size", name, NAMED_SIZES)]


def parsed_size(text: str) -> tuple[int, int]:
    """Width and height in pixels of a name in NAMED_SIZES or of "1280x704". Raises ValueError for anything else."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match:
        return int(match[1]), int(match[2])
    size = named_size(text)
    return size.width, size.height


def max_num_frames(frame_rate: float) -> int:
    """The most frames of one pass: the largest 8k + 1 within 20 s and 4 frames."""
    return _floor_num_frames(math.floor(MAX_SECONDS * frame_rate + MAX_EXTRA_FRAMES))


def snap_num_frames(num_frames: float, multiple: int = VIDEO_TEMPORAL_COMPRESSION) -> int:
    """The nearest `multiple` k + 1, at least 1; the longer one of two as near."""
    return max(_floor_num_frames(math.floor(num_frames + multiple / 2), multiple), 1)


def snap_side(side_px: float, multiple_px: int = VIDEO_SPATIAL_COMPRESSION) -> int:
    """The nearest positive multiple; the larger one of two as near."""
    return multiple_px * max(math.floor(side_px / multiple_px + 0.5), 1)


def checked_frame_rate(value: object) -> float:
    """`value` as a float in FRAME_RATES. Raises ValueError for anything else."""
    return finite_number("frame_rate", value, *FRAME_RATES)


def check_num_frames(
    num_frames: int, frame_rate: float | None = None, multiple: int = VIDEO_TEMPORAL_COMPRESSION
) -> None:
    """Raises ValueError unless num_frames is `multiple` k + 1 and, at frame_rate, no longer than one pass makes."""
    most = None if frame_rate is None else max_num_frames(frame_rate)
    if most is not None and frame_rate is not None and num_frames > MAX_SECONDS * frame_rate + MAX_EXTRA_FRAMES:
        raise ValueError(
            f"num_frames={num_frames} at {frame_rate:g} frames/s is {num_frames / frame_rate:.6g} s; one pass makes at "
            f"most {MAX_SECONDS} s; nearest: {most}, or a storyboard of several"
        )
    below = _floor_num_frames(num_frames, multiple)
    if num_frames < 1 or num_frames != below:
        works = [n for n in (below, below + multiple) if n >= 1 and (most is None or n <= most)]
        nearest = ", ".join(map(str, works or [1]))
        raise ValueError(f"num_frames={num_frames} is not {multiple}k + 1; nearest: {nearest}")
    if frame_rate is not None and audio_num_latents(num_frames / frame_rate) == 0:
        raise ValueError(
            f"num_frames={num_frames} at {frame_rate:g} frames/s is too short for one audio latent (1/25 s); "
            f"nearest: {VIDEO_TEMPORAL_COMPRESSION + 1}"
        )


def check_side(name: str, side_px: int, multiple_px: int = VIDEO_SPATIAL_COMPRESSION) -> None:
    """Raises ValueError unless the side is a multiple within multiple_px .. MAX_SIDE_PX."""
    most_px = MAX_SIDE_PX // multiple_px * multiple_px
    if side_px % multiple_px or not multiple_px <= side_px <= most_px:
        below = side_px // multiple_px * multiple_px
        works = sorted({min(max(n, multiple_px), most_px) for n in (below, below + multiple_px)})
        raise ValueError(
            f"{name}={side_px} is not a multiple of {multiple_px} from {multiple_px} to {most_px}; "
            f"nearest: {', '.join(map(str, works))}"
        )


def check_crop(name: str, crop_px: int, side_px: int) -> None:
    """Raises ValueError unless crop_{name} is even, as H.264 has it, and no more than the side called `name`."""
    if crop_px % 2 or not 2 <= crop_px <= side_px:
        nearest = min(max(crop_px // 2 * 2, 2), side_px)
        raise ValueError(f"crop_{name}={crop_px} is not an even number from 2 to {name}={side_px}; nearest: {nearest}")


def _floor_num_frames(num_frames: int, multiple: int = VIDEO_TEMPORAL_COMPRESSION) -> int:
    return (num_frames - 1) // multiple * multiple + 1
