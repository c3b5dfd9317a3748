"""Scenes' pictures, rendered where they are learned from: a card draws a batch while a CPU would draw a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..world import BACKGROUNDS, COLOURS, EDGE, Scene


def pictures(scenes: Sequence[Scene], device: str | torch.device = "cpu") -> torch.Tensor:
    """Scenes of one size as the VAE reads them: float32 [B, 3, F, H, W] in [-1, 1]; the pixels of `Scene.frames`."""
    return torch.stack([_picture(scene, torch.device(device)) for scene in scenes])


def _picture(scene: Scene, device: torch.device) -> torch.Tensor:
    x = torch.arange(scene.width, device=device) + 0.5
    y = torch.arange(scene.height, device=device)[:, None] + 0.5
    centre = torch.from_numpy(scene.positions().astype(np.float32)).to(device)
    dx, dy = x - centre[:, 0, None, None], y - centre[:, 1, None, None]
    r = scene.radius_px
    if scene.shape == "ball":
        inside = r - torch.hypot(dx, dy)
    elif scene.shape == "square":
        inside = r - torch.maximum(dx.abs(), dy.abs())
    else:
        inside = torch.minimum(r - dy, (r + dy - 2 * dx.abs()) / 5**0.5)
    cover = (inside / (EDGE * scene.unit_px) + 0.5).clamp(0, 1)
    back, front = (
        torch.tensor(colour, dtype=torch.float32, device=device)[:, None, None, None]
        for colour in (BACKGROUNDS[scene.background], COLOURS[scene.colour])
    )
    return (back + cover * (front - back)).round() / 127.5 - 1
