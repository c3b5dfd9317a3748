"""Stage 3: the vocoder, both halves at once: mel to 16 kHz, then on to 48 kHz.

No discriminator: the world's sounds keep step with the mel's clock, so that the waveform itself can be the target, with
a spectral distance beside it. Half of the input mels have been through the audio VAE, as they will be in use.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
import torch
import torch.nn.functional as F

from ...mel import log_mel
from ..architecture import vocoder
from ..world import SAMPLE_RATE_HZ
from .audio_vae import MEL_FRAMES, random_sound
from .loop import Stage, parse_arguments, run_stage, trained_components
from .muon import Muon

CROP = 61  # mel frames a training piece
WINDOWS_16K = (256, 1024)
WINDOWS_48K = (512, 2048)
TYPICAL_POWER = 0.01  # of a strike, by which squared errors of the waveform are divided
SILENCE, MEL_SPREAD = -11.5, 4.0  # log-mel of silence, and how far sounds lie above it
AUDIBLE = 2e-4  # magnitude below which spectra count as equal: noise of about -70 dB of full scale


def spectral_distance(a: torch.Tensor, b: torch.Tensor, windows: tuple[int, ...]) -> torch.Tensor:
    """Mean over windows of |STFT| differences, linear (relative to b's norm) and logarithmic; a, b: [N, samples]."""
    total = a.new_zeros(())
    for size in windows:
        window = torch.hann_window(size)
        spectra = [torch.stft(x, size, size // 4, window=window, return_complex=True).abs() / size**0.5 for x in (a, b)]
        linear = (spectra[0] - spectra[1]).norm() / (spectra[1].norm() + 1.0)
        log_a, log_b = (spectrum.clamp(min=AUDIBLE).log() for spectrum in spectra)
        total = total + linear + 0.5 * (log_a - log_b).abs().mean()
    return total / len(windows)


def _read_silence_as_zero(conv_in: torch.nn.Conv1d) -> None:
    """Let the first layer read one mel frame at a time, less the level of silence; later layers see the neighbours.

    The class pads mels with zeros, which are loud, and so every clip would begin and end with a click. A layer of one
    frame needs no padding, and where it puts out zero for silence, the zeros around its output are silence too.
    """
    centre = torch.zeros_like(conv_in.weight)
    centre[..., centre.shape[-1] // 2] = 1
    with torch.no_grad():
        conv_in.weight.mul_(centre * centre.shape[-1] ** 0.5 / MEL_SPREAD)
        conv_in.bias.copy_(-SILENCE * conv_in.weight.sum((1, 2)))
    conv_in.weight.register_hook(lambda gradient: gradient * centre)


class VocoderStage(Stage):
    name = "vocoder"
    phases = ((700, 4),)

    def __init__(self, workdir: Path):
        self.audio_vae = trained_components(workdir)["audio_vae"]

    def build(self):
        self.vocoder = vocoder()
        for half in (self.vocoder.vocoder, self.vocoder.bwe_generator):
            _read_silence_as_zero(half.conv_in)
        # AdamW for everything: Muon's steps drive the snake activations out of bounds.
        return {"vocoder": self.vocoder}, Muon(self.vocoder.named_parameters(), adam_lr=2e-3, adam_names=("",))

    def lr_factor(self, progress: float) -> float:
        return min(1.0, 1.6 * (1 - progress))

    def pairs(self, rng: np.random.Generator, batch: int):
        """Mels [B, 2, frames, 64] with the sound they stand for at 16 and at 48 kHz, [B, 2, samples]."""
        sounds = [random_sound(rng) for _ in range(batch)]
        mel = torch.stack([log_mel(sound, SAMPLE_RATE_HZ)[:, :MEL_FRAMES] for sound in sounds])
        half = batch // 2
        with torch.no_grad():
            mel[:half] = self.audio_vae.decode(self.audio_vae.encode(mel[:half]).latent_dist.mode()).sample
        start = int(rng.integers(0, MEL_FRAMES - CROP + 1))
        mel = mel[:, :, start : start + CROP]
        low, high = (
            np.stack([soxr.resample(sound.T, SAMPLE_RATE_HZ, rate).T for sound in sounds])[
                :, :, start * rate // 100 : (start + CROP) * rate // 100
            ]
            for rate in (16_000, 48_000)
        )
        return mel, torch.from_numpy(low), torch.from_numpy(high)

    def loss(self, rng: np.random.Generator, step: int):
        (batch,) = self.phase_at(step)
        mel, low, high = self.pairs(rng, batch)
        heard = {}
        hook = self.vocoder.vocoder.register_forward_hook(lambda module, args, out: heard.update(low=out))
        out = self.vocoder(mel)
        hook.remove()
        made = heard["low"]
        spectral = spectral_distance(made.flatten(0, 1), low.flatten(0, 1), WINDOWS_16K)
        spectral = spectral + spectral_distance(out.flatten(0, 1), high.flatten(0, 1), WINDOWS_48K)
        wave = (F.mse_loss(made, low) + F.mse_loss(out, high)) / TYPICAL_POWER
        loss = wave + 0.3 * spectral + 2 * F.l1_loss(made, low)
        return loss, {"wave": float(wave.detach()), "spectral": float(spectral.detach())}

    @torch.no_grad()
    def finish(self):
        rng = np.random.default_rng(10_003)
        scores = [float(self.loss(rng, self.total_steps)[0]) for _ in range(8)]
        return {"held_out_loss": float(np.mean(scores))}


if __name__ == "__main__":
    args = parse_arguments(__doc__)
    run_stage(VocoderStage(args.workdir), args.workdir)
