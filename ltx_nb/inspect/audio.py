"""A sound on one time axis: its spectrograms, the model's own mel picture, and the onsets and loudness heard in it.

librosa, soxr and pyloudnorm do the work. Times are centres of analysis frames, every 10 ms (the nearest that is whole
samples). Levels are in dB below a full-scale sine. Knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import librosa
import numpy as np
import pyloudnorm
import soxr

from ltx_nb.arrays import check_audio
from ltx_nb.checks import items
from ltx_nb.inspect.inputs import check_latents, check_sample_rate, edges_s
from ltx_nb.inspect.quality import mel_distance_db
from ltx_nb.mel import log_mel

HOP_S = 0.01
WINDOW_S = 2048 / 48_000  # rounded up to a power of 2: the least in which every mel bin has a frequency
NUM_MELS = 128
FLOOR_DB = -100.0
AUDIBLE_DB = -60.0  # below this level there is no centroid, position or pitch
SHORTEST_S = 0.1  # shorter sounds are analysed with silence after them
PITCH_RATE_HZ = 16_000
PITCH_WINDOW = 1024
PITCH_RANGE_HZ = (60.0, 2000.0)
MIN_PERIODICITY = 0.85  # autocorrelation at the period found; 1 for a steady tone, noise has 0.3 to 0.6


@dataclass(frozen=True, eq=False)
class AudioView:
    """A sound [2, N] and T analysis frames of it.

    spectrogram_db: [B, T] at frequencies_hz [B]; mel_db: [128, T] at mel_hz [128]; both of the mean power of left and
    right. average_db: [B], over all time. model_mel: [2, T', 64], natural log, 100 frames a second, as the audio VAE
    sees it. onset_db: [T], mean rise over mel bins. centroid_hz, position (-1 left .. 1 right, by equal power) and
    pitch_hz: [T], NaN where nothing is heard, or no pitch. loudness_lufs: integrated, ITU-R BS.1770-4; -inf for
    silence, None for less than 0.4 s. latent_grid: [128, L] at latent_edges_s [L + 1], if latents were given.
    """

    audio: np.ndarray
    sample_rate: int
    times_s: np.ndarray
    frequencies_hz: np.ndarray
    spectrogram_db: np.ndarray
    average_db: np.ndarray
    mel_hz: np.ndarray
    mel_db: np.ndarray
    model_mel: np.ndarray
    onset_db: np.ndarray
    centroid_hz: np.ndarray
    position: np.ndarray
    pitch_hz: np.ndarray
    loudness_lufs: float | None
    peak_db: float
    latent_grid: np.ndarray | None
    latent_edges_s: np.ndarray | None

    @property
    def duration_s(self) -> float:
        return self.audio.shape[1] / self.sample_rate


@dataclass(frozen=True, eq=False)
class AudioComparison:
    """Two sounds. mel_distance_db: [T], of the model's mel pictures over their common length, 100 a second."""

    names: tuple[str, str]
    before: AudioView
    after: AudioView
    mel_distance_db: np.ndarray


def audio_view(audio: np.ndarray, sample_rate: int, audio_latents: Any = None) -> AudioView:
    """Look at a sound, float32 [2, N] in [-1, 1], and at its latents [C, L, M] if given.

    Raises ValueError for other shapes, dtypes and ranges, NaN, or a rate outside 8 .. 384 kHz.
    """
    audio, sample_rate = check_audio(audio), check_sample_rate(sample_rate)
    padded = np.pad(audio, ((0, 0), (0, max(0, round(SHORTEST_S * sample_rate) - audio.shape[1]))))
    hop = round(HOP_S * sample_rate)
    n_fft = window_length(WINDOW_S, sample_rate)
    # A sine of amplitude 1 has a peak of half the window's sum, which is n_fft / 2 for Hann.
    sides = np.stack([np.square(np.abs(librosa.stft(side, n_fft=n_fft, hop_length=hop))) for side in padded])
    power = sides.mean(0) / (n_fft / 4) ** 2
    frequencies_hz = librosa.fft_frequencies(sr=sample_rate, n_fft=n_fft)
    mel_db = _db(librosa.feature.melspectrogram(S=power, sr=sample_rate, n_mels=NUM_MELS, norm=None))
    # The window spreads a sine over bins of 1.5 times its peak power (the Hann window's noise bandwidth).
    heard = _db(power.sum(0) / 1.5) > AUDIBLE_DB
    times_s = hop / sample_rate * np.arange(power.shape[1])
    grid, grid_edges_s = (None, None) if audio_latents is None else _grid(audio_latents)
    return AudioView(
        audio=audio,
        sample_rate=sample_rate,
        times_s=times_s,
        frequencies_hz=frequencies_hz,
        spectrogram_db=_db(power),
        average_db=_db(power.mean(1)),
        mel_hz=librosa.mel_frequencies(n_mels=NUM_MELS, fmax=sample_rate / 2),
        mel_db=mel_db,
        model_mel=log_mel(padded, sample_rate).numpy(),
        onset_db=onset_strength_db(mel_db, sample_rate, n_fft, hop),
        centroid_hz=_where(heard, frequencies_hz @ np.sqrt(power) / np.maximum(np.sqrt(power).sum(0), 1e-20)),
        position=_where(heard, 4 / np.pi * np.arctan2(np.sqrt(sides[1].sum(0)), np.sqrt(sides[0].sum(0))) - 1),
        pitch_hz=_where(heard, pitch_hz(padded, sample_rate, times_s)),
        loudness_lufs=loudness_lufs(audio, sample_rate),
        peak_db=float(_db(np.square(audio).max())),
        latent_grid=grid,
        latent_edges_s=grid_edges_s,
    )


def compare_audio(before: AudioView, after: AudioView, names: tuple[str, str] = ("before", "after")) -> AudioComparison:
    """Two views beside each other, as before and after a VAE, or of a vocoder with and without extension.

    Raises ValueError for sounds that are not looked at yet, or other than two names.
    """
    for view in (before, after):
        if not isinstance(view, AudioView):
            raise ValueError(f"a {type(view).__name__} is no AudioView; give audio_view(audio, sample_rate) of both")
    names = items("names", names, str)
    if len(names) != 2:
        raise ValueError(f"names={names!r} are {len(names)}; give one for each of the two sounds")
    count = min(before.model_mel.shape[1], after.model_mel.shape[1])
    distance = mel_distance_db(before.model_mel[:, :count], after.model_mel[:, :count])
    return AudioComparison((names[0], names[1]), before, after, distance)


def loudness_lufs(audio: np.ndarray, sample_rate: int) -> float | None:
    """Integrated loudness of [2, N] by ITU-R BS.1770-4 (pyloudnorm); None for less than its 0.4 s block."""
    if audio.shape[1] < round(0.4 * sample_rate):
        return None
    if not audio.any():
        return float("-inf")
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(sample_rate).integrated_loudness(audio.T.astype(np.float64)))


def pitch_hz(audio: np.ndarray, sample_rate: int, times_s: np.ndarray) -> np.ndarray:
    """Fundamental frequency of [2, N] at these times [T] by YIN, 60 to 2000 Hz, to [T]; NaN where there is none."""
    mono = soxr.resample(audio.mean(0), sample_rate, PITCH_RATE_HZ)
    hop = round(HOP_S * PITCH_RATE_HZ)
    low, high = PITCH_RANGE_HZ
    found = librosa.yin(mono, fmin=low, fmax=high, sr=PITCH_RATE_HZ, frame_length=PITCH_WINDOW, hop_length=hop)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(mono, PITCH_WINDOW // 2), PITCH_WINDOW)[::hop]
    steady = [_periodicity(*one) >= MIN_PERIODICITY for one in zip(around, PITCH_RATE_HZ / found, strict=False)]
    nearest = np.minimum(np.rint(times_s / HOP_S).astype(int), len(steady) - 1)
    return np.where(steady, found[: len(steady)], np.nan)[nearest]


def window_length(seconds: float, sample_rate: int) -> int:
    """Samples of the shortest analysis window that lasts so long and is a power of 2."""
    return 2 ** int(np.ceil(np.log2(seconds * sample_rate)))


def onset_strength_db(mel_db: np.ndarray, sample_rate: int, n_fft: int, hop: int) -> np.ndarray:
    """Mean rise over mel bins from frame to frame, [bands, T] to [T] in dB, at the time the sound begins."""
    return librosa.onset.onset_strength(S=mel_db, sr=sample_rate, n_fft=n_fft, hop_length=hop)


def _periodicity(window: np.ndarray, period: float) -> float:
    """Correlation of a stretch of samples with itself one period later."""
    early, late = window[: -round(period)], window[round(period) :]
    return float(early @ late / max(np.sqrt((early @ early) * (late @ late)), 1e-12))


def _grid(audio_latents: Any) -> tuple[np.ndarray, np.ndarray]:
    latents = check_latents(audio_latents, "audio_latents", "audio")
    return latents.transpose(0, 2, 1).reshape(-1, latents.shape[1]), edges_s(latents, frame_rate=24.0)


def _db(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))


def _where(heard: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(heard, values, np.nan)
