"""Facts of one latent of a clip: its channels, its history over steps, its attention, its footprint.

Arrays and results of ltx_nb.inspect in, small arrays out. A latent is {"lane": "video", "t", "y", "x"} or
{"lane": "audio", "t"}. Knows no widget and no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ltx_nb.checks import choice, keys, whole_number
from ltx_nb.inspect.inputs import check_latents
from ltx_nb.shapes import VIDEO_TEMPORAL_COMPRESSION

if TYPE_CHECKING:
    from ltx_nb.inspect.attention import AttentionMaps

Place = dict[str, Any]

CROSS_MODAL = ("video_to_audio", "audio_to_video")  # keys, then queries: in the first, sound looks at picture
AXES = {"video": ("t", "y", "x"), "audio": ("t",)}
MOST_WORDS = 8
FOOTPRINT_SIDE_PX = 256  # of the pictures of a footprint, at most


def check_place(place: object, sizes: Mapping[str, tuple[int, ...]]) -> Place:
    """A latent that there is; sizes: how many along each axis of "video" and "audio". Raises ValueError otherwise."""
    given = keys("picked", place, ("lane", "t", "y", "x"), required=("lane",))
    lane = choice("lane", given["lane"], AXES)
    keys(f"picked of {lane}", given, ("lane", *AXES[lane]), required=AXES[lane])
    axes = zip(AXES[lane], sizes[lane], strict=True)
    return {"lane": lane} | {name: whole_number(name, given[name], least=0, most=size - 1) for name, size in axes}


def channels_of(latents: np.ndarray, place: Place) -> np.ndarray:
    """The latent's channels, float32 [128]; of sound the 8 x 16 packed ones, channel first."""
    return latents[(slice(None), *(place[axis] for axis in AXES[place["lane"]]))].ravel()


def channel_spread(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel over the clip, [128] each, of latents [C, F, H, W] or [C, L, M]."""
    axes = (1, 2, 3) if latents.ndim == 4 else (1,)
    return latents.mean(axes, dtype=np.float64).ravel(), latents.std(axes, dtype=np.float64).ravel()


def history_of(trace: Any, place: Place, latents: np.ndarray) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Predictions of the latent (x0) by each step: the steps as plain data, and float32 [S, 128].

    A first stage at half the size has fewer cells; the one at the same place counts.
    """
    name = "x0" if place["lane"] == "video" else "audio_x0"
    steps, path = [], []
    for step in trace.steps if trace is not None else ():
        if getattr(step, name) is None:
            continue
        x0 = check_latents(getattr(step, name), name)
        there = {
            axis: place[axis] * x0.shape[n + 1] // latents.shape[n + 1] for n, axis in enumerate(AXES[place["lane"]])
        }
        steps.append({"stage": step.stage, "index": step.index, "sigma": step.sigma})
        path.append(channels_of(x0, place | there))
    return steps, np.stack(path) if path else np.zeros((0, latents[:, 0].size), np.float32)


def captured_rows(maps: AttentionMaps) -> dict[str, np.ndarray]:
    """Softmax rows [queries, keys] by name, the mean over steps, heads and blocks. Raises ValueError for none."""
    if maps.grid is None:
        raise ValueError("attention holds nothing yet; run the session inside the with block of capture_attention")
    return {name: maps.rows(name) for name in sorted({name for name, _ in maps.sums})}


def attention_of(
    rows: Mapping[str, np.ndarray], video_shape: tuple[int, ...], num_sounds: int, place: Place
) -> dict[str, np.ndarray]:
    """Attention between the latent and those of the other lane, as many times chance: 1 is all alike.

    "looks_at": how it spreads its own attention over them; "seen_by": how much of theirs they give to it. Over audio
    latents [L] for a cell of video, over cells [F x H x W] for an audio latent. What was not captured is left out.
    """
    own, num_cells = index_of(place, video_shape), int(np.prod(video_shape))
    asks, asked = ("audio_to_video", "video_to_audio") if place["lane"] == "video" else CROSS_MODAL
    found = {}
    if asks in rows:
        found["looks_at"] = rows[asks][own] * rows[asks].shape[1]
    if asked in rows:
        found["seen_by"] = rows[asked][:, own] * rows[asked].shape[1]
    # Appended keyframes and references have tokens after those of the clip.
    most = num_cells if place["lane"] == "audio" else num_sounds
    return {name: line[:most].astype(np.float32) for name, line in found.items()}


def words_of(
    rows: Mapping[str, np.ndarray],
    video_shape: tuple[int, ...],
    place: Place,
    words: list[tuple[int, str]],
    text_positions: int,
) -> list[tuple[str, float]]:
    """The words that the latent looks at most, each as many times chance; none if text was not captured.

    words: (position, word) of the prompt's tokens; text_positions: how many there are with padding and registers.
    """
    name = f"{place['lane']}_text"
    if name not in rows:
        return []
    row = rows[name][index_of(place, video_shape)][:-1]  # the last one sums up all further positions
    shares: dict[str, float] = {}
    for position, word in words:
        if position < len(row):
            shares[word] = shares.get(word, 0.0) + float(row[position]) * text_positions
    return sorted(shares.items(), key=lambda item: -item[1])[:MOST_WORDS]


def word_positions(tokenizer: Any, prompt: str) -> list[tuple[int, str]]:
    """(position, word) of each token of the prompt; the connectors move them to the front, in order."""
    prompt = prompt.strip()
    spans = tokenizer(prompt, return_offsets_mapping=True).offset_mapping
    return [(index, prompt[start:end]) for index, (start, end) in enumerate(spans) if end > start]


def index_of(place: Place, video_shape: tuple[int, ...]) -> int:
    """Index of the latent among its lane's tokens."""
    _, height, width = video_shape
    return (place["t"] * height + place["y"]) * width + place["x"] if place["lane"] == "video" else place["t"]


def cell_pictures(change: np.ndarray, num_latent_frames: int) -> tuple[np.ndarray, float]:
    """A footprint [F, H, W] as uint8 [latent frames, h, w], sides at most FOOTPRINT_SIDE_PX, and the level that 255 is.

    The mean over the frames of a latent frame and over squares of pixels.
    """
    shrink = -(-max(change.shape[1:]) // FOOTPRINT_SIDE_PX)
    height, width = (size // shrink for size in change.shape[1:])
    whole = change[:, : height * shrink, : width * shrink]
    squares = whole.reshape(len(change), height, shrink, width, shrink).mean((2, 4))
    starts = [*range(1, len(change), VIDEO_TEMPORAL_COMPRESSION)][: num_latent_frames - 1]
    return _levels(np.stack([part.mean(0) for part in np.split(squares, starts)]))


def mel_picture(change_db: np.ndarray) -> tuple[np.ndarray, float]:
    """A footprint [T, 64] in dB as uint8 of the same shape, and the dB that 255 is."""
    return _levels(change_db)


def _levels(values: np.ndarray) -> tuple[np.ndarray, float]:
    most = max(float(values.max()), 1e-12)
    return np.rint(values * (255 / most)).astype(np.uint8), most
