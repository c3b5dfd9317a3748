"""Stage 1: the video VAE, on single frames first, then 9, then 17."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..architecture import video_vae
from ..world import random_scene
from .loop import TrainingStage
from .muon import Muon
from .rendering import pictures

LATENT_NOISE = 0.15  # standard deviation added to the posterior mean, so that near latents decode alike
LATENT_PENALTY = 3e-4  # on z^2, so that the noise keeps its meaning
# height, width; 64 x 64 is the first of two stages
SIZES = ((128, 128), (96, 160), (128, 128), (64, 64), (128, 128), (160, 96))


def as_pixels(frames: np.ndarray) -> torch.Tensor:
    """Frames uint8 [B, F, H, W, 3] as the VAE reads them: float32 [B, 3, F, H, W] in [-1, 1]."""
    return torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def batch_of_frames(
    rng: np.random.Generator, batch: int, num_frames: int, height=128, width=128, device: str | torch.device = "cpu"
) -> torch.Tensor:
    """Random scenes as the VAE reads them: float32 [B, 3, F, H, W] in [-1, 1]."""
    scenes = [random_scene(rng, num_frames=num_frames, height=height, width=width) for _ in range(batch)]
    return pictures(scenes, device)


def psnr_db(a: torch.Tensor, b: torch.Tensor) -> float:
    """PSNR of pictures in [-1, 1], each clip on its own, then averaged."""
    error = (a.clamp(-1, 1) - b).square().flatten(1).mean(1) / 4
    return float((-10 * torch.log10(error)).mean())


class VideoVaeStage(TrainingStage):
    name = "video_vae"
    save_every = 100  # its moments are too much for the file, and begin anew each time
    #        steps, frames, batch
    phases = ((250, 1, 24), (350, 9, 8), (900, 17, 4))

    def build(self):
        vae = video_vae().to(memory_format=torch.channels_last_3d)  # a third faster on a CPU
        # The posterior's one shared log-variance is constant: exp(-3.8) = LATENT_NOISE^2.
        with torch.no_grad():
            vae.encoder.conv_out.conv.weight[-1].zero_()
            vae.encoder.conv_out.conv.bias[-1] = 2 * np.log(LATENT_NOISE)
        self.vae = vae
        return {"vae": vae}, Muon(vae.named_parameters(), lr=0.05, adam_lr=2e-3)

    def hot_modules(self):
        return [self.vae.encoder, self.vae.decoder]

    def lr_factor(self, progress: float) -> float:
        return min(1.0, 1.6 * (1 - progress))

    def loss(self, rng: np.random.Generator, step: int):
        frames, batch = self.phase_at(step)
        height, width = SIZES[step % len(SIZES)] if frames > 1 else SIZES[0]
        batch *= self.scale * 128 * 128 // (height * width)
        pixels = batch_of_frames(rng, batch, frames, height, width, self.device)
        pixels = pixels.contiguous(memory_format=torch.channels_last_3d)
        latents = self.vae.encoder(pixels)[:, :128].float()
        noisy = latents + LATENT_NOISE * torch.randn_like(latents)
        decoded = self.vae.decoder(noisy).float()
        error = F.mse_loss(decoded, pixels)
        loss = error + 0.05 * F.l1_loss(decoded, pixels) + LATENT_PENALTY * latents.square().mean()
        return loss, {"psnr": psnr_db(decoded.detach(), pixels), "z": float(latents.detach().std())}

    @torch.no_grad()
    def finish(self):
        """Store the latent statistics that the diffusion model normalises by, and measure."""
        latents = [
            self.vae.encoder(pixels.to(self.device))[:, :128].permute(1, 0, 2, 3, 4).flatten(1)
            for pixels in held_out_frames()
        ]
        flat = torch.cat(latents, 1)
        self.vae.latents_mean.copy_(flat.mean(1))
        self.vae.latents_std.copy_(flat.std(1).clamp(min=1e-3))
        return held_out_psnr(self.vae)


def held_out_frames():
    """Six batches of four scenes that no stage trains on, one of each size in `SIZES`."""
    rng = np.random.default_rng(10_001)
    for height, width in SIZES:
        yield batch_of_frames(rng, 4, 49, height, width)


@torch.no_grad()
def held_out_psnr(vae) -> dict[str, float]:
    """Mean PSNR in dB of encoding and decoding held-out scenes, by frame size."""
    scores: dict[str, list[float]] = {}
    for pixels in held_out_frames():
        pixels = pixels.to(vae.device)
        decoded = vae.decoder(vae.encoder(pixels)[:, :128])
        scores.setdefault(f"psnr_db_{pixels.shape[-1]}x{pixels.shape[-2]}", []).append(psnr_db(decoded, pixels))
    return {size: float(np.mean(values)) for size, values in scores.items()}
