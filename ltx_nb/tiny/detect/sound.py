"""Reading of a clip's sound: whether anything is heard, when, from where and what, read from samples alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage, signal

from ..world import SAMPLE_RATE_HZ, SOUNDS, strike

NONE = "none"
# The world's strikes peak between -13 and -5 dBFS in short-time RMS; 37 dB below the weakest, nothing is noticed.
SILENCE_DBFS = -50.0
ENVELOPE_S = 0.010  # two periods of the thump's power, which so does not ripple
RISE_DB = 12.0  # a strike rises at least this much out of what came before
RANGE_DB = 20.0  # and is no weaker than this below the clip's loudest
SMOOTH_MS = 30  # the flutter of a ringing bell is faster
MIN_GAP_MS = 250  # the world's fastest contacts are 667 ms apart
TIMBRE_S = 0.12
MIN_LIKENESS = 0.8  # cosine; the world's own sounds are at most 0.55 alike, white noise and a bell 0.76


@dataclass(frozen=True)
class Heard:
    """Findings in a clip's sound. `sound` is the world's name or "none"; `onsets_x` runs from 0, left, to 1, right."""

    silent: bool
    level_dbfs: float
    sound: str
    onsets_s: np.ndarray
    onsets_x: np.ndarray


def hear(audio: np.ndarray, sample_rate: int = SAMPLE_RATE_HZ) -> Heard:
    """Find the strikes in a waveform, float [2, N] in [-1, 1].

    Raises:
        ValueError: the waveform is not [2, N].
    """
    if audio.ndim != 2 or audio.shape[0] != 2:
        raise ValueError(f"audio has shape {list(audio.shape)}; it must be [2, samples]")
    power = np.square(audio, dtype=np.float64)
    envelope = _envelope(power.sum(0), sample_rate)
    level_dbfs = float(10 * np.log10(max(envelope.max(initial=0.0), 1e-12)))
    if level_dbfs < SILENCE_DBFS:
        return Heard(True, level_dbfs, NONE, np.zeros(0), np.zeros(0))
    onsets = _onsets_s(envelope, level_dbfs)
    starts = np.round(onsets * sample_rate).astype(int)
    length = round(TIMBRE_S * sample_rate)
    left, right = (np.array([side[at : at + length].sum() for at in starts]) for side in power)
    pieces = [audio[:, at : at + length] for at in starts]
    x = np.arctan2(np.sqrt(right), np.sqrt(left)) * 2 / np.pi
    return Heard(False, level_dbfs, _sound(pieces, sample_rate), onsets, x)


def lags_s(onsets_s: np.ndarray, contacts_s: np.ndarray) -> np.ndarray:
    """For each onset, how late it is after the nearest contact (negative: early), in seconds; inf without contacts."""
    if len(contacts_s) == 0:
        return np.full(len(onsets_s), np.inf)
    difference = np.asarray(onsets_s)[:, None] - np.asarray(contacts_s)
    return difference[np.arange(len(difference)), np.abs(difference).argmin(1)]


def _envelope(power: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean power around each millisecond."""
    half = round(ENVELOPE_S / 2 * sample_rate)
    total = np.concatenate([[0.0], np.cumsum(np.pad(power, half))])
    centres = np.round(np.arange(0, len(power) / sample_rate, 0.001) * sample_rate).astype(int)
    return np.maximum(total[centres + 2 * half] - total[centres], 0.0) / (2 * half)


def _onsets_s(envelope: np.ndarray, level_dbfs: float) -> np.ndarray:
    """Where the power, on its way up to each peak, first passes a third of it: for a sudden strike, its beginning.

    Peaks are those of a smoother envelope, in which the flutter of a resynthesised bell is no second strike.
    """
    lowest = level_dbfs - RANGE_DB - RISE_DB
    smooth = 10 * np.log10(np.maximum(ndimage.uniform_filter1d(envelope, SMOOTH_MS, mode="constant"), 1e-12))
    padded = np.concatenate([[lowest], np.maximum(smooth, lowest), [lowest]])  # either end may cut a strike
    peaks = signal.find_peaks(padded, height=smooth.max() - RANGE_DB, prominence=RISE_DB, distance=MIN_GAP_MS)[0] - 1
    onsets = []
    for peak in peaks:
        first = max(peak - SMOOTH_MS, 0)
        top = first + int(envelope[first : peak + SMOOTH_MS].argmax())
        quiet = np.flatnonzero(envelope[:top] < envelope[top] / 10 ** (RISE_DB / 10))
        start = quiet[-1] + 1 if len(quiet) else 0
        onsets.append((start + int(np.argmax(envelope[start:] >= envelope[top] / 3))) / 1000)
    return np.array(onsets)


def _timbre(pieces: list[np.ndarray], sample_rate: int) -> np.ndarray:
    """Amplitude in half-octave steps from 45 Hz to 8 kHz, unit length; octave-wide bands forgive a bend in pitch."""
    size = round(TIMBRE_S * sample_rate)
    power = sum(np.square(np.abs(np.fft.rfft(piece, n=size))).sum(0) for piece in pieces)
    hz = np.fft.rfftfreq(size, 1 / sample_rate)[1:]
    centres = 45 * 2 ** np.arange(0, 7.6, 0.5)
    bands = np.exp(-0.5 * (np.log2(hz / centres[:, None]) / 0.5) ** 2)
    amplitude = np.sqrt(bands @ power[1:])
    return amplitude / np.linalg.norm(amplitude)


@lru_cache
def _reference(sound: str) -> np.ndarray:
    return _timbre([strike(sound)[None]], SAMPLE_RATE_HZ)


def _sound(pieces: list[np.ndarray], sample_rate: int) -> str:
    if not pieces:
        return NONE
    timbre = _timbre(pieces, sample_rate)
    likeness = {sound: float(timbre @ _reference(sound)) for sound in SOUNDS.values()}
    best = max(likeness, key=likeness.__getitem__)
    return best if likeness[best] >= MIN_LIKENESS else NONE
