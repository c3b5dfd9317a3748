"""Stage 6: the video decoder alone, on the encoded clips: it goes on improving while the latents stay what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .latent_clips import BUCKETS, load_bucket
from .loop import Stage, parse_arguments, run_stage, trained_components
from .muon import Muon
from .video_vae import LATENT_NOISE, as_pixels, held_out_psnr, psnr_db


class VideoDecoderStage(Stage):
    name = "video_decoder"
    phases = ((280, 3),)

    def __init__(self, workdir: Path):
        self.vae = trained_components(workdir)["vae"]
        self.vae.decoder.requires_grad_(True)
        self.buckets = [load_bucket(workdir / "latents", bucket) for bucket in BUCKETS if bucket[2] == 49]
        weights = [scenes[0].width * scenes[0].height * len(scenes) for scenes, _ in self.buckets]
        self.weights = np.array(weights) / sum(weights)

    def build(self):
        return {"decoder": self.vae.decoder}, Muon(self.vae.decoder.named_parameters(), lr=0.02, adam_lr=1e-3)

    def lr_factor(self, progress: float) -> float:
        return 1 - progress

    def loss(self, rng: np.random.Generator, step: int):
        (batch,) = self.phase_at(step)
        scenes, latents = self.buckets[rng.choice(len(self.buckets), p=self.weights)]
        index = rng.integers(0, len(scenes), batch * 128 * 128 // (scenes[0].width * scenes[0].height))
        pixels = as_pixels(np.stack([scenes[i].frames() for i in index]))
        mean, std = (x.view(1, -1, 1, 1, 1) for x in (self.vae.latents_mean, self.vae.latents_std))
        raw = latents["video"][torch.from_numpy(index)].float().permute(0, 4, 1, 2, 3) * std + mean
        decoded = self.vae.decoder(raw + LATENT_NOISE * torch.randn_like(raw))
        loss = F.mse_loss(decoded, pixels) + 0.05 * F.l1_loss(decoded, pixels)
        return loss, {"psnr": psnr_db(decoded.detach(), pixels)}

    def finish(self):
        return held_out_psnr(self.vae)


if __name__ == "__main__":
    args = parse_arguments(__doc__)
    run_stage(VideoDecoderStage(args.workdir), args.workdir)
