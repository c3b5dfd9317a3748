"""The tasks from words, pictures and sound as methods of a Session: each builds its request in `tasks` and runs it.

Parameters are spelt out in every verb, so that help and completion show them; None is as good as leaving one out, but
for a seed it draws one. A word that is none of them is refused with the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Never, TypedDict

from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.sources import only_lane, sound_source
from ltx_nb.pipeline.windows import make_windows
from ltx_nb.shapes import MAX_SECONDS

if TYPE_CHECKING:
    from ltx_nb.catalogue.models import Model
    from ltx_nb.clip import Clip
    from ltx_nb.request import ClipRequest, Sampling
    from ltx_nb.trace import StepEvent


class RunOptions(TypedDict):
    """Arguments of `Session.run` beside the request."""

    trace: bool
    trace_budget_mb: float
    on_step: Callable[[StepEvent], Any] | None
    progress: bool


Options = dict[str, Any]  # of a task, by name


def chosen(**options: Any) -> Options:
    """Leave out what is None or False, as if it had not been given; a seed stays, for which None draws one."""
    return {name: value for name, value in options.items() if name == "seed" or not (value is None or value is False)}


class GenerativeVerbs:
    """Mixed into Session, which has the model and `run`."""

    model: Model
    run: Callable[..., Clip]

    def text_to_video(
        self,
        prompt: str,
        *,
        seconds: float | None = None,
        num_frames: int | None = None,
        size: str | None = None,
        width: int | None = None,
        height: int | None = None,
        frame_rate: float | None = None,
        fit: str | None = None,
        references: Sequence[Any] | None = None,
        reference_downscale_factor: int | None = None,
        seed: int | None = 0,
        negative_prompt: str | None = None,
        timed_prompts: Sequence[Any] | None = None,
        sampling: Sampling | None = None,
        two_stage: bool = False,
        upscaler: str | None = None,
        trace: bool = False,
        trace_budget_mb: float = 512,
        on_step: Callable[[StepEvent], Any] | None = None,
        progress: bool = True,
        **others: Never,
    ) -> Clip:
        """A clip with sound from words alone.

        seconds, num_frames: the length, one of the two; default: the model's. size: a name such as "720p" or
        "portrait", or "source" for that of a given picture, instead of width and height in px. frame_rate: frames/s, 24
        by default. fit: "crop", "pad" or "stretch" a given picture of other proportions. references: pictures or videos
        to look at, and sounds to listen to, as an IC-LoRA follows them, each alone, as (what, strength), or as (what,
        strength, "audio") for the sound of a video; reference_downscale_factor: the IC-LoRA's own by default. seed:
        None draws one. negative_prompt: what guidance steers away from. timed_prompts: (text, start, end) in s each, in
        place of the prompt from then till then. sampling: steps, sigmas and guidance; what it leaves open is the
        model's. two_stage: half the size first; upscaler: what goes between. trace: record every step on `clip.trace`,
        in trace_budget_mb at most. on_step: called after every step, and may return changed latents, as `Session.run`
        says. progress: show a bar.
        """
        options = chosen(
            seconds=seconds,
            num_frames=num_frames,
            size=size,
            width=width,
            height=height,
            frame_rate=frame_rate,
            fit=fit,
            references=references,
            reference_downscale_factor=reference_downscale_factor,
            seed=seed,
            negative_prompt=negative_prompt,
            timed_prompts=timed_prompts,
            sampling=sampling,
            two_stage=two_stage,
            upscaler=upscaler,
            **others,
        )
        run = RunOptions(trace=trace, trace_budget_mb=trace_budget_mb, on_step=on_step, progress=progress)
        return self._make(tasks.text_to_video, (prompt,), options, run)

    def audio_only(
        self,
        prompt: str,
        *,
        seconds: float | None = None,
        num_frames: int | None = None,
        size: str | None = None,
        width: int | None = None,
        height: int | None = None,
        frame_rate: float | None = None,
        fit: str | None = None,
        references: Sequence[Any] | None = None,
        reference_downscale_factor: int | None = None,
        seed: int | None = 0,
        negative_prompt: str | None = None,
        timed_prompts: Sequence[Any] | None = None,
        sampling: Sampling | None = None,
        two_stage: bool = False,
        upscaler: str | None = None,
        trace: bool = False,
        trace_budget_mb: float = 512,
        on_step: Callable[[StepEvent], Any] | None = None,
        progress: bool = True,
        **others: Never,
    ) -> Clip:
        """Sound from words alone; the clip has no frames. Else as `text_to_video`."""
        options = chosen(
            seconds=seconds,
            num_frames=num_frames,
            size=size,
            width=width,
            height=height,
            frame_rate=frame_rate,
            fit=fit,
            references=references,
            reference_downscale_factor=reference_downscale_factor,
            seed=seed,
            negative_prompt=negative_prompt,
            timed_prompts=timed_prompts,
            sampling=sampling,
            two_stage=two_stage,
            upscaler=upscaler,
            **others,
        )
        run = RunOptions(trace=trace, trace_budget_mb=trace_budget_mb, on_step=on_step, progress=progress)
        return self._make(tasks.audio_only, (prompt,), options, run)

    def image_to_video(
        self,
        prompt: str,
        image: Any,
        strength: float = 1.0,
        audio: Any = None,
        sample_rate: int | None = None,
        *,
        seconds: float | None = None,
        num_frames: int | None = None,
        size: str | None = None,
        width: int | None = None,
        height: int | None = None,
        frame_rate: float | None = None,
        fit: str | None = None,
        references: Sequence[Any] | None = None,
        reference_downscale_factor: int | None = None,
        seed: int | None = 0,
        negative_prompt: str | None = None,
        timed_prompts: Sequence[Any] | None = None,
        sampling: Sampling | None = None,
        two_stage: bool = False,
        upscaler: str | None = None,
        trace: bool = False,
        trace_budget_mb: float = 512,
        on_step: Callable[[StepEvent], Any] | None = None,
        progress: bool = True,
        **others: Never,
    ) -> Clip:
        """A clip that begins with an image: a path, a PIL image or uint8 [H, W, 3]. strength 0..1 is how firmly.

        audio: its sound, as to `audio_to_video`. Else as `text_to_video`.
        """
        options = chosen(
            seconds=seconds,
            num_frames=num_frames,
            size=size,
            width=width,
            height=height,
            frame_rate=frame_rate,
            fit=fit,
            references=references,
            reference_downscale_factor=reference_downscale_factor,
            seed=seed,
            negative_prompt=negative_prompt,
            timed_prompts=timed_prompts,
            sampling=sampling,
            two_stage=two_stage,
            upscaler=upscaler,
            **others,
        )
        run = RunOptions(trace=trace, trace_budget_mb=trace_budget_mb, on_step=on_step, progress=progress)
        if audio is not None:
            return self._to_sound(prompt, audio, sample_rate, image, strength, options, run)
        return self._make(tasks.image_to_video, (prompt, image, strength), options, run)

    def keyframes_to_video(
        self,
        prompt: str,
        keyframes: Mapping[float, Any],
        *,
        seconds: float | None = None,
        num_frames: int | None = None,
        size: str | None = None,
        width: int | None = None,
        height: int | None = None,
        frame_rate: float | None = None,
        fit: str | None = None,
        references: Sequence[Any] | None = None,
        reference_downscale_factor: int | None = None,
        seed: int | None = 0,
        negative_prompt: str | None = None,
        timed_prompts: Sequence[Any] | None = None,
        sampling: Sampling | None = None,
        two_stage: bool = False,
        upscaler: str | None = None,
        trace: bool = False,
        trace_budget_mb: float = 512,
        on_step: Callable[[StepEvent], Any] | None = None,
        progress: bool = True,
        **others: Never,
    ) -> Clip:
        """A clip through images at their times in s, as {0.0: a, 1.0: b, -1: c}; -1 is the last frame.

        Else as `text_to_video`.
        """
        options = chosen(
            seconds=seconds,
            num_frames=num_frames,
            size=size,
            width=width,
            height=height,
            frame_rate=frame_rate,
            fit=fit,
            references=references,
            reference_downscale_factor=reference_downscale_factor,
            seed=seed,
            negative_prompt=negative_prompt,
            timed_prompts=timed_prompts,
            sampling=sampling,
            two_stage=two_stage,
            upscaler=upscaler,
            **others,
        )
        run = RunOptions(trace=trace, trace_budget_mb=trace_budget_mb, on_step=on_step, progress=progress)
        return self._make(tasks.keyframes_to_video, (prompt, keyframes), options, run)

    def audio_to_video(
        self,
        prompt: str,
        audio: Any,
        sample_rate: int | None = None,
        image: Any = None,
        strength: float = 1.0,
        *,
        seconds: float | None = None,
        num_frames: int | None = None,
        size: str | None = None,
        width: int | None = None,
        height: int | None = None,
        frame_rate: float | None = None,
        fit: str | None = None,
        references: Sequence[Any] | None = None,
        reference_downscale_factor: int | None = None,
        seed: int | None = 0,
        negative_prompt: str | None = None,
        timed_prompts: Sequence[Any] | None = None,
        sampling: Sampling | None = None,
        two_stage: bool = False,
        upscaler: str | None = None,
        trace: bool = False,
        trace_budget_mb: float = 512,
        on_step: Callable[[StepEvent], Any] | None = None,
        progress: bool = True,
        **others: Never,
    ) -> Clip:
        """Pictures to a sound (a path, a Clip, or float32 [2, N] at sample_rate Hz), which stays as it is.

        image: the first picture, as to `image_to_video`. A sound over 20 s is followed in windows, each going on from
        the last; that clip has no request, for no single one makes it, and its notes tell when each window begins.
        Else as `text_to_video`.
        """
        options = chosen(
            seconds=seconds,
            num_frames=num_frames,
            size=size,
            width=width,
            height=height,
            frame_rate=frame_rate,
            fit=fit,
            references=references,
            reference_downscale_factor=reference_downscale_factor,
            seed=seed,
            negative_prompt=negative_prompt,
            timed_prompts=timed_prompts,
            sampling=sampling,
            two_stage=two_stage,
            upscaler=upscaler,
            **others,
        )
        run = RunOptions(trace=trace, trace_budget_mb=trace_budget_mb, on_step=on_step, progress=progress)
        return self._to_sound(prompt, audio, sample_rate, image, strength, options, run)

    def _to_sound(
        self,
        prompt: str,
        audio: Any,
        sample_rate: int | None,
        image: Any,
        strength: float,
        options: Options,
        run: RunOptions,
    ) -> Clip:
        source = sound_source(audio, sample_rate)
        wanted_s = options.get("seconds") or tasks.sound_length_s(source)
        if options.get("num_frames") is None and wanted_s > MAX_SECONDS:
            of_request = options | {"seconds": MAX_SECONDS}
            first = tasks.audio_to_video(self.model, prompt, source, None, image, strength, **of_request)
            return make_windows(self.run, first, only_lane(source, "audio"), wanted_s, **run)
        return self._make(tasks.audio_to_video, (prompt, source, None, image, strength), options, run)

    def _make(
        self, task: Callable[..., ClipRequest], arguments: tuple[Any, ...], options: Options, run: RunOptions
    ) -> Clip:
        return self.run(task(self.model, *arguments, **options), **run)
