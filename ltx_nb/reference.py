"""References: pictures and sounds that are no part of a clip and are heeded as it is made, as IC-LoRAs were trained to.

Their tokens stand beside the clip's, clean, and are taken away at the end: those of pictures at the same times and
places as the clip's, those of sounds before it, as one hears a voice and goes on in it. Knows no clip
(`ltx_nb.request`) and not how a source is read (`ltx_nb.media`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ltx_nb.checks import choice, finite_number, keys, whole_number
from ltx_nb.shapes import (
    AUDIO_LATENTS_PER_SECOND,
    FITS,
    MAX_SECONDS,
    VIDEO_TEMPORAL_COMPRESSION,
    audio_num_latents,
)
from ltx_nb.source import Source


@dataclass(frozen=True)
class Reference:
    """Frames that a clip is made after, from its first frame on: a depth, pose or edge video, or one picture.

    num_frames: 8k + 1 at the clip's frame rate; 1 is a picture, which is looked at as the first frame, and more of a
        picture hold it still so long, as the sheet of Lightricks' Ingredients is.
    source_start_s: where in the source they begin, or which moment of it is the picture.
    strength: 0..1; 1 keeps its tokens clean, 0 noises them like the clip's own.
    fit: "crop", "pad" or "stretch" what has other proportions than the clip.

    Raises ValueError for anything else.
    """

    source: Source
    num_frames: int = 1
    source_start_s: float = 0.0
    strength: float = 1.0
    fit: str = "crop"

    def __post_init__(self) -> None:
        if not isinstance(self.source, Source):
            raise ValueError(f"source is a {type(self.source).__name__}; make one with Source.from_path(file)")
        count = whole_number("num_frames", self.num_frames, least=1)
        if count % VIDEO_TEMPORAL_COMPRESSION != 1:
            below = (count - 1) // VIDEO_TEMPORAL_COMPRESSION * VIDEO_TEMPORAL_COMPRESSION + 1
            raise ValueError(
                f"num_frames={count} of a reference is not 8k + 1; nearest: {below}, "
                f"{below + VIDEO_TEMPORAL_COMPRESSION}"
            )
        choice("fit", self.fit, FITS)
        plain = {
            "num_frames": count,
            "source_start_s": finite_number("source_start_s", self.source_start_s, least=0),
            "strength": finite_number("strength", self.strength, least=0, most=1),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        if self.source.media is not None and self.source.media.frames is None:
            raise ValueError("a reference is given a source that has sound and no picture")

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"source": self.source.to_dict()}

    @classmethod
    def from_dict(cls, values: object) -> Reference:
        values = dict(keys("reference", values, (f.name for f in fields(cls)), required=("source",)))
        return cls(**values | {"source": Source.from_dict(values["source"])})


@dataclass(frozen=True)
class ReferenceSound:
    """Sound that a clip's sound is made after, such as a voice: it stands before the clip, ending as that begins.

    duration_s: its length, over 0 and at most 20 s. source_start_s: where in the source it begins. strength: 0..1; 1
    keeps its tokens clean, 0 noises them like the clip's own.

    Raises ValueError for anything else.
    """

    source: Source
    duration_s: float
    source_start_s: float = 0.0
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.source, Source):
            raise ValueError(f"source is a {type(self.source).__name__}; make one with Source.from_path(file)")
        plain = {
            "duration_s": finite_number("duration_s", self.duration_s, least=0, most=MAX_SECONDS),
            "source_start_s": finite_number("source_start_s", self.source_start_s, least=0),
            "strength": finite_number("strength", self.strength, least=0, most=1),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        if audio_num_latents(self.duration_s) < 1:
            raise ValueError(
                f"duration_s={self.duration_s:g} of a reference sound is less than an audio latent; nearest: "
                f"{1 / AUDIO_LATENTS_PER_SECOND:g}"
            )
        if self.source.media is not None and self.source.media.audio is None:
            raise ValueError("a reference sound is given a source that has picture and no sound")

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"source": self.source.to_dict()}

    @classmethod
    def from_dict(cls, values: object) -> ReferenceSound:
        names = (f.name for f in fields(cls))
        values = dict(keys("reference sound", values, names, required=("source", "duration_s")))
        return cls(**values | {"source": Source.from_dict(values["source"])})
