"""Video latents to frames, in tiles of space and time, each range of frames as soon as it is finished.

Memory on the device is bounded by a tile and six bytes for each pixel of the frames that it is part of, whatever the
length of the clip; what fits into one tile is decoded in one.
In place of diffusers' own tiling, which keeps all tiles, and all frames in float32, until the end. Knows no request and
no file; which tiles there are is `ltx_nb.running.tiles`'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Video
from diffusers.modular_pipelines import InputParam, ModularPipelineBlocks, OutputParam
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec

from ltx_nb.pipeline.encode import video_statistics
from ltx_nb.pipeline.prepare import unpack_video
from ltx_nb.running.tiles import Tile, tiles_of
from ltx_nb.shapes import VideoLatentShape
from ltx_nb.trace import stop_if_cancelled


def decoded_frames(
    vae: AutoencoderKLLTX2Video, latents: torch.Tensor, before_tile: Callable[[], None] = lambda: None
) -> Iterator[np.ndarray]:
    """uint8 [n, 32 H, 32 W, 3] on the CPU, range after range, of 8 (F - 1) + 1 frames in all.

    latents: denormalised, [1, C, F, H, W], on the VAE's device. before_tile: called before each; what it raises ends
    the decoding.
    """
    in_time, rows, columns = tiles_of(VideoLatentShape(*latents.shape[2:]))

    def decode(part: torch.Tensor) -> torch.Tensor:
        before_tile()
        return vae.decoder(part.to(vae.dtype))[0].float().permute(1, 2, 3, 0)

    unfinished = None
    for index, tile in enumerate(in_time):
        frames = _blended_in_space(decode, latents[:, :, tile.latents], rows, columns)
        frames *= _tensor(tile.pixel_weights, frames)[:, None, None, None]
        if unfinished is not None:
            frames[: len(unfinished)] += unfinished
        is_last = index == len(in_time) - 1
        num_finished = len(frames) if is_last else in_time[index + 1].pixels.start - tile.pixels.start
        unfinished = frames[num_finished:].clone()
        yield _pixels(frames[:num_finished])


def _blended_in_space(
    decode: Callable[[torch.Tensor], torch.Tensor], latents: torch.Tensor, rows: list[Tile], columns: list[Tile]
) -> torch.Tensor:
    """[n, 32 H, 32 W, 3] in -1..1. Several tiles are added up where they are, in float16: a 30th of a level of 256."""
    if len(rows) == len(columns) == 1:
        return decode(latents)
    whole = None
    for row in rows:
        for column in columns:
            tile = decode(latents[..., row.latents, column.latents])
            tile = tile * _tensor(np.outer(row.pixel_weights, column.pixel_weights), tile)[..., None]
            if whole is None:
                size = (rows[-1].pixels.stop, columns[-1].pixels.stop)
                whole = torch.zeros(len(tile), *size, 3, dtype=torch.float16, device=tile.device)
            whole[:, row.pixels, column.pixels] += tile.to(torch.float16)
    return whole


def _tensor(weights: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(weights).to(like)


def _pixels(frames: torch.Tensor) -> np.ndarray:
    """uint8 of -1..1, frame by frame, so that there is one frame in float32."""
    pixels = torch.empty(frames.shape, dtype=torch.uint8)
    for frame, values in zip(pixels, frames, strict=True):
        frame.copy_(((values.float() * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8))
    return pixels.numpy()


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
            if frames is None and len(part) == block_state.num_frames:
                frames = part  # where there is one range, no second copy
                break
            if frames is None:
                frames = np.empty((block_state.num_frames, *part.shape[1:]), np.uint8)
            frames[filled : filled + len(part)] = part
            filled += len(part)
        block_state.frames = frames
        self.set_block_state(state, block_state)
        return components, state
