"""The tasks as methods of a Session: each builds its request in `tasks` and runs it.

Every verb also takes `tasks.ClipOptions` (size, width, height, frame_rate, seed, negative_prompt, sampling, two_stage,
upscaler), seconds or num_frames where no given clip has a length, and the arguments of `Session.run` (trace,
trace_budget_mb, on_step, progress).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.long_clips import split_to_extend
from ltx_nb.pipeline.sources import only_lane, sound_source
from ltx_nb.pipeline.storyboard import make_storyboard
from ltx_nb.pipeline.windows import make_windows
from ltx_nb.shapes import MAX_SECONDS

if TYPE_CHECKING:
    from ltx_nb.catalogue.models import Model
    from ltx_nb.clip import Clip
    from ltx_nb.request import ClipRequest
    from ltx_nb.trace import StepEvent


class RunOptions(TypedDict, total=False):
    trace: bool
    trace_budget_mb: float
    on_step: Callable[[StepEvent], None] | None
    progress: bool


class Options(tasks.RequestOptions, RunOptions, total=False):
    pass


class OptionsWithClip(tasks.ClipOptions, RunOptions, total=False):
    pass


class Verbs:
    """Mixed into Session, which has the model and `run`."""

    model: Model
    run: Callable[..., Clip]

    def text_to_video(self, prompt: str, **options: Unpack[Options]) -> Clip:
        """A clip with sound from words alone."""
        return self._make(tasks.text_to_video, prompt, **options)

    def audio_only(self, prompt: str, **options: Unpack[Options]) -> Clip:
        """Sound from words alone; the clip has no frames."""
        return self._make(tasks.audio_only, prompt, **options)

    def image_to_video(
        self,
        prompt: str,
        image: Any,
        strength: float = 1.0,
        audio: Any = None,
        sample_rate: int | None = None,
        **options: Unpack[Options],
    ) -> Clip:
        """A clip that begins with an image: a path, a PIL image or uint8 [H, W, 3]. strength 0..1 is how firmly.

        audio: its sound, as to `audio_to_video`.
        """
        if audio is not None:
            return self.audio_to_video(prompt, audio, sample_rate, image, strength, **options)
        return self._make(tasks.image_to_video, prompt, image, strength, **options)

    def keyframes_to_video(self, prompt: str, keyframes: Mapping[float, Any], **options: Unpack[Options]) -> Clip:
        """A clip through images at their times in s, as {0.0: a, 1.0: b, -1: c}; -1 is the last frame."""
        return self._make(tasks.keyframes_to_video, prompt, keyframes, **options)

    def extend(
        self,
        clip: Any,
        seconds: float,
        direction: str = "after",
        prompt: str | None = None,
        overlap_s: float = 0.0,
        audio: Any = None,
        sample_rate: int | None = None,
        **options: Unpack[OptionsWithClip],
    ) -> Clip:
        """The clip with `seconds` more "after" or "before" it, picture and sound.

        Every frame and sample of the clip comes back. clip: a Clip, a path or frames. prompt: the clip's own if left
        out. overlap_s: how much of the clip, next to the seam, to make anew as well. audio: the sound of what is added,
        if not made. Of a Clip or file with which that is over 20 s, the end that fits is gone on from, and the result
        has no request, for no single one makes it.
        """
        split = split_to_extend(clip, seconds, direction, options)
        near = clip if split is None else split.near
        how = (seconds, direction, prompt, overlap_s, audio, sample_rate)
        made = self._make(tasks.extend, near, *how, **options)
        return made if split is None else split.joined(made)

    def retake(
        self,
        clip: Any,
        start: float,
        end: float,
        prompt: str | None = None,
        video: bool = True,
        audio: bool = True,
        **options: Unpack[OptionsWithClip],
    ) -> Clip:
        """The clip with [start, end) s made anew, on both lanes or on one; every other frame and sample stays."""
        return self._make(tasks.retake, clip, start, end, prompt, video, audio, **options)

    def audio_to_video(
        self,
        prompt: str,
        audio: Any,
        sample_rate: int | None = None,
        image: Any = None,
        strength: float = 1.0,
        **options: Unpack[Options],
    ) -> Clip:
        """Pictures to a sound (a path, a Clip, or float32 [2, N] at sample_rate Hz), which stays as it is.

        image: the first picture, as to `image_to_video`. A sound over 20 s is followed in windows, each going on from
        the last; that clip has no request, for no single one makes it, and its notes tell when each window begins.
        """
        source = sound_source(audio, sample_rate)
        wanted_s = options.get("seconds") or tasks.sound_length_s(source)
        if options.get("num_frames") is None and wanted_s > MAX_SECONDS:
            of_run = _of_run(options)
            of_request: dict[str, Any] = {**options, "seconds": MAX_SECONDS}
            first = tasks.audio_to_video(self.model, prompt, source, None, image, strength, **of_request)
            return make_windows(self.run, first, only_lane(source, "audio"), wanted_s, **of_run)
        return self._make(tasks.audio_to_video, prompt, source, None, image, strength, **options)

    def video_to_audio(self, video: Any, prompt: str | None = None, **options: Unpack[OptionsWithClip]) -> Clip:
        """Sound to pictures (a Clip, a path, or uint8 [F, H, W, 3] at frame_rate), which stay as they are: foley."""
        return self._make(tasks.video_to_audio, video, prompt, **options)

    def upscale(
        self, clip: Any, prompt: str | None = None, factor: float | None = None, **options: Unpack[OptionsWithClip]
    ) -> Clip:
        """The clip at twice its size, or 1.5 times (factor=1.5), both lanes refined.

        frame_rate: twice the clip's own, at the size it has; its sound stays as it is. That and 1.5 take upscalers of
        their own: `load(model, upscalers=...)`, where they do not lie beside the model's file.
        """
        return self._make(tasks.upscale, clip, prompt, factor, **options)

    def storyboard(self, shots: Sequence[Any], context_s: float = 2.0, **options: Unpack[Options]) -> Clip:
        """Shots one after the other, each going on from the last `context_s` of the clip so far; past 20 s too.

        shots: prompts, or (prompt, seconds) each. The clip has no request, for no single one makes it; its
        notes tell when each shot begins, its seed and its prompt.
        """
        return make_storyboard(self.text_to_video, self.extend, shots, context_s, **options)

    def _make(self, task: Callable[..., ClipRequest], *arguments: Any, **options: Any) -> Clip:
        of_run = _of_run(options)
        return self.run(task(self.model, *arguments, **options), **of_run)


def _of_run(options: Any) -> dict[str, Any]:
    """Take the options of `run` out of those of a verb."""
    return {name: options.pop(name) for name in RunOptions.__annotations__ if name in options}
