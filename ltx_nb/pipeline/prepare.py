"""The start of the denoising loop: noise for both modalities, mixed by mask with what is given.

A mask is per token, 1 generates and 0 keeps, as the reference's denoise_mask (diffusers' conditioning_mask is the
opposite). Latents are normalised and packed: [1, tokens, 128] for either modality. Knows no request and no pixels.
"""

from __future__ import annotations

import hashlib

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.modular_pipelines import InputParam, ModularPipelineBlocks, OutputParam
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec


def pack_video(latents: torch.Tensor) -> torch.Tensor:
    """[1, C, F, H, W] to [1, F x H x W, C], tokens in (frame, row, column) order; LTX-2.3's patch size is 1."""
    return latents.flatten(2).transpose(1, 2)


def unpack_video(tokens: torch.Tensor, num_frames: int, height: int, width: int) -> torch.Tensor:
    """A [1, C, F, H, W] view of the first F x H x W tokens; appended keyframe tokens are left out."""
    return tokens[:, : num_frames * height * width].unflatten(1, (num_frames, height, width)).permute(0, 4, 1, 2, 3)


def pack_audio(latents: torch.Tensor) -> torch.Tensor:
    """[1, C, L, M] to [1, L, C x M]."""
    return latents.transpose(1, 2).flatten(2)


def unpack_audio(tokens: torch.Tensor, num_channels: int = 8) -> torch.Tensor:
    """A [1, C, L, M] view."""
    return tokens.unflatten(2, (num_channels, -1)).transpose(1, 2)


def draw_noise(seed: int, lane: str, stage: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Gaussian float32 noise in one stage of a lane, of "keyframes" or of "references", the same on every device.

    Each has a generator of its own, derived from the seed, so that freezing one leaves the others' draw unchanged.
    """
    digest = hashlib.sha256(f"{seed} {lane} {stage}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
    return torch.randn(shape, generator=generator)


class AppendAudioCoordsStep(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return "Puts the times of appended audio tokens, of reference sounds, after those of the clip's."

    @property
    def inputs(self) -> list[InputParam]:
        return [
            InputParam("audio_coords", required=True, description="When each of the clip's audio tokens is."),
            InputParam("appended_audio_coords", required=True, description="When each appended one is."),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [OutputParam("audio_coords", description="When each audio token is.")]

    @torch.no_grad()
    def __call__(self, components, state):
        block_state = self.get_block_state(state)
        beside = block_state.appended_audio_coords.to(block_state.audio_coords)
        block_state.audio_coords = torch.cat([block_state.audio_coords, beside], dim=2)
        self.set_block_state(state, block_state)
        return components, state


class TrimAudioStep(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return "Takes appended audio tokens away."

    @property
    def inputs(self) -> list[InputParam]:
        return [
            InputParam("audio_latents", required=True, description="Denoised audio latents, appended tokens last."),
            InputParam(
                "reference_sound_count",
                default=0,
                description="Of the audio tokens, those of references, which are last.",
            ),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [OutputParam("audio_latents", description="Denoised audio latents of the clip.")]

    @torch.no_grad()
    def __call__(self, components, state):
        block_state = self.get_block_state(state)
        own = block_state.audio_latents.shape[1] - block_state.reference_sound_count
        block_state.audio_latents = block_state.audio_latents[:, :own]
        self.set_block_state(state, block_state)
        return components, state


class AddNoiseStep(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return (
            "Noises the latents that a stage starts from to the first sigma, and blends them by mask with what is "
            "given, as the reference: clean x (1 - mask) + (start x (1 - sigma) + noise x sigma) x mask. The clean "
            "latents stay for the loop's blending."
        )

    @property
    def expected_components(self) -> list[ComponentSpec]:
        return [ComponentSpec("scheduler", FlowMatchEulerDiscreteScheduler)]

    @property
    def inputs(self) -> list[InputParam]:
        return [
            InputParam("latents", required=True, description="Clean video latents, keyframe tokens last."),
            InputParam("audio_latents", required=True, description="Clean audio latents."),
            InputParam("start_latents", required=True, description="What is noised of them: 0, or a first stage's."),
            InputParam("start_audio_latents", required=True, description="What is noised of the audio latents."),
            InputParam("video_mask", required=True, description="[1, video tokens, 1], 1 generates."),
            InputParam("audio_mask", required=True, description="[1, audio tokens, 1], 1 generates."),
            InputParam("base_token_count", required=True, description="Video tokens without appended keyframes."),
            InputParam("reference_token_count", default=0, description="Of the appended tokens, those of references."),
            InputParam("latent_shape", required=True, description="Video latents as (frames, height, width)."),
            InputParam(
                "reference_sound_count",
                default=0,
                description="Of the audio tokens, those of references, which are last.",
            ),
            InputParam("seed", type_hint=int, default=0),
            InputParam("stage", type_hint=int, default=1, description="1, or 2 for the refinement at double size."),
            # Read after the timesteps are set, which this order of blocks guarantees.
            InputParam("timesteps", required=True),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [
            OutputParam("latents", description="Noisy video latents."),
            OutputParam("audio_latents", description="Noisy audio latents."),
            OutputParam("clean_latents", description="Clean video latents."),
            OutputParam("clean_audio_latents", description="Clean audio latents."),
        ]

    @torch.no_grad()
    def __call__(self, components, state):
        block_state = self.get_block_state(state)
        video, audio = block_state.latents, block_state.audio_latents
        seed, stage = block_state.seed, block_state.stage
        noise = pack_video(draw_noise(seed, "video", stage, (1, video.shape[2], *block_state.latent_shape)))
        looked_at = block_state.reference_token_count
        keyframes = video.shape[1] - block_state.base_token_count - looked_at
        for lane, count in (("keyframes", keyframes), ("references", looked_at)):
            if count:
                noise = torch.cat([noise, draw_noise(seed, lane, stage, (1, count, video.shape[2]))], dim=1)
        own = audio.shape[1] - block_state.reference_sound_count
        audio_noise = draw_noise(seed, "audio", stage, (1, own, audio.shape[2]))
        if audio.shape[1] > own:
            beside = draw_noise(seed, "reference sounds", stage, (1, audio.shape[1] - own, audio.shape[2]))
            audio_noise = torch.cat([audio_noise, beside], dim=1)
        sigma = components.scheduler.sigmas[0].to(video.device)
        block_state.clean_latents, block_state.clean_audio_latents = video, audio
        noisy = _mix(block_state.start_latents, noise, sigma)
        audio_noisy = _mix(block_state.start_audio_latents, audio_noise, sigma)
        block_state.latents = _mix(video, noisy, block_state.video_mask)
        block_state.audio_latents = _mix(audio, audio_noisy, block_state.audio_mask)
        self.set_block_state(state, block_state)
        return components, state


def _mix(clean: torch.Tensor, noise: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    return noise.to(clean.device) * share + clean * (1 - share)
