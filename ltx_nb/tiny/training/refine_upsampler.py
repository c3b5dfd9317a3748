"""Refine the latent upsampler, on scenes at a size and at twice that size: two stages make more than 128 px, too."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKLLTX2Video
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel

from .latent_upsampler import INPUT_NOISE
from .muon import Muon
from .refining import Refinement
from .tables import Clips

# Width, height of the small one: scenes, batch, share. Equal seeds are equal scenes.
SIZES = {(64, 64): (2000, 48, 0.5), (128, 128): (600, 16, 0.3), (96, 64): (600, 32, 0.1), (64, 96): (600, 32, 0.1)}
FRAMES = 25


class UpsamplerRefinement(Refinement):
    name = "upsampler"

    def __init__(self, folder: Path, device: torch.device, scale: float = 1.0, share: float = 1.0):
        vae = AutoencoderKLLTX2Video.from_pretrained(folder / "vae", torch_dtype=torch.float32, trust_remote_code=False)
        vae.to(device, memory_format=torch.channels_last_3d).eval()
        self.device, self.scale = device, scale
        self.mean, self.std = (x.view(1, -1, 1, 1, 1) for x in (vae.latents_mean, vae.latents_std))
        self.pairs = []
        for seed, ((width, height), (count, batch, _)) in enumerate(SIZES.items()):
            sides = [
                Clips(factor * width, factor * height, FRAMES, device, max(2, round(share * count)), seed).encode(vae)
                for factor in (1, 2)
            ]
            self.pairs.append((max(1, round(scale * batch)), *sides))
        self.shares = torch.tensor([share for _, _, share in SIZES.values()])
        model = LTX2LatentUpsamplerModel.from_pretrained(
            folder / "latent_upsampler", torch_dtype=torch.float32, trust_remote_code=False
        )
        self.model = model.to(device)
        self.learned = torch.nn.ModuleDict({"latent_upsampler": self.model})
        self.optimizer = Muon(self.model.named_parameters(), lr=0.01, adam_lr=1e-3)

    def loss(self, progress: float):
        batch, small, large = self.pairs[int(torch.multinomial(self.shares, 1))]
        index = torch.randint(0, len(small), (batch,), device=self.device)
        given, wanted = (side[index].float().permute(0, 4, 1, 2, 3) for side in (small, large))
        given = given + INPUT_NOISE * torch.randn_like(given)
        made = self.model(given * self.std + self.mean).float()
        error = ((made - self.mean) / self.std - wanted).square().mean()
        return error, {}
