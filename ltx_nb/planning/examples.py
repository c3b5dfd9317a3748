"""An example of each task, to plan for before there is anything to give; and the task that a request amounts to.

What is given is named and not there: a plan reads none of it. The names are for people to choose and to read; plans go
by the request itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ltx_nb.catalogue.models import Model
from ltx_nb.checks import choice
from ltx_nb.request import ClipRequest, Given, Reference, Source, spelt_out

PICTURE = Source.from_bytes(b"a picture", "image/png")
CLIP = Source.from_bytes(b"a clip with sound", "video/mp4")


def _both(start_s: float, end_s: float) -> tuple[Given, ...]:
    return tuple(Given(lane, CLIP, start_s, end_s) for lane in ("video", "audio"))


def _keyframes(blank: ClipRequest) -> ClipRequest:
    last_s = (blank.num_frames - 1) / blank.frame_rate
    images = [Given("video", PICTURE, start_s) for start_s in dict.fromkeys((0.0, last_s))]
    return blank.replace(given=tuple(images))


def _extend(blank: ClipRequest) -> ClipRequest:
    return blank.replace(given=_both(0.0, blank.duration_s / 2))


def _retake(blank: ClipRequest) -> ClipRequest:
    third_s = blank.duration_s / 3
    return blank.replace(given=(*_both(0.0, third_s), *_both(2 * third_s, blank.duration_s)))


TASKS: dict[str, Callable[[ClipRequest], ClipRequest]] = {
    "text-to-video": lambda blank: blank,
    "image-to-video": lambda blank: blank.replace(given=(Given("video", PICTURE),)),
    "keyframes": _keyframes,
    "extend": _extend,
    "retake": _retake,
    "audio-to-video": lambda blank: blank.replace(given=(Given("audio", CLIP, 0.0, blank.duration_s),)),
    "video-to-audio": lambda blank: blank.replace(given=(Given("video", CLIP, 0.0, blank.duration_s),)),
    "audio-only": lambda blank: blank.replace(outputs=("audio",)),
    "reference": lambda blank: blank.replace(references=(Reference(CLIP, num_frames=blank.num_frames),)),
    "upscale": lambda blank: blank.replace(two_stage=True, first_stage=CLIP),
}


def example_of(task: str, model: Model, **settings: Any) -> ClipRequest:
    """A request of the task: the first half given to extend, the middle third to retake, a keyframe at either end.

    settings: fields of ClipRequest, `size` and `seconds`; else the model's own size and length. Raises ValueError for a
    task that is not in TASKS and for what no request can have.
    """
    make = TASKS[choice("task", task, TASKS)]
    of_model = {"width": model.width, "height": model.height, "num_frames": model.num_frames}
    return make(ClipRequest("", **of_model | spelt_out(settings)))


def named_task(request: ClipRequest) -> str:
    """The task, by its name in TASKS, that the request's outputs and what it is given amount to."""
    if request.first_stage is not None:
        return "upscale"
    if request.references:
        return "reference"
    if request.outputs == ("audio",):
        return "audio-only"
    if "video" in request.frozen_lanes:
        return "video-to-audio"
    if any(item.lane == "video" and not item.is_image for item in request.given):
        spans_s = request.generated_spans_s("video")
        is_inside = spans_s and spans_s[0][0] > 0 and spans_s[-1][1] < request.duration_s
        return "retake" if is_inside else "extend"
    if request.keyframes:
        return "keyframes"
    if any(item.is_image for item in request.given):
        return "image-to-video"
    return "audio-to-video" if "audio" in request.frozen_lanes else "text-to-video"
