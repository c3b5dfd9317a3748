"""Latents that a run's on_step gives back: checked, and put in the place of the step's own guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ltx_nb.trace import StepEvent

LANES = ("x0", "audio_x0")


def steered(event: StepEvent, returned: Any) -> StepEvent:
    """Return the step with what on_step returned in place of its x0: a mapping with "x0", "audio_x0" or both.

    Raises TypeError for what is no mapping of tensors, ValueError for other names, shapes and values that are not
    finite.
    """
    rule = 'return None, or changed latents by name: {"x0": ..., "audio_x0": ...}, one or both'
    if not isinstance(returned, Mapping):
        raise TypeError(f"on_step returned a {type(returned).__name__}; {rule}")
    changed = {}
    for name, latents in returned.items():
        if name not in LANES:
            raise ValueError(f"on_step returned {name!r}; {rule}")
        if not isinstance(latents, torch.Tensor):
            raise TypeError(f"on_step returned a {type(latents).__name__} as {name}; give a tensor like event.{name}")
        own = getattr(event, name)
        if latents.shape != own.shape:
            raise ValueError(
                f"on_step returned {name} of shape {tuple(latents.shape)}, and this step's is {tuple(own.shape)}"
            )
        if not torch.isfinite(latents).all():
            raise ValueError(f"on_step returned {name} with values that are not finite at step {event.index}")
        changed[name] = latents.detach().to(own)
    return replace(event, **changed)
