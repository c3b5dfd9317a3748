"""The tiny model's components: LTX-2.3's own diffusers classes with every 2.3 feature on, a few million parameters.

Shape arithmetic is the real model's (32 x 32 x 8 pixels a video token, 25 audio tokens a second, 128 channels each,
48 kHz stereo); only widths and depths differ. What the classes allow and what they do not is noted where it matters.
Nothing here is trained; `ltx_nb.tiny.training` does that.
"""

from __future__ import annotations

import math

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from diffusers.pipelines.ltx2.vocoder import LTX2VocoderWithBWE
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, PreTrainedTokenizerFast

from ..mel import mel_filters
from .world import vocabulary

MAX_PROMPT_TOKENS = 64
TEXT_DIM, TEXT_LAYERS = 64, 3
VIDEO_DIM, AUDIO_DIM, HEADS, LAYERS = 192, 96, 6, 6


def video_vae() -> AutoencoderKLLTX2Video:
    """12 M parameters. The encoder has no residual block at full resolution, where the class fixes 128 channels."""
    return AutoencoderKLLTX2Video(
        latent_channels=128,
        block_out_channels=(32, 64, 128, 128),
        layers_per_block=(0, 1, 1, 1, 1),
        decoder_block_out_channels=(40, 80, 80, 160),
        decoder_layers_per_block=(1, 1, 1, 1, 2),
        spatio_temporal_scaling=(True, True, True, True),
        decoder_spatio_temporal_scaling=(True, True, True, True),
        decoder_inject_noise=(False, False, False, False, False),
        downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        upsample_type=("spatiotemporal", "spatiotemporal", "temporal", "spatial"),
        upsample_residual=(False, False, False, False),
        upsample_factor=(1, 2, 1, 2),
        encoder_causal=True,
        decoder_causal=False,
        encoder_spatial_padding_mode="zeros",
        decoder_spatial_padding_mode="zeros",
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )


def audio_vae() -> AutoencoderKLLTX2Audio:
    """2.7 M parameters. `base_channels` stays 128: the latent statistics, one a packed channel, take its size."""
    return AutoencoderKLLTX2Audio(
        base_channels=128,
        output_channels=2,
        ch_mult=(1, 1, 1),
        num_res_blocks=0,
        latent_channels=8,
        norm_type="pixel",
        causality_axis="height",
        mel_bins=64,
    )


def vocoder(channels: int = 2) -> LTX2VocoderWithBWE:
    """1.5 M parameters for one channel, 6 M for two: mel to 16 kHz, then bandwidth extension to 48 kHz.

    The class leaves its STFT bases and mel filters at zero; here they get their values (Hann window, Slaney filters).
    """
    model = LTX2VocoderWithBWE(
        in_channels=64 * channels,
        hidden_channels=256 * channels,
        out_channels=channels,
        upsample_kernel_sizes=[11, 4, 4, 4, 4, 4],
        upsample_factors=[5, 2, 2, 2, 2, 2],
        resnet_kernel_sizes=[3, 7],
        resnet_dilations=[[1, 3], [1, 3]],
        final_act_fn="clamp",
        bwe_in_channels=64 * channels,
        bwe_hidden_channels=64 * channels,
        bwe_out_channels=channels,
        bwe_upsample_kernel_sizes=[12, 11, 4, 4],
        bwe_upsample_factors=[6, 5, 4, 2],
        bwe_resnet_kernel_sizes=[3, 7],
        bwe_resnet_dilations=[[1, 3], [1, 3]],
    )
    size = model.config.filter_length
    sample = torch.arange(size, dtype=torch.float64)
    angle = 2 * math.pi * torch.arange(size // 2 + 1, dtype=torch.float64)[:, None] * sample / size
    basis = torch.cat([angle.cos(), -angle.sin()]) * torch.hann_window(size, dtype=torch.float64)
    stft = model.mel_stft
    stft.stft_fn.forward_basis.copy_(basis[:, None])
    stft.stft_fn.inverse_basis.copy_(torch.linalg.pinv(basis).T[:, None])
    stft.mel_basis.copy_(torch.from_numpy(mel_filters(n_fft=size, num_bins=model.config.num_mel_channels)))
    return model


def both_ears(one: LTX2VocoderWithBWE) -> LTX2VocoderWithBWE:
    """The stereo vocoder that is a vocoder of one channel twice: left makes left, right makes right.

    A small one that hears both channels at once learns their mean, and the side is lost.
    """
    learned, two = one.state_dict(), vocoder()
    state = two.state_dict()
    for name, value in learned.items():
        if value.shape != state[name].shape:
            state[name] = torch.cat([value, value]) if value.ndim == 1 else _on_the_diagonal(value)
        else:
            state[name] = value
    two.load_state_dict(state)
    return two


def _on_the_diagonal(weight: torch.Tensor) -> torch.Tensor:
    """A convolution's weight [A, B, k] twice, each for half of the channels: [2 A, 2 B, k]."""
    none = torch.zeros_like(weight)
    return torch.cat([torch.cat([weight, none], 1), torch.cat([none, weight], 1)])


def transformer() -> LTX2VideoTransformer3DModel:
    """6 M parameters. Video and audio need the same number of heads (the cross-modal RoPE reshapes by it)."""
    return LTX2VideoTransformer3DModel(
        num_attention_heads=HEADS,
        attention_head_dim=VIDEO_DIM // HEADS,
        cross_attention_dim=VIDEO_DIM,
        audio_num_attention_heads=HEADS,
        audio_attention_head_dim=AUDIO_DIM // HEADS,
        audio_cross_attention_dim=AUDIO_DIM,
        num_layers=LAYERS,
        caption_channels=TEXT_DIM,
        gated_attn=True,
        cross_attn_mod=True,
        audio_gated_attn=True,
        audio_cross_attn_mod=True,
        rope_type="split",
        use_prompt_embeddings=False,
        perturbed_attn=True,
    )


def connectors() -> LTX2TextConnectors:
    """0.8 M parameters. The padded prompt length must be a multiple of the number of registers."""
    return LTX2TextConnectors(
        caption_channels=TEXT_DIM,
        text_proj_in_factor=TEXT_LAYERS + 1,
        video_connector_num_attention_heads=HEADS,
        video_connector_attention_head_dim=VIDEO_DIM // HEADS,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=32,
        video_gated_attn=True,
        audio_connector_num_attention_heads=HEADS,
        audio_connector_attention_head_dim=AUDIO_DIM // HEADS,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=32,
        audio_gated_attn=True,
        rope_type="split",
        per_modality_projections=True,
        video_hidden_dim=VIDEO_DIM,
        audio_hidden_dim=AUDIO_DIM,
        proj_bias=True,
    )


def latent_upsampler() -> LTX2LatentUpsamplerModel:
    """0.2 M parameters: video latents to twice the height and width, frame by frame (the real one is 3D)."""
    return LTX2LatentUpsamplerModel(
        in_channels=128, mid_channels=32, num_blocks_per_stage=2, dims=2, use_rational_resampler=False
    )


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word or mark of the world's captions, lower case; anything else is `<unk>`."""
    words = ["<pad>", "<eos>", "<bos>", "<unk>", *vocabulary()]
    backend = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=MAX_PROMPT_TOKENS,
        padding_side="left",
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
    )


def text_encoder(vocab_size: int) -> Gemma3ForConditionalGeneration:
    """A random, frozen Gemma 3: its layers mix the words of a prompt, the connectors learn to read the mixture."""
    config = Gemma3Config(
        text_config=dict(
            vocab_size=vocab_size,
            hidden_size=TEXT_DIM,
            intermediate_size=2 * TEXT_DIM,
            num_hidden_layers=TEXT_LAYERS,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=TEXT_DIM // 2,
            sliding_window=MAX_PROMPT_TOKENS,
            max_position_embeddings=1024,
            initializer_range=0.1,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
        ),
        vision_config=dict(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=1,
            image_size=28,
            patch_size=14,
        ),
        mm_tokens_per_image=4,
    )
    return Gemma3ForConditionalGeneration(config).eval().requires_grad_(False)


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Plain flow matching, as the distilled model's: the sigmas given are the sigmas used."""
    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=False, shift_terminal=None)


def pipeline(**trained) -> LTX2Pipeline:
    """A complete diffusers pipeline; components not passed by name are new and random (seed 0)."""
    torch.manual_seed(0)
    words = tokenizer()
    makers = {
        "text_encoder": lambda: text_encoder(len(words)),
        "vae": video_vae,
        "audio_vae": audio_vae,
        "vocoder": vocoder,
        "transformer": transformer,
        "connectors": connectors,
        "scheduler": scheduler,
    }
    made = {name: trained.get(name) or make() for name, make in makers.items()}
    return LTX2Pipeline(tokenizer=words, **made)
