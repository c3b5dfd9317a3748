"""Refine the video decoder, at full clips of every size, to outlines as sharp as the world's; the latents stay."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKLLTX2Video

from .muon import Muon
from .refining import Refinement
from .tables import Clips
from .video_decoder import _weights

# width, height, frames: clips a batch, clips encoded (all without a number), share
SIZES = {
    (128, 128, 49): (16, None, 0.46),
    (160, 96, 49): (16, 4000, 0.20),  # at 0.12 each what bounces came back at 31 dB, at 128 px 35
    (96, 160, 49): (16, 4000, 0.20),
    (64, 64, 49): (48, 2000, 0.05),
    (256, 256, 25): (8, 500, 0.09),
}
MAX_NOISE = 0.3  # of the latents' spread: what is generated is not what was encoded; mostly far less
EDGE_WEIGHT, FLICKER_WEIGHT, ABSOLUTE_WEIGHT = 0.15, 0.05, 0.08


class VideoRefinement(Refinement):
    name = "video"

    def __init__(self, folder: Path, device: torch.device, scale: float = 1.0, share: float = 1.0):
        vae = AutoencoderKLLTX2Video.from_pretrained(
            folder / "vae", torch_dtype=torch.float32, trust_remote_code=False
        ).eval()
        vae = vae.to(device, memory_format=torch.channels_last_3d).requires_grad_(False)
        self.device, self.scale = device, scale
        self.mean, self.std = (x.to(device).view(1, -1, 1, 1, 1) for x in (vae.latents_mean, vae.latents_std))
        self.sizes = []
        for seed, ((width, height, frames), (batch, count, often)) in enumerate(SIZES.items()):
            if share < 1:
                count = max(2, round(share * (count or 8000)))
            clips = Clips(width, height, frames, device, count, seed)
            self.sizes.append((max(1, round(batch * scale)), often, clips, clips.encode(vae)))
        self.shares = torch.tensor([often for _, often, _, _ in self.sizes])
        self.decoder = vae.decoder.requires_grad_(True)
        self.learned = torch.nn.ModuleDict({"vae_decoder": self.decoder})
        self.optimizer = Muon(self.decoder.named_parameters(), lr=0.012, adam_lr=6e-4)

    def lr_factor(self, progress: float) -> float:
        return min(1.0, 1.25 * (1 - progress))

    def loss(self, progress: float):
        batch, _, clips, latents = self.sizes[int(torch.multinomial(self.shares, 1))]
        index = clips.draw(batch)
        pixels = clips.pixels(index)
        normal = latents[index].float().permute(0, 4, 1, 2, 3)
        level = MAX_NOISE * torch.rand(len(index), 1, 1, 1, 1, device=self.device) ** 3
        raw = (normal + level * torch.randn_like(normal)) * self.std + self.mean
        decoded = self.decoder(raw.contiguous(memory_format=torch.channels_last_3d)).float()
        error = decoded - pixels
        weight = _weights(pixels)
        loss = (weight * (error.square() + ABSOLUTE_WEIGHT * error.abs())).mean()
        along_x, along_y, along_t = error.diff(dim=-1).abs(), error.diff(dim=-2).abs(), error.diff(dim=2).abs()
        edges = (weight[..., 1:] * along_x).mean() + (weight[..., 1:, :] * along_y).mean()
        loss = loss + EDGE_WEIGHT * edges + FLICKER_WEIGHT * (weight[:, :, 1:] * along_t).mean()
        return loss, {"mse": error.detach().square().mean() / 4, "edges": edges.detach()}
