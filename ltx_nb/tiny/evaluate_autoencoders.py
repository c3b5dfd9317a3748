"""Losses of the tiny model's autoencoders and vocoder on held-out rendered scenes: no clip can be better."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..mel import log_mel
from ..shapes import audio_num_latents
from .detect import hear, lags_s
from .report import Metric, mean, median
from .world import SAMPLE_RATE_HZ, Scene, random_scene

SIZES = ((128, 128), (128, 128), (160, 96), (96, 160))  # width, height
FFT_SIZES = (512, 1024, 2048)


@torch.no_grad()
def measure_autoencoders(pipe: Any, seed: int, num_scenes: int = 24) -> list[Metric]:
    """Metrics of `pipe.vae`, `pipe.audio_vae` and `pipe.vocoder` on scenes of 49 frames, drawn with `seed`."""
    rng = np.random.default_rng((seed, 1))
    sizes = (SIZES[index % len(SIZES)] for index in range(num_scenes))
    scenes = [random_scene(rng, width=width, height=height, num_frames=49) for width, height in sizes]
    psnr_db = [_video_psnr_db(pipe.vae, scene) for scene in scenes]
    sounding = [_audio_losses(pipe.audio_vae, pipe.vocoder, scene) for scene in scenes if scene.sounds]
    mel, vocoder, both, lag_ms = np.array(sounding).reshape(-1, 4).T
    on = "rendered scenes"
    return [
        mean("video VAE, PSNR", psnr_db, "dB", on, goal=36),
        mean("video VAE, PSNR of the worst scene", [min(psnr_db)], "dB", "rendered scene", goal=32),
        median("audio VAE, log-mel distance (L1)", mel, "", on),
        median("vocoder, spectral distance", vocoder, "", on),
        median("audio VAE and vocoder, spectral distance", both, "", on),
        median("audio VAE and vocoder, shift of a sound", lag_ms, "ms", on),
    ]


def spectral_distance(audio: np.ndarray, reference: np.ndarray) -> float:
    """How far the magnitudes of two waveforms [2, N] are apart: 0 for the same, 1 for silence.

    Spectral convergence, |S - R| / |R| in the Frobenius norm, averaged over three window lengths (Yamamoto et al. 2020,
    "Parallel WaveGAN", arXiv:1910.11480). Phases do not count.
    """
    length = min(audio.shape[1], reference.shape[1])
    pair = torch.from_numpy(np.stack([audio[:, :length], reference[:, :length]]).astype(np.float32))
    distances = []
    for size in FFT_SIZES:
        window = torch.hann_window(size)
        spectra = torch.stft(pair.flatten(0, 1), size, size // 4, window=window, return_complex=True).abs()
        ours, theirs = spectra.unflatten(0, (2, 2))
        distances.append(float(torch.linalg.norm(ours - theirs) / torch.linalg.norm(theirs).clamp(min=1e-6)))
    return float(np.mean(distances))


def _like(tensor: torch.Tensor, module: torch.nn.Module) -> torch.Tensor:
    weight = next(module.parameters())
    return tensor.to(weight.device, weight.dtype)


def _video_psnr_db(vae: Any, scene: Scene) -> float:
    pixels = torch.from_numpy(scene.frames()).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    decoded = vae.decode(vae.encode(_like(pixels, vae)).latent_dist.mode()).sample
    error = (decoded.float().cpu().clamp(-1, 1) - pixels).square().mean() / 4  # of pixels in [0, 1]
    return float(-10 * torch.log10(error))


def _audio_losses(audio_vae: Any, vocoder: Any, scene: Scene) -> tuple[float, float, float, float]:
    """Log-mel L1 of the VAE, spectral distance of the vocoder and of both in a row, and their shift of sounds in ms."""
    reference = scene.audio()
    frames = 4 * audio_num_latents(scene.duration_s) - 3
    mel = log_mel(reference, SAMPLE_RATE_HZ)[None, :, :frames]
    decoded = audio_vae.decode(audio_vae.encode(_like(mel, audio_vae)).latent_dist.mode()).sample
    own, through = (vocoder(_like(one, vocoder))[0].float().cpu().numpy() for one in (mel, decoded))
    rate = vocoder.config.output_sampling_rate
    onsets_s = hear(through, rate).onsets_s
    shift_s = float(np.median(np.abs(lags_s(onsets_s, scene.contacts_s)))) if len(onsets_s) else scene.duration_s
    return (
        float((decoded.float().cpu() - mel).abs().mean()),
        spectral_distance(own, reference),
        spectral_distance(through, reference),
        1000 * shift_s,
    )
