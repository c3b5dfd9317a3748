"""Maps of captured attention: when sound and picture look at each other, where at a moment, where at a word, and how
much of the picture's goes to references.

Knows `AttentionMaps`, no model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ltx_nb.checks import choice, finite_number, text, whole_number
from ltx_nb.inspect.attention import REFERENCE, AttentionMaps, TokenGrid

CROSS_MODAL = ("video_to_audio", "audio_to_video")


@dataclass(frozen=True, eq=False)
class TimeMap:
    """Who looks when: matrix [query frames, key frames], each row a distribution over key times.

    query_lane asks, key_lane answers. sync_share: how much of a row falls on keys that overlap the query in time, in
    the mean over rows; chance: what it would be if all keys were looked at alike.
    """

    kind: str
    query_lane: str
    key_lane: str
    matrix: np.ndarray
    query_edges_s: np.ndarray
    key_edges_s: np.ndarray
    sync_share: float
    chance: float


@dataclass(frozen=True, eq=False)
class MomentMap:
    """One audio latent, at time_s, and the cells of the video: heat [F, H, W] at edges_s [F + 1].

    Of "video_to_audio": how the audio latent spreads its attention over the cells (sums to 1). Of "audio_to_video": how
    much of its attention each cell gives to this audio latent (1 / number of audio latents by chance).
    """

    kind: str
    time_s: float
    heat: np.ndarray
    edges_s: np.ndarray


@dataclass(frozen=True, eq=False)
class WordMap:
    """How much of its attention each video cell [F, H, W] and each audio latent [L] gives to a word.

    chance: the word's share of all text positions, the connectors' registers counted as well.
    """

    word: str
    video: np.ndarray
    audio: np.ndarray
    video_edges_s: np.ndarray
    audio_edges_s: np.ndarray
    chance: float


@dataclass(frozen=True, eq=False)
class ReferenceMap:
    """Attention that a reference gets from the clip: heat [F, H, W] over the reference's own cells, at edges_s [F + 1].

    A cell's number is the share of the attention of all of the clip's cells, in the mean; share: all of them together.
    own_place: how much of that comes from the clip's cells which overlap the looked-at one in time and place; chance:
    what it would be if all cells were looked at alike.
    """

    heat: np.ndarray
    edges_s: np.ndarray
    share: float
    own_place: float
    chance: float


def reference_map(maps: AttentionMaps, reference: int = 0, block: int | None = None) -> ReferenceMap:
    """Attention of the clip to one of the references; keyframes count as the first, where the clip has some.

    Raises ValueError where it was not captured: `capture_attention(session, kinds=["reference"])` does, of a request
    that has references.
    """
    rows, grid = maps.rows(REFERENCE, block), maps.grid
    parts = appended_parts(grid)
    part = parts[whole_number("reference", reference, least=0, most=len(parts) - 1)]
    places, rows = grid.appended[:, part], rows[:, part]
    height, width = (len(np.unique(places[axis, :, 0])) for axis in (1, 2))
    spans_s = places[0, :: height * width]
    overlap = np.ones(rows.shape, bool)
    for cells, seen in zip(grid.cells, places, strict=True):
        overlap &= (cells[:, None, 0] < seen[None, :, 1]) & (cells[:, None, 1] > seen[None, :, 0])
    return ReferenceMap(
        heat=rows.mean(0).reshape(-1, height, width),
        edges_s=np.append(spans_s[:1, 0], spans_s[:, 1]),
        share=float(rows.sum(1).mean()),
        own_place=float((rows * overlap).sum() / rows.sum()),
        chance=float(overlap.mean()),
    )


def appended_parts(grid: TokenGrid) -> list[slice]:
    """Stretches of the tokens beside the clip's, one a reference: each begins anew, in time or at the first corner.

    Keyframes, in order of time, are one stretch.
    """
    time, row, column = np.diff(grid.appended[:, :, 0], axis=1)
    onwards = np.where(time != 0, time, np.where(row != 0, row, column))
    edges = [0, *(np.flatnonzero(onwards < 0) + 1), grid.appended.shape[1]]
    return [slice(start, end) for start, end in pairwise(edges) if end > start]


def time_map(maps: AttentionMaps, kind: str, block: int | None = None) -> TimeMap:
    """Cross-modal attention "video_to_audio" or "audio_to_video" as a matrix of time against time.

    Key tokens of one time are added up, query tokens of one time averaged. Raises ValueError where it was not captured.
    """
    rows = _cross_modal(maps, kind, block)
    frames = len(maps.grid.video_edges_s) - 1
    if kind == "video_to_audio":
        matrix = rows.reshape(len(rows), frames, -1).sum(2)
        edges = maps.grid.audio_edges_s, maps.grid.video_edges_s
    else:
        matrix = rows.reshape(frames, -1, rows.shape[1]).mean(1)
        edges = maps.grid.video_edges_s, maps.grid.audio_edges_s
    key_lane, _, query_lane = kind.split("_")
    (query_start, query_end), (key_start, key_end) = ((one[:-1], one[1:]) for one in edges)
    overlap = (query_start[:, None] < key_end) & (query_end[:, None] > key_start)
    # The last latents of one lane may lie after the end of the other; they have nothing to be in sync with.
    has_partner = overlap.any(1)
    return TimeMap(
        kind=kind,
        query_lane=query_lane,
        key_lane=key_lane,
        matrix=matrix,
        query_edges_s=edges[0],
        key_edges_s=edges[1],
        sync_share=float((matrix * overlap).sum(1)[has_partner].mean()),
        chance=float(overlap[has_partner].mean()),
    )


def moment_map(maps: AttentionMaps, kind: str, time_s: float, block: int | None = None) -> MomentMap:
    """The video cells that go with the audio latent at a time. Raises ValueError for a time outside the sound."""
    rows = _cross_modal(maps, kind, block)
    edges = maps.grid.audio_edges_s
    time_s = finite_number("time_s", time_s, least=0, most=float(edges[-1]))
    latent = min(int(np.searchsorted(edges, time_s, side="right")) - 1, len(edges) - 2)
    cells = rows[latent] if kind == "video_to_audio" else rows[:, latent]
    return MomentMap(kind, time_s, cells.reshape(maps.grid.video_shape), maps.grid.video_edges_s)


def word_map(maps: AttentionMaps, prompt: str, word: str, block: int | None = None) -> WordMap:
    """Attention of both lanes to a word of the prompt that was run, wherever it stands there.

    Raises ValueError for a word that is not in the prompt, or where text was not captured.
    """
    positions = _positions(maps.tokenizer, text("prompt", prompt).strip(), text("word", word))
    video = maps.rows("video_text", block)[: int(np.prod(maps.grid.video_shape))]
    audio = maps.rows("audio_text", block)[: len(maps.grid.audio_edges_s) - 1]
    kept = [position for position in positions if position < video.shape[1] - 1]
    if not kept:
        raise ValueError(f"{word!r} stands after the first {video.shape[1] - 1} tokens, which are the ones captured")
    return WordMap(
        word=word,
        video=video[:, kept].sum(1).reshape(maps.grid.video_shape),
        audio=audio[:, kept].sum(1),
        video_edges_s=maps.grid.video_edges_s,
        audio_edges_s=maps.grid.audio_edges_s,
        chance=len(kept) / maps.text_positions,
    )


def _cross_modal(maps: AttentionMaps, kind: str, block: int | None) -> np.ndarray:
    """Rows without the tokens of appended keyframes and references, which are no part of the clip."""
    choice("kind", kind, CROSS_MODAL)
    rows = maps.rows(kind, block)
    cells, sounds = int(np.prod(maps.grid.video_shape)), len(maps.grid.audio_edges_s) - 1
    return rows[:sounds, :cells] if kind == "video_to_audio" else rows[:cells, :sounds]


def _positions(tokenizer, prompt: str, word: str) -> list[int]:
    """Positions of the tokens that make up the word; the connectors move a prompt's tokens to the front, in order."""
    spans = [match.span() for match in re.finditer(r"\w+", prompt) if match.group().lower() == word.lower()]
    if not spans:
        words = dict.fromkeys(re.findall(r"\w+", prompt))
        raise ValueError(f"{word!r} is not in the prompt; its words: {', '.join(words)}")
    offsets = tokenizer(prompt, return_offsets_mapping=True).offset_mapping
    return [
        index
        for index, (start, end) in enumerate(offsets)
        if end > start and any(start < last and end > first for first, last in spans)
    ]
