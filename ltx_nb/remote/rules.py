"""Rules of what a service takes: each refuses by name what it cannot honour and names the nearest that it can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltx_nb.checks import choice, finite_number, text
from ltx_nb.media.opening import check_decoded_size
from ltx_nb.pipeline.sources import picture_source
from ltx_nb.remote.services import LONG_RATES, LONG_S, LONG_SIZES, PORTRAIT, TASKS, Service, size_px
from ltx_nb.source import Source

LEAST_S, MOST_S = 2, 20  # of sounds, retaken spans and extensions
LEAST_FRAMES = 73  # of a clip to retake or to extend
SHAPES = (16 / 9, 9 / 16)
_OTHER_WORDS = {"fps": "frame_rate", "duration": "seconds", "resolution": "size"}


def task_of(service: Service, verb: str) -> str:
    """The service's task that a verb asks for. Raises ValueError for a verb that it has not."""
    if verb not in service.verbs:
        raise ValueError(f"{service.name} has no {verb}; it has {', '.join(service.verbs)}")
    return TASKS[verb]


def refuse_others(service: Service, verb: str, others: Mapping[str, Any]) -> None:
    """Raise ValueError for the first option given that the service has not; None and False count as not given."""
    task_of(service, verb)
    for name, value in others.items():
        if value is None or value is False or (isinstance(value, (tuple, list)) and not value):
            continue
        own = _OTHER_WORDS.get(name)
        nearest = f"{own}=..." if own else "leave it out, or load a model that runs here"
        raise ValueError(f"{name} is nothing that {service.name} takes for {verb}; nearest: {nearest}")


def made_fields(service: Service, prompt: str, seconds: float, size: str, frame_rate: float) -> dict[str, Any]:
    """Fields of a clip from words and pictures. Raises ValueError for a length, size or rate that is not made."""
    choice("size", size, service.named_sizes)
    _one_of("frame_rate", finite_number("frame_rate", frame_rate), service.rates)
    _one_of("seconds", finite_number("seconds", seconds), service.lengths_s)
    is_long_size = size.removesuffix(PORTRAIT) in LONG_SIZES
    if seconds > LONG_S and not (is_long_size and frame_rate in LONG_RATES):
        sizes = " and ".join(it for it in LONG_SIZES if it in service.sizes)
        raise ValueError(
            f"seconds={seconds:g} is made in {sizes} at {' and '.join(map(str, LONG_RATES))} frames/s alone; nearest: "
            f"seconds={LONG_S}, or size='1080p', frame_rate=25"
        )
    check_readable(*size_px(size), seconds * frame_rate)
    fields: dict[str, Any] = {"prompt": text("prompt", prompt), "duration": int(seconds), "fps": int(frame_rate)}
    return fields | service.size_fields(size) | {"generate_audio": True}


def clip_to_edit(clip: Any) -> tuple[Source, float, float]:
    """A clip's source, length in s and frame rate. Raises ValueError for one that no service edits."""
    source = picture_source(clip)
    info = source.info()
    if info.frame_rate is None:
        raise ValueError("the given media are one still picture; nearest: image_to_video")
    if info.num_frames < LEAST_FRAMES:
        raise ValueError(f"the given clip has {info.num_frames} frames; services take {LEAST_FRAMES} or more")
    shape = (info.width or 1) / (info.height or 1)
    if min(abs(shape / wanted - 1) for wanted in SHAPES) > 0.02:
        raise ValueError(f"the given clip has {info.width}x{info.height} px; services take 16:9 and 9:16 alone")
    return source, info.num_frames / info.frame_rate, info.frame_rate


def check_readable(width: int, height: int, num_frames: float) -> None:
    """Refuse, before it is paid, a clip that would be too large to be read when it comes."""
    what = f"{width}x{height} px x {num_frames:.0f} frames"
    check_decoded_size("the clip", what, 3 * width * height * num_frames, "a shorter clip, or size='1080p'")


def _one_of(name: str, value: float, known: tuple[int, ...]) -> None:
    if value not in known:
        nearest = min(known, key=lambda it: abs(it - value))
        raise ValueError(f"{name}={value:g} is not one of {', '.join(map(str, known))}; nearest: {nearest}")
