"""The result's frames and samples: generated ones, with the given ones put back exactly in their places.

Given is given: every frame and sample inside a given span comes back as it was. At a seam the generated side alone is
blended, over a few frames and samples of its own. Knows no model and no tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.signal import correlate, lfilter, lfiltic

from ltx_nb import shapes
from ltx_nb.clip import Span
from ltx_nb.request import ClipRequest

BLEND_FRAMES = 2
BLEND_S = 0.01  # of sound: long enough against a click, too short to hear two sounds at once
PREDICTION_ORDER, PREDICTION_S = 32, 0.05  # a sound's spectrum in 16 peaks, from as much of it as hardly changes
_KINDS = ("generated", "blended", "source")


def put_back_frames(
    request: ClipRequest, generated: np.ndarray, given: np.ndarray | None
) -> tuple[np.ndarray, list[Span]]:
    """uint8 [F, H, W, 3] with the given frames in their places, and where each stretch comes from.

    By how much the given frame at a seam differs from what was generated there, the frames next to it are corrected,
    ever less: decoded frames are a little softer and of other colours than those they were encoded from.
    An image is a guide and is not put back: among decoded frames, a single one that is sharper would flash.
    """
    kinds = np.zeros(request.num_frames, int)
    if given is None:
        return generated, _spans(kinds, request.frame_rate)
    edges_s = np.arange(request.num_frames + 1) / request.frame_rate
    is_given = np.ones(request.num_frames, bool)
    for span_s in request.generated_spans_s("video"):
        is_given[shapes.tokens_meeting(list(pairwise(edges_s)), *span_s)] = False
    frames = generated.copy()
    frames[is_given] = given[is_given]
    kinds[is_given] = 2
    for run, blended in _seams(is_given, BLEND_FRAMES):
        error = given[run[-1]].astype(np.float32) - generated[run[-1]]
        for index, share in zip(blended, _falling(BLEND_FRAMES), strict=False):
            frames[index] = (frames[index] + share * error).clip(0, 255).round().astype(np.uint8)
            kinds[index] = 1
    return frames, _spans(kinds, request.frame_rate)


def put_back_samples(
    request: ClipRequest, generated: np.ndarray, given: np.ndarray | None, sample_rate: int
) -> tuple[np.ndarray, list[Span]]:
    """float32 [2, N] with the given samples in their places, and where each stretch comes from.

    At a seam the given sound goes on as its spectrum predicts, and fades out while what was generated fades in.
    """
    kinds = np.zeros(generated.shape[1], int)
    if given is None:
        return generated, _spans(kinds, sample_rate)
    is_given = np.ones(generated.shape[1], bool)
    for start_s, end_s in request.generated_spans_s("audio"):
        is_given[round(start_s * sample_rate) : round(end_s * sample_rate)] = False
    audio = np.where(is_given, given, generated)
    kinds[is_given] = 2
    length = round(BLEND_S * sample_rate)
    for run, blended in _seams(is_given, length):
        known = given[:, run[-round(PREDICTION_S * sample_rate) :]]
        share = _falling(length)[: len(blended)]
        audio[:, blended] = share * _continued(known, len(blended)) + (1 - share) * audio[:, blended]
        kinds[blended] = 1
    return audio, _spans(kinds, sample_rate)


def fit_samples(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    """[2, N] cut or padded with silence to num_samples: the decoder is causal and ends a little early."""
    missing = num_samples - waveform.shape[1]
    return np.pad(waveform, ((0, 0), (0, max(missing, 0))))[:, :num_samples]


def _continued(known: np.ndarray, count: int) -> np.ndarray:
    """The next `count` samples of [2, N] by linear prediction: autocorrelation method, as in speech coding.

    A millionth of the power as white noise and poles drawn in by 0.2 % keep what is predicted from growing.
    """
    order = min(PREDICTION_ORDER, known.shape[1] - 1)
    continued = np.zeros((2, count))
    for channel, samples in enumerate(known.astype(np.float64)):
        if order > 0 and samples.any():
            correlation = correlate(samples, samples)[len(samples) - 1 : len(samples) + order]
            correlation[0] *= 1 + 1e-6
            predictor = solve_toeplitz(correlation[:-1], correlation[1:])
            denominator = np.append(1, -predictor) * 0.998 ** np.arange(order + 1)
            state = lfiltic([1.0], denominator, samples[::-1][:order])
            continued[channel] = lfilter([1.0], denominator, np.zeros(count), zi=state)[0]
    return continued.clip(-1, 1)


def _falling(length: int) -> np.ndarray:
    """The given side's share of what comes after a seam, from almost 1 to almost 0."""
    return np.arange(length, 0, -1) / (length + 1)


def _seams(is_given: np.ndarray, blend: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices of each given run, up to a seam, and of at most `blend` that are not given, away from it.

    Both count towards the generated side: backwards where that comes before the given run.
    """
    runs = _runs(is_given)
    for number, (begin, end) in enumerate(runs):
        if is_given[begin]:
            given = np.arange(begin, end)
            if number + 1 < len(runs):
                yield given, np.arange(end, min(end + blend, runs[number + 1][1]))
            if number > 0:
                yield given[::-1], np.arange(begin - 1, max(begin - blend, runs[number - 1][0]) - 1, -1)


def _spans(kinds: np.ndarray, rate: float) -> list[Span]:
    return [(begin / rate, end / rate, _KINDS[kinds[begin]]) for begin, end in _runs(kinds)]


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """[begin, end) of every run of equal values."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return list(pairwise(edges))
