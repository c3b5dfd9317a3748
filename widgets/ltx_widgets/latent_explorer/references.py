"""References of a clip as the explorer shows them: their pictures, and how much a latent looks at each cell of them.

Reads media through `ltx_nb.media`. Knows no widget and no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ltx_nb import media
from ltx_nb.inspect.attention_maps import appended_parts
from ltx_nb.reference import Reference
from ltx_nb.request import ClipRequest
from ltx_nb.shapes import VIDEO_TEMPORAL_COMPRESSION
from ltx_widgets.latent_explorer.details import Place, index_of

if TYPE_CHECKING:
    from ltx_nb.inspect.attention import AttentionMaps


def parts_of(maps: AttentionMaps, request: ClipRequest | None) -> list[slice]:
    """Stretches of the tokens beside the clip's that are its references', in order; keyframes come before them."""
    if request is None or not request.references or maps.grid is None or "reference" not in maps.kinds:
        return []
    return appended_parts(maps.grid)[-len(request.references) :]


def attention_to(
    rows: Mapping[str, np.ndarray], parts: Sequence[slice], video_shape: tuple[int, ...], place: Place
) -> list[tuple[np.ndarray, float]]:
    """Attention of the latent to each reference: by its cells, float32, as many times chance, and the share of all.

    A cell asks in the picture's attention to itself, an audio latent in that of sound to picture; chance is to look
    at every token that answers alike.
    """
    cells = int(np.prod(video_shape))
    is_picture = place["lane"] == "video"
    name = "video_reference" if is_picture else "video_to_audio"
    if name not in rows or not parts:
        return []
    row = rows[name][index_of(place, video_shape)]
    beside = row if is_picture else row[cells:]
    return [((beside[part] * (cells + len(beside))).astype("<f4"), float(beside[part].sum())) for part in parts]


def pictures_of(request: ClipRequest, reference: Reference) -> np.ndarray:
    """The picture in the middle of each of its latent frames, uint8 [latent frames, H, W, 3], at the clip's size."""
    count = (reference.num_frames - 1) // VIDEO_TEMPORAL_COMPRESSION + 1
    middles = np.maximum(VIDEO_TEMPORAL_COMPRESSION * np.arange(count) - VIDEO_TEMPORAL_COMPRESSION // 2 + 1, 0)
    moments_s = reference.source_start_s + (middles + 0.5) / request.frame_rate
    held = reference.source.media
    if held is not None and held.frames is not None:
        indices = (moments_s * (held.frame_rate or 0)).astype(int).clip(0, len(held.frames) - 1)
        frames = held.frames[indices]
    else:
        with reference.source.open() as file:
            if media.probe(file).is_image:
                frames = np.stack([media.read_image(file)] * count)
            else:
                frames = np.stack(list(media.read_frames_at(file, moments_s)))
    return media.fit_frames(frames, request.width, request.height, reference.fit)[0]
