"""Scenes' pictures, rendered where they are learned from: a card draws a batch while a CPU would draw a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..world import BACKGROUNDS, COLOURS, EDGE, RADIUS, SHAPES, Scene


def pictures(scenes: Sequence[Scene], device: str | torch.device = "cpu") -> torch.Tensor:
    """Scenes of one size as the VAE reads them: float32 [B, 3, F, H, W] in [-1, 1]; the pixels of `Scene.frames`."""
    names = {"shape": list(SHAPES), "colour": list(COLOURS), "background": list(BACKGROUNDS)}
    indices = {
        field: torch.tensor([known.index(getattr(scene, field)) for scene in scenes], device=device)
        for field, known in names.items()
    }
    positions = torch.from_numpy(np.stack([scene.positions() for scene in scenes]).astype(np.float32)).to(device)
    return paint(positions, **indices, height=scenes[0].height, width=scenes[0].width)


def paint(
    positions: torch.Tensor,
    shape: torch.Tensor,
    colour: torch.Tensor,
    background: torch.Tensor,
    *,
    height: int,
    width: int,
) -> torch.Tensor:
    """Paint the same from plain tensors: where objects are, [B, F, 2] as (x, y) in px, and which of the world's shapes,
    colours and backgrounds they have, int [B] each."""
    device, unit_px = positions.device, min(height, width) / 128
    x = torch.arange(width, device=device) + 0.5
    y = torch.arange(height, device=device)[:, None] + 0.5
    dx, dy = x - positions[..., 0, None, None], y - positions[..., 1, None, None]  # [B, F, H, W]
    r = RADIUS * unit_px
    triangle = torch.minimum(r - dy, (r + dy - 2 * dx.abs()) / 5**0.5)
    kind = shape.view(-1, 1, 1, 1)
    inside = torch.where(kind == 1, r - torch.maximum(dx.abs(), dy.abs()), triangle)
    inside = torch.where(kind == 0, r - torch.hypot(dx, dy), inside)
    cover = (inside / (EDGE * unit_px) + 0.5).clamp(0, 1)[:, None]
    fronts, backs = (
        torch.tensor(list(known.values()), dtype=torch.float32, device=device) for known in (COLOURS, BACKGROUNDS)
    )
    front, back = (table[index].view(-1, 3, 1, 1, 1) for table, index in ((fronts, colour), (backs, background)))
    return (back + cover * (front - back)).round() / 127.5 - 1
