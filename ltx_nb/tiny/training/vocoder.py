"""Stage 3: the vocoder of one channel, both halves at once: mel to 16 kHz, then on to 48 kHz. Two of it are stereo.

No discriminator: the world's sounds keep step with the mel's clock, so that the waveform itself can be the target, with
a spectral distance beside it. Half of the input mels have been through the audio VAE, as they will be in use.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...mel import log_mel
from ..architecture import vocoder
from ..world import SAMPLE_RATE_HZ
from .audio_vae import MEL_FRAMES, random_sound
from .loop import TrainingStage, trained_components
from .muon import Muon

CROP = 27  # mel frames a training piece, which holds the beginning of a strike
WINDOWS_16K = (256, 1024)
WINDOWS_48K = (512, 2048)
QUIET_POWER = 3e-4  # of pieces quieter than this, errors count less
SILENCE, MEL_SPREAD = -11.5, 4.0  # log-mel of silence, and how far sounds lie above it
INAUDIBLE, FAINT = 1e-8, 3e-3  # a power, -80 dB of full scale, and a level, -50 dB
AUDIBLE = 2e-4  # magnitude below which spectra count as equal: noise of about -70 dB of full scale


def spectral_distance(a: torch.Tensor, b: torch.Tensor, windows: tuple[int, ...]) -> torch.Tensor:
    """Mean over windows of |STFT| differences, linear (relative to b's norm) and logarithmic; a, b: [N, samples]."""
    total = a.new_zeros(())
    for size in windows:
        window = torch.hann_window(size, device=a.device)
        spectra = [torch.stft(x, size, size // 4, window=window, return_complex=True).abs() / size**0.5 for x in (a, b)]
        linear = (spectra[0] - spectra[1]).norm() / (spectra[1].norm() + 1.0)
        log_a, log_b = (spectrum.clamp(min=AUDIBLE).log() for spectrum in spectra)
        total = total + linear + 0.5 * (log_a - log_b).abs().mean()
    return total / len(windows)


def _relative_error(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Squared error of waveforms [B, 1, N] over the power of each, so that short and faint sounds count as much."""
    error, power = ((x.square()).mean((1, 2)) for x in (made - wanted, wanted))
    return (error / (power + QUIET_POWER)).mean()


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


def _piece(sound: np.ndarray, start: int, rate: int) -> np.ndarray:
    """`CROP` mel frames of a sound from frame `start` on, [2, samples] at a rate."""
    import soxr  # refining resamples for itself, where there may be no soxr

    resampled = soxr.resample(sound.T, SAMPLE_RATE_HZ, rate).T
    return resampled[:, start * rate // 100 : (start + CROP) * rate // 100]


class VocoderStage(TrainingStage):
    name = "vocoder"
    phases = ((850, 4), (550, 8))

    def __init__(self, workdir: Path):
        self.audio_vae = trained_components(workdir)["audio_vae"]

    def build(self):
        self.vocoder = vocoder(channels=1)
        for half in (self.vocoder.vocoder, self.vocoder.bwe_generator):
            _read_silence_as_zero(half.conv_in)
        # AdamW for everything: Muon's steps drive the snake activations out of bounds.
        return {"vocoder": self.vocoder}, Muon(self.vocoder.named_parameters(), adam_lr=2e-3, adam_names=("",))

    def lr_factor(self, progress: float) -> float:
        return min(1.0, 1.6 * (1 - progress))

    def pairs(self, rng: np.random.Generator, batch: int):
        """Mels [2 B, 1, frames, 64] with the sound they stand for at 16 and at 48 kHz, [2 B, 1, samples]."""
        batch *= self.scale
        sounds = [random_sound(rng) for _ in range(batch)]
        mel = torch.stack([log_mel(sound, SAMPLE_RATE_HZ)[:, :MEL_FRAMES] for sound in sounds])
        half = batch // 2
        with torch.no_grad():
            seen = self.audio_vae.encode(mel[:half].to(self.device)).latent_dist.mode()
            mel[:half] = self.audio_vae.decode(seen).sample.cpu()
        loudest = mel.mean((1, 3)).argmax(1).numpy()  # where a strike begins
        starts = np.clip(loudest - rng.integers(0, CROP - 4, batch), 0, MEL_FRAMES - CROP)
        low, high = (
            np.stack([_piece(sound, start, rate) for sound, start in zip(sounds, starts, strict=True)])
            for rate in (16_000, SAMPLE_RATE_HZ)
        )
        mel = torch.stack([one[:, start : start + CROP] for one, start in zip(mel, starts, strict=True)])
        stereo = (mel, torch.from_numpy(low), torch.from_numpy(high))
        return [one.to(self.device).flatten(0, 1)[:, None] for one in stereo]

    def loss(self, rng: np.random.Generator, step: int):
        (batch,) = self.phase_at(step)
        mel, low, high = self.pairs(rng, batch)
        heard = {}
        hook = self.vocoder.vocoder.register_forward_hook(lambda module, args, out: heard.update(low=out))
        out = self.vocoder(mel).float()
        hook.remove()
        made = heard["low"].float()
        spectral = spectral_distance(made.flatten(0, 1), low.flatten(0, 1), WINDOWS_16K)
        spectral = spectral + spectral_distance(out.flatten(0, 1), high.flatten(0, 1), WINDOWS_48K)
        wave = _relative_error(made, low) + _relative_error(out, high)
        noise = self.noise_in_silence()
        loss = wave + 0.3 * spectral + 0.3 * noise
        return loss, {
            "wave": float(wave.detach()),
            "spectral": float(spectral.detach()),
            "noise": float(noise.detach()),
        }

    def noise_in_silence(self) -> torch.Tensor:
        """How loud a short silence is, level of 5 ms in units of -50 dB: the errors above are blind to a soft click."""
        mel = SILENCE + 0.15 * torch.randn(2, 1, 16, 64, device=self.device)  # as even as the audio VAE makes it
        power = self.vocoder(mel).float().unflatten(-1, (-1, SAMPLE_RATE_HZ // 200)).square().mean(-1)
        return (power + INAUDIBLE).sqrt().mean() / FAINT

    @torch.no_grad()
    def finish(self):
        rng = np.random.default_rng(10_003)
        scores = [float(self.loss(rng, self.total_steps)[0]) for _ in range(8)]
        return {"held_out_loss": float(np.mean(scores))}
