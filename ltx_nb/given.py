"""Media given to a request on its two lanes, video and audio: spans of picture and sound, and images at a time.

The clip that it is given to is not known here (`ltx_nb.request`), nor how its source is read (`ltx_nb.media`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from ltx_nb.checks import choice, finite_number, keys
from ltx_nb.shapes import FITS, TIME_TOLERANCE_S, gaps_s
from ltx_nb.source import Source

LANES = ("video", "audio")


@dataclass(frozen=True)
class Given:
    """A stretch of one lane that is given, not generated: [start_s, end_s) of the clip.

    lane: "video" or "audio".
    end_s: None for one image at start_s (video only).
    source_start_s: where in the source the span begins, or which moment of it is the image.
    strength: of an image, 0..1; 1 keeps it exactly, 0 leaves it out of the result.
    is_appended: of an image at the clip's first frame, to be tokens of its own beside the clip's, as images at other
        frames are, instead of standing in that frame's place.
    fit: "crop", "pad" or "stretch" what has other proportions than the clip.

    Raises ValueError for anything else.
    """

    lane: str
    source: Source
    start_s: float = 0.0
    end_s: float | None = None
    source_start_s: float = 0.0
    strength: float = 1.0
    fit: str = "crop"
    is_appended: bool = False

    def __post_init__(self) -> None:
        choice("lane", self.lane, LANES)
        choice("fit", self.fit, FITS)
        if not isinstance(self.is_appended, bool):
            raise ValueError(f"is_appended={self.is_appended!r} is not True or False")
        if not isinstance(self.source, Source):
            raise ValueError(f"source is a {type(self.source).__name__}; make one with Source.from_path(file)")
        for name in ("start_s", "source_start_s"):
            object.__setattr__(self, name, finite_number(name, getattr(self, name), least=0))
        object.__setattr__(self, "strength", finite_number("strength", self.strength, least=0, most=1))
        if self.end_s is not None:
            object.__setattr__(self, "end_s", finite_number("end_s", self.end_s))
            if self.end_s <= self.start_s + TIME_TOLERANCE_S:
                raise ValueError(
                    f"end_s={self.end_s:.6g} is not after start_s={self.start_s:.6g}; a given span has a length"
                )
            if self.strength != 1:
                raise ValueError(f"strength={self.strength:g} is for images; a span is kept exactly: strength=1")
            if self.is_appended:
                raise ValueError("is_appended=True is for images; a span stands in its own place")
        elif self.lane == "audio":
            raise ValueError("end_s=None is for images; a sound is given as a span, with the end_s where it ends")
        media = self.source.media
        if media is not None and (media.frames if self.lane == "video" else media.audio) is None:
            has, lacks = ("sound", "picture") if self.lane == "video" else ("picture", "sound")
            raise ValueError(f"lane={self.lane!r} is given a source that has {has} and no {lacks}")

    @property
    def is_image(self) -> bool:
        return self.end_s is None

    def frame_index(self, frame_rate: float) -> int:
        """The pixel frame nearest to start_s."""
        return round(self.start_s * frame_rate)

    def span_s(self, frame_rate: float) -> tuple[float, float]:
        """Seconds [start, end) that this takes up; an image takes up its frame."""
        if self.end_s is not None:
            return self.start_s, self.end_s
        index = self.frame_index(frame_rate)
        return index / frame_rate, (index + 1) / frame_rate

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"source": self.source.to_dict()}

    @classmethod
    def from_dict(cls, values: object) -> Given:
        values = dict(keys("given", values, (f.name for f in fields(cls)), required=("lane", "source")))
        return cls(**values | {"source": Source.from_dict(values["source"])})


class Keyframe(NamedTuple):
    """An image whose tokens are appended to the clip's: one at another frame than the first, or given so."""

    frame_index: int
    given: Given


def keyframes(given: tuple[Given, ...], frame_rate: float) -> tuple[Keyframe, ...]:
    """The images that are appended, in order of time."""
    images = [Keyframe(item.frame_index(frame_rate), item) for item in given if item.is_image]
    appended = [image for image in images if image.frame_index > 0 or image.given.is_appended]
    return tuple(sorted(appended, key=lambda image: image.frame_index))


def generated_spans_s(given: tuple[Given, ...], lane: str, duration_s: float) -> list[tuple[float, float]]:
    """Seconds [start, end) of the lane that no given span covers, in order. Images cover nothing."""
    spans_s = [(item.start_s, item.end_s) for item in given if item.lane == lane and item.end_s is not None]
    return gaps_s(spans_s, duration_s)


def check_timelines(given: tuple[Given, ...], num_frames: int, frame_rate: float) -> None:
    """Raises ValueError for what lies past the end of a clip of num_frames, or overlaps on a lane."""
    duration_s = num_frames / frame_rate
    for index, item in enumerate(given):
        if item.start_s >= duration_s or item.span_s(frame_rate)[1] > duration_s + TIME_TOLERANCE_S:
            last = f"its last frame is at {(num_frames - 1) / frame_rate!r} s" if item.is_image else "end it there"
            raise ValueError(
                f"given[{index}] ({_described(item)}) is past the end of the clip, {duration_s!r} s; {last}, "
                "or ask for a longer clip"
            )
        start_s, end_s = item.span_s(frame_rate)
        for other_index, other in enumerate(given[:index]):
            other_start_s, other_end_s = other.span_s(frame_rate)
            shared_start_s, shared_end_s = max(start_s, other_start_s), min(end_s, other_end_s)
            if item.lane == other.lane and shared_end_s > shared_start_s + TIME_TOLERANCE_S:
                raise ValueError(
                    f"given[{index}] ({_described(item)}) overlaps given[{other_index}] ({_described(other)}); "
                    f"give {shared_start_s:.6g} to {shared_end_s:.6g} s to one of them"
                )


def _described(item: Given) -> str:
    when = f"at {item.start_s:.6g} s" if item.end_s is None else f"{item.start_s:.6g} to {item.end_s:.6g} s"
    return f"{item.lane}, {when}"
