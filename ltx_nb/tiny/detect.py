"""Analytic detectors: what a clip of the tiny world shows and what it sounds like, by arithmetic alone.

They read pixels and samples and know the world's palette and strikes, but no model, no caption and no ground truth.
Anything they cannot name is "none".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage, optimize, signal

from .world import BACKGROUNDS, COLOURS, SAMPLE_RATE_HZ, SOUNDS, strike

NONE = "none"

# Pictures. The world's weakest contrast, green on teal, is 87 in RGB distance; an object must show half of that.
MIN_CONTRAST = 43.0
MIN_AREA = 0.006  # of the frame; the world's smallest object covers 0.029
MIN_FRAMES_SEEN = 0.8  # of all frames, for a track to have a motion
# Filled share of the box: pi/4 for a ball, 1 for a square, 1/2 for a triangle. Blur rounds a triangle's corners and so
# fills its box, up to 0.76, but leaves the skewness of its rows, ideally -2 sqrt(2) / 5, where the others have none.
MIN_BALL_FILL, MIN_SQUARE_FILL, MAX_TRIANGLE_FILL = 0.66, 0.89, 0.80
BOTTOM_HEAVY = -0.28
MIN_TRAVEL = 12.0  # units of 1/128 of the shorter side; every motion of the world travels 20 or more
MAX_SWAY = 6.0  # units; what stands still may wobble by this much
KINK_FRAMES = 5  # frames on each side of a contact that its time is fitted on
END_FRAMES = 0.15  # a contact nearer than this to the first or last frame leaves no kink to see

# Sounds. Every strike of the world peaks near -8 dBFS in short-time RMS: the floor is 40 dB below and hardly audible.
SILENCE_DBFS = -50.0
ENVELOPE_S = 0.010  # a whole number of half periods for all but the thump, whose ripple stays under 2 dB
RISE_DB = 12.0  # a strike rises at least this much out of what came before
RANGE_DB = 24.0  # and is no weaker than this below the clip's loudest
MIN_GAP_S = 0.25  # the world's fastest contacts are 0.87 s apart; a ringing bell flutters faster than this
TIMBRE_S = 0.12
MIN_LIKENESS = 0.8  # cosine; the world's own sounds are at most 0.55 alike, white noise and a bell 0.76


@dataclass(frozen=True)
class Seen:
    """What a clip shows. Names are the world's, or "none".

    `track_px` is the object's centre of area in each frame, float [F, 2] as (x, y), NaN where there is no object (a
    triangle's lies a third of its radius below the middle of its box). `contacts_s` are the times at which it turns:
    on the floor when it bounces, at either side when it slides.
    """

    background: str
    colour: str
    shape: str
    motion: str
    track_px: np.ndarray
    contacts_s: np.ndarray


@dataclass(frozen=True)
class Heard:
    """What a clip sounds like. `sound` is the world's name or "none"; `onsets_x` runs from 0, left, to 1, right."""

    silent: bool
    level_dbfs: float
    sound: str
    onsets_s: np.ndarray
    onsets_x: np.ndarray


def see(frames: np.ndarray, frame_rate: float) -> Seen:
    """Find the one object in a clip, frames uint8 [F, H, W, 3], and follow it.

    Raises:
        ValueError: the frames have another shape or type.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"frames are {frames.dtype} {list(frames.shape)}; they must be uint8 [F, H, W, 3]")
    unit_px = min(frames.shape[1:3]) / 128
    back = _border_colour(frames)
    background = _nearest(back, BACKGROUNDS)
    offset = frames[:, ::2, ::2].reshape(-1, 3) - back  # a quarter of the pixels shows the colours
    distance = np.linalg.norm(offset, axis=1)
    contrast = np.percentile(distance, 99)  # the smallest object fills more than a hundredth of the frame
    track = np.full((len(frames), 2), np.nan)
    if contrast < MIN_CONTRAST:
        return Seen(background, NONE, NONE, NONE, track, np.zeros(0))
    front = np.median(offset[distance > 0.7 * contrast], axis=0)
    towards = (front / (front @ front)).astype(np.float32)
    covers = np.clip(frames.astype(np.float32) @ towards - back.astype(np.float32) @ towards, 0, 1)
    blobs = [_largest_blob(cover) for cover in covers]
    found = [blob for blob in blobs if blob is not None]
    for index, blob in enumerate(blobs):
        if blob is not None:
            track[index] = blob.x, blob.y
    motion = _motion(track / unit_px) if len(found) >= MIN_FRAMES_SEEN * len(frames) else NONE
    contacts = _contacts_frames(track, motion, unit_px) / frame_rate
    return Seen(background, _nearest(front + back, COLOURS), _shape(found), motion, track, contacts)


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


def _border_colour(frames: np.ndarray) -> np.ndarray:
    sides = (frames[:, :2], frames[:, -2:], frames[:, :, :2], frames[:, :, -2:])
    return np.median(np.concatenate([side.reshape(-1, 3) for side in sides]), axis=0)


def _nearest(colour: np.ndarray, palette: dict[str, tuple[int, int, int]]) -> str:
    return min(palette, key=lambda name: float(np.linalg.norm(colour - np.array(palette[name]))))


@dataclass(frozen=True)
class _Blob:
    x: float
    y: float
    fill: float
    lean: float
    alone: bool


def _largest_blob(cover: np.ndarray) -> _Blob | None:
    """The largest blob of one frame's cover, [H, W] in 0..1; None when there is none.

    Its box is measured by the longest row and column of the cover, which keep their length at any sub-pixel position;
    pixel centres lie at half integers, as in the world.
    """
    labels, count = ndimage.label(cover > 0.5)
    sizes = np.bincount(labels.ravel(), minlength=2)[1:]
    if count == 0 or sizes.max() < MIN_AREA * cover.size:
        return None
    rows, columns = ndimage.find_objects(labels)[int(sizes.argmax())]
    top, left = max(rows.start - 3, 0), max(columns.start - 3, 0)
    part = cover[top : rows.stop + 3, left : columns.stop + 3].astype(np.float64)
    across, down = part.sum(1), part.sum(0)
    area = part.sum()
    x = left + (np.arange(part.shape[1]) + 0.5) @ down / area
    y = top + (np.arange(part.shape[0]) + 0.5) @ across / area
    offset = np.arange(part.shape[0]) + 0.5 + top - y
    lean = (offset**3 @ across / area) / (offset**2 @ across / area) ** 1.5
    return _Blob(x, y, area / (across.max() * down.max()), lean, bool(sizes.max() >= 0.9 * sizes.sum()))


def _shape(blobs: list[_Blob]) -> str:
    """Name of the shape that most frames show alone."""
    if not blobs or np.mean([blob.alone for blob in blobs]) <= 0.5:
        return NONE
    fill = np.median([blob.fill for blob in blobs])
    lean = np.median([blob.lean for blob in blobs])
    if lean < BOTTOM_HEAVY:
        return "triangle" if fill < MAX_TRIANGLE_FILL else NONE
    if lean > -BOTTOM_HEAVY or fill < MIN_BALL_FILL:
        return NONE
    return "ball" if fill < MIN_SQUARE_FILL else "square"


def _motion(track: np.ndarray) -> str:
    """Motion class of a track in units."""
    dx, dy = np.nanmax(track, axis=0) - np.nanmin(track, axis=0)
    if dx <= MAX_SWAY and dy <= MAX_SWAY:
        return "still"
    if dy >= MIN_TRAVEL and dx <= dy / 2:
        return "bounce"
    if dx >= MIN_TRAVEL and dy <= dx / 2:
        return "slide"
    return NONE


def _contacts_frames(track: np.ndarray, motion: str, unit_px: float) -> np.ndarray:
    """Fractional frame numbers at which the object turns."""
    if motion not in ("bounce", "slide"):
        return np.zeros(0)
    bounces = motion == "bounce"
    axis = track[:, 1 if bounces else 0]
    known = np.isfinite(axis)
    axis = np.interp(np.arange(len(axis)), np.flatnonzero(known), axis[known])
    towards = (axis,) if bounces else (axis, -axis)
    turns = [_kink(one, peak, curved=bounces) for one in towards for peak in _peaks(one, MIN_TRAVEL / 2 * unit_px)]
    last = len(axis) - 1
    return np.array(sorted(turn for turn in turns if END_FRAMES < turn < last - END_FRAMES))


def _peaks(values: np.ndarray, prominence: float) -> np.ndarray:
    """Indices of the maxima, the ends included."""
    low = values.min()
    return signal.find_peaks(np.concatenate([[low], values, [low]]), prominence=prominence)[0] - 1


def _kink(values: np.ndarray, peak: int, curved: bool) -> float:
    """Where, near a maximum, the curve turns: the t of the best fit of c - a |t - turn| + b (t - turn)^2.

    The same law holds on both sides of a contact: on the floor b is gravity (`curved`), at a wall there is none.
    """
    first = max(peak - KINK_FRAMES, 0)
    first += int(values[first : peak + 1].argmin())  # no further than the next turn the other way
    beyond = peak + int(values[peak : peak + KINK_FRAMES + 1].argmin()) + 1
    frames = np.arange(first, beyond)
    here = values[first:beyond]

    def misfit(turn: float) -> float:
        since = np.abs(frames - turn)
        terms = np.stack([np.ones_like(since), since, since**2][: 3 if curved else 2], axis=1)
        solution = np.linalg.lstsq(terms, here, rcond=None)[0]
        return float(np.square(terms @ solution - here).sum())

    return float(optimize.minimize_scalar(misfit, bounds=(peak - 1, peak + 1), method="bounded").x)


def _envelope(power: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean power around each millisecond."""
    half = round(ENVELOPE_S / 2 * sample_rate)
    total = np.concatenate([[0.0], np.cumsum(np.pad(power, half))])
    centres = np.round(np.arange(0, len(power) / sample_rate, 0.001) * sample_rate).astype(int)
    return np.maximum(total[centres + 2 * half] - total[centres], 0.0) / (2 * half)


def _onsets_s(envelope: np.ndarray, level_dbfs: float) -> np.ndarray:
    """Where the power first passes half of each peak, which for a sudden strike is its beginning."""
    quietest = level_dbfs - RANGE_DB - RISE_DB
    level = np.maximum(10 * np.log10(np.maximum(envelope, 1e-12)), quietest)
    padded = np.concatenate([[quietest], level, [quietest]])  # a strike may be cut by either end of the clip
    gap = round(MIN_GAP_S * 1000)
    peaks = signal.find_peaks(padded, height=level_dbfs - RANGE_DB, prominence=RISE_DB, distance=gap)[0] - 1
    onsets = []
    for peak in peaks:
        below = np.flatnonzero(envelope[:peak] < 0.5 * envelope[peak])
        onsets.append((below[-1] + 1) / 1000 if len(below) else 0.0)
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
