"""The step between two stages: the first one's video latents, or a given clip's, enlarged in space or in time.

Which stages there are, and what each is made of, is said by `ltx_nb.stages`.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLLTX2Video
from diffusers.modular_pipelines import ConditionalPipelineBlocks, InputParam, ModularPipelineBlocks, OutputParam
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel

from ltx_nb.pipeline.encode import DEVICE_INPUT, encode_video, video_statistics


class UpsampleLatentsStep(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return "Enlarges a first stage's video latents, or those of frames in its place, in space or in time."

    @property
    def expected_components(self) -> list[ComponentSpec]:
        return [
            ComponentSpec("vae", AutoencoderKLLTX2Video),
            ComponentSpec("latent_upsampler", LTX2LatentUpsamplerModel),
        ]

    @property
    def inputs(self) -> list[InputParam]:
        return [
            DEVICE_INPUT,
            InputParam("first_stage_latents", description="Normalised [1, C, F, H, W] of the first stage."),
            InputParam("first_stage_frames", description="uint8 [num_frames, H, W, 3], where there was none."),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [OutputParam("initial_latents", description="Normalised latents at the size of this stage, to refine.")]

    @torch.no_grad()
    def __call__(self, components, state):
        block_state = self.get_block_state(state)
        latents = block_state.first_stage_latents
        if latents is None:
            latents = encode_video(components, block_state.first_stage_frames, device=block_state.device)
        # The upsampler works on the VAE's own scale, as in diffusers' LTX2LatentUpsamplePipeline.
        mean, std = video_statistics(components, latents)
        upsampler = components.latent_upsampler
        enlarged = upsampler((latents * std + mean).to(upsampler.dtype)).float()
        block_state.initial_latents = (enlarged - mean) / std
        self.set_block_state(state, block_state)
        return components, state


class AutoUpsampleStep(ConditionalPipelineBlocks):
    model_name = "ltx2"
    block_classes = (UpsampleLatentsStep,)
    block_names = ("upsample_latents",)
    block_trigger_inputs = ("first_stage_latents", "first_stage_frames")

    @property
    def description(self) -> str:
        return "Runs before a second stage only."

    def select_block(self, first_stage_latents=None, first_stage_frames=None) -> str | None:
        return None if first_stage_latents is None and first_stage_frames is None else "upsample_latents"
