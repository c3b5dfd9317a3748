"""Blocks that turn what is given, as pixels and samples, into the clean latents that the loop keeps.

Frames and images are encoded by the video VAE, in tiles where they are many, sound through the log-mel front end by the
audio VAE. Latents come out normalised and packed, [1, tokens, 128]; where nothing is given they are the stage's initial
latents, or 0. Knows no request: which tokens are kept is said by the masks, which pass through.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video
from diffusers.modular_pipelines import InputParam, ModularPipelineBlocks, OutputParam
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec

from ltx_nb.mel import log_mel
from ltx_nb.pipeline.coords import image_coords, reference_coords, reference_sound_coords
from ltx_nb.pipeline.prepare import pack_audio, pack_video
from ltx_nb.running.tiles import tiles_of
from ltx_nb.shapes import AudioLatentShape, VideoShape, audio_num_latents
from ltx_nb.trace import stop_if_cancelled

LATENT_CHANNELS = 128  # of a packed token, in both modalities


def encode_video(
    components,
    frames: torch.Tensor,
    before_tile: Callable[[], None] = lambda: None,
    device: torch.device | None = None,
) -> torch.Tensor:
    """uint8 [F, H, W, 3] with F = 8k + 1 to normalised latents, float32 [1, C, f, h, w].

    Memory on the device is bounded by a tile. What fits into one is encoded in one; of a larger clip latents differ a
    little, since a tile's first frame is to it what the first of a clip is: with the tiny model they decode to 45 dB or
    more of what untiled ones decode to.

    before_tile: called before each; what it raises ends the encoding. device: the pipeline's own if left out.
    """
    vae = components.vae
    shape = VideoShape(*frames.shape[:3]).latent
    # An offloaded component lies elsewhere than where it runs, so its own device is not the one to ask for.
    device = components._execution_device if device is None else device
    latents = torch.zeros(1, LATENT_CHANNELS, shape.num_frames, shape.height, shape.width, device=device)
    for time, row, column in product(*tiles_of(shape)):
        before_tile()
        part = frames[time.pixels, row.pixels, column.pixels].permute(3, 0, 1, 2)[None]
        encoded = vae.encode((part.float() / 127.5 - 1).to(device, vae.dtype)).latent_dist.mode()
        share = np.einsum("f,h,w->fhw", *(tile.latent_weights for tile in (time, row, column)))
        latents[..., time.latents, row.latents, column.latents] += encoded * torch.from_numpy(share).to(device)
    mean, std = video_statistics(components, latents)
    return (latents - mean) / std


def video_statistics(components, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and spread of each channel, [1, C, 1, 1, 1], on the device of `latents`."""
    mean, std = (value.view(1, -1, 1, 1, 1).to(latents) for value in (components.latents_mean, components.latents_std))
    return mean, std / components.vae_scaling_factor


def encode_audio(
    components, waveform: torch.Tensor, sample_rate: int, num_latents: int, device: torch.device | None = None
) -> torch.Tensor:
    """float32 [2, N] to normalised latents, float32 [1, C, num_latents, M]; what is missing at the end is silence.

    device: as of `encode_video`.
    """
    config = components.audio_vae.config
    mel_frames = AudioLatentShape(num_latents).mel_frames
    samples = -(-mel_frames * sample_rate * config.mel_hop_length // config.sample_rate)
    if waveform.shape[1] < samples:
        waveform = torch.nn.functional.pad(waveform, (0, samples - waveform.shape[1]))
    return encode_mel(components, log_mel(waveform, sample_rate)[None, :, :mel_frames], device)


def encode_mel(components, mel: torch.Tensor, device: torch.device | None = None) -> torch.Tensor:
    """Log-mel [1, 2, 4(L - 1) + 1, 64] to normalised latents, float32 [1, C, L, M]; device: as of `encode_video`."""
    audio_vae = components.audio_vae
    mel = mel.to(components._execution_device if device is None else device, audio_vae.dtype)
    latents = audio_vae.encode(mel).latent_dist.mode().float()
    mean, std = audio_statistics(components, latents)
    return (latents - mean) / std


def audio_statistics(components, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and spread of each packed channel, as [1, C, 1, M], on the device of `latents`."""
    stored = (components.audio_latents_mean, components.audio_latents_std)
    mean, std = (value.view(1, latents.shape[1], 1, -1).to(latents) for value in stored)
    return mean, std


# The pipeline's own `_execution_device` looks through every module each time it is asked: once a run is enough.
DEVICE_INPUT = InputParam("device", type_hint=torch.device, required=True, description="Where the model runs.")


class EncodeVideoStep(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return (
            "Encodes given frames over the whole timeline and given images one by one. Images are appended as tokens "
            "with the time of their frame, but for one that stands in the first latent frame's place; references after "
            "them, with their own times and places. The rest of the latents is the initial latents of a second stage, "
            "or 0."
        )

    @property
    def expected_components(self) -> list[ComponentSpec]:
        return [ComponentSpec("vae", AutoencoderKLLTX2Video)]

    @property
    def inputs(self) -> list[InputParam]:
        return [
            DEVICE_INPUT,
            InputParam("given_frames", type_hint=torch.Tensor, description="uint8 [num_frames, height, width, 3]."),
            InputParam("given_images", default=(), description="(frame, uint8 [H, W, 3], strength, appended) of each."),
            InputParam("references", default=(), description="(uint8 [F, H, W, 3], strength) of each."),
            InputParam("reference_downscale_factor", type_hint=int, default=1),
            InputParam("video_mask", required=True, description="[1, video tokens, 1], 1 generates."),
            InputParam("initial_latents", description="Normalised [1, C, F, H, W] to refine."),
            InputParam("num_frames", type_hint=int, required=True),
            InputParam("height", type_hint=int, required=True),
            InputParam("width", type_hint=int, required=True),
            InputParam("frame_rate", type_hint=float, required=True),
            InputParam("cancel_event", description="threading.Event; once set, the run ends before the next tile."),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [
            OutputParam("latents", description="Clean packed video latents, then appended tokens."),
            OutputParam("start_latents", description="What is noised of them: initial latents, or 0."),
            OutputParam("video_mask", description="With the appended tokens: 1 - strength of what they show."),
            OutputParam("appended_coords", description="[1, 3, appended tokens, 2] in s, px, px."),
            OutputParam("base_token_count", description="Video tokens without the appended ones."),
            OutputParam(
                "reference_token_count", description="Of the appended ones, references' tokens, which are last."
            ),
            OutputParam("latent_shape", description="(frames, height, width) in latents."),
        ]

    @torch.no_grad()
    def __call__(self, components, state):
        block_state = self.get_block_state(state)
        shape = VideoShape(block_state.num_frames, block_state.height, block_state.width).latent
        device = block_state.device
        latents = block_state.initial_latents
        if latents is None:
            size = (1, LATENT_CHANNELS, shape.num_frames, shape.height, shape.width)
            latents = torch.zeros(size, device=device)
        mask = block_state.video_mask.to(device)
        latents, coords = pack_video(latents), [torch.zeros(1, 3, 0, 2, device=device)]
        start, appended = latents, []

        def encoded(frames: torch.Tensor) -> torch.Tensor:
            stop = partial(stop_if_cancelled, block_state.cancel_event)
            return pack_video(encode_video(components, frames, stop, device))

        if block_state.given_frames is not None:
            latents = torch.where(mask < 1, encoded(block_state.given_frames), latents)
        for frame_index, image, strength, is_appended in block_state.given_images:
            tokens = encoded(image[None])
            if not is_appended:
                latents = torch.cat([tokens, latents[:, shape.tokens_per_frame :]], dim=1)
            else:
                at = image_coords(
                    frame_index / block_state.frame_rate, block_state.frame_rate, shape.height, shape.width
                )
                appended.append((tokens, strength, at))
        num_images, factor = len(appended), block_state.reference_downscale_factor
        for frames, strength in block_state.references:
            inside = VideoShape(*frames.shape[:3]).latent
            size = (inside.num_frames, inside.height, inside.width)
            appended.append((encoded(frames), strength, reference_coords(size, block_state.frame_rate, factor)))
        for tokens, strength, at in appended:
            latents = torch.cat([latents, tokens], dim=1)
            start = torch.cat([start, torch.zeros_like(tokens)], dim=1)
            mask = torch.cat([mask, mask.new_full((1, tokens.shape[1], 1), 1 - strength)], dim=1)
            coords.append(at.to(device))
        block_state.reference_token_count = sum(tokens.shape[1] for tokens, *_ in appended[num_images:])
        block_state.latents, block_state.start_latents, block_state.video_mask = latents, start, mask
        block_state.appended_coords = torch.cat(coords, dim=2)
        block_state.base_token_count = shape.tokens
        block_state.latent_shape = (shape.num_frames, shape.height, shape.width)
        self.set_block_state(state, block_state)
        return components, state


class EncodeAudioStep(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return (
            "Encodes the given sound over the whole timeline: log-mel spectrogram, then the audio VAE. The rest of the "
            "latents is the initial latents of a second stage, or 0. Reference sounds are appended as tokens with "
            "times before the clip."
        )

    @property
    def expected_components(self) -> list[ComponentSpec]:
        return [ComponentSpec("audio_vae", AutoencoderKLLTX2Audio)]

    @property
    def inputs(self) -> list[InputParam]:
        return [
            DEVICE_INPUT,
            InputParam("given_waveform", type_hint=torch.Tensor, description="float32 [2, N] over the whole clip."),
            InputParam("sample_rate", type_hint=int, description="Of the waveforms, in Hz."),
            InputParam("audio_mask", required=True, description="[1, audio tokens, 1], 1 generates."),
            InputParam("initial_audio_latents", description="Normalised [1, C, L, M] to refine."),
            InputParam("initial_waveform", type_hint=torch.Tensor, description="float32 [2, N] to refine instead."),
            InputParam("reference_sounds", default=(), description="(float32 [2, N], strength) of each."),
            InputParam("num_frames", type_hint=int, required=True),
            InputParam("frame_rate", type_hint=float, required=True),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [
            OutputParam("audio_latents", description="Clean packed audio latents."),
            OutputParam("start_audio_latents", description="What is noised of them: the initial latents, or 0."),
            OutputParam("audio_mask", description="As given, on the model's device."),
            OutputParam("audio_num_frames", description="Number of audio latents."),
            OutputParam("appended_audio_coords", description="[1, 1, appended tokens, 2] in s; they come last."),
            OutputParam("reference_sound_count", description="Appended tokens."),
        ]

    @torch.no_grad()
    def __call__(self, components, state):
        block_state = self.get_block_state(state)
        device = block_state.device
        num_latents = audio_num_latents(block_state.num_frames / block_state.frame_rate)
        mask = block_state.audio_mask.to(device)
        latents = torch.zeros(1, num_latents, LATENT_CHANNELS, device=device)

        def encoded(waveform: torch.Tensor, count: int = num_latents) -> torch.Tensor:
            return pack_audio(encode_audio(components, waveform, block_state.sample_rate, count, device))

        if block_state.initial_audio_latents is not None:
            # Of half the frame rate the first stage is longer by half a frame of its own.
            latents = pack_audio(block_state.initial_audio_latents)[:, :num_latents]
        elif block_state.initial_waveform is not None:
            latents = encoded(block_state.initial_waveform)
        block_state.start_audio_latents = latents
        if block_state.given_waveform is not None:
            latents = torch.where(mask < 1, encoded(block_state.given_waveform), latents)
        coords = [torch.zeros(1, 1, 0, 2, device=device)]
        for waveform, strength in block_state.reference_sounds:
            count = audio_num_latents(waveform.shape[1] / block_state.sample_rate)
            tokens = encoded(waveform, count)
            latents = torch.cat([latents, tokens], dim=1)
            block_state.start_audio_latents = torch.cat(
                [block_state.start_audio_latents, torch.zeros_like(tokens)], dim=1
            )
            mask = torch.cat([mask, mask.new_full((1, count, 1), 1 - strength)], dim=1)
            coords.append(reference_sound_coords(count).to(device))
        block_state.appended_audio_coords = torch.cat(coords, dim=2)
        block_state.reference_sound_count = latents.shape[1] - num_latents
        block_state.audio_latents, block_state.audio_mask = latents, mask
        block_state.audio_num_frames = num_latents
        self.set_block_state(state, block_state)
        return components, state
