"""Refine the transformer to do in one sampling step what it does in several, so that 8 steps make what 32 made.

Seen from pure noise, what is to come is a mixture of all the ways a prompt may be meant: a step that is too long ends
between two of them, as a square whose corners are gone or a slide that turns twice. A frozen copy of the model takes
small steps, and the model learns to end where those ended (Salimans & Ho 2022, "Progressive Distillation for Fast
Sampling of Diffusion Models", arXiv:2202.00512).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .refine_diffusion import DiffusionRefinement, Losses, compile_blocks
from .transformer import SHIFT

STEPS, SMALL_STEPS = 8, 4  # of the sampling, and of the teacher in one of them
LR_FACTOR = 0.25  # of what learning the world needs: this is a small change

Lanes = tuple[torch.Tensor, torch.Tensor]


def shifted(u: torch.Tensor) -> torch.Tensor:
    """Noise levels of the tiny model's schedule, whose steps are equal in u; both in 0..1."""
    return SHIFT * u / (1 + (SHIFT - 1) * u)


def mean_velocities(
    velocities: Callable[[dict[str, Any]], Lanes], inputs: dict[str, Any], small_steps: int = SMALL_STEPS
) -> Lanes:
    """Return the velocities that end in one sampling step where so many small ones end, [B, tokens, 128] of each lane.

    velocities: of both lanes, for inputs as `TransformerStage.flow_losses` makes them. Tokens that are given, at
    timestep 0, stay what they are.
    """
    names = ("hidden_states", "audio_hidden_states")
    given = [(inputs[name] == 0)[..., None] for name in ("timestep", "audio_timestep")]
    start = torch.maximum(inputs["sigma"], inputs["audio_sigma"]) / 1000  # a lane that is given whole is at 0
    u = start / (SHIFT - (SHIFT - 1) * start)
    ahead = u.clamp(max=1 / STEPS)  # the last step ends at 0
    lanes = [inputs[name] for name in names]
    sigma = start
    for step in range(1, small_steps + 1):
        share = sigma / start
        here = {name: share.reshape(-1, *[1] * (inputs[name].ndim - 1)) * inputs[name] for name in _LEVELS}
        lower = shifted(u - ahead * step / small_steps)
        change = (lower - sigma)[:, None, None]
        made = velocities(inputs | here | dict(zip(names, lanes, strict=True)))
        lanes = [torch.where(keep, x, x + change * v) for keep, x, v in zip(given, lanes, made, strict=True)]
        sigma = lower
    whole = (sigma - start)[:, None, None]
    video, audio = ((x - inputs[name]) / whole for name, x in zip(names, lanes, strict=True))
    return video, audio


_LEVELS = ("timestep", "audio_timestep", "sigma", "audio_sigma")


class _StepLosses(Losses):
    @torch.no_grad()
    def targets(self, inputs, captions, silent, video, audio):
        teacher_video, teacher_audio = mean_velocities(
            lambda changed: self.velocities(self.teacher, changed, captions), inputs
        )
        return teacher_video, torch.where(silent[:, None, None], audio, teacher_audio)


class StepsRefinement(DiffusionRefinement):
    name = "steps"  # after "diffusion" in the alphabet: where both have been refined, this one is assembled
    losses_of = _StepLosses

    def __init__(self, folder: Path, device: torch.device, scale: float = 1.0, share: float = 1.0):
        super().__init__(folder, device, scale, share)
        self.losses.teacher = copy.deepcopy(self.learned).requires_grad_(False)
        self.losses.silence_weight = 4.0
        if self.compiles:
            compile_blocks(self.losses.teacher["transformer"])

    def lr_factor(self, progress: float) -> float:
        return LR_FACTOR * super().lr_factor(progress)
