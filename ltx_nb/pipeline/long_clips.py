"""A clip that is too long for one pass goes on from as much of its end as has room there; the rest is joined on again.

As the reference, which extends from a clip's last seconds. Knows clips and lengths; which pass is made is the verb's.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ltx_nb.checks import finite_number
from ltx_nb.clip import Clip, Span
from ltx_nb.media import fit_frames
from ltx_nb.pipeline.compose import fit_samples
from ltx_nb.pipeline.sources import picture_source, read_sound, sound_source
from ltx_nb.shapes import max_num_frames, snap_num_frames

LEAST_CONTEXT_S = 1.0
# What the rest of the clip would have to follow.
_CHANGES = ("size", "width", "height", "frame_rate", "timed_prompts")


@dataclass(frozen=True)
class Split:
    """A clip in two: `near` is what a pass goes on from, `far` what stays as it is; after: whether it goes on after."""

    near: Clip
    far: Clip
    after: bool

    def joined(self, longer: Clip) -> Clip:
        """The far part and the longer near one. It carries no request, for none makes it, and no latents."""
        assert longer.frame_rate is not None and longer.sample_rate is not None  # extensions have both lanes
        shown = longer.export_frames()
        far, _ = fit_frames(self.far.export_frames(), shown.shape[2], shown.shape[1])
        far_s = len(far) / longer.frame_rate
        sound = np.zeros((2, 0), np.float32)
        if self.far.audio is not None:
            sound, _ = read_sound(sound_source(self.far.audio, self.far.sample_rate), longer.sample_rate)
        parts = {"video": [far, shown], "audio": [fit_samples(sound, round(far_s * longer.sample_rate)), longer.audio]}
        begins_s = (0.0, far_s) if self.after else (longer.duration_s, 0.0)
        kinds = {"video": "source", "audio": "generated" if self.far.audio is None else "source"}
        provenance: dict[str, list[Span]] = {}
        for lane, kind in kinds.items():
            mine = [(begins_s[0], begins_s[0] + far_s, kind)]
            theirs = [(start + begins_s[1], end + begins_s[1], was) for start, end, was in longer.provenance[lane]]
            provenance[lane] = mine + theirs if self.after else theirs + mine
        order = slice(None) if self.after else slice(None, None, -1)
        where = "before" if self.after else "after"
        return Clip(
            frames=np.concatenate(parts["video"][order]),
            audio=np.concatenate(parts["audio"][order], axis=1),
            frame_rate=longer.frame_rate,
            sample_rate=longer.sample_rate,
            provenance=provenance,
            notes=(*longer.notes, f"{far_s:.4g} s of the clip lie {where} what this pass had room for"),
        )


def split_to_extend(clip: Any, seconds: float, direction: str, options: Any) -> Split | None:
    """The clip in two where one pass has no room for all of it and `seconds` more; None where it has.

    None too where even a second of it has none, or where it is to get another size or rate, or timed prompts: that is
    for one pass to refuse.
    """
    if any(options.get(name) is not None for name in _CHANGES):
        return None
    info = picture_source(clip, options.get("frame_rate")).info()
    if info.frame_rate is None or not isinstance(clip, (Clip, str, os.PathLike)):
        return None
    added = finite_number("seconds", seconds, least=0) * info.frame_rate
    most = max_num_frames(info.frame_rate)
    near_frames = most - math.ceil(added)
    if snap_num_frames(info.num_frames + added) <= most or near_frames < LEAST_CONTEXT_S * info.frame_rate:
        return None
    whole = clip if isinstance(clip, Clip) else Clip.load(clip)
    assert whole.frame_rate is not None  # of moving pictures
    near_s, after = near_frames / whole.frame_rate, direction == "after"
    seam_s = whole.duration_s - near_s if after else near_s
    first, last = (replace(part, request=whole.request) for part in _cut(whole, seam_s))
    return Split(last, first, after) if after else Split(first, last, after)


def _cut(clip: Clip, seam_s: float) -> tuple[Clip, Clip]:
    return clip.slice(0, seam_s), clip.slice(seam_s, clip.duration_s)
