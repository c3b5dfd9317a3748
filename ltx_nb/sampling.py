"""How to sample: steps, sigmas and the guidance of both modalities, each left to the model where it is None.

Knows the names and ranges of the settings; not a model's defaults (`ltx_nb.catalogue.models`) and not what guidance
does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from ltx_nb.checks import finite_number, items, keys, shown, whole_number

# The schedule that the model was trained on has so many timesteps (FlowMatchEulerDiscreteScheduler's own default).
MAX_INFERENCE_STEPS = 1000


_NAG_RANGES = {"nag_scale": (1, 50), "audio_nag_scale": (1, 50), "nag_tau": (1, 50), "nag_alpha": (0, 1)}


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Settings of `diffusers.LTX2Pipeline.__call__` under its names, and of NAG, which it has not. None: the default of
    the model that runs it.

    num_inference_steps: 1..1000.
    sigmas: noise levels to step through, falling, each in (0, 1]; the final 0 is left out.
    guidance_scale, audio_guidance_scale: classifier-free guidance by the negative prompt; 1 is none.
    stg_scale, audio_stg_scale: spatio-temporal guidance by skipped attention; 0 is none.
    modality_scale, audio_modality_scale: guidance away from modalities that do not hear each other; 1 is none.
    guidance_rescale, audio_guidance_rescale: 0..1, how far the guided prediction's spread is brought back; 0 is none.
    nag_scale, audio_nag_scale: normalized attention guidance away from the negative prompt, for distilled models, at
        no further pass; 1 is none, 5 usual, 50 the most. nag_tau, at least 1, and nag_alpha, 0..1: how far it may
        change the size of what a token takes of its words, and how much of it is blended in.
    spatio_temporal_guidance_blocks: indices of the transformer blocks whose attention STG skips.

    Raises ValueError for anything else.
    """

    num_inference_steps: int | None = None
    sigmas: tuple[float, ...] | None = None
    guidance_scale: float | None = None
    stg_scale: float | None = None
    modality_scale: float | None = None
    guidance_rescale: float | None = None
    audio_guidance_scale: float | None = None
    audio_stg_scale: float | None = None
    audio_modality_scale: float | None = None
    audio_guidance_rescale: float | None = None
    nag_scale: float | None = None
    audio_nag_scale: float | None = None
    nag_tau: float | None = None
    nag_alpha: float | None = None
    spatio_temporal_guidance_blocks: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                object.__setattr__(self, field.name, _checked(field.name, value))
        if self.sigmas is not None and self.num_inference_steps not in (None, len(self.sigmas)):
            raise ValueError(
                f"num_inference_steps={self.num_inference_steps} but sigmas are {len(self.sigmas)} steps; "
                "give one of the two"
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings that are not None, as plain data for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }

    @classmethod
    def from_dict(cls, values: object) -> Sampling:
        return cls(**keys("sampling", values, (field.name for field in fields(cls))))


def _checked(name: str, value: object) -> int | float | tuple[int, ...] | tuple[float, ...]:
    if name == "num_inference_steps":
        return whole_number(name, value, least=1, most=MAX_INFERENCE_STEPS)
    if name == "sigmas":
        return _sigmas(value)
    if name == "spatio_temporal_guidance_blocks":
        return _blocks(value)
    if name in _NAG_RANGES:
        return finite_number(name, value, *_NAG_RANGES[name])
    return finite_number(name, value, least=0, most=1 if name.endswith("_rescale") else None)


def _sigmas(value: object) -> tuple[float, ...]:
    sigmas = tuple(finite_number("sigmas", sigma, least=0, most=1) for sigma in items("sigmas", value, object))
    if not 1 <= len(sigmas) <= MAX_INFERENCE_STEPS:
        raise ValueError(
            f"sigmas are {len(sigmas)} steps; give 1 to {MAX_INFERENCE_STEPS}, or None for the model's own"
        )
    if sigmas[-1] == 0:
        raise ValueError("sigmas end in 0, which is added after the last step; leave it out")
    for earlier, later in pairwise(sigmas):
        if later >= earlier:
            raise ValueError(f"sigmas go from {earlier:g} to {later:g}; they must fall from step to step: sort them")
    return sigmas


def _blocks(value: object) -> tuple[int, ...]:
    name = "spatio_temporal_guidance_blocks"
    blocks = tuple(whole_number(name, block, least=0) for block in items(name, value, object))
    if not blocks:
        raise ValueError(f"{name} is empty; None leaves it to the model, stg_scale=0 turns STG off")
    if len(set(blocks)) != len(blocks):
        raise ValueError(f"{name}={shown(blocks)} names a block twice; nearest: {sorted(set(blocks))}")
    return blocks


# The values at which guidance adds nothing and takes no pass of its own.
UNGUIDED = Sampling(
    guidance_scale=1.0,
    stg_scale=0.0,
    modality_scale=1.0,
    guidance_rescale=0.0,
    audio_guidance_scale=1.0,
    audio_stg_scale=0.0,
    audio_modality_scale=1.0,
    audio_guidance_rescale=0.0,
    nag_scale=1.0,
    audio_nag_scale=1.0,
    nag_tau=2.5,
    nag_alpha=0.25,
)
