"""Stage 2: the audio VAE, on one-second pieces of the world's sound as log-mel pictures."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ...mel import log_mel
from ...shapes import audio_num_latents
from ..architecture import audio_vae
from ..world import SAMPLE_RATE_HZ, random_scene
from .loop import TrainingStage
from .muon import Muon

LATENT_NOISE = 0.1
LATENT_PENALTY = 3e-4
MEL_FRAMES = 101  # 26 latents


def random_sound(rng: np.random.Generator) -> np.ndarray:
    """A second of a random scene's sound at 48 kHz, nearly always with something to hear: float32 [2, 48480]."""
    samples = MEL_FRAMES * SAMPLE_RATE_HZ // 100
    motion = "bounce" if rng.random() < 0.6 else "slide"
    scene = random_scene(rng, num_frames=49, motion=motion, silent=bool(rng.random() < 0.05))
    sound = scene.audio()
    hop = SAMPLE_RATE_HZ // 100  # pieces begin on a mel frame, with which the world's sounds keep step
    start = hop * int(rng.integers(0, (sound.shape[1] - samples) // hop)) if rng.random() < 0.7 else 0
    return sound[:, start : start + samples]


def batch_of_mels(rng: np.random.Generator, batch: int) -> torch.Tensor:
    """float32 [B, 2, 101, 64]."""
    return torch.stack([log_mel(random_sound(rng), SAMPLE_RATE_HZ)[:, :MEL_FRAMES] for _ in range(batch)])


class AudioVaeStage(TrainingStage):
    name = "audio_vae"
    phases = ((1200, 6),)

    def build(self):
        vae = audio_vae()
        with torch.no_grad():
            vae.decoder.conv_out.conv.bias.fill_(-9.0)  # near the mean of a log-mel, which silence puts at -11.5
        self.vae = vae
        return {"audio_vae": vae}, Muon(vae.named_parameters(), lr=0.04, adam_lr=2e-3)

    def hot_modules(self):
        return [self.vae.encoder, self.vae.decoder]

    def lr_factor(self, progress: float) -> float:
        return min(1.0, 1.6 * (1 - progress))

    def loss(self, rng: np.random.Generator, step: int):
        (batch,) = self.phase_at(step)
        mel = batch_of_mels(rng, batch * self.scale).to(self.device)
        latents = self.vae.encoder(mel)[:, :8].float()
        decoded = self.vae.decoder(latents + LATENT_NOISE * torch.randn_like(latents)).float()
        distance = F.l1_loss(decoded, mel)
        loss = distance + 0.25 * F.mse_loss(decoded, mel) + LATENT_PENALTY * latents.square().mean()
        return loss, {"l1": float(distance.detach()), "z": float(latents.detach().std())}

    @torch.no_grad()
    def finish(self):
        """Measure held-out sounds and store the latent statistics, one for each of the 8 x 16 packed channels."""
        rng = np.random.default_rng(10_002)
        latents, distances = [], []
        for _ in range(48):
            scene = random_scene(rng, num_frames=49)
            frames = 4 * audio_num_latents(scene.duration_s) - 3
            mel = log_mel(scene.audio(), SAMPLE_RATE_HZ)[None, :, :frames].to(self.device)
            z = self.vae.encoder(mel)[:, :8]
            distances.append(float(F.l1_loss(self.vae.decoder(z), mel)))
            latents.append(z.permute(0, 2, 1, 3).flatten(2)[0])  # [time, 128]
        flat = torch.cat(latents)
        self.vae.latents_mean.copy_(flat.mean(0))
        self.vae.latents_std.copy_(flat.std(0).clamp(min=1e-3))
        return {"held_out_log_mel_l1": float(np.mean(distances))}
