"""A clip of many shots, each an extension of the end of the last: as long as you like, twenty seconds at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ltx_nb.checks import finite_number
from ltx_nb.clip import Clip
from ltx_nb.request import drawn_seed
from ltx_nb.shapes import MAX_SECONDS

OVERLAP_S = 0.5  # of the clip so far, made anew with each shot that follows, for one to lead over to the next


def make_storyboard(
    text_to_video: Callable[..., Clip],
    extend: Callable[..., Clip],
    shots: Sequence[Any],
    context_s: float,
    seconds: float | None = None,
    seed: int | None = 0,
    **options: Any,
) -> Clip:
    """Make the first shot with `text_to_video` and each further one with `extend`, the verbs of one session.

    shots: prompts, or (prompt, seconds) each. seconds: of a shot that does not say, 2 if left out. seed: of the
    first, drawn for None or -1; each further one has the next number.

    The clip carries no request, for no single one makes it: its notes tell when each shot begins, its seed and its
    prompt, and they are saved with it. Each pass decodes and forgets, so it carries no latents and no trace either;
    on_step sees the steps of all passes.

    Raises ValueError, before anything is made, for no shots, for one that is neither of the two or is too long for a
    pass, and for a context that is made anew as a whole.
    """
    if not isinstance(shots, (list, tuple)):
        raise ValueError(f"shots is a {type(shots).__name__}; give a list of prompts, or of (prompt, seconds)")
    if options.get("timed_prompts"):
        raise ValueError("timed_prompts are for one request; a storyboard's shots are (prompt, seconds) each")
    seconds = finite_number("seconds", 2.0 if seconds is None else seconds, least=0)
    seed = drawn_seed(seed)
    told = [_shot(index, shot, seconds) for index, shot in enumerate(shots)]
    if not told:
        raise ValueError("shots is empty; give prompts, or (prompt, seconds) each")
    _check_passes(told, finite_number("context_s", context_s, most=MAX_SECONDS - OVERLAP_S))
    (prompt, length_s), *rest = told
    clip = text_to_video(prompt, seconds=length_s, seed=seed, **options)
    request = clip.request
    notes = [_note(0.0, seed, prompt)]
    for index, (prompt, length_s) in enumerate(rest, start=1):
        seam_s = clip.duration_s
        end = clip.slice(max(seam_s - context_s, 0.0), seam_s)
        longer = extend(end, length_s, prompt=prompt, overlap_s=OVERLAP_S, seed=seed + index, **options)
        notes.append(_note(seam_s, seed + index, prompt))
        clip = _joined(clip, len(clip.frames) - len(end.frames), longer)
    return Clip(
        frames=replace(clip, request=request).export_frames(),  # cut as any shot alone would be, when it is saved
        audio=clip.audio,
        frame_rate=clip.frame_rate,
        sample_rate=clip.sample_rate,
        notes=tuple(notes),
    )


def _joined(clip: Clip, num_frames: int, longer: Clip) -> Clip:
    """The first num_frames of `clip` and what sounds with them, then `longer`."""
    num_samples = round(num_frames / clip.frame_rate * clip.sample_rate)
    return Clip(
        frames=np.concatenate([clip.frames[:num_frames], longer.frames]),
        audio=np.concatenate([clip.audio[:, :num_samples], longer.audio], axis=1),
        frame_rate=clip.frame_rate,
        sample_rate=clip.sample_rate,
    )


def _shot(index: int, shot: Any, seconds: float) -> tuple[str, float]:
    if isinstance(shot, str):
        return shot, seconds
    if isinstance(shot, (tuple, list)) and len(shot) == 2 and isinstance(shot[0], str):
        return shot[0], finite_number("the seconds of a shot", shot[1], least=0)
    raise ValueError(f"shots[{index}] is {shot!r}; give a prompt, or (prompt, seconds)")


def _check_passes(told: list[tuple[str, float]], context_s: float) -> None:
    """Raises ValueError for what would otherwise be refused only after the shots before it have been made."""
    if context_s <= OVERLAP_S:
        raise ValueError(
            f"context_s={context_s:g} is not over the {OVERLAP_S:g} s that each shot makes anew of what is there; "
            f"nearest: {2 * OVERLAP_S:g}"
        )
    most_s = MAX_SECONDS - context_s
    for index, (_, length_s) in enumerate(told[1:], start=1):
        if length_s > most_s:
            raise ValueError(
                f"shots[{index}] lasts {length_s:g} s; a pass adds at most {most_s:g} s to context_s={context_s:g}; "
                f"nearest: {most_s:g}"
            )


def _note(begin_s: float, seed: int, prompt: str) -> str:
    return f"{begin_s:.4g} s, seed {seed}: {prompt}"
