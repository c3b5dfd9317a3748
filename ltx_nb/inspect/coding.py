"""From latents to pixels and sound, by a session's own VAEs and vocoder.

Latents are normalised, as a Clip has them: [C, F, H, W] and [C, L, M]. Knows no denoising.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ltx_nb.clip import Clip
from ltx_nb.inspect.audio import AudioComparison, audio_view, compare_audio
from ltx_nb.inspect.inputs import check_frame_rate, check_latents
from ltx_nb.pipeline.compose import fit_samples
from ltx_nb.pipeline.decode import decoded_frames
from ltx_nb.pipeline.encode import audio_statistics, video_statistics

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session


@torch.no_grad()
def decode_video(session: Session, latents: Any) -> np.ndarray:
    """Video latents [C, F, H, W] as pixels, float32 [8(F - 1) + 1, 32H, 32W, 3] in levels 0..255, not yet rounded.

    All at once, so that no seam of tiles is in them.
    """
    vae = session.pipe.vae
    pixels = vae.decode(_denormalised_video(session, latents).to(vae.dtype), return_dict=False)[0]
    return ((pixels[0].float().permute(1, 2, 3, 0).clamp(-1, 1) + 1) * 127.5).cpu().numpy()


@torch.no_grad()
def decode_mel(session: Session, audio_latents: Any) -> np.ndarray:
    """Audio latents [C, L, M] as the log-mel picture of both channels, float32 [2, 4(L - 1) + 1, 64]."""
    latents = _on_device(session, check_latents(audio_latents, "audio_latents", "audio"))
    audio_vae = session.pipe.audio_vae
    channels = audio_vae.config.latent_channels
    rows = session.pipe.audio_latents_mean.numel() // channels  # statistics are of the values of a packed token
    if (latents.shape[1], latents.shape[3]) != (channels, rows):
        raise ValueError(
            f"audio_latents have shape {list(latents.shape[1:])}; this model's have {channels} channels and {rows} rows"
        )
    mean, std = audio_statistics(session.pipe, latents)
    return audio_vae.decode((latents * std + mean).to(audio_vae.dtype), return_dict=False)[0][0].float().cpu().numpy()


@torch.no_grad()
def vocode(session: Session, mel: np.ndarray) -> np.ndarray:
    """A log-mel picture [2, T, 64] as a waveform, float32 [2, N] at `session.sample_rate`."""
    vocoder = session.pipe.vocoder
    waveform = vocoder(_on_device(session, mel).to(vocoder.dtype))
    return waveform[0].float().clamp(-1, 1).cpu().numpy()


@torch.no_grad()
def bandwidth_extension(session: Session, audio_latents: Any) -> AudioComparison:
    """The sound of audio latents [C, L, M] before and after the vocoder's second half, which extends 16 to 48 kHz.

    Raises ValueError for a vocoder without extension.
    """
    vocoder = session.pipe.vocoder
    if not hasattr(vocoder, "bwe_generator"):
        raise ValueError(f"{type(vocoder).__name__} has no bandwidth extension; decode gives all that it makes")
    halves: list[torch.Tensor] = []
    # The first half is overheard, not called: where the vocoder streams, it has weights only while the whole runs.
    hook = vocoder.vocoder.register_forward_hook(lambda module, inputs, output: halves.append(output))
    try:
        whole = vocode(session, decode_mel(session, audio_latents))
    finally:
        hook.remove()
    half = halves[0][0].float().clamp(-1, 1).cpu().numpy()
    views = audio_view(half, vocoder.config.input_sampling_rate), audio_view(whole, session.sample_rate)
    first, second = (f"vocoder at {view.sample_rate / 1000:g} kHz" for view in views)
    return compare_audio(*views, names=(first, second))


def decode(session: Session, latents: Any = None, audio_latents: Any = None, frame_rate: float = 24.0) -> Clip:
    """The clip of these latents, of one lane or both, as a session decodes them: sound as long as the picture.

    Raises ValueError for malformed latents, or none, or those of another model.
    """
    frame_rate = check_frame_rate(frame_rate)
    frames = audio = None
    if latents is not None:
        frames = np.concatenate(list(decoded_frames(session.pipe.vae, _denormalised_video(session, latents))))
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


def _denormalised_video(session: Session, latents: Any) -> torch.Tensor:
    latents = _on_device(session, check_latents(latents, lane="video"))
    channels = session.pipe.vae.config.latent_channels
    if latents.shape[1] != channels:
        raise ValueError(f"latents have {latents.shape[1]} channels; this model's have {channels}")
    mean, std = video_statistics(session.pipe, latents)
    return latents * std + mean


def _on_device(session: Session, values: np.ndarray) -> torch.Tensor:
    """A batch of one."""
    return torch.tensor(values, device=session.pipe._execution_device)[None]
