"""The tiny model cut into the parts that a web page runs, each a module from and to plain arrays of one shape.

Latents are the normalised, packed ones of the sampler, [1, tokens, 128], so that a page needs no statistics of them.
What ONNX cannot say is said otherwise here: attention rotates without writing in place. Knows no file.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention
from torch import nn

from ltx_nb.pipeline.encode import audio_statistics, video_statistics
from ltx_nb.pipeline.prepare import pack_video, unpack_audio, unpack_video
from ltx_nb.pipeline.preview import PATCH, Preview
from ltx_nb.running.cross_modal import velocities
from ltx_nb.running.lean_attention import Rope


class RotatingAttention:
    """A processor with the arithmetic of diffusers' LTX-2 ones for split rotary embeddings, written without updates."""

    def __call__(
        self,
        attn: LTX2Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        query_rotary_emb: Rope | None = None,
        key_rotary_emb: Rope | None = None,
        perturbation_mask: torch.Tensor | None = None,
        all_perturbed: bool | None = None,
    ) -> torch.Tensor:
        # The parts mask nothing: connectors put registers where there are no words.
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key = attn.norm_q(attn.to_q(hidden_states)), attn.norm_k(attn.to_k(context))
        query, key, value = (_in_heads(one, attn.heads) for one in (query, key, attn.to_v(context)))
        if query_rotary_emb is not None:
            query = _rotated(query, query_rotary_emb)
            key = _rotated(key, query_rotary_emb if key_rotary_emb is None else key_rotary_emb)
        attended = nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        gates = 2 * torch.sigmoid(attn.to_gate_logits(hidden_states))  # [1, tokens, heads]
        return attn.to_out[0]((attended * gates.unsqueeze(-1)).flatten(2))


def _in_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[1, tokens, C] to [1, heads, tokens, C / heads]."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def _rotated(x: torch.Tensor, rope: Rope) -> torch.Tensor:
    cos, sin = rope  # [1, heads, tokens, C / heads / 2]
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def _rotating(module: nn.Module) -> nn.Module:
    """A copy of the module whose attention rotates without updates."""
    module = copy.deepcopy(module)
    for layer in module.modules():
        if isinstance(layer, LTX2Attention):
            layer.set_processor(RotatingAttention())
    return module


class Text(nn.Module):
    """Token ids and their mask, int64 [1, L], to the words as picture and sound see them: [1, L, 192], [1, L, 96]."""

    def __init__(self, pipe: Any):
        super().__init__()
        self.text_encoder, self.connectors = pipe.text_encoder, _rotating(pipe.connectors)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        encoded = self.text_encoder(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
        states = torch.stack(encoded.hidden_states, dim=-1).flatten(2, 3)
        video_text, audio_text, _ = self.connectors(states, attention_mask)
        return video_text, audio_text


class _Angles(nn.Module):
    """The rotary embedding of the coordinates that it was made with, whatever it is called with."""

    def __init__(self, rope: nn.Module, coords: torch.Tensor):
        super().__init__()
        cos, sin = rope(coords)
        self.register_buffer("cos", cos.contiguous())
        self.register_buffer("sin", sin.contiguous())

    def forward(self, coords: torch.Tensor, device: torch.device | None = None) -> Rope:
        return self.cos, self.sin


class Transformer(nn.Module):
    """One forward: latents, words, a timestep for each token and the lanes' sigmas (x 1000), to both velocities."""

    def __init__(self, pipe: Any, latent_shape: tuple[int, int, int], num_audio_latents: int, frame_rate: float):
        super().__init__()
        self.transformer = transformer = _rotating(pipe.transformer)
        cpu = torch.device("cpu")
        self.video_coords = transformer.rope.prepare_video_coords(1, *latent_shape, cpu, fps=frame_rate)
        self.audio_coords = transformer.audio_rope.prepare_audio_coords(1, num_audio_latents, cpu)
        # One size of clip: its angles are made here once, and are no part of the forward.
        transformer.rope = _Angles(transformer.rope, self.video_coords)
        transformer.audio_rope = _Angles(transformer.audio_rope, self.audio_coords)
        transformer.cross_attn_rope = _Angles(transformer.cross_attn_rope, self.video_coords[:, :1])
        transformer.cross_attn_audio_rope = _Angles(transformer.cross_attn_audio_rope, self.audio_coords[:, :1])

    def forward(
        self,
        latents: torch.Tensor,
        audio_latents: torch.Tensor,
        video_text: torch.Tensor,
        audio_text: torch.Tensor,
        timestep: torch.Tensor,
        audio_timestep: torch.Tensor,
        sigma: torch.Tensor,
        audio_sigma: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return velocities(
            self.transformer,
            hidden_states=latents,
            audio_hidden_states=audio_latents,
            encoder_hidden_states=video_text,
            audio_encoder_hidden_states=audio_text,
            timestep=timestep,
            audio_timestep=audio_timestep,
            sigma=sigma,
            audio_sigma=audio_sigma,
            video_coords=self.video_coords,
            audio_coords=self.audio_coords,
        )


class Picture(nn.Module):
    """Video latents to the frames of a canvas: uint8 [F, H, W, 4], opaque."""

    def __init__(self, pipe: Any, latent_shape: tuple[int, int, int]):
        super().__init__()
        self.decoder, self.latent_shape = pipe.vae.decoder, latent_shape
        _keep_statistics(self, *video_statistics(pipe, torch.zeros(())))

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        decoded = self.decoder(unpack_video(latents, *self.latent_shape) * self.latents_std + self.latents_mean)
        return _canvas(decoded[0].permute(1, 2, 3, 0))


class Sound(nn.Module):
    """Audio latents to samples, float32 [2, N]: silence follows where the causal decoder ends early."""

    def __init__(self, pipe: Any, num_samples: int):
        super().__init__()
        self.audio_vae, self.vocoder, self.num_samples = pipe.audio_vae, pipe.vocoder, num_samples
        _keep_statistics(self, *audio_statistics(pipe, torch.zeros(1, 8, 1, 1)))

    def forward(self, audio_latents: torch.Tensor) -> torch.Tensor:
        latents = unpack_audio(audio_latents) * self.latents_std + self.latents_mean
        waveform = self.vocoder(self.audio_vae.decode(latents, return_dict=False)[0])[0]
        return nn.functional.pad(waveform, (0, max(self.num_samples - waveform.shape[1], 0)))[:, : self.num_samples]


class Glance(nn.Module):
    """Video latents to a small picture of each latent frame, uint8 [F, h, w, 4], by `Preview`'s linear map."""

    def __init__(self, pipe: Any, latent_shape: tuple[int, int, int]):
        super().__init__()
        self.linear, self.latent_shape = Preview(pipe).video, latent_shape

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        patches = self.linear(latents[0]).unflatten(0, self.latent_shape).unflatten(-1, (PATCH, PATCH, 3))
        return _canvas(patches.permute(0, 1, 3, 2, 4, 5).flatten(1, 2).flatten(2, 3))


class Image(nn.Module):
    """A picture, uint8 [H, W, 4] of a canvas, to the latents of one frame: [1, tokens of a frame, 128]."""

    def __init__(self, pipe: Any):
        super().__init__()
        self.vae = pipe.vae
        _keep_statistics(self, *video_statistics(pipe, torch.zeros(())))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        pixels = picture[None, None, :, :, :3].permute(0, 4, 1, 2, 3).float() / 127.5 - 1  # [1, 3, 1, H, W]
        encoded = self.vae.encode(pixels, return_dict=False)[0].mode()
        return pack_video((encoded - self.latents_mean) / self.latents_std)


def _keep_statistics(module: nn.Module, mean: torch.Tensor, std: torch.Tensor) -> None:
    """Under names that no step of a forward has, for ONNX names both alike."""
    module.register_buffer("latents_mean", mean)
    module.register_buffer("latents_std", std)


def _canvas(pixels: torch.Tensor) -> torch.Tensor:
    """-1..1 [F, H, W, 3] to uint8 [F, H, W, 4], rounded as `ltx_nb.pipeline.decode` does."""
    levels = ((pixels * 0.5 + 0.5).clamp(0, 1) * 255).round()
    return nn.functional.pad(levels, (0, 1), value=255.0).to(torch.uint8)
