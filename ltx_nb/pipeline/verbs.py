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
        settings = {name: value for name, value in options.items() if value is not None}
        run_options = {name: settings.pop(name) for name in _RUN_OPTIONS if name in settings}
        seconds = settings.pop("seconds", None)
        settings = {"width": self.model.width, "height": self.model.height} | settings | fields
        if seconds is None:
            request = ClipRequest(prompt, **{"num_frames": self.model.num_frames} | settings)
        elif "num_frames" in settings:
            raise ValueError("seconds and num_frames are both given; give one of the two")
        else:
            frame_rate = settings.get("frame_rate", ClipRequest.frame_rate)
            num_frames = ClipRequest.snapped(prompt, seconds=seconds, frame_rate=frame_rate).num_frames
            request = ClipRequest(prompt, num_frames=num_frames, **settings)
        return self.run(request, **run_options)
