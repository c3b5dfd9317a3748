"""Every task as a ClipRequest: what is given on which lane, from when to when. Builds requests and runs nothing.

What a task leaves open (size, length, frame rate) comes from the given media where there are any, else from the model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import Any, TypedDict, Unpack

from ltx_nb import shapes
from ltx_nb.catalogue.models import Model
from ltx_nb.checks import choice, finite_number
from ltx_nb.clip import LANES, Clip
from ltx_nb.media import MediaInfo, read_request_json
from ltx_nb.pipeline.sources import is_sound_alone, only_lane, picture_source, read_sound, sound_source
from ltx_nb.request import ClipRequest, Given, Reference, ReferenceSound, Sampling, Source, spelt_out
from ltx_nb.timed import timed_prompts_of

# Far below what can be heard or seen: such sound is there by rounding, if at all.
SILENCE = 1e-4
MOST_SOURCE_PX = 1920 * 1080


class ClipOptions(TypedDict, total=False):
    """Fields of ClipRequest that every task takes; None is as good as leaving one out, but for a seed it draws one.

    size: a name in shapes.NAMED_SIZES, such as "1080p" or "portrait", instead of width and height; or "source", that of
    the given picture in whole latents, with no more pixels than 1080p has.
    fit: "crop", "pad" or "stretch" a given picture of other proportions.
    timed_prompts: (text, start, end) in s each, or a TimedPrompt.
    references: what is looked at, or listened to, and no part of the clip, as IC-LoRAs follow it: a picture or a video
    each, from the clip's first frame on, or a sound, by itself, as (that, strength) or as (that, strength, lane); or a
    Reference or ReferenceSound.
    """

    size: str | None
    width: int | None
    height: int | None
    frame_rate: float | None
    fit: str | None
    references: Sequence[Any] | None
    reference_downscale_factor: int | None
    seed: int | None
    negative_prompt: str | None
    timed_prompts: Sequence[Any] | None
    sampling: Sampling | None
    two_stage: bool
    upscaler: str | None


class RequestOptions(ClipOptions, total=False):
    """Options of tasks that make a clip of any length.

    seconds: the length, brought to the nearest legal num_frames; give one of the two.
    """

    seconds: float | None
    num_frames: int | None


def text_to_video(model: Model, prompt: str, **options: Unpack[RequestOptions]) -> ClipRequest:
    return _request(model, prompt, options)


def audio_only(model: Model, prompt: str, **options: Unpack[RequestOptions]) -> ClipRequest:
    """Sound alone, made without a picture by models that can."""
    return _request(model, prompt, options, outputs=("audio",))


def image_to_video(
    model: Model,
    prompt: str,
    image: Any,
    strength: float = 1.0,
    audio: Any = None,
    sample_rate: int | None = None,
    **options: Unpack[RequestOptions],
) -> ClipRequest:
    """audio: the sound of the clip, given as to `audio_to_video`; its length is the clip's where none is asked for."""
    source = picture_source(image)
    given = (Given("video", source, strength=strength),)
    if audio is None:
        return _request(model, prompt, options, source, given=given)
    return _to_sound(model, prompt, sound_source(audio, sample_rate), given, options)


def keyframes_to_video(
    model: Model, prompt: str, keyframes: Mapping[float, Any], **options: Unpack[RequestOptions]
) -> ClipRequest:
    """keyframes: images by their time in s; -1 is the last frame. One at 0 is appended if the model is for that."""
    if not isinstance(keyframes, Mapping) or not keyframes:
        raise ValueError("keyframes is no mapping of times to images; give {0.0: first, -1: last}")
    sources = [picture_source(image) for image in keyframes.values()]
    fit = options.pop("fit", None)
    blank = _request(model, prompt, options, sources[0])
    last_s = (blank.num_frames - 1) / blank.frame_rate
    given = []
    for time_s, source in zip(keyframes, sources, strict=True):
        time_s = last_s if time_s == -1 else finite_number("the time of a keyframe", time_s, least=0)
        is_appended = model.appends_keyframes and round(time_s * blank.frame_rate) == 0
        given.append(Given("video", source, start_s=time_s, fit=fit or "crop", is_appended=is_appended))
    return blank.replace(given=tuple(given))


def extend(
    model: Model,
    clip: Any,
    seconds: float,
    direction: str = "after",
    prompt: str | None = None,
    overlap_s: float = 0.0,
    audio: Any = None,
    sample_rate: int | None = None,
    **options: Unpack[ClipOptions],
) -> ClipRequest:
    """Give the whole clip, and leave `seconds` more after or before it to be made.

    overlap_s: how much of the clip, next to the seam, is made anew as well; by default nothing, and every frame and
    sample of it comes back.
    audio: sound for what is added, given as to `audio_to_video`, from its begin on.
    """
    choice("direction", direction, ("after", "before"))
    source = picture_source(clip, options.get("frame_rate"))
    info = _moving(source)
    length_s = info.num_frames / info.frame_rate
    overlap_s = finite_number("overlap_s", overlap_s, least=0)
    frame_rate = _frame_rate(info, options)
    seconds = finite_number("seconds", seconds, least=0)
    num_frames = shapes.snap_num_frames(finite_number("num_frames", (length_s + seconds) * frame_rate))
    if overlap_s >= length_s:
        raise ValueError(
            f"overlap_s={overlap_s:g} leaves nothing of a clip of {length_s:.4g} s; nearest: {length_s / 2:.4g}"
        )
    begin_s = (num_frames - round(length_s * frame_rate)) / frame_rate
    if begin_s <= 0:
        raise ValueError(f"seconds={seconds:g} adds no frame; nearest: {8 / frame_rate:.4g}")
    if direction == "after":
        given = _both_lanes(source, info, 0.0, length_s - overlap_s)
    else:
        given = _both_lanes(source, info, begin_s + overlap_s, num_frames / frame_rate, source_start_s=overlap_s)
    if audio is not None:
        added_s = (length_s, num_frames / frame_rate) if direction == "after" else (0.0, begin_s)
        given = _with_new_sound(given, sound_source(audio, sample_rate), added_s, length_s, frame_rate)
    return _like(model, clip, info, prompt, options, num_frames=num_frames, given=given)


def retake(
    model: Model,
    clip: Any,
    start: float,
    end: float,
    prompt: str | None = None,
    video: bool = True,
    audio: bool = True,
    **options: Unpack[ClipOptions],
) -> ClipRequest:
    """Leave [start, end) s to be made anew on the lanes named, and give everything else."""
    source = picture_source(clip, options.get("frame_rate"))
    info = _moving(source)
    num_frames = _whole_latents(info, options)
    length_s = num_frames / _frame_rate(info, options)
    start, end = finite_number("start", start), finite_number("end", end)
    if not 0 <= start < end <= length_s + shapes.TIME_TOLERANCE_S:
        raise ValueError(f"[{start:g}, {end:g}) s is no stretch of a clip of {length_s:.6g} s")
    if not (video or audio):
        raise ValueError("video=False and audio=False leave nothing to make anew; make one of them True")
    given: list[Given] = []
    for lane, anew in (("video", video), ("audio", audio)):
        if lane == "audio" and not info.has_audio:
            continue
        spans_s = shapes.gaps_s([(start, end)], length_s) if anew else [(0.0, length_s)]
        mine = only_lane(source, lane)
        given += [Given(lane, mine, *span_s, source_start_s=span_s[0]) for span_s in spans_s]
    options = _with_own_times(clip, prompt, options)
    return _like(model, clip, info, prompt, options, num_frames=num_frames, given=tuple(given))


def audio_to_video(
    model: Model,
    prompt: str,
    audio: Any,
    sample_rate: int | None = None,
    image: Any = None,
    strength: float = 1.0,
    **options: Unpack[RequestOptions],
) -> ClipRequest:
    """Pictures to a given sound, from an image on if one is given; as long as the sound, if no length is asked for."""
    given = () if image is None else (Given("video", picture_source(image), strength=strength),)
    return _to_sound(model, prompt, sound_source(audio, sample_rate), given, options)


def sound_length_s(source: Source) -> float:
    """The length of a given sound. Raises ValueError for a file without sound."""
    info = source.info()
    if not info.has_audio:
        raise ValueError("the given media have no sound; give a file or an array with sound")
    return info.audio_duration_s


def _to_sound(
    model: Model, prompt: str, source: Source, given: tuple[Given, ...], options: RequestOptions
) -> ClipRequest:
    longest_s = shapes.MAX_SECONDS + shapes.MAX_EXTRA_FRAMES
    samples, _ = read_sound(source, shapes.AUDIO_SAMPLING_RATE_HZ, 0.0, longest_s)
    if not samples.size or abs(samples).max() < SILENCE:
        raise ValueError("the given audio is silent, so there is nothing to follow; text_to_video needs no sound")
    length_s = samples.shape[1] / shapes.AUDIO_SAMPLING_RATE_HZ
    if options.get("seconds") is None and options.get("num_frames") is None:
        if length_s >= longest_s:
            raise ValueError(
                f"the given audio lasts {sound_length_s(source):.6g} s and one request makes at most "
                f"{shapes.MAX_SECONDS} s; nearest: seconds={shapes.MAX_SECONDS}, or session.audio_to_video, "
                "which makes several and joins them"
            )
        options["seconds"] = length_s
    blank = _request(model, prompt, options, given[0].source if given else None, given=given)
    end_s = _sound_end_s(0.0, length_s, blank.duration_s, blank.frame_rate)
    return blank.replace(given=(*blank.given, Given("audio", only_lane(source, "audio"), 0.0, end_s)))


def _sound_end_s(start_s: float, length_s: float, limit_s: float, frame_rate: float) -> float:
    """Where a sound ends; one that does within the last latent is given to the end, with silence, so that the lane is
    frozen as a whole."""
    missing_s = limit_s - start_s - length_s
    return limit_s if missing_s <= shapes.VIDEO_TEMPORAL_COMPRESSION / frame_rate else start_s + length_s


def _with_new_sound(
    given: tuple[Given, ...], source: Source, added_s: tuple[float, float], length_s: float, frame_rate: float
) -> tuple[Given, ...]:
    """Spans of an extension, with a sound for what is added; the clip's own then sounds up to the seam."""
    start_s, limit_s = added_s
    clip_s = (0.0, start_s) if start_s else (limit_s, limit_s + length_s)
    kept = [
        replace(item, start_s=clip_s[0], end_s=clip_s[1], source_start_s=0.0) if item.lane == "audio" else item
        for item in given
    ]
    end_s = _sound_end_s(start_s, sound_length_s(source), limit_s, frame_rate)
    return (*kept, Given("audio", only_lane(source, "audio"), start_s, end_s))


def video_to_audio(model: Model, video: Any, prompt: str | None = None, **options: Unpack[ClipOptions]) -> ClipRequest:
    """Sound to a given clip, or to frames uint8 [F, H, W, 3] at frame_rate (24 if left out)."""
    source = picture_source(video, options.get("frame_rate") or ClipRequest.frame_rate)
    info = _moving(source)
    num_frames = _whole_latents(info, options)
    end_s = num_frames / _frame_rate(info, options)
    given = (Given("video", only_lane(source, "video"), 0.0, end_s),)
    options = _with_own_times(video, prompt, options)
    return _like(model, video, info, prompt, options, num_frames=num_frames, given=given)


def upscale(
    model: Model,
    clip: Any,
    prompt: str | None = None,
    factor: float | None = None,
    **options: Unpack[ClipOptions],
) -> ClipRequest:
    """The clip with its latents enlarged, then renoised and refined.

    factor: 2, the default, or 1.5 times its size, both lanes refined. frame_rate: twice the clip's own instead, at the
    same size; the sound stays as it is, as in the temporal rounds of the reference's `DFRPipeline`.
    """
    source = picture_source(clip, options.get("frame_rate"))
    info = _moving(source)
    if not info.has_audio:
        raise ValueError("the given clip has no sound to refine with the picture; nearest: video_to_audio first")
    upscaler = _upscaler_for(info, factor, options)
    scale = shapes.UPSCALINGS[upscaler]
    before_px = scale.side_multiple_px * scale.space.denominator // scale.space.numerator
    sides_px = {name: int(side_px * scale.space) for name, side_px in _size_of(clip, info, before_px).items()}
    refined: dict[str, Any] = {name: side_px // 2 * 2 for name, side_px in sides_px.items()}
    refined |= {"two_stage": True, "upscaler": upscaler, "first_stage": source}
    refined["num_frames"] = scale.time * (_whole_latents(info) - 1) + 1
    refined["frame_rate"] = scale.time * info.frame_rate
    if scale.time != 1:
        end_s = refined["num_frames"] / refined["frame_rate"]
        refined["given"] = (Given("audio", only_lane(source, "audio"), 0.0, end_s),)
    options = _with_own_times(clip, prompt, options)
    return _like(model, clip, info, prompt, {**options, "frame_rate": None}, **refined)


def _upscaler_for(info: MediaInfo, factor: float | None, options: ClipOptions) -> str:
    """The name of the upscaler for a factor or for the frame rate that the options ask for."""
    frame_rate = options.get("frame_rate")
    if frame_rate is None or frame_rate == info.frame_rate:
        factor = finite_number("factor", 2 if factor is None else factor)
        by_factor = {float(scale.space): name for name, scale in shapes.UPSCALINGS.items() if scale.time == 1}
        if factor not in by_factor:
            nearest = min(by_factor, key=lambda known: abs(known - factor))
            raise ValueError(f"factor={factor:g} is that of no latent upscaler; nearest: {nearest:g}")
        return by_factor[factor]
    if factor is not None:
        raise ValueError("factor and frame_rate are both given; upscale twice, with one of them each time")
    doubled = 2 * info.frame_rate
    if abs(finite_number("frame_rate", frame_rate) - doubled) > 1e-3:
        raise ValueError(f"frame_rate={frame_rate:g} is not twice the clip's {info.frame_rate:g}; nearest: {doubled:g}")
    return "temporal-x2"


def _request(
    model: Model, prompt: str, options: Mapping[str, Any], picture: Source | None = None, **fields: Any
) -> ClipRequest:
    """A request of the options and fields, with the model's size and length where they name none.

    picture: whose size "source" is.
    """
    chosen = _set(options)
    if chosen.get("size") == "source":
        if picture is None:
            raise ValueError("size='source' is that of a given picture, and none is given here; give another size")
        chosen |= {"size": None} | _scaled_down(picture.info())
        del chosen["size"]
    fit = chosen.pop("fit", None)
    if fit is not None:
        if not any(item.lane == "video" for item in fields.get("given", ())):
            raise ValueError(f"fit={fit!r} is for a given picture, and none is given here; leave it out")
        fields["given"] = tuple(replace(item, fit=fit) if item.lane == "video" else item for item in fields["given"])
    references = chosen.pop("references", ())
    if "timed_prompts" in chosen:
        chosen["timed_prompts"] = timed_prompts_of(chosen["timed_prompts"])
    of_model = {"width": model.width, "height": model.height, "num_frames": model.num_frames}
    request = ClipRequest(prompt, **of_model | spelt_out(chosen) | fields)
    return with_references(request, references) if references else request


def with_references(request: ClipRequest, wanted: Any) -> ClipRequest:
    """Return the request with pictures, videos and sounds as its references, each as long as it is.

    wanted: each alone, as (what, strength), or as (what, strength, lane). What has a picture is looked at, no longer
    than the clip, unless the lane is "audio"; what has none is listened to.
    """
    if isinstance(wanted, (str, os.PathLike)) or not isinstance(wanted, Sequence):
        raise ValueError(f"references is a {type(wanted).__name__}; give a list: references=[video]")
    found: list[Reference] = []
    sounds: list[ReferenceSound] = []
    for item in wanted:
        if isinstance(item, Reference):
            found.append(item)
            continue
        if isinstance(item, ReferenceSound):
            sounds.append(item)
            continue
        what, strength, lane = (
            (*item, None)[:3] if isinstance(item, tuple) and len(item) in (2, 3) else (item, 1.0, None)
        )
        if lane is not None:
            choice("lane", lane, LANES)
        if lane == "audio" or (lane is None and is_sound_alone(what)):
            source = only_lane(sound_source(what), "audio")
            length_s = min(source.info().audio_duration_s or 0.0, shapes.MAX_SECONDS)
            sounds.append(ReferenceSound(source, length_s, strength=strength))
            continue
        source = picture_source(what, request.frame_rate)
        info = source.info()
        usable = _whole_latents(info, {"frame_rate": request.frame_rate}) if info.frame_rate else 1
        found.append(Reference(source, num_frames=min(usable, request.num_frames), strength=strength))
    return request.replace(references=tuple(found), reference_sounds=tuple(sounds))


def _scaled_down(info: MediaInfo) -> dict[str, int]:
    """A picture's sides in whole latents; a larger one's are scaled down to as many pixels as 1080p has."""
    width, height = info.width or 1, info.height or 1
    scale = min(sqrt(MOST_SOURCE_PX / (width * height)), shapes.MAX_SIDE_PX / max(width, height), 1.0)
    return {"width": shapes.snap_side(width * scale), "height": shapes.snap_side(height * scale)}


def _like(
    model: Model, clip: Any, info: MediaInfo, prompt: str | None, options: Mapping[str, Any], **fields: Any
) -> ClipRequest:
    """A request of the given clip's prompt, size and rate, where the options name no others."""
    chosen = _set(options)
    if chosen.get("size") == "source":
        del chosen["size"]  # as it is anyway
    for name in ("seconds", *fields, *(["size"] if "width" in fields else [])):
        if name in chosen:
            raise ValueError(f"{name} is not an option here: it follows from the given clip")
    if prompt is None:
        prompt = _own_prompt(clip)
    like = {"frame_rate": info.frame_rate} | _size_of(clip, info)
    for side in ("width", "height"):
        if side in chosen or "size" in chosen:
            like.pop(side)
            like.pop(f"crop_{side}", None)
    return _request(model, prompt, like | chosen, **fields)


def _own_request(clip: Any) -> ClipRequest | None:
    """The request that a clip, or the file of one, was made from, if it says."""
    if isinstance(clip, (str, os.PathLike)) and (request_json := read_request_json(clip)):
        return ClipRequest.from_json(request_json)
    return clip.request if isinstance(clip, Clip) else None


def _with_own_times(clip: Any, prompt: str | None, options: ClipOptions) -> ClipOptions:
    """Options with the clip's own timed prompts, where its prompt is its own too."""
    request = _own_request(clip) if prompt is None and options.get("timed_prompts") is None else None
    return {**options, "timed_prompts": request.timed_prompts} if request and request.timed_prompts else options


def _own_prompt(clip: Any) -> str:
    """The prompt that a clip, or the file of one, was made from."""
    request = _own_request(clip)
    if request is None:
        raise ValueError("prompt is missing, and the given media do not say theirs; give prompt='...'")
    return request.prompt


def _size_of(clip: Any, info: MediaInfo, multiple_px: int = shapes.VIDEO_SPATIAL_COMPRESSION) -> dict[str, int]:
    """The given clip's sides in whole latents, and what export is to leave of them: what its own does, or no more than
    the clip has."""
    given = {"width": info.width, "height": info.height}
    size = {name: shapes.snap_side(side_px, multiple_px) for name, side_px in given.items()}
    crops = {f"crop_{name}": px if px < size[name] and px % 2 == 0 else None for name, px in given.items()}
    request = clip.request if isinstance(clip, Clip) else None
    if request is not None and {name: shapes.snap_side(side_px) for name, side_px in given.items()} == {
        "width": request.width,
        "height": request.height,
    }:
        crops = {name: getattr(request, name) or crop_px for name, crop_px in crops.items()}
    return size | _set(crops)


def _set(options: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {name: value for name, value in options.items() if value is not None}
    return chosen | ({"seed": None} if "seed" in options and options["seed"] is None else {})


def _moving(source: Source) -> MediaInfo:
    info = source.info()
    if info.num_frames == 0:
        raise ValueError("the given media have no picture; give a video")
    if info.frame_rate is None:
        raise ValueError("the given media are one still picture; nearest: image_to_video")
    return info


def _frame_rate(info: MediaInfo, options: Mapping[str, Any] | None = None) -> float:
    """Frame rate of the clip that is asked for: the given media's, where the options name no other."""
    return shapes.checked_frame_rate(_set(options or {}).get("frame_rate", info.frame_rate))


def _whole_latents(info: MediaInfo, options: Mapping[str, Any] | None = None) -> int:
    """The most frames, 8k + 1, that the source fills."""
    num_frames = int(info.num_frames / info.frame_rate * _frame_rate(info, options) + shapes.TIME_TOLERANCE_S)
    temporal = shapes.VIDEO_TEMPORAL_COMPRESSION
    return max((num_frames - 1) // temporal * temporal + 1, 1)


def _both_lanes(
    source: Source, info: MediaInfo, start_s: float, end_s: float, source_start_s: float = 0.0
) -> tuple[Given, ...]:
    lanes = ("video", "audio") if info.has_audio else ("video",)
    return tuple(Given(lane, only_lane(source, lane), start_s, end_s, source_start_s) for lane in lanes)
