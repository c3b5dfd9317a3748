"""How late the sound is: sounds that begin against things that suddenly move, event by event and overall.

A positive lag means that the sound comes after the picture (sound late); negative, before it. Visible events are given,
or are peaks of the change of motion between frames: a hit, a turn, a start or a stop, not steady motion. Knows no model
and no world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import librosa
import numpy as np
from scipy import ndimage, signal

from ltx_nb.checks import finite_number
from ltx_nb.clip import Clip
from ltx_nb.inspect.audio import FLOOR_DB, window_length
from ltx_nb.inspect.inputs import check_sample_rate, listed, need_lane

MAX_LAG_S = 0.5
TOLERANCE_S = 0.06  # what two events may be apart, after the common lag, and still belong together
SPREAD_S = 0.025  # of the kernel that neighbouring lags are added up with
LOW_CONFIDENCE = 0.4

ONSET_HOP_S = 0.005
ONSET_WINDOW_S = 0.02
ONSET_BANDS = 12  # so wide that steady noise flutters little in each, so narrow that a low thump fills one
ONSET_RISE_HOPS, ONSET_BEFORE_HOPS = 2, 12  # a rise takes up to 10 ms, and is measured from the loudest of 60 ms before
ONSET_FLOOR_DB, ONSET_RANGE_DB = -70.0, 45.0  # silence: below this level, or so far below the clip's loudest
ONSET_EARLY_S = 0.003  # how long before a sudden sound the windows rise, in the median of scenes at 8 to 48 kHz
MIN_ONSET_DB = 10.0  # a minute of white, pink or brown noise rises by up to 6, the world's strikes by 40 and more
MIN_ONSET_SHARE = 0.3  # of the strongest
MIN_ONSET_GAP_S = 0.08

MOTION_SIDE_PX = 64
BLUR_SHARE = 1 / 16  # of the shorter side: wider than objects move in a frame
MIN_CHANGE_LEVELS = 0.5  # of 255, RMS: below it nothing moves but coding noise
MIN_CHANGE_SHARE = 0.4  # of the strongest, and ...
MIN_CHANGE_MEDIANS = 0.7  # ... of the median, that a peak must stand out by


@dataclass(frozen=True)
class SyncEvent:
    """A visible event, the sound that goes with it, and how much later the sound is."""

    visible_s: float
    sound_s: float

    @property
    def lag_ms(self) -> float:
        return 1000 * (self.sound_s - self.visible_s)


@dataclass(frozen=True, eq=False)
class AvSync:
    """How late the sound is, and how far that can be believed.

    lag_ms: median over the events; positive: the sound is late. None where nothing goes together.
    confidence: 0..1, the product of: how much of what is seen and heard goes together (F1); 1 - 0.5^n for n pairs,
    since one may be chance; and how much better this lag is than the next best. Below 0.4 it is low.
    events: the pairs. visible_s, sounds_s: all that was seen and heard. note: why there is no lag, or a doubtful one.
    motion, motion_change: [F - 1] and [F - 2], RMS in levels of 255, at motion_s and motion_change_s (empty for a clip
    of fewer frames); onset_db at onset_s: by how many dB the band that rises most gets louder.
    """

    lag_ms: float | None
    confidence: float
    events: tuple[SyncEvent, ...]
    visible_s: np.ndarray
    sounds_s: np.ndarray
    note: str
    duration_s: float
    motion_s: np.ndarray
    motion: np.ndarray
    motion_change_s: np.ndarray
    motion_change: np.ndarray
    onset_s: np.ndarray
    onset_db: np.ndarray

    @property
    def is_low(self) -> bool:
        return self.confidence < LOW_CONFIDENCE

    def __str__(self) -> str:
        if self.lag_ms is None:
            return f"no lag: {self.note} (confidence 0)"
        side = "late" if self.lag_ms >= 0 else "early"
        doubt = f", low: {self.note}" if self.is_low else ""
        return f"sound {abs(self.lag_ms):.0f} ms {side} (confidence {self.confidence:.2f}{doubt})"


def av_sync(clip: Clip, visible_s: Sequence[float] | np.ndarray | None = None) -> AvSync:
    """Measure a clip. visible_s: times of visible events, if they are known better than motion tells.

    Raises ValueError for a clip without picture or without sound, a sample rate outside 8 .. 384 kHz, and times that
    are no list of numbers from 0 on. Lags over 500 ms are not looked for.
    """
    frames, frame_rate = need_lane(clip, "video").frames, clip.frame_rate
    audio, sample_rate = need_lane(clip, "audio").audio, check_sample_rate(clip.sample_rate)
    motion, change = motion_of(frames)
    change_s = np.arange(1, len(change) + 1) / frame_rate
    if visible_s is None:
        seen = _peaks_of_change(change) / frame_rate
    else:
        seen = np.sort([finite_number("visible_s", one, least=0) for one in listed("visible_s", visible_s, least=0)])
    onset_s, onset_db = onset_envelope(audio, sample_rate)
    heard = _onsets(onset_s, onset_db)
    lag_s, uniqueness = _best_lag(seen, heard)
    pairs = _pairs(seen, heard, lag_s)
    expected = _countable(seen + lag_s, clip.duration_s) + _countable(heard - lag_s, clip.duration_s)
    together = min(2 * len(pairs) / max(expected, 1), 1.0)
    confidence = together * (1 - 0.5 ** len(pairs)) * uniqueness
    events = tuple(SyncEvent(float(seen[i]), float(heard[j])) for i, j in pairs)
    return AvSync(
        lag_ms=float(np.median([event.lag_ms for event in events])) if events else None,
        confidence=float(confidence),
        events=events,
        visible_s=seen,
        sounds_s=heard,
        note=_note(seen, heard, events, confidence),
        duration_s=clip.duration_s,
        motion_s=(np.arange(len(motion)) + 0.5) / frame_rate,
        motion=motion,
        motion_change_s=change_s,
        motion_change=change,
        onset_s=onset_s,
        onset_db=onset_db,
    )


def motion_of(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RMS difference of neighbouring frames, [F - 1], and RMS second difference around each inner frame, [F - 2].

    Of colours at about 64 px (equal brightness hides nothing), blurred so that motion in a frame is small against the
    blur: then differences are proportional to velocity, second differences to acceleration.
    """
    side = min(frames.shape[1:3])
    factor = max(1, side // MOTION_SIDE_PX)
    height, width = (size // factor * factor for size in frames.shape[1:3])
    blurred = []
    for frame in frames:
        cells = frame[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
        small = cells.mean((1, 3), dtype=np.float32)
        blurred.append(ndimage.gaussian_filter(small, BLUR_SHARE * side / factor, mode="nearest", axes=(0, 1)))
    velocity = np.diff(np.stack(blurred), axis=0)
    return _rms(velocity), _rms(np.diff(velocity, axis=0))


def onset_envelope(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Times in seconds, every 5 ms, and by how many dB the band that rises most is louder than in the 60 ms before.

    A low thump fills one of the bands only, and a mean over all of them would not hear it. Noise has short dips, out of
    which it seems to rise; it hardly exceeds the loudest of several moments before. What is below -70 dB, or 45 dB
    below the clip's loudest, counts as silence. Windows lie within the clip: to begin or end with it is no onset.
    """
    hop = round(ONSET_HOP_S * sample_rate)
    n_fft = window_length(ONSET_WINDOW_S, sample_rate)
    padded = np.pad(audio, ((0, 0), (0, max(0, n_fft - audio.shape[1]))))
    sides = [np.square(np.abs(librosa.stft(one, n_fft=n_fft, hop_length=hop, center=False))) for one in padded]
    power = np.mean(sides, axis=0) / (n_fft / 4) ** 2
    mel = librosa.feature.melspectrogram(S=power, sr=sample_rate, n_mels=ONSET_BANDS, norm=None)
    level_db = 10 * np.log10(np.maximum(mel, 10 ** (FLOOR_DB / 10)))
    level_db = np.maximum(level_db, max(ONSET_FLOOR_DB, level_db.max() - ONSET_RANGE_DB))
    earlier = np.pad(level_db, ((0, 0), (ONSET_BEFORE_HOPS + ONSET_RISE_HOPS - 1, 0)), mode="edge")
    before = np.lib.stride_tricks.sliding_window_view(earlier[:, :-ONSET_RISE_HOPS], ONSET_BEFORE_HOPS, axis=1)
    rise = (level_db - before.max(-1)).max(0).clip(min=0)
    return (n_fft / 2 + hop * np.arange(len(rise))) / sample_rate + ONSET_EARLY_S, rise


def _rms(difference: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(difference).mean((1, 2, 3))) if len(difference) else np.zeros(0)


def _peaks_of_change(change: np.ndarray) -> np.ndarray:
    """Fractional frame numbers of sudden changes.

    An impulse of acceleration between two frames is shared by them in inverse proportion to its distance, so that its
    centre of gravity, over the level around it, is its time.
    """
    if len(change) < 3 or change.max() < MIN_CHANGE_LEVELS:
        return np.zeros(0)
    outstanding = max(MIN_CHANGE_SHARE * (change.max() - np.median(change)), MIN_CHANGE_MEDIANS * np.median(change))
    ends = [min(float(np.median(change)), change[0], change[-1])]
    padded = np.concatenate([ends, change, ends])  # a peak may lie at either end
    peaks = signal.find_peaks(padded, prominence=outstanding, height=MIN_CHANGE_LEVELS)[0] - 1
    times = []
    for peak in peaks:
        near = np.arange(max(peak - 1, 0), min(peak + 2, len(change)))
        around = change[[n for n in (peak - 3, peak - 2, peak + 2, peak + 3) if 0 <= n < len(change)]]
        weight = np.maximum(change[near] - np.median(around), 0)
        centre = near @ weight / weight.sum() if weight.sum() > 0 else peak
        times.append(centre + 1)  # the first second difference is around frame 1
    return np.array(times)


def _onsets(onset_s: np.ndarray, onset_db: np.ndarray) -> np.ndarray:
    least = max(MIN_ONSET_DB, MIN_ONSET_SHARE * onset_db.max())
    padded = np.concatenate([[0.0], onset_db, [0.0]])
    gap = round(MIN_ONSET_GAP_S / ONSET_HOP_S)
    return onset_s[signal.find_peaks(padded, height=least, prominence=least / 2, distance=gap)[0] - 1]


def _best_lag(seen: np.ndarray, heard: np.ndarray) -> tuple[float, float]:
    """The lag that most pairs agree on, and 1 - (the next best's share of its score), for lags that differ by 0.1 s."""
    lags = (heard[None] - seen[:, None]).ravel()
    lags = lags[np.abs(lags) <= MAX_LAG_S]
    if len(lags) == 0:
        return 0.0, 0.0
    scores = np.exp(-0.5 * ((lags[:, None] - lags) / SPREAD_S) ** 2).sum(1)
    best = scores.argmax()
    others = scores[np.abs(lags - lags[best]) > 4 * SPREAD_S]
    return float(lags[best]), float(1 - others.max(initial=0.0) / scores[best])


def _pairs(seen: np.ndarray, heard: np.ndarray, lag_s: float) -> list[tuple[int, int]]:
    """Indices that go together, each used once, the closest first."""
    apart = np.abs(heard[None] - seen[:, None] - lag_s)
    pairs: list[tuple[int, int]] = []
    for index in np.argsort(apart, axis=None):
        i, j = map(int, np.unravel_index(index, apart.shape))
        if apart[i, j] > TOLERANCE_S:
            break
        if all(i != one and j != other for one, other in pairs):
            pairs.append((i, j))
    return sorted(pairs)


def _countable(times_s: np.ndarray, duration_s: float) -> int:
    """Number of events well inside the clip; a partner beyond its ends is not missing."""
    return int(np.count_nonzero((times_s > TOLERANCE_S) & (times_s < duration_s - TOLERANCE_S)))


def _note(seen: np.ndarray, heard: np.ndarray, events: tuple[SyncEvent, ...], confidence: float) -> str:
    if len(heard) == 0:
        return "nothing is heard to begin"
    if len(seen) == 0:
        return "nothing is seen to happen"
    if not events:
        return f"no sound within {1000 * MAX_LAG_S:.0f} ms of what is seen"
    if confidence < LOW_CONFIDENCE:
        return f"{len(events)} of {len(seen)} visible events and {len(heard)} sounds go together"
    return ""
