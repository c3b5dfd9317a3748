"""Whether the seams of a clip, where its given and generated parts meet, can be seen or heard.

Where they are, the clip's provenance says.
"""

from __future__ import annotations

import numpy as np

from ltx_nb.clip import Clip

SEAM_S = 0.001  # on each side of a seam, where a click would be
AROUND_S = 0.006  # on each side of it, where what sounds through the seam bends as sharply
INAUDIBLE = 0.001  # -60 dBFS; below it a second difference is no click, whatever the rest of the clip


def jumps_px(clip: Clip, track_px: np.ndarray) -> np.ndarray:
    """How far the object moves from the last frame before each seam of the picture to the first after it."""
    assert clip.frame_rate is not None
    steps = np.hypot(*np.diff(track_px, axis=0).T)
    return np.array([steps[round(seam_s * clip.frame_rate) - 1] for seam_s in _seams_s(clip, "video")])


def clicks(clip: Clip) -> bool:
    """Whether the sound bends more sharply at a seam than anywhere around it and in 99 % of the clip, and audibly.

    What rings at the seam, as a bell just struck, bends sharply before and after it too: that is no click.
    """
    assert clip.audio is not None and clip.sample_rate is not None
    bend = np.abs(np.diff(clip.audio.astype(float), 2)).max(0)
    usual = max(np.percentile(bend, 99), INAUDIBLE)
    near, around = round(SEAM_S * clip.sample_rate), round(AROUND_S * clip.sample_rate)
    for seam_s in _seams_s(clip, "audio"):
        seam = round(seam_s * clip.sample_rate) - 1
        first, last = max(seam - near, 0), seam + near
        beside = np.concatenate([bend[max(seam - around, 0) : first], bend[last : seam + around]])
        if bend[first:last].max() > max(usual, beside.max(initial=0.0)):
            return True
    return False


def _seams_s(clip: Clip, lane: str) -> list[float]:
    return [start_s for start_s, _, _ in clip.provenance[lane][1:]]
