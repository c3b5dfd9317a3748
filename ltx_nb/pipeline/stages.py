"""One stage or two: at which size and with which sampling each runs, and the step between them.

Two stages, after the LTX-2 reference: half the size first, x2 latent upsampler, then both lanes are renoised to the
first of the model's stage-2 sigmas and refined at full size without guidance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from diffusers import AutoencoderKLLTX2Video
from diffusers.modular_pipelines import ConditionalPipelineBlocks, InputParam, ModularPipelineBlocks, OutputParam
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel

from ltx_nb.catalogue.models import Model
from ltx_nb.pipeline.encode import DEVICE_INPUT, encode_video, video_statistics
from ltx_nb.request import ClipRequest, Given
from ltx_nb.sampling import UNGUIDED, Sampling


@dataclass(frozen=True)
class Stage:
    """number: 1, or 2 for the refinement. request: at this stage's size, in one stage. sampling: without None."""

    number: int
    request: ClipRequest
    sampling: Sampling


def stages_of(model: Model, request: ClipRequest) -> list[Stage]:
    """The stages that make the request; only the second where `request.first_stage` stands in for the first."""
    sampling = model.complete(request.sampling)
    if not request.two_stage:
        return [Stage(1, request, sampling)]
    whole = request.replace(two_stage=False, first_stage=None)
    refining = replace(UNGUIDED, sigmas=model.stage_2_sigmas, num_inference_steps=len(model.stage_2_sigmas))
    second = Stage(2, whole, refining)
    return [second] if request.first_stage else [Stage(1, half_size(whole), sampling), second]


def half_size(request: ClipRequest) -> ClipRequest:
    crops = {name: getattr(request, name) for name in ("crop_width", "crop_height")}
    even_halves = {name: crop_px and max(crop_px // 4 * 2, 2) for name, crop_px in crops.items()}
    return request.replace(width=request.width // 2, height=request.height // 2, **even_halves)


def first_stage_as_given(request: ClipRequest) -> ClipRequest:
    """A request at half the size that is given all of `first_stage`, to read and fit it as any given media."""
    source = request.first_stage
    given = tuple(Given(lane, source, 0.0, request.duration_s) for lane in ("video", "audio"))
    return half_size(request.replace(two_stage=False, first_stage=None, given=given))


class UpsampleLatentsStep(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return "Doubles height and width of a first stage's video latents, or of frames in its place, for refinement."

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
        return [OutputParam("initial_latents", description="Normalised [1, C, F, 2H, 2W] to refine.")]

    @torch.no_grad()
    def __call__(self, components, state):
        block_state = self.get_block_state(state)
        latents = block_state.first_stage_latents
        if latents is None:
            latents = encode_video(components, block_state.first_stage_frames, device=block_state.device)
        # The upsampler works on the VAE's own scale, as in diffusers' LTX2LatentUpsamplePipeline.
        mean, std = video_statistics(components, latents)
        upsampler = components.latent_upsampler
        doubled = upsampler((latents * std + mean).to(upsampler.dtype)).float()
        block_state.initial_latents = (doubled - mean) / std
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
