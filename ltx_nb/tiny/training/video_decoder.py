"""Stage 6: the video decoder alone, on the encoded clips: it goes on improving while the latents stay what they are.

The object, a twentieth of the picture, counts for more here than its background: a ball must not become a square. Its
error counts beside its contrast, so that green on gray gets as sharp an outline as white on black.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .latent_clips import BUCKETS, load_bucket
from .loop import TrainingStage, trained_components
from .muon import Muon
from .rendering import pictures
from .video_vae import LATENT_NOISE, held_out_psnr, psnr_db

OBJECT_WEIGHT = 5.0  # beside the 1 of every pixel: of the object and what is next to it, at MEDIAN_CONTRAST
MEDIAN_CONTRAST = 1.6  # of the world's colours on its backgrounds: RGB distance where black to white is 2 sqrt(3)


class VideoDecoderStage(TrainingStage):
    name = "video_decoder"
    phases = ((2400, 2),)

    def __init__(self, workdir: Path):
        self.vae = trained_components(workdir)["vae"]
        self.vae.decoder.requires_grad_(True).to(memory_format=torch.channels_last_3d)  # a third faster on a CPU
        self.buckets = [load_bucket(workdir / "latents", bucket) for bucket in BUCKETS if bucket[2] == 49]
        weights = [scenes[0].width * scenes[0].height * len(scenes) for scenes, _ in self.buckets]
        self.weights = np.array(weights) / sum(weights)

    def build(self):
        return {"decoder": self.vae.decoder}, Muon(self.vae.decoder.named_parameters(), lr=0.02, adam_lr=1e-3)

    def hot_modules(self):
        return [self.vae.decoder]

    def lr_factor(self, progress: float) -> float:
        return 1 - progress

    def loss(self, rng: np.random.Generator, step: int):
        (batch,) = self.phase_at(step)
        scenes, latents = self.buckets[rng.choice(len(self.buckets), p=self.weights)]
        batch *= self.scale * 128 * 128 // (scenes[0].width * scenes[0].height)
        index = rng.integers(0, len(scenes), batch)
        pixels = pictures([scenes[i] for i in index], self.device)
        mean, std = (x.view(1, -1, 1, 1, 1) for x in (self.vae.latents_mean, self.vae.latents_std))
        normal = latents["video"][torch.from_numpy(index)].to(self.device).float().permute(0, 4, 1, 2, 3)
        raw = normal * std + mean
        decoded = self.vae.decoder(raw + LATENT_NOISE * torch.randn_like(raw)).float()
        error = decoded - pixels
        loss = (_weights(pixels) * (error.square() + 0.05 * error.abs())).mean()
        return loss, {"psnr": psnr_db(decoded.detach(), pixels)}

    def finish(self):
        return held_out_psnr(self.vae)


def _weights(pixels: torch.Tensor) -> torch.Tensor:
    """More than 1 where the picture differs from its corner, and 4 px around; [B, 1, F, H, W]."""
    offset = pixels - pixels[..., :1, :1]
    contrast = offset.square().sum(1, keepdim=True).amax((2, 3, 4), keepdim=True).sqrt()
    is_object = (offset.abs().amax(1, keepdim=True) > 0.1).float()
    near_object = F.max_pool3d(is_object, (1, 9, 9), stride=1, padding=(0, 4, 4))
    return 1 + OBJECT_WEIGHT * (MEDIAN_CONTRAST / contrast).square() * near_object
