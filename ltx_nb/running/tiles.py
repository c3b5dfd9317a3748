"""How a clip too large for one pass of the video VAE is cut into tiles of time, height and width, and blended again.

The pipeline encodes and decodes by these tiles and the planner counts them. Arithmetic on lengths alone; knows no
tensors and no memory. Latents along an axis stand for 8 frames or 32 pixels each, the first latent in time for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import cache
from math import ceil, prod

import numpy as np

from ltx_nb.shapes import VIDEO_SPATIAL_COMPRESSION, VIDEO_TEMPORAL_COMPRESSION, VideoLatentShape

MAX_PX = 105 * 384 * 384  # of a tile: its frames x height x width
# In latents. Against untiled, with the tiny model's decoder: 48 dB or more on smooth noise, 59 on clips. With 2 instead
# of 3 it falls to 38 dB in places, which is to be seen.
OVERLAP = 3
UNUSED = 0.25  # of an overlap, at each tile's edge: what suffers most from what a tile does not see


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile along one axis. latents, pixels: which it has; in time, pixels are frames.

    latent_weights, pixel_weights: float32, of each of them; over all tiles they add up to 1.
    """

    latents: slice
    pixels: slice
    latent_weights: np.ndarray
    pixel_weights: np.ndarray


def tiles_of(latent: VideoLatentShape) -> tuple[list[Tile], list[Tile], list[Tile]]:
    """Along time, height and width."""
    tile = tile_shape(latent)
    return (
        tiles_in_time(latent.num_frames, tile.num_frames),
        tiles_in_space(latent.height, tile.height),
        tiles_in_space(latent.width, tile.width),
    )


@cache
def tile_shape(latent: VideoLatentShape) -> VideoLatentShape:
    """Shape of a tile: of all with MAX_PX or less, the one with which the fewest latents are coded twice."""
    lengths = astuple(latent)
    sizes = [_sizes(length) for length in lengths]
    coded = [[_coded(length, size) for size in of_axis] for length, of_axis in zip(lengths, sizes, strict=True)]
    in_all = np.prod(np.broadcast_arrays(*np.ix_(*coded)), axis=0)
    frames, rows, columns = np.ix_(*sizes)
    px = (VIDEO_TEMPORAL_COMPRESSION * (frames - 1) + 1) * VIDEO_SPATIAL_COMPRESSION**2 * rows * columns
    in_all[px > MAX_PX] = np.iinfo(in_all.dtype).max
    best = np.unravel_index(in_all.argmin(), in_all.shape)
    return VideoLatentShape(*(int(of_axis[index]) for of_axis, index in zip(sizes, best, strict=True)))


def coded_latents(latent: VideoLatentShape) -> int:
    """How many latents go through the VAE, those in overlaps once for each tile."""
    return prod(map(_coded, astuple(latent), astuple(tile_shape(latent))))


def num_tiles(latent: VideoLatentShape) -> int:
    """How often the VAE is called for all tiles of these latents."""
    return prod(map(_count, astuple(latent), astuple(tile_shape(latent))))


def tiles_in_space(length: int, size: int) -> list[Tile]:
    """Tiles of `size` along a side of `length` latents."""
    scale = VIDEO_SPATIAL_COMPRESSION
    return _tiles(length, size, lambda begin, end: slice(scale * begin, scale * end))


def tiles_in_time(length: int, size: int) -> list[Tile]:
    """Tiles of `size` along `length` latents. The first latent of a tile stands for the last of its frames alone."""
    scale = VIDEO_TEMPORAL_COMPRESSION
    return _tiles(length, size, lambda begin, end: slice(scale * begin, scale * (end - 1) + 1))


def _tiles(length: int, size: int, pixels_of: Callable[[int, int], slice]) -> list[Tile]:
    """At equal distances, overlapping by OVERLAP latents or more."""
    count = _count(length, size)
    begins = [round(index * (length - size) / (count - 1)) for index in range(count)] if count > 1 else [0]
    latents = [slice(begin, min(begin + size, length)) for begin in begins]
    pixels = [pixels_of(part.start, part.stop) for part in latents]
    return [Tile(*each) for each in zip(latents, pixels, _blending(latents), _blending(pixels), strict=True)]


def _blending(parts: list[slice]) -> list[np.ndarray]:
    """The weights with which overlapping parts of a line are added up."""
    weights = np.zeros((len(parts), parts[-1].stop))
    for index, part in enumerate(parts):
        position = np.arange(part.start, part.stop) + 0.5
        share = np.ones(len(position))  # of the way from either edge to the end of its overlap
        if index > 0:
            share = np.minimum(share, (position - part.start) / (parts[index - 1].stop - part.start))
        if index < len(parts) - 1:
            share = np.minimum(share, (part.stop - position) / (part.stop - parts[index + 1].start))
        weights[index, part] = np.clip((share - UNUSED) / (1 - 2 * UNUSED), 0, 1)
    weights /= weights.sum(axis=0)
    return [row[part].astype(np.float32) for row, part in zip(weights, parts, strict=True)]


def _sizes(length: int) -> np.ndarray:
    """Sizes of tiles along this length: the smallest for each number of tiles, while no more than two overlap."""
    counts = range(1, max(length // OVERLAP, 1) + 1)
    sizes = {ceil((length + (count - 1) * OVERLAP) / count) for count in counts}
    return np.array(sorted(size for size in sizes if size == length or size >= 2 * OVERLAP))


def _coded(length: int, size: int) -> int:
    return _count(length, size) * size


def _count(length: int, size: int) -> int:
    return 1 if length <= size else ceil((length - OVERLAP) / (size - OVERLAP))
