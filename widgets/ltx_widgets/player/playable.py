"""A clip as a player takes it: a file that browsers play, a still, and small pictures of its sound.

A file is sent as it is; a Clip in memory is encoded. Knows no widget.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ltx_nb import media
from ltx_nb.clip import Clip
from ltx_nb.display import reduced
from ltx_widgets.sound_picture import hz_ticks, spectrogram_levels, waveform_peaks

ClipSource = Clip | str | os.PathLike[str]

# Browsers refuse QuickTime and Matroska by their own names, and play what most of these files hold as MP4 and WebM.
_MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/webm",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
}
_STILL_WIDTH_PX = 640


@dataclass(frozen=True, eq=False, kw_only=True)
class Playable:
    """content: the file. still: the frame in the middle, which tells a clip best; first: the one that a player shows at
    0 s; uint8 [H, W, 3], at most 640 px wide. None of sound alone, and first of a file.

    facts: what the browser has to know first, as plain data. peaks: int8 [2, P, 2] and levels: uint8 [BANDS, T] of the
    sound, see `sound_picture`; None where there is none.
    """

    content: bytes
    media_type: str
    facts: dict[str, Any]
    still: np.ndarray | None = None
    first: np.ndarray | None = None
    peaks: np.ndarray | None = None
    levels: np.ndarray | None = None


def playable_of(clip: ClipSource) -> Playable:
    """Raises ValueError for a file that cannot be read, or is no video and no sound."""
    if isinstance(clip, Clip):
        still = first = None
        if clip.frames is not None:
            frames = clip.export_frames()
            still, first = _small(frames[clip.num_frames // 2]), _small(frames[0])
        content, media_type = encoded(clip)
        info = media.MediaInfo(duration_s=clip.duration_s, frame_rate=clip.frame_rate, num_frames=clip.num_frames)
        made = _playable(content, media_type, info, still, clip.audio, clip.sample_rate)
        return replace(made, first=first, facts=made.facts | {"anew_s": _anew_s(clip)})
    path = Path(clip)
    info = media.probe(path)
    if info.is_image or path.suffix.lower() not in _MEDIA_TYPES:
        raise ValueError(f"{path} is no clip; give a Clip or a file that ends in {', '.join(_MEDIA_TYPES)}")
    still = _small(media.read_still(path)) if info.has_video else None
    audio, sample_rate = media.read_audio(path) if info.has_audio else (None, None)
    return _playable(path.read_bytes(), _MEDIA_TYPES[path.suffix.lower()], info, still, audio, sample_rate)


def encoded(clip: ClipSource, *, aac: bool = True) -> tuple[bytes, str]:
    """An MP4 or MP3 of the clip and its media type; with MP3 inside the MP4 for a browser without AAC."""
    clip = clip if isinstance(clip, Clip) else Clip.load(clip)
    if clip.frames is None:
        return media.encode_sound(clip.audio, clip.sample_rate), "audio/mpeg"
    frames = reduced(clip.export_frames())
    return media.encode_preview(frames, clip.frame_rate, clip.audio, clip.sample_rate, aac=aac), "video/mp4"


def _anew_s(clip: Clip) -> dict[str, list[list[float]]]:
    """Spans [start_s, end_s) of each lane that were not given, where some were: what a retake or an extension made."""
    if not any(origin == "source" for spans in clip.provenance.values() for *_, origin in spans):
        return {}
    return {
        lane: [[start_s, end_s] for start_s, end_s, origin in spans if origin != "source"]
        for lane, spans in clip.provenance.items()
    }


def _playable(
    content: bytes,
    media_type: str,
    info: media.MediaInfo,
    still: np.ndarray | None,
    audio: np.ndarray | None,
    sample_rate: int | None,
) -> Playable:
    peaks = levels = None
    ticks: list[dict[str, float]] = []
    if audio is not None and sample_rate is not None:
        peaks, levels, ticks = waveform_peaks(audio), spectrogram_levels(audio, sample_rate), hz_ticks(sample_rate)
    facts = {
        "duration_s": info.duration_s,
        "frame_rate": info.frame_rate,
        "num_frames": info.num_frames,
        "has_video": still is not None,
        "has_audio": audio is not None,
        "aspect": None if still is None else still.shape[1] / still.shape[0],
        "levels_columns": 0 if levels is None else levels.shape[1],
        "hz_ticks": ticks,
        "anew_s": {},
    }
    return Playable(content=content, media_type=media_type, facts=facts, still=still, peaks=peaks, levels=levels)


def _small(frame: np.ndarray) -> np.ndarray:
    """A frame uint8 [H, W, 3], averaged over squares of pixels until it is at most _STILL_WIDTH_PX wide."""
    return np.asarray(Image.fromarray(frame).reduce(max(-(-frame.shape[1] // _STILL_WIDTH_PX), 1)))
