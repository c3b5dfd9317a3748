"""When and where appended tokens are: [1, 3, tokens, 2], time in s, rows and columns in px, as start and end.

A token stands where its content does in the clip, whatever its place in the sequence. Knows shapes alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ltx_nb.shapes import AUDIO_LATENTS_PER_SECOND, VIDEO_SPATIAL_COMPRESSION, audio_intervals_s, video_intervals_s


def image_coords(start_s: float, frame_rate: float, height: int, width: int) -> torch.Tensor:
    """Coordinates of one image of height x width latents at a frame's time.

    As the reference's VideoConditionByKeyframeIndex: one frame long, without the causal shift of the first latent.
    """
    return _grid([(start_s, start_s + 1 / frame_rate)], height, width, VIDEO_SPATIAL_COMPRESSION)


def reference_coords(latent_shape: Sequence[int], frame_rate: float, downscale_factor: int) -> torch.Tensor:
    """Coordinates of a reference of (frames, height, width) latents, which begins where the clip does.

    As the reference's VideoConditionByReferenceLatent: places of a smaller one are stretched over the clip.
    """
    frames, height, width = latent_shape
    side_px = VIDEO_SPATIAL_COMPRESSION * downscale_factor
    return _grid(video_intervals_s(frames, frame_rate), height, width, side_px)


def reference_sound_coords(num_latents: int) -> torch.Tensor:
    """Coordinates of a sound of that many latents, [1, 1, num_latents, 2] in s, which ends a latent before the clip.

    As the reference's `patchify_dubit_audio_reference_latent`.
    """
    times = torch.tensor(audio_intervals_s(num_latents), dtype=torch.float32)
    return (times - times[-1, 1] - 1 / AUDIO_LATENTS_PER_SECOND)[None, None]


def _grid(intervals_s: Sequence[tuple[float, float]], height: int, width: int, side_px: int) -> torch.Tensor:
    times = torch.tensor(intervals_s, dtype=torch.float32)  # [frames, 2]
    rows, columns = (side_px * torch.arange(count, dtype=torch.float32) for count in (height, width))
    index = torch.meshgrid(torch.arange(len(times)), torch.arange(height), torch.arange(width), indexing="ij")
    frame, row, column = (one.flatten() for one in index)
    starts = (rows[row], columns[column])
    places = [torch.stack([start, start + side_px], dim=-1) for start in starts]
    return torch.stack([times[frame], *places])[None]
