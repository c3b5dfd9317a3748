"""A clip of many shots, each an extension of the end of the last: as long as you like, twenty seconds at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ltx_nb.checks import finite_number
from ltx_nb.clip import Clip

if TYPE_CHECKING:
    from ltx_nb.pipeline.verbs import Verbs


def make_storyboard(
    session: Verbs, shots: Sequence[Any], context_s: float, seconds: float = 2.0, seed: int = 0, **options: Any
) -> Clip:
    """shots: prompts, or (prompt, seconds) each; the seed of each is one more than of the last.

    Raises ValueError for no shots, or for one that is neither of the two.
    """
    told = [_shot(index, shot, seconds) for index, shot in enumerate(shots)]
    if not told:
        raise ValueError("shots is empty; give prompts, or (prompt, seconds) each")
    (prompt, length_s), *rest = told
    clip = session.text_to_video(prompt, seconds=length_s, seed=seed, **options)
    notes = [f"0 s: {prompt}"]
    for index, (prompt, length_s) in enumerate(rest, start=1):
        seam_s, begin_s = clip.duration_s, max(clip.duration_s - finite_number("context_s", context_s), 0.0)
        end = clip.slice(begin_s, seam_s)
        longer = session.extend(end, length_s, prompt=prompt, seed=seed + index, **options)
        notes.append(f"{seam_s:.4g} s: {prompt}")
        clip = _joined(clip, len(clip.frames) - len(end.frames), longer)
    return Clip(
        frames=clip.frames,
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
