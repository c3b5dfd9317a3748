"""The tasks on a clip that is there as methods of a Session, beside those that make one: `generative_verbs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Never

from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.generative_verbs import GenerativeVerbs, RunOptions, chosen
from ltx_nb.pipeline.long_clips import split_to_extend
from ltx_nb.pipeline.storyboard import make_storyboard

if TYPE_CHECKING:
    from ltx_nb.clip import Clip
    from ltx_nb.request import Sampling
    from ltx_nb.trace import StepEvent


class Verbs(GenerativeVerbs):
    """All verbs of a Session. Size and rate are the given clip's where none are asked for."""

    def extend(
        self,
        clip: Any,
        seconds: float,
        direction: str = "after",
        prompt: str | None = None,
        overlap_s: float = 0.0,
        audio: Any = None,
        sample_rate: int | None = None,
        *,
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
        """The clip with `seconds` more "after" or "before" it, picture and sound.

        Every frame and sample of the clip comes back. clip: a Clip, a path or frames. prompt: the clip's own if left
        out. overlap_s: how much of the clip, next to the seam, to make anew as well. audio: the sound of what is
        added, if not made. Of a Clip or file with which that is over 20 s, the end that fits is gone on from, and the
        result has no request, for no single one makes it. Else as `text_to_video`.
        """
        options = chosen(
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
        split = split_to_extend(clip, seconds, direction, options)
        near = clip if split is None else split.near
        how = (seconds, direction, prompt, overlap_s, audio, sample_rate)
        made = self._make(tasks.extend, (near, *how), options, run)
        return made if split is None else split.joined(made)

    def retake(
        self,
        clip: Any,
        start: float,
        end: float,
        prompt: str | None = None,
        video: bool = True,
        audio: bool = True,
        *,
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
        """The clip with [start, end) s made anew, on both lanes or on one; every other frame and sample stays.

        prompt: the clip's own if left out. Else as `text_to_video`.
        """
        options = chosen(
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
        return self._make(tasks.retake, (clip, start, end, prompt, video, audio), options, run)

    def video_to_audio(
        self,
        video: Any,
        prompt: str | None = None,
        *,
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
        """Sound to pictures (a Clip, a path, or uint8 [F, H, W, 3] at frame_rate), which stay as they are: foley.

        prompt: the clip's own if left out. Else as `text_to_video`.
        """
        options = chosen(
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
        return self._make(tasks.video_to_audio, (video, prompt), options, run)

    def upscale(
        self,
        clip: Any,
        prompt: str | None = None,
        factor: float | None = None,
        *,
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
        """The clip at twice its size, or 1.5 times (factor=1.5), both lanes refined.

        frame_rate: twice the clip's own, at the size it has; its sound stays as it is. That and 1.5 take upscalers of
        their own: `load(model, upscalers=...)`, where they do not lie beside the model's file. Else as
        `text_to_video`.
        """
        options = chosen(
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
        return self._make(tasks.upscale, (clip, prompt, factor), options, run)

    def storyboard(
        self,
        shots: Sequence[Any],
        context_s: float = 2.0,
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
        """Shots one after the other, each going on from the last `context_s` of the clip so far; past 20 s too.

        shots: prompts, or (prompt, seconds) each. The clip has no request, for no single one makes it; its notes tell
        when each shot begins, its seed and its prompt. seconds: of a shot that does not say. timed_prompts are refused:
        a shot has its prompt. Else as `text_to_video`.
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
        return make_storyboard(self.text_to_video, self.extend, shots, context_s, **options, **run)
