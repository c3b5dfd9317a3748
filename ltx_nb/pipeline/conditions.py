"""Given media as arrays on the clip's own timelines: frames at its rate and size, samples at its rate.

Outside the given spans the timelines go on with what the nearest span's source holds there, so that a causal encoder
sees a past; the masks keep it out of the result. Knows no model and no latents.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from diffusers.pipelines.ltx2.utils import apply_image_conditioning_crf

from ltx_nb.media import fit_frames
from ltx_nb.pipeline.sources import frames_at, read_sound
from ltx_nb.request import ClipRequest, Given, Reference, ReferenceSound
from ltx_nb.shapes import AUDIO_LATENTS_PER_SECOND, TIME_TOLERANCE_S, VIDEO_TEMPORAL_COMPRESSION


@dataclass
class Conditions:
    """Given media over the whole clip; None where a lane is given nothing but images.

    frames: uint8 [F, H, W, 3]. images: (frame index, uint8 [H, W, 3], strength, whether appended) of each
    given image, in order.
    waveform: float32 [2, N] at the clip's sample rate. references: (uint8 [F, H, W, 3], strength) of each;
    reference_sounds: (float32 [2, N], strength) of each.
    notes: in words, what was converted and how.
    """

    frames: np.ndarray | None = None
    images: list[tuple[int, np.ndarray, float, bool]] = field(default_factory=list)
    waveform: np.ndarray | None = None
    references: list[tuple[np.ndarray, float]] = field(default_factory=list)
    reference_sounds: list[tuple[np.ndarray, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def conditions_of(request: ClipRequest, sample_rate: int, image_crf: int) -> Conditions:
    """Read and convert everything that the request is given.

    image_crf: H.264 quality at which images are compressed first, as in the model's training; 0 leaves them alone.
    Raises ValueError for media that cannot be read, and for pictures that end before the span they are given for; sound
    that does is followed by silence.
    """
    found = Conditions()
    spans = [item for item in request.given if not item.is_image]
    video = [item for item in spans if item.lane == "video"]
    audio = [item for item in spans if item.lane == "audio"]
    if video:
        found.frames = _frames_over_time(request, video, found.notes)
    if audio:
        found.waveform = _samples_over_time(request, audio, sample_rate, found.notes)
    for item in request.given:
        if item.is_image:
            info = item.source.info()
            for note in info.video_notes:
                _note(found.notes, note)
            image = next(frames_at(item.source, np.array([_middle_s(item.source_start_s, info.frame_rate)])))
            if image_crf:
                image = apply_image_conditioning_crf(image, image_crf)
            fitted, note = _fitted(image[None], request, item.fit)
            _note(found.notes, note)
            index = item.frame_index(request.frame_rate)
            found.images.append((index, fitted[0], item.strength, index > 0 or item.is_appended))
    found.images.sort(key=lambda image: image[0])
    found.references = [(_reference_frames(request, it, found.notes), it.strength) for it in request.references]
    found.reference_sounds = [
        (_reference_samples(it, sample_rate, found.notes), it.strength) for it in request.reference_sounds
    ]
    return found


def _reference_samples(reference: ReferenceSound, sample_rate: int, notes: list[str]) -> np.ndarray:
    """float32 [2, N] of the sound, of its whole length. Raises ValueError for a source that ends before."""
    end_s = reference.source_start_s + reference.duration_s
    audio, source_rate = read_sound(reference.source, sample_rate, reference.source_start_s, end_s)
    num_samples = round(reference.duration_s * sample_rate)
    missing_s = (num_samples - audio.shape[1]) / sample_rate
    if missing_s > 1 / AUDIO_LATENTS_PER_SECOND:
        raise ValueError(
            f"a reference sound of {reference.duration_s:.6g} s takes {end_s:.6g} s of a source that lasts "
            f"{end_s - missing_s:.6g} s; give duration_s={max(reference.duration_s - missing_s, 0):.6g}"
        )
    if source_rate != sample_rate:
        _note(notes, f"reference: sound resampled from {source_rate} to {sample_rate} Hz")
    return np.pad(audio[:, :num_samples], ((0, 0), (0, max(num_samples - audio.shape[1], 0))))


def _reference_frames(request: ClipRequest, reference: Reference, notes: list[str]) -> np.ndarray:
    """uint8 [F, H, W, 3] of the reference, smaller than the clip by its downscale factor."""
    info = reference.source.info()
    for note in info.video_notes:
        _note(notes, note)
    if reference.num_frames == 1:
        moments_s = np.array([_middle_s(reference.source_start_s, info.frame_rate)])
    elif info.frame_rate is None:  # a picture, held
        moments_s = np.zeros(reference.num_frames)
    else:
        needed_s = reference.source_start_s + reference.num_frames / request.frame_rate
        length_s = info.num_frames / info.frame_rate
        if needed_s > length_s + 0.5 / info.frame_rate:
            raise ValueError(
                f"a reference of {reference.num_frames} frames takes {needed_s:.6g} s of a source that lasts "
                f"{length_s:.6g} s; give num_frames={_largest_count(length_s * request.frame_rate)}"
            )
        moments_s = reference.source_start_s + (np.arange(reference.num_frames) + 0.5) / request.frame_rate
    fitted = []
    for picture in frames_at(reference.source, moments_s):
        frame, note = _fitted(picture[None], request, reference.fit, request.reference_downscale_factor or 1)
        fitted.append(frame[0])
        _note(notes, note and f"reference: {note}")
    return np.stack(fitted)


def _largest_count(num_frames: float) -> int:
    """The most frames, 8k + 1, of that many; 1 at the least."""
    return max(int(num_frames + TIME_TOLERANCE_S) - 1, 0) // VIDEO_TEMPORAL_COMPRESSION * VIDEO_TEMPORAL_COMPRESSION + 1


def _frames_over_time(request: ClipRequest, items: list[Given], notes: list[str]) -> np.ndarray:
    times_s = np.arange(request.num_frames) / request.frame_rate
    nearest = _nearest_span(times_s + 0.5 / request.frame_rate, items)
    timeline = np.zeros((request.num_frames, request.height, request.width, 3), np.uint8)
    for index, item in enumerate(items):
        info = item.source.info()
        if info.frame_rate is None:
            raise ValueError(f"{_where(item)} is a still picture; give it as an image, without end_s")
        length_s = info.num_frames / info.frame_rate
        _check_length(item, length_s, tolerance_s=0.5 / info.frame_rate)
        _note(notes, _cut_off("picture", item, length_s, request, tolerance_s=0.5 / info.frame_rate))
        for note in info.video_notes:
            _note(notes, note)
        if info.frame_rate != request.frame_rate:
            _note(notes, f"picture {info.frame_rate:g} frames/s brought to {request.frame_rate:g}")
        mine = np.flatnonzero(nearest == index)
        moments_s = times_s[mine] + 0.5 / request.frame_rate - item.start_s + item.source_start_s
        for at, picture in zip(mine, frames_at(item.source, moments_s), strict=True):
            fitted, note = _fitted(picture[None], request, item.fit)
            timeline[at] = fitted[0]
            _note(notes, note)
    return timeline


def _middle_s(moment_s: float, frame_rate: float | None) -> float:
    """The middle of the frame that is nearest to a moment, where no rounding of it gives another."""
    return 0.0 if frame_rate is None else (round(moment_s * frame_rate) + 0.5) / frame_rate


def _fitted(frames: np.ndarray, request: ClipRequest, fit: str, factor: int = 1) -> tuple[np.ndarray, str]:
    """Frames at the request's size divided by `factor`, and in words what was done ("" if nothing).

    They are fitted to what export leaves of it, so that 1080 rows stay 1080; what it cuts off repeats their edges.
    """
    width, height = request.width // factor, request.height // factor
    if frames.shape[1:3] == (height, width):
        return frames, ""
    shown = (request.crop_width or request.width) // factor, (request.crop_height or request.height) // factor
    fitted, note = fit_frames(frames, *shown, fit)
    across, down = width - shown[0], height - shown[1]
    sides = ((0, 0), (down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0))
    return np.pad(fitted, sides, mode="edge"), note


def _samples_over_time(request: ClipRequest, items: list[Given], sample_rate: int, notes: list[str]) -> np.ndarray:
    num_samples = round(request.duration_s * sample_rate)
    middles_s = (np.arange(num_samples) + 0.5) / sample_rate  # where a span ends is its neighbour's first sample
    nearest = _nearest_span(middles_s, items)
    timeline = np.zeros((2, num_samples), np.float32)
    for index, item in enumerate(items):
        offset = round((item.source_start_s - item.start_s) * sample_rate)
        mine = np.flatnonzero(nearest == index)
        mine = mine[mine + offset >= 0]
        first, last = (int(mine[0]) + offset, int(mine[-1]) + offset + 1) if len(mine) else (0, 1)
        audio, source_rate = read_sound(item.source, sample_rate, first / sample_rate, last / sample_rate)
        info = item.source.info()
        length_s = (first + audio.shape[1]) / sample_rate if audio.shape[1] < last - first else info.audio_duration_s
        for note in info.audio_notes:
            _note(notes, note)
        # Codecs pad sound by up to a frame of theirs, 1152 samples.
        _note(notes, _cut_off("sound", item, length_s, request, 1 / AUDIO_LATENTS_PER_SECOND))
        missing_s = min(_missing_s(item, length_s), (item.end_s or 0) - item.start_s)
        if missing_s * sample_rate > 1:
            _note(notes, f"sound ends {missing_s:.3g} s early, silence follows")
        if source_rate != sample_rate:
            _note(notes, f"sound resampled from {source_rate} to {sample_rate} Hz")
        mine = mine[mine + offset < first + audio.shape[1]]
        timeline[:, mine] = audio[:, mine + offset - first]
    return timeline


def _nearest_span(times_s: np.ndarray, items: list[Given]) -> np.ndarray:
    """Index of the item whose span is nearest to each time, 0 s away inside it."""
    away_s = [np.maximum(np.maximum(item.start_s - times_s, times_s - (item.end_s or 0)), 0) for item in items]
    return np.argmin(np.stack(away_s), axis=0)


def _missing_s(item: Given, source_s: float) -> float:
    """Seconds by which the source ends before the span does."""
    return item.source_start_s + (item.end_s or 0) - item.start_s - source_s


def _check_length(item: Given, source_s: float, tolerance_s: float) -> None:
    """Raises ValueError where the source ends before the span does by more than tolerated."""
    missing_s = _missing_s(item, source_s)
    if missing_s > tolerance_s:
        nearest_s = item.start_s + source_s - item.source_start_s
        fix = f"nearest: end_s={nearest_s:.6g}" if nearest_s > item.start_s else "begin earlier in the source"
        needed_s = missing_s + source_s
        raise ValueError(f"{_where(item)} takes {needed_s:.6g} s of a source that lasts {source_s:.6g} s; {fix}")


def _cut_off(kind: str, item: Given, source_s: float, request: ClipRequest, tolerance_s: float) -> str:
    """Say by how much the source of the last span outlasts the clip; "" where by no more than tolerated."""
    beyond_s = item.start_s - item.source_start_s + source_s - request.duration_s
    is_last = (item.end_s or 0) > request.duration_s - TIME_TOLERANCE_S
    return f"{kind} goes on for {beyond_s:.3g} s, cut off" if is_last and beyond_s >= tolerance_s else ""


def _where(item: Given) -> str:
    return f"the {item.lane} given from {item.start_s:.6g} to {item.end_s:.6g} s"


def _note(notes: list[str], note: str) -> None:
    if note and note not in notes:
        notes.append(note)
