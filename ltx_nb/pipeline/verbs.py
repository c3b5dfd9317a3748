"""The tasks by name. Each only builds a ClipRequest, which says all there is to it, and runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ltx_nb.request import ClipRequest, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from ltx_nb.clip import Clip
    from ltx_nb.models import Model
    from ltx_nb.trace import StepEvent

_RUN_OPTIONS = ("trace", "trace_budget_mb", "on_step", "progress")


class Options(TypedDict, total=False):
    """What every verb takes besides its own arguments: fields of ClipRequest, and arguments of `Session.run`.

    seconds: the length, brought to the nearest legal num_frames; give one of the two. What is left out is the model's
    default.
    """

    seconds: float
    num_frames: int
    width: int
    height: int
    frame_rate: float
    seed: int
    negative_prompt: str | None
    sampling: Sampling | None
    two_stage: bool
    trace: bool
    trace_budget_mb: float
    on_step: Callable[[StepEvent], None] | None
    progress: bool


class Verbs:
    """Mixed into Session, which has the model and `run`."""

    model: Model
    run: Callable[..., Clip]

    def text_to_video(self, prompt: str, **options: Unpack[Options]) -> Clip:
        """A clip with sound from words alone."""
        return self._make(prompt, options)

    def _make(self, prompt: str, options: Any, **fields: Any) -> Clip:
        """Run the request of these fields and options; fields that the model has a default for may be missing."""
        run_options = {name: options[name] for name in _RUN_OPTIONS if options.get(name) is not None}
        settings = {name: value for name, value in options.items() if name not in _RUN_OPTIONS}
        return self.run(request_of(self.model, prompt, **settings, **fields), **run_options)


def request_of(
    model: Model, prompt: str, *, seconds: float | None = None, num_frames: int | None = None, **settings: Any
) -> ClipRequest:
    """A request with the model's default for what is left out or None; `seconds` as in Options.

    Raises ValueError as ClipRequest does, and where seconds and num_frames are both given.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    given = {"width": model.width, "height": model.height} | given
    if seconds is None:
        num_frames = model.num_frames if num_frames is None else num_frames
    elif num_frames is None:
        frame_rate = given.get("frame_rate", ClipRequest.frame_rate)
        num_frames = ClipRequest.snapped(prompt, seconds=seconds, frame_rate=frame_rate).num_frames
    else:
        raise ValueError("seconds and num_frames are both given; give one of the two")
    return ClipRequest(prompt, num_frames=num_frames, **given)
