"""Video latents to frames, in tiles of space and time, each range of frames as soon as it is finished.

Memory on the device is bounded by a tile, whatever the size of the clip; what fits into one tile is decoded in one.
Tiles overlap and are blended, without the outermost pixels, which suffer most from what a tile does not see. In place
of diffusers' own tiling, which keeps all tiles, and all frames in float32, until the end. Knows no request and no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, isqrt

import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Video
from diffusers.modular_pipelines import InputParam, ModularPipelineBlocks, OutputParam
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec

from ltx_nb import shapes
from ltx_nb.pipeline.denoise import stop_if_cancelled
from ltx_nb.pipeline.encode import video_statistics
from ltx_nb.pipeline.prepare import unpack_video

# In latents: 384 x 384 px x 105 frames. Of a large clip every frame is decoded 2.3 times over, in overlaps.
TILE_FRAMES, TILE_SIDE = 14, 12
TILE_LATENTS = TILE_FRAMES * TILE_SIDE * TILE_SIDE
# Against untiled, with the tiny model's decoder: 48 dB or more on smooth noise, 59 on clips. With 2 latents instead of
# 3 it falls to 38 dB in places, which is to be seen.
OVERLAP = 3
UNUSED = 0.25  # of an overlap, at each tile's edge


@dataclass(frozen=True)
class Tile:
    """A tile along one axis. latents: what it is decoded from. place: its frames or pixels. weights: of each of them,
    which add up to 1 over all tiles."""

    latents: slice
    place: slice
    weights: torch.Tensor


def decoded_frames(
    vae: AutoencoderKLLTX2Video, latents: torch.Tensor, before_tile: Callable[[], None] = lambda: None
) -> Iterator[np.ndarray]:
    """uint8 [n, 32 H, 32 W, 3] on the CPU, range after range, of 8 (F - 1) + 1 frames in all.

    latents: denormalised, [1, C, F, H, W], on the VAE's device. before_tile: called before each; what it raises ends
    the decoding. Host memory: 6 bytes a pixel of the frames of one tile, beside what is handed out.
    """
    num_frames, height, width = latents.shape[2:]
    tile_frames, tile_height, tile_width = tile_shape(num_frames, height, width)
    in_time = tiles_in_time(num_frames, tile_frames)
    rows, columns = tiles_in_space(height, tile_height), tiles_in_space(width, tile_width)

    def decode(part: torch.Tensor) -> torch.Tensor:
        before_tile()
        return vae.decoder(part.to(vae.dtype))[0].float().permute(1, 2, 3, 0)

    unfinished = None
    for index, tile in enumerate(in_time):
        frames = _blended_in_space(decode, latents[:, :, tile.latents], rows, columns)
        frames *= tile.weights.to(frames)[:, None, None, None]
        if unfinished is not None:
            frames[: len(unfinished)] += unfinished
        is_last = index == len(in_time) - 1
        num_finished = len(frames) if is_last else in_time[index + 1].place.start - tile.place.start
        unfinished = frames[num_finished:].clone()
        yield _pixels(frames[:num_finished])


def tile_shape(num_frames: int, height: int, width: int) -> tuple[int, int, int]:
    """Of a tile for latents of this shape: what one axis does not use of TILE_LATENTS, the others do."""
    side = isqrt(TILE_LATENTS // min(num_frames, TILE_FRAMES))
    height, width = min(height, side), min(width, side)
    return min(num_frames, TILE_LATENTS // (height * width)), height, width


def tiles_in_space(length: int, size: int) -> list[Tile]:
    """Along a side of `length` latents, 32 pixels each."""
    scale = shapes.VIDEO_SPATIAL_COMPRESSION
    return _tiles(length, size, lambda begin, end: (scale * begin, scale * end))


def tiles_in_time(length: int, size: int) -> list[Tile]:
    """Along `length` latents, 8 frames each. The first latent of a tile gives the last of its frames alone."""
    scale = shapes.VIDEO_TEMPORAL_COMPRESSION
    return _tiles(length, size, lambda begin, end: (scale * begin, scale * (end - 1) + 1))


def _tiles(length: int, size: int, decoded: Callable[[int, int], tuple[int, int]]) -> list[Tile]:
    """At equal distances, overlapping by OVERLAP latents or more. decoded: the place of what latents decode to."""
    count = 1 if length <= size else ceil((length - OVERLAP) / (size - OVERLAP))
    begins = [round(index * (length - size) / (count - 1)) for index in range(count)] if count > 1 else [0]
    spans = [(begin, min(begin + size, length)) for begin in begins]
    places = [slice(*decoded(*span)) for span in spans]
    weights = np.zeros((count, places[-1].stop))
    for index, place in enumerate(places):
        position = np.arange(place.start, place.stop) + 0.5
        share = np.ones(len(position))  # of the way from either edge to the end of its overlap
        if index > 0:
            share = np.minimum(share, (position - place.start) / (places[index - 1].stop - place.start))
        if index < count - 1:
            share = np.minimum(share, (place.stop - position) / (place.stop - places[index + 1].start))
        weights[index, place] = np.clip((share - UNUSED) / (1 - 2 * UNUSED), 0, 1)
    weights /= weights.sum(axis=0)
    return [
        Tile(slice(*span), place, torch.from_numpy(row[place]).float())
        for span, place, row in zip(spans, places, weights, strict=True)
    ]


def _blended_in_space(
    decode: Callable[[torch.Tensor], torch.Tensor], latents: torch.Tensor, rows: list[Tile], columns: list[Tile]
) -> torch.Tensor:
    """[n, 32 H, 32 W, 3] in -1..1. Several tiles are added up in host memory, in float16: a 30th of a level of 256."""
    if len(rows) == len(columns) == 1:
        return decode(latents)
    whole = None
    for row in rows:
        for column in columns:
            tile = decode(latents[..., row.latents, column.latents])
            tile = tile * (row.weights[:, None] * column.weights).to(tile)[..., None]
            if whole is None:
                size = (rows[-1].place.stop, columns[-1].place.stop)
                whole = torch.zeros(len(tile), *size, 3, dtype=torch.float16)
            whole[:, row.place, column.place] += tile.to("cpu", torch.float16)
    return whole


def _pixels(frames: torch.Tensor) -> np.ndarray:
    """uint8 of -1..1, frame by frame, so that there is one frame in float32."""
    pixels = np.empty(frames.shape, np.uint8)
    for frame, values in zip(pixels, frames, strict=True):
        frame[:] = ((values.float() * 0.5 + 0.5).clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
    return pixels


class DecodeVideoStep(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return "Decodes the video latents to frames on the CPU, in tiles of space and time where they are many."

    @property
    def expected_components(self) -> list[ComponentSpec]:
        return [ComponentSpec("vae", AutoencoderKLLTX2Video)]

    @property
    def inputs(self) -> list[InputParam]:
        return [
            InputParam("latents", type_hint=torch.Tensor, required=True, description="Denoised packed video latents."),
            InputParam("latent_shape", required=True, description="Of the video latents: (frames, height, width)."),
            InputParam("num_frames", type_hint=int, required=True),
            InputParam("cancel_event", description="threading.Event; once set, the run ends before the next tile."),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [OutputParam("frames", type_hint=np.ndarray, description="uint8 [num_frames, height, width, 3].")]

    @torch.no_grad()
    def __call__(self, components, state):
        block_state = self.get_block_state(state)
        latents = unpack_video(block_state.latents, *block_state.latent_shape).float()
        mean, std = video_statistics(components, latents)
        ranges = decoded_frames(
            components.vae, latents * std + mean, lambda: stop_if_cancelled(block_state.cancel_event)
        )
        frames, filled = None, 0
        for part in ranges:
            if frames is None:
                frames = np.empty((block_state.num_frames, *part.shape[1:]), np.uint8)
            frames[filled : filled + len(part)] = part
            filled += len(part)
        block_state.frames = frames
        self.set_block_state(state, block_state)
        return components, state
