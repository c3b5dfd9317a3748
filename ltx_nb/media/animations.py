"""Moving pictures in picture files, through Pillow: GIF, animated WebP, PNG and AVIF."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import ImageSequence

from ltx_nb.media.pictures import pixels_of

_MOVING = ("GIF", "WEBP", "PNG", "AVIF")  # the second picture of a JPEG or TIFF is no next frame
_LEAST_S = 0.02  # browsers show what claims to be shorter for 0.1 s
_SLOW_S = 0.1


def is_animation(image: Any) -> bool:
    return image.format in _MOVING and getattr(image, "n_frames", 1) > 1


def frame_ends_s(image: Any) -> np.ndarray:
    """When each frame of an animation ends, in s from its start. Raises ValueError for frames of several sizes."""
    lengths_s, size = [], image.size
    for index in range(image.n_frames):
        image.seek(index)
        if image.size != size:
            raise ValueError(f"frame {index} has {image.width}x{image.height} px, the first {size[0]}x{size[1]}")
        image.load()  # WebP says how long a frame lasts once it is decoded
        length_s = float(image.info.get("duration") or 0) / 1000
        lengths_s.append(length_s if length_s >= _LEAST_S else _SLOW_S)
    return np.cumsum(lengths_s)


def animation_frames(image: Any, indices: np.ndarray) -> Iterator[np.ndarray]:
    """uint8 [H, W, 3] for each of ascending indices, transparency over black."""
    frames = enumerate(ImageSequence.Iterator(image))
    index, pixels = -1, np.empty(0)
    for wanted in indices:
        while index < wanted:
            index, frame = next(frames)
            if index == wanted:
                pixels = pixels_of(frame)
        yield pixels
