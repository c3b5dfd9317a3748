"""The audio front end: a waveform as the log-mel picture that the audio VAE was trained on.

Resample to 16 kHz, two channels; magnitude STFT (power 1), Hann window, centred with reflect padding; 64 mel bins on
the Slaney scale from 0 to 8 kHz; natural log of max(mel, 1e-5). Source: the LTX-2 reference's audio processor.
Knows no model and no file.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from ltx_nb.shapes import AUDIO_SAMPLING_RATE_HZ as SAMPLE_RATE_HZ
from ltx_nb.shapes import MEL_HOP_LENGTH as HOP

N_FFT = 1024
NUM_BINS = 64
FLOOR = 1e-5


@lru_cache
def mel_filters(n_fft: int = N_FFT, num_bins: int = NUM_BINS, sample_rate: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """Slaney mel filters from 0 Hz to half the sample rate: float32 [bins, n_fft // 2 + 1]."""
    import librosa  # takes a third of a second, and a run without given sound has no use for it

    return librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=num_bins, fmin=0.0, fmax=sample_rate / 2, htk=False, norm="slaney"
    )


def log_mel(waveform: torch.Tensor | np.ndarray, sample_rate: int, n_fft: int = N_FFT, hop: int = HOP) -> torch.Tensor:
    """Log-mel picture of a stereo waveform.

    Args:
        waveform: [channels, N] in [-1, 1]; one channel is used for both sides.
        sample_rate: in Hz; anything but 16 kHz is resampled (soxr).

    Returns:
        float32 [2, frames, 64] with 100 frames a second, the layout the audio VAE takes less its batch axis.

    Raises:
        ValueError: the waveform is not [1 or 2, N] or too short to pad.
    """
    samples = np.asarray(waveform, dtype=np.float32)
    if samples.ndim != 2 or samples.shape[0] not in (1, 2):
        raise ValueError(f"waveform has shape {samples.shape}; it must be [channels, samples] with 1 or 2 channels")
    if sample_rate != SAMPLE_RATE_HZ:
        import soxr

        samples = soxr.resample(samples.T, sample_rate, SAMPLE_RATE_HZ).T
    if samples.shape[1] <= n_fft // 2:
        shortest_ms = 1000 * (n_fft // 2 + 1) / SAMPLE_RATE_HZ
        raise ValueError(f"waveform has {samples.shape[1]} samples at 16 kHz; the shortest is {shortest_ms:.0f} ms")
    stereo = torch.from_numpy(np.array(np.broadcast_to(samples, (2, samples.shape[1]))))
    window = torch.hann_window(n_fft)
    spectrum = torch.stft(stereo, n_fft, hop, window=window, center=True, pad_mode="reflect", return_complex=True)
    mel = torch.from_numpy(mel_filters(n_fft)) @ spectrum.abs()  # [2, bins, frames]
    return mel.clamp(min=FLOOR).log().transpose(1, 2).contiguous()
