"""From latents to pixels and sound, by a session's own VAEs and vocoder.

Latents are normalised, as a Clip has them: [C, F, H, W] and [C, L, M]. Knows no denoising.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ltx_nb.clip import Clip
from ltx_nb.inspect.audio import AudioComparison, audio_view, compare_audio
from ltx_nb.inspect.inputs import check_latents, lane_of
from ltx_nb.pipeline.compose import fit_samples

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session


@torch.no_grad()
def decode_video(session: Session, latents: Any) -> np.ndarray:
    """Video latents [C, F, H, W] as pixels, float32 [8(F - 1) + 1, 32H, 32W, 3] in levels 0..255, not yet rounded."""
    latents = _of_lane(latents, "video")
    vae = session.pipe.vae
    mean, std = (_like(vae, value).view(1, -1, 1, 1, 1) for value in (vae.latents_mean, vae.latents_std))
    denormalised = torch.from_numpy(latents)[None].to(vae.device) * std / vae.config.scaling_factor + mean
    pixels = vae.decode(denormalised.to(vae.dtype), None, return_dict=False)[0]
    return ((pixels[0].float().permute(1, 2, 3, 0).clamp(-1, 1) + 1) * 127.5).cpu().numpy()


@torch.no_grad()
def decode_mel(session: Session, audio_latents: Any) -> np.ndarray:
    """Audio latents [C, L, M] as the log-mel picture of both channels, float32 [2, 4(L - 1) + 1, 64]."""
    latents = _of_lane(audio_latents, "audio")
    audio_vae = session.pipe.audio_vae
    shape = (1, len(latents), 1, latents.shape[2])
    mean, std = (_like(audio_vae, value).view(shape) for value in (audio_vae.latents_mean, audio_vae.latents_std))
    denormalised = torch.from_numpy(latents)[None].to(audio_vae.device) * std + mean
    return audio_vae.decode(denormalised.to(audio_vae.dtype), return_dict=False)[0][0].float().cpu().numpy()


@torch.no_grad()
def vocode(session: Session, mel: np.ndarray) -> np.ndarray:
    """A log-mel picture [2, T, 64] as a waveform, float32 [2, N] at `session.sample_rate`."""
    vocoder = session.pipe.vocoder
    waveform = vocoder(torch.from_numpy(mel)[None].to(vocoder.device, vocoder.dtype))
    return waveform[0].float().clamp(-1, 1).cpu().numpy()


@torch.no_grad()
def bandwidth_extension(session: Session, audio_latents: Any) -> AudioComparison:
    """The sound of audio latents [C, L, M] before and after the vocoder's second half, which extends 16 to 48 kHz.

    Raises ValueError for a vocoder without extension.
    """
    vocoder = session.pipe.vocoder
    if not hasattr(vocoder, "bwe_generator"):
        raise ValueError(f"{type(vocoder).__name__} has no bandwidth extension; decode gives all that it makes")
    mel = decode_mel(session, audio_latents)
    half = vocoder.vocoder(torch.from_numpy(mel)[None].to(vocoder.device, vocoder.dtype))
    half_rate = vocoder.config.input_sampling_rate
    views = (
        audio_view(np.ascontiguousarray(half[0].float().clamp(-1, 1).cpu().numpy()), half_rate),
        audio_view(vocode(session, mel), session.sample_rate),
    )
    first, second = (f"vocoder at {view.sample_rate / 1000:g} kHz" for view in views)
    return compare_audio(*views, names=(first, second))


def decode(session: Session, latents: Any = None, audio_latents: Any = None, frame_rate: float = 24.0) -> Clip:
    """The clip of these latents, of one lane or both; sound is padded or cut to the picture's length.

    Raises ValueError for malformed latents, or none.
    """
    frames = audio = None
    if latents is not None:
        frames = np.rint(decode_video(session, latents)).astype(np.uint8)
    if audio_latents is not None:
        audio = vocode(session, decode_mel(session, audio_latents))
        if frames is not None:
            audio = fit_samples(audio, round(len(frames) / frame_rate * session.sample_rate))
    return Clip(
        frames=frames,
        audio=None if audio is None else np.ascontiguousarray(audio, np.float32),
        frame_rate=None if frames is None else frame_rate,
        sample_rate=None if audio is None else session.sample_rate,
        latents=latents,
        audio_latents=audio_latents,
    )


def _of_lane(latents: Any, lane: str) -> np.ndarray:
    latents = np.ascontiguousarray(check_latents(latents))
    if lane_of(latents) != lane:
        raise ValueError(f"latents have shape {list(latents.shape)}, which is {lane_of(latents)}; give {lane} latents")
    return latents


def _like(vae: torch.nn.Module, statistics: torch.Tensor) -> torch.Tensor:
    return statistics.to(vae.device, torch.float32)
