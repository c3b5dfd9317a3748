"""The result's frames and samples: generated ones, with the given ones put back exactly where their tokens were kept.

Given is given: what lies in kept tokens comes back frame for frame and sample for sample, but for a short blend on its
own side of each seam. Knows no model and no tensors.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ltx_nb import shapes
from ltx_nb.clip import Span
from ltx_nb.request import ClipRequest

BLEND_FRAMES = 2
BLEND_S = 0.01  # of sound: long enough against a click, too short to hear two sounds at once


def put_back_frames(
    request: ClipRequest, generated: np.ndarray, given: np.ndarray | None
) -> tuple[np.ndarray, list[Span]]:
    """uint8 [F, H, W, 3] with the given frames in their places, and where each stretch comes from.

    An image is a guide and is not put back: among decoded frames, a single one that is sharper would flash.
    """
    share = np.zeros(request.num_frames)
    if given is not None:
        latent = request.video_latent_shape
        kept = request.video_mask()[:: latent.tokens_per_frame] == 0
        kept[0] &= not any(item.is_image and item.frame_index(request.frame_rate) == 0 for item in request.given)
        per_frame = np.repeat(kept, [1] + [shapes.VIDEO_TEMPORAL_COMPRESSION] * (latent.num_frames - 1))
        share = _blended_at_seams(per_frame, BLEND_FRAMES)
    frames = generated
    if share.any():
        frames = generated.copy()
        frames[share == 1] = given[share == 1]
        for index in np.flatnonzero((share > 0) & (share < 1)):
            mixed = share[index] * given[index] + (1 - share[index]) * generated[index]
            frames[index] = mixed.round().astype(np.uint8)
    return frames, _spans(share, request.frame_rate)


def put_back_samples(
    request: ClipRequest, generated: np.ndarray, given: np.ndarray | None, sample_rate: int
) -> tuple[np.ndarray, list[Span]]:
    """float32 [2, N] with the given samples in their places, and where each stretch comes from."""
    share = np.zeros(generated.shape[1], np.float32)
    if given is not None:
        kept = np.zeros(generated.shape[1], bool)
        mask = request.audio_mask()
        for (start_s, end_s), generates in zip(shapes.audio_intervals_s(len(mask)), mask, strict=True):
            kept[round(start_s * sample_rate) : round(end_s * sample_rate)] = not generates
        # The last token may end before the clip does; what is given after it follows it.
        end_s = shapes.audio_token_interval_s(len(mask) - 1)[1]
        kept[round(end_s * sample_rate) :] = not mask[-1]
        for start_s, end_s in request.generated_spans_s("audio"):
            kept[round(start_s * sample_rate) : round(end_s * sample_rate)] = False
        share = _blended_at_seams(kept, round(BLEND_S * sample_rate)).astype(np.float32)
    audio = generated
    if share.any():
        audio = np.where(share == 1, given, share * given + (1 - share) * generated)
    return audio, _spans(share, sample_rate)


def fit_samples(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    """[2, N] cut or padded with silence to num_samples: the decoder is causal and ends a little early."""
    missing = num_samples - waveform.shape[1]
    return np.pad(waveform, ((0, 0), (0, max(missing, 0))))[:, :num_samples]


def _blended_at_seams(kept: np.ndarray, blend: int) -> np.ndarray:
    """The source's share 0..1 of each frame or sample: 1 where kept, falling over `blend` of them before each seam."""
    share = kept.astype(float)
    ramp = np.arange(1, blend + 1) / (blend + 1)
    for begin, end in _runs(kept):
        if not kept[begin]:
            continue
        length = min(blend, end - begin)
        if begin > 0:
            share[begin : begin + length] = np.minimum(share[begin : begin + length], ramp[:length])
        if end < len(kept):
            share[end - length : end] = np.minimum(share[end - length : end], ramp[:length][::-1])
    return share


def _spans(share: np.ndarray, rate: float) -> list[Span]:
    kinds = np.where(share == 1, 2, np.where(share > 0, 1, 0))
    names = ("generated", "blended", "source")
    return [(begin / rate, end / rate, names[kinds[begin]]) for begin, end in _runs(kinds)]


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """[begin, end) of every run of equal values."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return list(pairwise(edges))
