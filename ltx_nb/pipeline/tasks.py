"""Every task as a ClipRequest: what is given on which lane, from when to when. Builds requests and runs nothing.

What a task leaves open (size, length, frame rate) comes from the given media where there are any, else from the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from ltx_nb import shapes
from ltx_nb.catalogue.models import Model
from ltx_nb.checks import choice, finite_number
from ltx_nb.clip import Clip
from ltx_nb.media import MediaInfo
from ltx_nb.pipeline.sources import lane_of, picture_source, read_sound, sound_source
from ltx_nb.request import ClipRequest, Given, Sampling, Source, spelt_out

# Far below what can be heard or seen: such sound is there by rounding, if at all.
SILENCE = 1e-4


class ClipOptions(TypedDict, total=False):
    """Fields of ClipRequest that every task takes; None is as good as leaving one out.

    size: a name in shapes.NAMED_SIZES, such as "1080p" or "portrait", instead of width and height.
    """

    size: str | None
    width: int | None
    height: int | None
    frame_rate: float | None
    seed: int
    negative_prompt: str | None
    sampling: Sampling | None
    two_stage: bool


class RequestOptions(ClipOptions, total=False):
    """Those of tasks that make a clip of any length.

    seconds: the length, brought to the nearest legal num_frames; give one of the two.
    """

    seconds: float | None
    num_frames: int | None


def text_to_video(model: Model, prompt: str, **options: Unpack[RequestOptions]) -> ClipRequest:
    return _request(model, prompt, options)


def audio_only(model: Model, prompt: str, **options: Unpack[RequestOptions]) -> ClipRequest:
    """Sound alone: the picture is imagined with it, which the model cannot do without, and not decoded."""
    return _request(model, prompt, options, outputs=("audio",))


def image_to_video(
    model: Model, prompt: str, image: Any, strength: float = 1.0, **options: Unpack[RequestOptions]
) -> ClipRequest:
    given = Given("video", picture_source(image), strength=strength)
    return _request(model, prompt, options, given=(given,))


def keyframes_to_video(
    model: Model, prompt: str, keyframes: Mapping[float, Any], **options: Unpack[RequestOptions]
) -> ClipRequest:
    """keyframes: images by their time in s; -1 is the last frame."""
    blank = _request(model, prompt, options)
    last_s = (blank.num_frames - 1) / blank.frame_rate
    if not isinstance(keyframes, Mapping) or not keyframes:
        raise ValueError("keyframes is no mapping of times to images; give {0.0: first, -1: last}")
    given = []
    for time_s, image in keyframes.items():
        time_s = last_s if time_s == -1 else finite_number("the time of a keyframe", time_s, least=0)
        given.append(Given("video", picture_source(image), start_s=time_s))
    return blank.replace(given=tuple(given))


def extend(
    model: Model,
    clip: Any,
    seconds: float,
    direction: str = "after",
    prompt: str | None = None,
    overlap_s: float = 0.5,
    **options: Unpack[ClipOptions],
) -> ClipRequest:
    """overlap_s: how much of the clip next to the seam is made anew, so that motion and sound go on smoothly."""
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
    """[start, end) s made anew on the lanes named, everything else given."""
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
        mine = lane_of(source, lane)
        given += [Given(lane, mine, *span_s, source_start_s=span_s[0]) for span_s in spans_s]
    return _like(model, clip, info, prompt, options, num_frames=num_frames, given=tuple(given))


def audio_to_video(
    model: Model, prompt: str, audio: Any, sample_rate: int | None = None, **options: Unpack[RequestOptions]
) -> ClipRequest:
    """Pictures to a given sound; as long as the sound, if no length is asked for."""
    source = sound_source(audio, sample_rate)
    samples, _ = read_sound(source, shapes.AUDIO_SAMPLING_RATE_HZ)
    if abs(samples).max() < SILENCE:
        raise ValueError("the given audio is silent, so there is nothing to follow; text_to_video needs no sound")
    length_s = samples.shape[1] / shapes.AUDIO_SAMPLING_RATE_HZ
    if options.get("seconds") is None and options.get("num_frames") is None:
        options["seconds"] = length_s
    blank = _request(model, prompt, options)
    # A sound that ends within the last latent is given to the end, with silence: the lane is then frozen as a whole.
    missing_s = blank.duration_s - length_s
    end_s = blank.duration_s if missing_s <= shapes.VIDEO_TEMPORAL_COMPRESSION / blank.frame_rate else length_s
    return blank.replace(given=(Given("audio", lane_of(source, "audio"), 0.0, end_s),))


def video_to_audio(model: Model, video: Any, prompt: str | None = None, **options: Unpack[ClipOptions]) -> ClipRequest:
    """Sound to a given clip, or to frames uint8 [F, H, W, 3] at frame_rate (24 if left out)."""
    source = picture_source(video, options.get("frame_rate") or ClipRequest.frame_rate)
    info = _moving(source)
    num_frames = _whole_latents(info, options)
    end_s = num_frames / _frame_rate(info, options)
    given = (Given("video", lane_of(source, "video"), 0.0, end_s),)
    return _like(model, video, info, prompt, options, num_frames=num_frames, given=given)


def upscale(model: Model, clip: Any, prompt: str | None = None, **options: Unpack[ClipOptions]) -> ClipRequest:
    """The clip at twice its size: its latents doubled, both lanes renoised and refined."""
    source = picture_source(clip, options.get("frame_rate"))
    info = _moving(source)
    if not info.has_audio:
        raise ValueError("the given clip has no sound to refine with the picture; nearest: video_to_audio first")
    doubled = {name: 2 * side_px for name, side_px in _size_of(clip, info).items()}
    num_frames = _whole_latents(info, options)
    refined = doubled | {"num_frames": num_frames, "two_stage": True, "first_stage": source}
    return _like(model, clip, info, prompt, options, **refined)


def _request(model: Model, prompt: str, options: Mapping[str, Any], **fields: Any) -> ClipRequest:
    """A request of the options and fields, with the model's size and length where they name none."""
    of_model = {"width": model.width, "height": model.height, "num_frames": model.num_frames}
    return ClipRequest(prompt, **of_model | spelt_out(_set(options)) | fields)


def _like(
    model: Model, clip: Any, info: MediaInfo, prompt: str | None, options: Mapping[str, Any], **fields: Any
) -> ClipRequest:
    """A request of the given clip's prompt, size and rate, where the options name no others."""
    chosen = _set(options)
    for name in ("seconds", *fields, *(["size"] if "width" in fields else [])):
        if name in chosen:
            raise ValueError(f"{name} is not an option here: it follows from the given clip")
    if prompt is None:
        if not isinstance(clip, Clip) or clip.request is None:
            raise ValueError("prompt is missing, and the given media do not say theirs; give prompt='...'")
        prompt = clip.request.prompt
    like = {"frame_rate": info.frame_rate} | _size_of(clip, info)
    for side in ("width", "height"):
        if side in chosen or "size" in chosen:
            like.pop(side)
            like.pop(f"crop_{side}", None)
    return _request(model, prompt, like | chosen, **fields)


def _size_of(clip: Any, info: MediaInfo) -> dict[str, int]:
    """The given clip's sides in whole latents, and what export is to leave of them: what its own does, or no more than
    the clip has."""
    given = {"width": info.width, "height": info.height}
    size = {name: shapes.snap_side(side_px) for name, side_px in given.items()}
    crops = {f"crop_{name}": px if px < size[name] and px % 2 == 0 else None for name, px in given.items()}
    request = clip.request if isinstance(clip, Clip) else None
    if request is not None and size == {"width": request.width, "height": request.height}:
        crops = {name: getattr(request, name) or crop_px for name, crop_px in crops.items()}
    return size | _set(crops)


def _set(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _moving(source: Source) -> MediaInfo:
    info = source.info()
    if info.num_frames == 0:
        raise ValueError("the given media have no picture; give a video")
    if info.frame_rate is None:
        raise ValueError("the given media are one still picture; nearest: image_to_video")
    return info


def _frame_rate(info: MediaInfo, options: Mapping[str, Any]) -> float:
    """Of the clip that is asked for: the given media's, where the options name no other."""
    return shapes.checked_frame_rate(_set(options).get("frame_rate", info.frame_rate))


def _whole_latents(info: MediaInfo, options: Mapping[str, Any]) -> int:
    """The most frames, 8k + 1, that the source fills."""
    num_frames = int(info.num_frames / info.frame_rate * _frame_rate(info, options) + shapes.TIME_TOLERANCE_S)
    temporal = shapes.VIDEO_TEMPORAL_COMPRESSION
    return max((num_frames - 1) // temporal * temporal + 1, 1)


def _both_lanes(
    source: Source, info: MediaInfo, start_s: float, end_s: float, source_start_s: float = 0.0
) -> tuple[Given, ...]:
    lanes = ("video", "audio") if info.has_audio else ("video",)
    return tuple(Given(lane, lane_of(source, lane), start_s, end_s, source_start_s) for lane in lanes)
