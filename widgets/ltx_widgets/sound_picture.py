"""Sound as small pictures on a time axis: peaks of the waveform, and levels of a spectrogram as bytes.

numpy alone, since a player has to open at once; `ltx_nb.inspect.audio` is the place for everything that is to be
measured. Knows no widget.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

COLUMNS = 1200  # more than a notebook's cell is wide
BANDS = 96
HOP_S = 0.01
WINDOW_S = 0.043  # 2048 samples at 48 kHz
RANGE_DB = 80.0
QUIETEST_TOP_DB = -20.0  # so that silence is drawn dark
HZ_TICKS = (500, 2000, 8000)
LOG_MEL_FLOOR = float(np.log(1e-5))  # of the model's own mel picture, `ltx_nb.mel.FLOOR`

_WINDOWS_AT_ONCE = 512


def waveform_peaks(audio: np.ndarray) -> np.ndarray:
    """The lowest and highest sample behind each of P <= COLUMNS points: [2, N] to int8 [2, P, 2], 127 for 1."""
    starts = _starts(audio.shape[1])
    peaks = np.stack([reduce.reduceat(audio, starts, axis=1) for reduce in (np.minimum, np.maximum)], axis=-1)
    return np.round(127 * peaks).astype(np.int8)


def spectrogram_levels(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Levels of [2, N] as uint8 [BANDS, T], low to high, T <= COLUMNS; 255 is the loudest, 0 is 80 dB below.

    The mean power of left and right in bands of equal width in mel, up to half the sample rate; each value is the
    greatest of what lies behind it, so that short sounds stay visible. A 10 ms hop, a 43 ms Hann window.
    """
    hop, n_fft = round(HOP_S * sample_rate), 2 ** round(np.log2(WINDOW_S * sample_rate))
    padded = np.pad(audio, ((0, 0), (n_fft // 2, n_fft)))
    num_frames = audio.shape[1] // hop + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=1)[:, : num_frames * hop : hop]
    bins = np.minimum((band_edges_hz(sample_rate)[:-1] / sample_rate * n_fft).astype(int), n_fft // 2)
    hann = np.hanning(n_fft).astype(np.float32)
    blocks = []
    for first in range(0, num_frames, _WINDOWS_AT_ONCE):
        spectrum = np.fft.rfft(windows[:, first : first + _WINDOWS_AT_ONCE] * hann)
        power = np.square(np.abs(spectrum)).mean(0) / (n_fft / 4) ** 2  # 1 for a sine of amplitude 1
        blocks.append(np.maximum.reduceat(power, bins, axis=1))
    power = np.maximum.reduceat(np.concatenate(blocks), _starts(num_frames), axis=0)
    level_db = 10 * np.log10(np.maximum(power, 1e-12)).T
    return _bytes_of(level_db, max(level_db.max(), QUIETEST_TOP_DB), RANGE_DB)


def mel_levels(log_mel: np.ndarray) -> np.ndarray:
    """The model's log-mel picture [2, T, 64] (natural log) as uint8 [64, T], low to high, from its floor to 1."""
    return _bytes_of(log_mel.mean(0).T, 0.0, -LOG_MEL_FLOOR)


@lru_cache
def band_edges_hz(sample_rate: int) -> np.ndarray:
    """Edges of BANDS bands of equal width in mel, float [BANDS + 1]. mel = 2595 log10(1 + f / 700 Hz) (HTK)."""
    most_mel = 2595 * np.log10(1 + sample_rate / 2 / 700)
    return 700 * (10 ** (np.linspace(0, most_mel, BANDS + 1) / 2595) - 1)


def hz_ticks(sample_rate: int) -> list[dict[str, float]]:
    """Frequencies to name beside a spectrogram, as {hz, at} with `at` from 0, the lowest, to 1, the highest."""
    edges_hz = band_edges_hz(sample_rate)
    heights = np.interp(HZ_TICKS, edges_hz, np.linspace(0, 1, BANDS + 1))
    return [{"hz": hz, "at": float(at)} for hz, at in zip(HZ_TICKS, heights, strict=True) if hz < edges_hz[-1]]


def _starts(count: int) -> np.ndarray:
    """Where each of at most COLUMNS groups of `count` items, about equal in size, begins."""
    columns = min(count, COLUMNS)
    return np.arange(columns) * count // columns


def _bytes_of(values: np.ndarray, top: float, span: float) -> np.ndarray:
    return np.round(255 * np.clip((values - top) / span + 1, 0, 1)).astype(np.uint8)
