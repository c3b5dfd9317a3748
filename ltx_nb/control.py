"""Control pictures: what an IC-LoRA was trained to follow, made of a clip. Edges, by scikit-image.

Depth and poses are found by models of their own, of which none is fetched here: what another tool made of a clip is a
reference like any video. Knows clips; no request and no model.
"""

from __future__ import annotations

import os

import numpy as np

from ltx_nb.checks import finite_number
from ltx_nb.clip import Clip


def edges(clip: Clip | str | os.PathLike[str], *, sigma: float = 1.0) -> Clip:
    """Return the edges of a clip's picture, white on black, without sound: Canny (1986), as Union-Control follows them.

    clip: a Clip, or the path of a file. sigma: of the blur that comes first, in px; a larger one keeps fewer edges.

    Raises ValueError for a clip without picture, ImportError, with what to install, without scikit-image.
    """
    try:
        from skimage.color import rgb2gray
        from skimage.feature import canny
    except ImportError:
        raise ImportError('edges are found by scikit-image; to have it: pip install "ltx-nb[control]"') from None
    sigma = finite_number("sigma", sigma, least=0)
    clip = clip if isinstance(clip, Clip) else Clip.load(clip)
    if clip.frames is None:
        raise ValueError("this clip has no picture, so there are no edges; give a video")
    found = np.stack([canny(rgb2gray(frame), sigma=sigma) for frame in clip.frames])
    return Clip(frames=(255 * found.astype(np.uint8))[..., None].repeat(3, axis=-1), frame_rate=clip.frame_rate)
