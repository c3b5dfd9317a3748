"""Guidance of both modalities by diffusers' LTX2Guidance: which passes a step needs, and the guiders of a run.

x0 + (cfg - 1)(x0 - uncond) + stg (x0 - skipped attention) + (modality - 1)(x0 - isolated), then rescaled towards the
spread of x0 (LTX2Guidance.forward, after the LTX-2 reference). Each lane has its own scales; a pass runs when either
lane wants it. A frozen lane wants none. Attention is skipped in the lanes that want STG, as in the reference.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from diffusers import LTX2Guidance, LTX2VideoTransformer3DModel
from diffusers.configuration_utils import FrozenDict
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec

from ltx_nb.sampling import Sampling

# Guiders announce at every construction that they are experimental; here that would be twice a run.
logging.getLogger("diffusers.guiders.guider_utils").setLevel(logging.ERROR)

GUIDERS = [
    ComponentSpec(name, LTX2Guidance, config=FrozenDict({}), default_creation_method="from_config")
    for name in ("guider", "audio_guider")
]


def guiders_of(sampling: Sampling, frozen_lanes: Collection[str]) -> dict[str, LTX2Guidance]:
    """The two guider components for one run; `sampling` has no None among its scales."""
    guiders = {}
    for lane, prefix in (("video", ""), ("audio", "audio_")):
        scales = ("guidance_scale", "stg_scale", "modality_scale", "guidance_rescale")
        config = {name: getattr(sampling, f"{prefix}{name}") for name in scales}
        # diffusers' transformer takes one list of blocks for both lanes.
        config["spatio_temporal_guidance_blocks"] = list(sampling.spatio_temporal_guidance_blocks or ())
        if lane in frozen_lanes:
            config |= {"enabled": False, "guidance_rescale": 0.0}
        spec = ComponentSpec(f"{prefix}guider", LTX2Guidance, config=FrozenDict(config))
        guiders[spec.name] = spec.create()
    return guiders


def active_passes(guider: LTX2Guidance, audio_guider: LTX2Guidance) -> dict[str, dict[str, Any]]:
    """The passes of this step by LTX2Guidance's names, each with the transformer's flags for it."""
    flags = {
        "pred_cond": {},
        "pred_uncond": {},
        "pred_cond_stg": {"spatio_temporal_guidance_blocks": guider.spatio_temporal_guidance_blocks},
        "pred_cond_modality": {"isolate_modalities": True},
    }
    wanted = {*guider.active_predictions(), *audio_guider.active_predictions()}
    return {name: of_pass for name, of_pass in flags.items() if name in wanted}


@contextmanager
def skipping_only_in(
    transformer: LTX2VideoTransformer3DModel, of_pass: str, guider: LTX2Guidance, audio_guider: LTX2Guidance
) -> Iterator[None]:
    """Leave the self-attention of a lane that does not want this pass as it is, where diffusers skips that of both."""
    layers = {"attn1": guider, "audio_attn1": audio_guider}
    left_alone = [
        getattr(block, name)
        for name, of_lane in layers.items()
        if of_pass == "pred_cond_stg" and of_pass not in of_lane.active_predictions()
        for block in transformer.transformer_blocks
    ]
    handles = [layer.register_forward_pre_hook(_unperturbed, with_kwargs=True) for layer in left_alone]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _unperturbed(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs | {"perturbation_mask": None, "all_perturbed": False}
