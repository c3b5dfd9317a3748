"""Checks of what inspectors are given: latents of one clip, of either lane, and clips with the lane asked for.

Latents are [C, F, H, W] (video) or [C, L, M] (audio: channels, latents, mel bins), from torch or numpy; the rank says
which lane they are of. Also the rates, requests and lists that several inspectors take. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterable
from reprlib import repr as shown
from typing import Any

import numpy as np

from ltx_nb.checks import finite_number, whole_number
from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_nb.shapes import audio_intervals_s, video_intervals_s

PACKED_CHANNELS = 128
SHAPES = {"video": "[C, F, H, W]", "audio": "[C, L, M]"}
LARGEST = 1e9  # the fourth power of what is larger exceeds float32; normalised latents are around 1
SAMPLE_RATES_HZ = (8000, 384_000)  # that sounds are analysed at


def check_latents(latents: Any, name: str = "latents", lane: str | None = None) -> np.ndarray:
    """`latents` as float32 numpy, finite, [C, F, H, W] or [C, L, M], without a copy where possible.

    Raises ValueError for another rank, no values, no real numbers, NaN, infinity or more than 1e9; for the other lane,
    if one is asked for.
    """
    if hasattr(latents, "detach"):  # a tensor, of any float type (numpy has no bf16) and on any device
        latents = latents.detach().cpu()
        latents = (latents.float() if latents.is_floating_point() else latents).numpy()
    if not isinstance(latents, np.ndarray):
        raise ValueError(f"{name} is a {type(latents).__name__}; give a tensor or a numpy array, such as clip.latents")
    shape = list(latents.shape)
    if latents.ndim == 5:
        raise ValueError(f"{name} have shape {shape}; inspect one clip at a time: {name}[0]")
    if latents.ndim not in (3, 4) or (latents.ndim == 3 and shape[2] == PACKED_CHANNELS):
        raise ValueError(f"{name} have shape {shape}; give video [C, F, H, W] or audio [C, L, M], not packed tokens")
    if latents.size == 0:
        raise ValueError(f"{name} have shape {shape}, which holds no value; give at least one latent")
    if latents.dtype.kind not in "fiu":
        raise ValueError(f"{name} are {latents.dtype}, not real numbers; give float32, as clip.latents are")
    values = latents.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        bad = np.count_nonzero(~np.isfinite(values))
        raise ValueError(f"{bad} of {values.size} {name} are NaN or infinite; the run that made them went wrong")
    largest = max(float(values.max()), -float(values.min()))
    if largest > LARGEST:
        raise ValueError(f"{name} reach {largest:.1e}, where 1 is usual; the run that made them went wrong")
    if lane is not None and lane != lane_of(values):
        raise ValueError(f"{name} have shape {shape}, which is {lane_of(values)}; give {lane} latents, {SHAPES[lane]}")
    return values


def check_pair(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two latents of the same shape. Raises ValueError otherwise."""
    a, b = check_latents(a, "a"), check_latents(b, "b")
    if a.shape != b.shape:
        raise ValueError(f"a has shape {list(a.shape)}, b has {list(b.shape)}; give latents of the same lane and size")
    return a, b


def lane_of(latents: np.ndarray) -> str:
    return "video" if latents.ndim == 4 else "audio"


def edges_s(latents: np.ndarray, frame_rate: float) -> np.ndarray:
    """Where each latent frame begins and the last ends, [T + 1] in seconds; frame_rate counts for video only."""
    frame_rate = check_frame_rate(frame_rate)
    count = latents.shape[1]
    spans = video_intervals_s(count, frame_rate) if lane_of(latents) == "video" else audio_intervals_s(count)
    return np.array([0.0, *(end for _, end in spans)])


def check_frame_rate(frame_rate: Any) -> float:
    """Frames a second, within what a Clip takes; a ValueError if not."""
    return finite_number("frame_rate", frame_rate, least=0.1, most=1000)


def check_sample_rate(sample_rate: Any) -> int:
    """A rate in Hz that a sound can be analysed at, 8 to 384 kHz; a ValueError if not."""
    least, most = SAMPLE_RATES_HZ
    return whole_number("sample_rate", sample_rate, least=least, most=most)


def check_request(request: Any) -> ClipRequest:
    """The request, if it is one; a ValueError if not."""
    if not isinstance(request, ClipRequest):
        raise ValueError(f"request is a {type(request).__name__}; give a ClipRequest, such as clip.request")
    return request


def listed(name: str, values: Any, least: int = 1) -> list[Any]:
    """`least` or more values as a list; a ValueError for one that is not in a list, and for fewer."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name}={shown(values)} is a {type(values).__name__}; give a list: [{shown(values)}]")
    values = list(values)
    if len(values) < least:
        raise ValueError(f"{name} is empty; give at least one")
    return values


def check_clip(clip: Any) -> Clip:
    """The clip, if it is one; a ValueError if not."""
    if not isinstance(clip, Clip):
        raise ValueError(f"clip is a {type(clip).__name__}; give a Clip, such as session.run(...) or Clip.load(path)")
    return clip


def need_lane(clip: Any, lane: str) -> Clip:
    """The clip, if it has this lane ("video" or "audio"); a ValueError if not."""
    clip = check_clip(clip)
    if (clip.frames if lane == "video" else clip.audio) is None:
        missing = "picture" if lane == "video" else "sound"
        raise ValueError(f"this clip has no {missing}; give one that has")
    return clip
