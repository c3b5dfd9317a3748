"""A clip: frames and sound of one length, what they were made from, and where each part of them comes from.

Knows arrays and seconds. How files are encoded is not known here (`ltx_nb.media`), nor how a notebook shows a clip
(`ltx_nb.display`), nor how a clip is made.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltx_nb.arrays import check_audio, check_frames
from ltx_nb.checks import choice, finite_number, keys, whole_number
from ltx_nb.given import LANES
from ltx_nb.local_files import local_path
from ltx_nb.spans import Span, checked_span, cut_spans

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from ltx_nb.media import Media
    from ltx_nb.request import ClipRequest

EMBEDS = ("media", "request", "none")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Clip:
    """Frames, sound or both. Raises ValueError for arrays of other dtypes and shapes, NaN, or a missing rate.

    frames: uint8 [F, H, W, 3], RGB; frame_rate in frames/s. None if there is only sound.
    audio: float32 [2, N] in [-1, 1], left and right; sample_rate in Hz. None if there is only picture.
    request: what the clip was made from, if it was made.
    provenance: where each lane comes from, as {"video": [(start_s, end_s, origin), ...], "audio": [...]} with an origin
        of "source" (given, changed only as `notes` say), "blended" (given and generated mixed) or "generated"; all
        generated if left out.
    notes: what of the given media was converted, in words.
    latents, audio_latents: what the frames and the sound were decoded from, if kept.
    trace: what the run recorded, if it did.
    """

    frames: np.ndarray | None = None
    audio: np.ndarray | None = None
    frame_rate: float | None = None
    sample_rate: int | None = None
    request: ClipRequest | None = None
    provenance: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    latents: Any = None
    audio_latents: Any = None
    trace: Any = None

    def __post_init__(self) -> None:
        if self.frames is None and self.audio is None:
            raise ValueError("neither frames nor audio is given; give at least one of them")
        if self.frames is not None:
            check_frames(self.frames)
            object.__setattr__(self, "frame_rate", finite_number("frame_rate", self.frame_rate, least=0.1, most=1000))
        if self.audio is not None:
            check_audio(self.audio)
            object.__setattr__(self, "sample_rate", whole_number("sample_rate", self.sample_rate, least=1))
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "provenance", self._checked_provenance())

    def _checked_provenance(self) -> dict[str, tuple[Span, ...]]:
        lanes = [lane for lane, array in zip(LANES, (self.frames, self.audio), strict=True) if array is not None]
        given = keys("provenance", self.provenance or {lane: () for lane in lanes}, lanes)
        return {
            lane: tuple(map(checked_span, given.get(lane) or [(0, self.duration_s, "generated")])) for lane in lanes
        }

    @property
    def num_frames(self) -> int:
        return 0 if self.frames is None else len(self.frames)

    @property
    def width(self) -> int | None:
        """In pixels."""
        return None if self.frames is None else self.frames.shape[2]

    @property
    def height(self) -> int | None:
        """In pixels."""
        return None if self.frames is None else self.frames.shape[1]

    @property
    def duration_s(self) -> float:
        """The length of the picture; of the sound if there is only sound."""
        if self.frames is not None and self.frame_rate is not None:
            return len(self.frames) / self.frame_rate
        assert self.audio is not None and self.sample_rate is not None  # one of the two is there: see __post_init__
        return self.audio.shape[1] / self.sample_rate

    @property
    def media(self) -> Media:
        """The frames and the sound alone, as a request can be given them: `Source.of`."""
        from ltx_nb.media import Media

        # A clip of one lane may have a rate for both.
        return Media(
            frames=self.frames,
            frame_rate=None if self.frames is None else self.frame_rate,
            audio=self.audio,
            sample_rate=None if self.audio is None else self.sample_rate,
        )

    def frame(self, index: int) -> Image:
        """One frame as a picture, which a notebook shows; a negative index counts from the end."""
        from PIL import Image

        frames = self._frames()
        index = whole_number("index", index, least=-len(frames), most=len(frames) - 1)
        return Image.fromarray(frames[index])

    def slice(self, start_s: float, end_s: float) -> Clip:
        """The stretch [start_s, end_s) as a clip of its own, cut at whole frames; without request, latents and trace,
        which are of the whole.

        Raises ValueError for a stretch that is empty or not inside the clip.
        """
        start_s, end_s = finite_number("start_s", start_s), finite_number("end_s", end_s)
        if not 0 <= start_s < end_s <= self.duration_s + 1e-6:
            raise ValueError(f"[{start_s:g}, {end_s:g}) s is not a stretch of a clip of {self.duration_s:.4g} s")
        frames = audio = None
        if self.frames is not None and self.frame_rate is not None:
            first, last = round(start_s * self.frame_rate), round(end_s * self.frame_rate)
            if first == last:
                raise ValueError(f"[{start_s:g}, {end_s:g}) s holds no frame; one lasts {1 / self.frame_rate:.4g} s")
            frames, start_s, end_s = self.frames[first:last], first / self.frame_rate, last / self.frame_rate
        if self.audio is not None and self.sample_rate is not None:
            audio = self.audio[:, round(start_s * self.sample_rate) : round(end_s * self.sample_rate)]
        return Clip(
            frames=frames,
            audio=audio,
            frame_rate=self.frame_rate,
            sample_rate=self.sample_rate,
            provenance=cut_spans(self.provenance, start_s, end_s),
            notes=self.notes,
        )

    def export_frames(self) -> np.ndarray:
        """The frames as they are saved and shown: the request's crop_width x crop_height around the centre, or all."""
        frames = self._frames()
        height, width = frames.shape[1:3]
        if self.request is not None:
            width = min(width, self.request.crop_width or width)
            height = min(height, self.request.crop_height or height)
        top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
        return frames[:, top : top + height, left : left + width]

    def save(self, path: str | os.PathLike[str], lossless: bool = False, embed: str | None = None) -> Path:
        """Write the clip, whole or not at all, with its request and provenance; the suffix says how.

        .mp4, .mov, .webm, .mkv: picture and sound. .wav, .flac, .mp3: the sound. .gif, .webp: the picture, moving, and
        .png, .jpg: the middle frame, both without sound and request.
        lossless: pixels and samples come back exactly, from an .mkv; few browsers play it.
        embed: "media" keeps the request with all that it was given: media in memory and files up to 1 MB are inside the
        file, larger media in memory in a file beside it, larger files are named by their path. Whoever has the file can
        take the given photo or voice out of it. "request" keeps prompt and settings without the media and the names of
        their folders, so that running it again asks for them. "none" keeps nothing. By default "media", with a warning
        where a file that was given comes to lie inside.

        Raises ValueError for another suffix, for sound or picture that the clip lacks, for a path that is an address,
        and for one that is given to this clip and would be lost; OSError if it cannot write.
        """
        from ltx_nb import media

        path = Path(local_path(path))
        suffix = choice(
            "suffix",
            path.suffix.lower(),
            (*media.VIDEO_SUFFIXES, *media.AUDIO_SUFFIXES, *media.POSTER_SUFFIXES, *media.ANIMATION_SUFFIXES),
        )
        chosen = "media" if embed is None else choice("embed", embed, EMBEDS)
        request = self.request
        if request is not None:
            request.check_sources_outlive(path)
        if suffix in media.POSTER_SUFFIXES:
            return media.write_poster(path, self.export_frames())
        if suffix in media.ANIMATION_SUFFIXES:
            return media.write_animation(path, self.export_frames(), self.frame_rate or 0)
        record: dict[str, Any] = {}
        if chosen != "none":
            record["clip_json"] = json.dumps({"provenance": self.provenance, "notes": self.notes})
        if request is not None and chosen == "media":
            record["request_json"] = request.saved_beside(path).to_json()
            if embed is None and request.holds_files:
                warnings.warn(
                    f"{path.name} holds the files given for it, from which anyone can take them out; "
                    "save(..., embed='request'), on the command line --embed request, leaves them out",
                    stacklevel=2,
                )
        elif request is not None and chosen == "request":
            record["request_json"] = request.without_media().to_json()
        if suffix in media.AUDIO_SUFFIXES:
            if self.audio is None:
                raise ValueError(f"{path}: this clip has no sound; save it as {path.with_suffix('.mp4').name}")
            return media.write_audio(path, self.audio, self.sample_rate, **record)
        frames = None if self.frames is None else self.export_frames()
        return media.write_video(
            path, frames, self.frame_rate, self.audio, self.sample_rate, lossless=lossless, **record
        )

    def save_frames(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write every frame as a PNG, frame-0000.png and so on, into a new folder; return their paths.

        Raises ValueError for a clip without frames, FileExistsError where there is something already.
        """
        from ltx_nb import media

        return media.write_frames(local_path(folder), self.export_frames())

    @classmethod
    def load(cls, path: str | os.PathLike[str], start: float | None = None, end: float | None = None) -> Clip:
        """The clip in a video or sound file, with its request if there is one.

        start, end: a stretch of it in s, cut at whole frames and without the request, which is of the whole. Of an hour
        one second is read as fast as of a minute.
        A request or record that cannot be read is left out, and a note says why. What was not saved from a Clip is
        "source" throughout.

        Raises ValueError if the file cannot be read, holds nothing in that stretch, or is larger decoded than the
        limit: 4 GB, or what the environment variable LTX_NB_MEDIA_LIMIT_GB says.
        """
        from ltx_nb.clip_files import parts_of_file

        return cls(**parts_of_file(path, start, end))

    def _frames(self) -> np.ndarray:
        if self.frames is None:
            raise ValueError("this clip has sound and no frames; save it as .wav, or hear it as clip.audio")
        return self.frames

    def __repr__(self) -> str:
        sound = "no sound" if self.audio is None else f"stereo {(self.sample_rate or 0) / 1000:g} kHz"
        picture = "sound only"
        if self.frames is not None:
            picture = f"{self.num_frames} frames {self.width}x{self.height} at {self.frame_rate:g} fps"
        return f"Clip({picture}, {self.duration_s:.2f} s, {sound})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from ltx_nb.display import player_html

        shown = self.media if self.frames is None else replace(self.media, frames=self.export_frames())
        return {"text/plain": repr(self), "text/html": player_html(shown, repr(self))}
