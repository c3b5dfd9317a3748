"""Edits of latents, the same for both lanes: [C, F, H, W] or [C, L, M], time on the second axis.

Results are new numpy arrays; `decode` makes a clip of them. Knows no model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ltx_nb.checks import finite_number, whole_number
from ltx_nb.inspect.inputs import check_latents, check_pair


def interpolate(a: Any, b: Any, weight: float) -> np.ndarray:
    """a (1 - weight) + b weight, with weight in 0..1. Raises ValueError for latents of different shapes."""
    a, b = check_pair(a, b)
    weight = finite_number("weight", weight, least=0, most=1)
    return ((1 - weight) * a + weight * b).astype(np.float32)


def swap(a: Any, b: Any, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Copies of a and b that have exchanged their latent frames first .. last, both included.

    Raises ValueError for latents of different shapes, or frames that they do not have.
    """
    a, b = check_pair(a, b)
    first = whole_number("first", first, least=0, most=a.shape[1] - 1)
    last = whole_number("last", last, least=first, most=a.shape[1] - 1)
    a_new, b_new = a.copy(), b.copy()
    a_new[:, first : last + 1], b_new[:, first : last + 1] = b[:, first : last + 1], a[:, first : last + 1]
    return a_new, b_new


def noise_to(latents: Any, sigma: float, seed: int = 0) -> np.ndarray:
    """latents (1 - sigma) + noise sigma: where flow matching has them at noise level sigma, 0..1."""
    latents = check_latents(latents)
    sigma = finite_number("sigma", sigma, least=0, most=1)
    noise = np.random.default_rng(whole_number("seed", seed, least=0)).standard_normal(latents.shape, np.float32)
    return ((1 - sigma) * latents + sigma * noise).astype(np.float32)


def zero_channel(latents: Any, channel: int) -> np.ndarray:
    """A copy in which one channel is 0, the mean of normalised latents."""
    changed = check_latents(latents).copy()
    changed[whole_number("channel", channel, least=0, most=len(changed) - 1)] = 0
    return changed


def shift_time(latents: Any, steps: int) -> np.ndarray:
    """Everything `steps` latent frames later (earlier, if negative); the first or last one fills the gap."""
    latents = check_latents(latents)
    count = latents.shape[1]
    source = np.arange(count) - whole_number("steps", steps, least=1 - count, most=count - 1)
    return latents[:, np.clip(source, 0, count - 1)]
