"""The transformer's forward, with attention between picture and sound modulated as LTX-2.3's reference does it.

Scale and shift come from a lane's own timesteps, token by token; only the gate comes from the other lane's sigma.
Source: the reference's `MultiModalTransformerArgsPreprocessor` as of 2026-05-28. diffusers has no such mode. Its
`use_cross_timestep` takes all three from the other lane's sigma (True, the reference's rule before that day) or from
the lane's own timesteps (False, LTX-2.0's rule). The rules agree where a lane's tokens all share one sigma with the
other lane's, as in text-to-video.

Knows the transformer's modules; no pipeline and no device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import LTX2VideoTransformer3DModel


def velocities(
    transformer: LTX2VideoTransformer3DModel, *, sigma: torch.Tensor, audio_sigma: torch.Tensor, **inputs: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the velocities of video and audio, [B, tokens, channels] each.

    sigma, audio_sigma: [B], scaled as timesteps; 0 for a lane that is given whole. inputs: the others of the
    transformer's `forward`. A transformer whose config has `use_cross_timestep` was trained on diffusers' rule of that
    name and is run on it, as is LTX-2.0, which does not modulate its prompts.
    """
    config = transformer.config
    use_cross_timestep = config.get("use_cross_timestep", None if config.cross_attn_mod else False)
    inputs |= {"sigma": sigma, "audio_sigma": audio_sigma, "return_dict": False}
    if use_cross_timestep is not None:
        return transformer(**inputs, use_cross_timestep=use_cross_timestep)
    with _gates_of_the_other_lane(transformer, sigma, audio_sigma):
        return transformer(**inputs, use_cross_timestep=False)


@contextmanager
def _gates_of_the_other_lane(
    transformer: LTX2VideoTransformer3DModel, sigma: torch.Tensor, audio_sigma: torch.Tensor
) -> Iterator[None]:
    """Give both gates the other lane's sigma for their timestep, whatever the forward has for them."""
    config = transformer.config
    factor = config.cross_attn_timestep_scale_multiplier / config.timestep_scale_multiplier
    gates = {
        transformer.av_cross_attn_video_a2v_gate: audio_sigma.flatten() * factor,
        transformer.av_cross_attn_audio_v2a_gate: sigma.flatten() * factor,
    }
    # torch's hooks come before whatever diffusers' hooks, the lean ones among them, make of the module's forward.
    handles = [
        gate.register_forward_pre_hook(lambda _, __, timestep=timestep: (timestep,)) for gate, timestep in gates.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
