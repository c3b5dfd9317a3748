"""Stage 5: the x2 latent upsampler, from the latents of a scene at 64 x 64 to those of the same scene at 128 x 128."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..architecture import latent_upsampler
from .latent_clips import load_bucket
from .loop import TrainingStage, trained_components
from .muon import Muon

INPUT_NOISE = 0.1  # in units of the latents' own spread: first-stage latents are not perfect


class LatentUpsamplerStage(TrainingStage):
    name = "latent_upsampler"
    phases = ((600, 24),)

    def __init__(self, workdir: Path):
        vae = trained_components(workdir)["vae"]
        self.mean, self.std = (x.view(1, -1, 1, 1, 1) for x in (vae.latents_mean, vae.latents_std))
        small = load_bucket(workdir / "latents", (64, 64, 49))[1]["video"]
        large = load_bucket(workdir / "latents", (128, 128, 49))[1]["video"][: len(small)]
        self.small, self.large = (x.float().permute(0, 4, 1, 2, 3) for x in (small, large))  # [N, 128, f, h, w]
        self.held_out = 50

    def build(self):
        self.model = latent_upsampler()
        return {"latent_upsampler": self.model}, Muon(self.model.named_parameters(), lr=0.02, adam_lr=1e-3)

    def lr_factor(self, progress: float) -> float:
        return min(1.0, 1.6 * (1 - progress))

    def error(self, index: np.ndarray, noise: float) -> torch.Tensor:
        """Mean squared error in normalised latents; the model itself works on raw ones, as the pipelines pass them."""
        small = self.small[index] + noise * torch.randn_like(self.small[index])
        raw = self.model(small * self.std + self.mean).float()
        return F.mse_loss((raw - self.mean) / self.std, self.large[index])

    def loss(self, rng: np.random.Generator, step: int):
        (batch,) = self.phase_at(step)
        loss = self.error(rng.integers(self.held_out, len(self.small), batch * self.scale), INPUT_NOISE)
        return loss, {}

    @torch.no_grad()
    def finish(self):
        return {"held_out_mse": float(self.error(np.arange(self.held_out), 0.0))}
