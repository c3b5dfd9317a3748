"""A video or sound file as the parts of a Clip: a stretch of its media, and what it tells of itself.

What cannot be read of the latter is left out, with a note: the media are worth more than their record.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ltx_nb import media
from ltx_nb.checks import finite_number, text
from ltx_nb.given import LANES
from ltx_nb.spans import checked_span, cut_spans

if TYPE_CHECKING:
    from ltx_nb.request import ClipRequest


def parts_of_file(path: str | os.PathLike[str], start: float | None, end: float | None) -> dict[str, Any]:
    """Arguments of a Clip. start, end: a stretch in s, all if both are left out; see `Clip.load`.

    Raises ValueError if the file cannot be read or holds nothing there.
    """
    info = media.probe(path)
    if info.is_image:
        raise ValueError(f"{path} is a still picture, not a clip; read it with ltx_nb.media.read_image")
    if not (info.has_video or info.has_audio):
        raise ValueError(f"{path} holds neither picture nor sound; give a video or a sound file")
    is_whole = start is None and end is None
    start_s, end_s = (0.0, info.duration_s) if is_whole else _stretch(start, end, info)
    parts: dict[str, Any] = {}
    if info.has_video:
        parts["frames"], parts["frame_rate"] = media.read_video(path, start_s, None if is_whole else end_s)
    if info.has_audio:
        audio, sample_rate = media.read_audio(path, None, start_s, None if is_whole else end_s)
        if not audio.size:  # the picture goes on
            audio = np.zeros((2, max(round((end_s - start_s) * sample_rate), 1)), np.float32)
        parts |= {"audio": audio, "sample_rate": sample_rate}
    lanes = [lane for lane, there in zip(LANES, (info.has_video, info.has_audio), strict=True) if there]
    request, provenance, notes = _records(path, lanes)
    if not is_whole:
        request, provenance = None, cut_spans(provenance, start_s, end_s)
    if not all(provenance.get(lane) for lane in lanes):
        provenance = {lane: [(0.0, end_s - start_s, "source")] for lane in lanes}
    notes += [note for note in info.notes if note not in notes]
    return parts | {"request": request, "provenance": provenance, "notes": tuple(notes)}


def _stretch(start: float | None, end: float | None, info: media.MediaInfo) -> tuple[float, float]:
    """[start, end) in s of a file, brought to whole frames."""
    start_s = 0.0 if start is None else finite_number("start", start, least=0)
    end_s = info.duration_s if end is None else min(finite_number("end", end), info.duration_s)
    if start_s >= end_s:
        raise ValueError(f"[{start_s:g}, {end_s:g}) s is not a stretch of a clip of {info.duration_s:.4g} s")
    if info.frame_rate is None:
        return start_s, end_s
    first, last = round(start_s * info.frame_rate), round(end_s * info.frame_rate)
    if first == last:
        raise ValueError(f"[{start_s:g}, {end_s:g}) s holds no frame; one lasts {1 / info.frame_rate:.4g} s")
    return first / info.frame_rate, last / info.frame_rate


def _records(path: str | os.PathLike[str], lanes: list[str]) -> tuple[ClipRequest | None, dict[str, Any], list[str]]:
    """Request, provenance and notes that a file tells of itself; nothing, and a note, for what cannot be read."""
    from ltx_nb.request import ClipRequest

    provenance: dict[str, Any] = {}
    notes: list[str] = []
    try:
        if own := json.loads(media.read_clip_json(path) or "null"):
            provenance = {lane: [checked_span(span) for span in own["provenance"][lane]] for lane in lanes}
            notes = [text("note", note) for note in own["notes"]]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        provenance, notes = {}, [f"its record of what comes from where cannot be read: {error}"]
    request = None
    if request_json := media.read_request_json(path):
        try:
            request = ClipRequest.from_json(request_json).found_beside(path)
        except ValueError as error:
            notes.append(f"its request cannot be read: {error}")
    return request, provenance, notes
