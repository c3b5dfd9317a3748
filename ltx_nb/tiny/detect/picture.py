"""Reading of a clip's picture, from pixels alone: the object's colour, shape and track, its motion and its contacts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize, signal

from ..world import BACKGROUNDS, COLOURS, FLOOR_MARGIN, RADIUS, WALL_MARGIN

NONE = "none"
# The world's weakest contrast, green on teal, is 87 in RGB distance; an object must show half of that.
MIN_CONTRAST = 43.0
MIN_AREA = 0.006  # of the frame; the world's smallest object covers 0.029
MIN_FRAMES_SEEN = 0.8  # of all frames, for a track to have a motion
# Filled share of the box: pi/4 for a ball, 1 for a square, 1/2 for a triangle. Blur rounds a triangle's corners and so
# fills its box, up to 0.88, but leaves some skewness of its rows, ideally -2 sqrt(2) / 5, where the others have none.
MIN_BALL_FILL, MIN_SQUARE_FILL, MAX_TRIANGLE_FILL = 0.66, 0.89, 0.88
BOTTOM_HEAVY = -0.14
MIN_TRAVEL = 9.0  # units of 1/128 of the shorter side; every motion of the world travels 20 or more
MAX_SWAY = 6.0  # units; what stands still may wobble by this much
KINK_FRAMES = 5  # frames on each side of a contact that its time is fitted on
# At either end of the clip, too few frames show a turn, so that it must also be a sharp one, explaining this much
# misfit (units, root of the sum of squares), and be no further than this from where the world's floor or walls are.
MIN_KINK, END_REACH = 0.4, 5.0


@dataclass(frozen=True)
class Seen:
    """Findings in a clip's picture. Names are the world's, or "none".

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


def see(frames: np.ndarray, frame_rate: float) -> Seen:
    """Find the one object in a clip, frames uint8 [F, H, W, 3], and follow it.

    Raises:
        ValueError: the frames have another shape or type.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"frames are {frames.dtype} {list(frames.shape)}; they must be uint8 [F, H, W, 3]")
    height, width = frames.shape[1:3]
    unit_px = min(width, height) / 128
    back, front, covers = cover_of(frames)
    background = _nearest(back, BACKGROUNDS)
    track = np.full((len(frames), 2), np.nan)
    if covers is None:
        return Seen(background, NONE, NONE, NONE, track, np.zeros(0))
    blobs = [_largest_blob(cover) for cover in covers]
    found = [blob for blob in blobs if blob is not None]
    for index, blob in enumerate(blobs):
        if blob is not None:
            track[index] = blob.x, blob.y
    motion = _motion(track / unit_px) if len(found) >= MIN_FRAMES_SEEN * len(frames) else NONE
    contacts = _contacts_frames(track / unit_px, motion, width / unit_px, height / unit_px) / frame_rate
    return Seen(background, _nearest(front + back, COLOURS), _shape(found), motion, track, contacts)


def cover_of(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The background's colour, the object's beside it (a difference), and how far the object covers each pixel.

    The cover is [F, H, W] in 0..1; None where nothing stands out from the background.
    """
    back = _border_colour(frames)
    offset = frames[:, ::2, ::2].reshape(-1, 3) - back  # a quarter of the pixels shows the colours
    distance = np.linalg.norm(offset, axis=1)
    contrast = np.percentile(distance, 99)  # the smallest object fills more than a hundredth of the frame
    if contrast < MIN_CONTRAST:
        return back, np.zeros(3), None
    front = np.median(offset[distance > 0.7 * contrast], axis=0)
    towards = (front / (front @ front)).astype(np.float32)
    return back, front, np.clip(frames.astype(np.float32) @ towards - back.astype(np.float32) @ towards, 0, 1)


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


def _contacts_frames(track: np.ndarray, motion: str, width: float, height: float) -> np.ndarray:
    """Fractional frame numbers at which the object turns; everything in units."""
    known = np.isfinite(track[:, 0])
    x, y = (np.interp(np.arange(len(track)), np.flatnonzero(known), axis[known]) for axis in track.T)
    wall = RADIUS + WALL_MARGIN
    towards = {
        "bounce": [(y, height - FLOOR_MARGIN - RADIUS)],
        "slide": [(x, width - wall), (-x, -wall)],
    }.get(motion, [])
    turns = [_turn(axis, peak, stop, motion == "bounce") for axis, stop in towards for peak in _peaks(axis)]
    return np.array(sorted(turn for turn in turns if turn is not None))


def _peaks(values: np.ndarray) -> np.ndarray:
    """Indices of the maxima, the ends included."""
    low = values.min()
    return signal.find_peaks(np.concatenate([[low], values, [low]]), prominence=MIN_TRAVEL / 2)[0] - 1


def _turn(values: np.ndarray, peak: int, stop: float, curved: bool) -> float | None:
    """The fractional frame near a maximum at which the curve turns: the best fit of c - a |t - turn| + b (t - turn)^2.

    The same law holds on both sides of a contact: on the floor b is gravity (`curved`), at a wall there is none.
    None where the clip begins after the turn or ends before it. `stop` is where the world would let it turn.
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

    best = optimize.minimize_scalar(misfit, bounds=(peak - 1, peak + 1), method="bounded")
    if KINK_FRAMES <= peak < len(values) - KINK_FRAMES:
        return float(best.x)
    explained = min(misfit(first), misfit(beyond - 1)) - best.fun
    return float(best.x) if explained > MIN_KINK**2 and values[peak] >= stop - END_REACH else None
