"""ClipRequest: what to make, as plain data. Everything on its two timelines that is not given is generated.

Says which rule a request breaks and what would work; turns what is given into the per-token masks of both modalities;
reads and writes JSON. Knows no model and no tensor, and not how a request is run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ltx_nb import shapes
from ltx_nb.applied_lora import AppliedLora
from ltx_nb.checks import choice, finite_number, flag, items, keys, one_of_two, text, whole_number
from ltx_nb.given import LANES, Given, Keyframe, check_timelines, generated_spans_s, keyframes
from ltx_nb.reference import Reference, ReferenceSound
from ltx_nb.sampling import Sampling
from ltx_nb.source import Source, read_back, written_once
from ltx_nb.timed import TimedPrompt, check_timed_prompts, texts_over_time

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "FORMAT",
    "ClipRequest",
    "Given",
    "Keyframe",
    "Reference",
    "ReferenceSound",
    "Sampling",
    "Source",
    "TimedPrompt",
]

FORMAT = "ltx-nb/1"

MAX_SEED = 2**64 - 1
DEFAULT_UPSCALER = "spatial-x2"
_DRAWN_BELOW = 2**32  # of seeds that nobody chose: short enough to be read and typed

# What has a source each, in the order in which a source that several have is written, once.
_OF_SOURCES: dict[str, Any] = {"given": Given, "references": Reference, "reference_sounds": ReferenceSound}

# Words of other programs for what a request has, or what has it.
_OTHER_WORDS = {
    "fps": "frame_rate",
    "framerate": "frame_rate",
    "duration": "seconds",
    "length": "seconds",
    "frames": "num_frames",
    "negative": "negative_prompt",
    "steps": "sampling=Sampling(num_inference_steps=...)",
    "num_inference_steps": "sampling=Sampling(num_inference_steps=...)",
    "guidance_scale": "sampling=Sampling(guidance_scale=...)",
    "cfg": "sampling=Sampling(guidance_scale=...)",
    "sigmas": "sampling=Sampling(sigmas=...)",
    "image": "session.image_to_video(prompt, image)",
    "images": "session.keyframes_to_video(prompt, {0.0: first, -1: last})",
    "video": "session.extend(clip, seconds) or session.retake(clip, start, end)",
    "audio": "session.audio_to_video(prompt, audio)",
    "reference": "references=[...]",
    "reference_conditions": "references=[...]",
    "generator": "seed",
    "callback_on_step_end": "on_step",
    "num_videos_per_prompt": "seed, one a clip: ltx_nb.sweep.grid(prompt=..., seed=range(4))",
}


@dataclass(frozen=True)
class ClipRequest:
    """Description of a clip to make. Raises ValueError for what cannot be made, saying the nearest that can.

    width, height: px, multiples of 32; of 64 with two_stage, which generates at half the size first.
    num_frames: 8k + 1, at most 20 s and 4 frames at frame_rate, which is 1..120 frames/s.
    upscaler: the latent upscaler between two stages. "spatial-x2" starts from half the size; "spatial-x1.5" from two
        thirds of it, so that width and height are multiples of 96; "temporal-x2" from half the frame rate, so that
        num_frames is 16k + 1 and width and height are multiples of 32.
    timed_prompts: texts for spans of the clip's time, on both lanes, in place of the prompt there; none overlap.
    seed: 0..2^64 - 1; None or -1 draws one, which the request then has.
    negative_prompt: what to steer away from where guidance_scale > 1; None is the model's own.
    model: catalogue name of the model that the clip was made with, if one was.
    given: what is not to be generated; nothing overlaps on a lane.
    references, reference_sounds: what is looked at, and listened to, and is no part of the clip, in each stage.
    reference_downscale_factor: by how much smaller than the clip references are encoded; None is what the loaded
        IC-LoRA was trained with, else 1.
    first_stage: a clip to upscale and refine, in place of the first of two stages.
    outputs: the lanes that are wanted; ("audio",) asks for sound alone.
    crop_width, crop_height: px left around the centre on export, even; None keeps all.
    loras: what the clip was made with, which the session writes; a session that has others refuses the request.
    written_prompt: the prompt as it was written, where `prompt` is what `enhance_prompt` made of it; changes no clip.
    """

    prompt: str
    _: KW_ONLY
    width: int = 768
    height: int = 512
    num_frames: int = 121
    frame_rate: float = 24.0
    seed: int | None = 0
    negative_prompt: str | None = None
    timed_prompts: tuple[TimedPrompt, ...] = ()
    model: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    given: tuple[Given, ...] = ()
    references: tuple[Reference, ...] = ()
    reference_downscale_factor: int | None = None
    reference_sounds: tuple[ReferenceSound, ...] = field(default=(), repr=False)
    two_stage: bool = False
    upscaler: str = DEFAULT_UPSCALER
    first_stage: Source | None = None
    outputs: tuple[str, ...] = LANES
    crop_width: int | None = None
    crop_height: int | None = None
    loras: tuple[AppliedLora, ...] = field(default=(), repr=False)
    written_prompt: str | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        plain: dict[str, object] = {
            "prompt": text("prompt", self.prompt),
            "width": whole_number("width", self.width),
            "height": whole_number("height", self.height),
            "num_frames": whole_number("num_frames", self.num_frames),
            "frame_rate": shapes.checked_frame_rate(self.frame_rate),
            "seed": drawn_seed(self.seed),
            "two_stage": flag("two_stage", self.two_stage),
            "upscaler": choice("upscaler", self.upscaler, shapes.UPSCALINGS),
            "timed_prompts": items("timed_prompts", self.timed_prompts, TimedPrompt),
            "given": items("given", self.given, Given),
            "references": items("references", self.references, Reference),
            "reference_sounds": items("reference_sounds", self.reference_sounds, ReferenceSound),
            "loras": items("loras", self.loras, AppliedLora),
            "outputs": _outputs(self.outputs),
        }
        for name in ("negative_prompt", "model", "crop_width", "crop_height", "written_prompt"):
            if (value := getattr(self, name)) is not None:
                plain[name] = whole_number(name, value) if name.startswith("crop") else text(name, value)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        if not isinstance(self.sampling, Sampling):
            raise ValueError(f"sampling is a {type(self.sampling).__name__}; give Sampling(...)")
        if self.first_stage is not None and not isinstance(self.first_stage, Source):
            raise ValueError(f"first_stage is a {type(self.first_stage).__name__}; make it with Source.from_path(file)")
        if self.first_stage is not None and not self.two_stage:
            raise ValueError("first_stage stands in for the first of two stages; nearest: two_stage=True")
        if self.upscaler != DEFAULT_UPSCALER and not self.two_stage:
            raise ValueError(f"upscaler={self.upscaler!r} goes between two stages; nearest: two_stage=True")
        self._check_shape()
        self._check_references()
        check_timelines(self.given, self.num_frames, self.frame_rate)
        check_timed_prompts(self.timed_prompts, self.duration_s)

    def _check_shape(self) -> None:
        for name in ("width", "height"):
            side_px, crop_px = getattr(self, name), getattr(self, f"crop_{name}")
            shapes.check_side(name, side_px, self.upscaling.side_multiple_px)
            if crop_px is not None:
                shapes.check_crop(name, crop_px, side_px)
        shapes.check_num_frames(self.num_frames, self.frame_rate, self.upscaling.frame_multiple)

    def _check_references(self) -> None:
        if self.references and self.upscaling.time != 1:
            raise ValueError(
                f"references are of the clip's frames, and upscaler={self.upscaler!r} begins with fewer; nearest: "
                f"upscaler={DEFAULT_UPSCALER!r}"
            )
        factor = self.reference_downscale_factor
        if factor is not None:
            object.__setattr__(
                self, "reference_downscale_factor", whole_number("reference_downscale_factor", factor, least=1)
            )
        for index, reference in enumerate(self.references):
            if reference.num_frames > self.num_frames:
                raise ValueError(
                    f"references[{index}] has {reference.num_frames} frames and the clip {self.num_frames}; nearest: "
                    f"num_frames={self.num_frames} of it"
                )
        if self.references and self.upscaling.time != 1:
            raise ValueError(
                f"references are for clips of one frame rate, and upscaler={self.upscaler!r} begins with half of it; "
                "nearest: upscale(clip, frame_rate=...) afterwards"
            )
        multiple_px = self.upscaling.side_multiple_px * (factor or 1)
        for name in ("width", "height"):
            side_px = getattr(self, name)
            if self.references and side_px % multiple_px:
                below_px = side_px // multiple_px * multiple_px
                nearest = ", ".join(str(px) for px in (below_px, below_px + multiple_px) if px)
                raise ValueError(
                    f"{name}={side_px} is no multiple of {multiple_px}, which references at a "
                    f"reference_downscale_factor of {factor} need; nearest: {nearest}"
                )

    @classmethod
    def snapped(
        cls, prompt: str, *, seconds: float | None = None, size: str | None = None, **settings: Any
    ) -> ClipRequest:
        """A request with the nearest legal width, height and num_frames.

        seconds, size: as in `spelt_out`. Everything else as in ClipRequest, and checked alike: a length over 20 s is
        refused, not shortened.
        """
        named = {name: value for name, value in (("seconds", seconds), ("size", size)) if value is not None}
        settings = spelt_out(settings | named)
        between = _upscaling(settings)
        if "num_frames" in settings:
            wanted = finite_number("num_frames", settings["num_frames"])
            settings["num_frames"] = shapes.snap_num_frames(wanted, between.frame_multiple)
        for name in sorted({"width", "height"} & settings.keys()):
            settings[name] = shapes.snap_side(finite_number(name, settings[name]), between.side_multiple_px)
        return cls(prompt, **settings)

    def replace(self, **changes: Any) -> ClipRequest:
        """This request with other values, checked again."""
        return dataclasses.replace(self, **changes)

    @property
    def upscaling(self) -> shapes.Upscaling:
        """Enlargement between its stages; none where there is one."""
        return shapes.UPSCALINGS[self.upscaler] if self.two_stage else shapes.Upscaling()

    @property
    def duration_s(self) -> float:
        return self.num_frames / self.frame_rate

    @property
    def video_latent_shape(self) -> shapes.VideoLatentShape:
        return shapes.VideoShape(self.num_frames, self.height, self.width).latent

    @property
    def audio_latent_shape(self) -> shapes.AudioLatentShape:
        return shapes.AudioLatentShape(shapes.audio_num_latents(self.duration_s))

    @property
    def video_tokens(self) -> int:
        return self.video_latent_shape.tokens

    @property
    def audio_tokens(self) -> int:
        return self.audio_latent_shape.tokens

    @property
    def texts(self) -> dict[str, list[tuple[float, float]]]:
        """The texts that it is made by, each with its seconds [start, end): the prompt where no timed one is."""
        return texts_over_time(self.prompt, self.timed_prompts, self.duration_s)

    @property
    def keyframes(self) -> tuple[Keyframe, ...]:
        """Images given at other frames than the first, or to be appended there too, which are no part of the mask."""
        return keyframes(self.given, self.frame_rate)

    @property
    def frozen_lanes(self) -> tuple[str, ...]:
        """The lanes of which every token is kept, so that nothing of them is generated."""
        masks = {"video": self.video_mask, "audio": self.audio_mask}
        return tuple(lane for lane in LANES if not masks[lane]().any())

    def generated_spans_s(self, lane: str) -> list[tuple[float, float]]:
        """Seconds [start, end) of "video" or "audio" that no span covers, in order."""
        return generated_spans_s(self.given, choice("lane", lane, LANES), self.duration_s)

    def video_mask(self) -> np.ndarray:
        """Per token, float32 [video_tokens] in (frame, row, column) order: 1 generates, 0 keeps.

        A token that meets a generated span is generated. An image at frame 0 fills the first latent frame, which holds
        that frame alone, and is kept by its strength: 1 - strength, as the reference's denoise_mask.
        """
        latent = self.video_latent_shape
        mask = self._mask_over_time("video", shapes.video_intervals_s(latent.num_frames, self.frame_rate))
        for item in self.given:
            if item.is_image and not item.is_appended and item.frame_index(self.frame_rate) == 0:
                mask[0] = 1 - item.strength
        return mask.repeat(latent.tokens_per_frame)  # [latent frames] -> [tokens]

    def audio_mask(self) -> np.ndarray:
        """Per token, float32 [audio_tokens]: 1 generates, 0 keeps. A token that meets a generated span is generated."""
        return self._mask_over_time("audio", shapes.audio_intervals_s(self.audio_tokens))

    def _mask_over_time(self, lane: str, intervals_s: list[tuple[float, float]]) -> np.ndarray:
        import numpy as np

        mask = np.zeros(len(intervals_s), dtype=np.float32)
        for start_s, end_s in self.generated_spans_s(lane):
            mask[shapes.tokens_meeting(intervals_s, start_s, end_s)] = 1
        return mask

    def saved_beside(self, path: str | os.PathLike[str]) -> ClipRequest:
        """This request as it goes into the file `path`: given media in memory that are too large to embed are written
        to files beside it, and named without a folder."""
        return self._with_sources(lambda source: source.saved_beside(path))

    def found_beside(self, path: str | os.PathLike[str]) -> ClipRequest:
        """This request as it comes out of the file `path`: what it names without a folder lies beside that file."""
        return self._with_sources(lambda source: source.found_beside(path))

    def without_media(self) -> ClipRequest:
        """This request with what it is given told by SHA-256 alone: to run it, the media are to be put back."""
        return self._with_sources(lambda source: source.without_media())

    @property
    def holds_files(self) -> bool:
        """Whether the content of given files is inside it, as that of files up to 1 MB is."""
        return any(source.data is not None for source in self._sources())

    def check_sources_outlive(self, path: str | os.PathLike[str]) -> None:
        """Raises ValueError where writing to `path` would destroy a file that this request is given."""
        for source in self._sources():
            given = source.path
            if given and os.path.exists(given) and os.path.exists(path) and os.path.samefile(given, path):
                stem, suffix = os.path.splitext(os.fspath(path))
                raise ValueError(
                    f"{os.fspath(path)} is given to this clip's request, and saving there would destroy it; "
                    f"nearest: {stem}-2{suffix}"
                )

    def _sources(self) -> list[Source]:
        seen = [item.source for name in _OF_SOURCES for item in getattr(self, name)]
        return seen + ([self.first_stage] if self.first_stage else [])

    def _with_sources(self, changed: Callable[[Source], Source]) -> ClipRequest:
        def of(items: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(dataclasses.replace(item, source=changed(item.source)) for item in items)

        given, references, sounds = of(self.given), of(self.references), of(self.reference_sounds)
        first_stage = self.first_stage and changed(self.first_stage)
        return self.replace(given=given, references=references, reference_sounds=sounds, first_stage=first_stage)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON. Raises ValueError for large media in memory, as Source.to_dict."""
        values = {"format": FORMAT} | {f.name: getattr(self, f.name) for f in fields(self)}
        values["sampling"] = self.sampling.to_dict()
        values["timed_prompts"] = [item.to_dict() for item in self.timed_prompts]
        seen = iter(written_once([item.to_dict() for name in _OF_SOURCES for item in getattr(self, name)]))
        values |= {name: [next(seen) for _ in getattr(self, name)] for name in _OF_SOURCES}
        values["first_stage"] = None if self.first_stage is None else self.first_stage.to_dict()
        values["outputs"] = list(self.outputs)
        values["loras"] = [lora.to_dict() for lora in self.loras]
        for name in ("written_prompt", "reference_sounds", "loras"):
            if not values[name]:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: object) -> ClipRequest:
        names = [f.name for f in fields(cls)]
        values = dict(keys("request", values, ["format", *names], required=("format", "prompt")))
        if (found := values.pop("format")) != FORMAT:
            raise ValueError(f"format={found!r} is not {FORMAT!r}, the only one that this version reads")
        if "sampling" in values:
            values["sampling"] = Sampling.from_dict(values["sampling"])
        timed = items("timed_prompts", values.get("timed_prompts", ()), dict)
        values["timed_prompts"] = [TimedPrompt.from_dict(item) for item in timed]
        stored = {name: items(name, values.get(name, ()), dict) for name in _OF_SOURCES}
        seen = iter(read_back([item for listed in stored.values() for item in listed]))
        for name, kind in _OF_SOURCES.items():
            values[name] = [kind.from_dict(next(seen)) for _ in stored[name]]
        values["loras"] = [AppliedLora.from_dict(item) for item in items("loras", values.get("loras", ()), dict)]
        if values.get("first_stage") is not None:
            values["first_stage"] = Source.from_dict(values["first_stage"])
        return cls(**values)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, source: str | bytes) -> ClipRequest:
        """The request that to_json wrote. Raises ValueError for anything else."""
        try:
            values = json.loads(source)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"the request is not JSON: {error}") from None
        return cls.from_dict(values)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> ClipRequest:
        """The request stored in an MP4 that was made from one. Raises ValueError for a file without."""
        from ltx_nb.media import read_request_json

        source = read_request_json(path)
        if source is None:
            raise ValueError(f"{os.fspath(path)!r} holds no request; only clips that one request made do")
        try:
            return cls.from_json(source).found_beside(path)
        except ValueError as error:
            raise ValueError(f"the request in {os.fspath(path)!r} cannot be read: {error}") from None


def spelt_out(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a ClipRequest, with what stands for others put as those.

    seconds: the length, for the nearest num_frames. size: a name in shapes.NAMED_SIZES, for width, height and crop.
    Raises ValueError for either beside what it stands for.
    """
    spelt = dict(settings)
    known = {f.name for f in fields(ClipRequest)} | {"size", "seconds"}
    for name in spelt.keys() - known:
        word = _OTHER_WORDS.get(name)
        close = get_close_matches(name, known, n=1)
        nearest = f"did you mean {close[0]}?" if close else "options: " + ", ".join(sorted(known))
        raise TypeError(f"{name} is no option here; {f'it is {word}' if word else nearest}")
    one_of_two(spelt, "size", ("width", "height", "crop_width", "crop_height"))
    one_of_two(spelt, "seconds", ("num_frames",))
    if "size" in spelt:
        spelt |= dataclasses.asdict(shapes.named_size(spelt.pop("size")))
    if "seconds" in spelt:
        seconds = finite_number("seconds", spelt.pop("seconds"), least=0)
        num_frames = seconds * shapes.checked_frame_rate(spelt.get("frame_rate", ClipRequest.frame_rate))
        wanted = finite_number("num_frames", num_frames)
        spelt["num_frames"] = shapes.snap_num_frames(wanted, _upscaling(spelt).frame_multiple)
    return spelt


def drawn_seed(value: object) -> int:
    """A seed as it is, one drawn for None and -1. Raises ValueError for what is none."""
    if value is None or (isinstance(value, int) and value == -1):
        return secrets.randbelow(_DRAWN_BELOW)
    return whole_number("seed", value, least=0, most=MAX_SEED)


def _upscaling(settings: Mapping[str, Any]) -> shapes.Upscaling:
    """Enlargement between the stages of a request of these settings, which are not checked yet."""
    name = settings.get("upscaler", DEFAULT_UPSCALER) if settings.get("two_stage") is True else None
    return shapes.UPSCALINGS.get(name, shapes.Upscaling()) if isinstance(name, str) else shapes.Upscaling()


def _outputs(value: object) -> tuple[str, ...]:
    lanes = {choice("outputs", lane, LANES) for lane in items("outputs", value, str)}
    if not lanes:
        raise ValueError("outputs is empty; want at least one of video, audio")
    return tuple(lane for lane in LANES if lane in lanes)
