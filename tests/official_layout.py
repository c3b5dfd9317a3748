"""Writes components as an official single file: its names, prefixes, metadata and fp8 layers, with their scales.

The names are made here from diffusers' on their own, so that a fault in the loader's table shows.
"""

import json
import re
from itertools import pairwise

import torch
from safetensors.torch import save_file

FP8_MAX = torch.finfo(torch.float8_e4m3fn).max

TRANSFORMER = [
    (r"^(audio_)?proj_in\.", r"\1patchify_proj."),
    (r"^(audio_)?time_embed\.", r"\1adaln_single."),
    (r"^(audio_)?prompt_adaln\.", r"\1prompt_adaln_single."),
    (r"^av_cross_attn_(video|audio)_scale_shift\.", r"av_ca_\1_scale_shift_adaln_single."),
    (r"^av_cross_attn_(?:video|audio)_(a2v|v2a)_gate\.", r"av_ca_\1_gate_adaln_single."),
    (r"(video|audio)_a2v_cross_attn_scale_shift_table$", r"scale_shift_table_a2v_ca_\1"),
    (r"\.norm_([qk])\.", r".\1_norm."),
]
CONNECTORS = [
    (r"^(video|audio)_text_proj_in\.", r"text_embedding_projection.\1_aggregate_embed."),
    (r"^(video|audio)_connector\.", r"model.diffusion_model.\1_embeddings_connector."),
    (r"connector\.transformer_blocks\.", "connector.transformer_1d_blocks."),
    (r"\.norm_([qk])\.", r".\1_norm."),
]
STATISTICS = [
    (r"^latents_mean$", "per_channel_statistics.mean-of-means"),
    (r"^latents_std$", "per_channel_statistics.std-of-means"),
]
VAE = [
    *STATISTICS,
    (r"^encoder\.mid_block\.", "encoder.down_blocks.8."),
    (r"^decoder\.mid_block\.", "decoder.up_blocks.0."),
    (r"^encoder\.down_blocks\.(\d)\.downsamplers\.0\.", lambda m: f"encoder.down_blocks.{2 * int(m[1]) + 1}."),
    (r"^encoder\.down_blocks\.(\d)\.resnets\.", lambda m: f"encoder.down_blocks.{2 * int(m[1])}.resnets."),
    (r"^decoder\.up_blocks\.(\d)\.upsamplers\.0\.", lambda m: f"decoder.up_blocks.{2 * int(m[1]) + 1}."),
    (r"^decoder\.up_blocks\.(\d)\.resnets\.", lambda m: f"decoder.up_blocks.{2 * int(m[1]) + 2}.resnets."),
    (r"\.resnets\.", ".res_blocks."),
]
VOCODER = [
    (r"\.upsamplers\.", ".ups."),
    (r"\.resnets\.", ".resblocks."),
    (r"\.conv_in\.", ".conv_pre."),
    (r"\.conv_out\.", ".conv_post."),
    (r"\.act_out\.", ".act_post."),
    (r"\.downsample\.filter$", ".downsample.lowpass.filter"),
]
RENAMES = {
    "transformer": ("model.diffusion_model.", TRANSFORMER),
    "connectors": ("", CONNECTORS),
    "vae": ("vae.", VAE),
    "audio_vae": ("audio_vae.", STATISTICS),
    "vocoder": ("vocoder.", VOCODER),
}


def official_name(component, name):
    prefix, rules = RENAMES[component]
    for pattern, replacement in rules:
        if re.match(r"\^(en|de)coder", pattern) and re.match(pattern, name):
            name = re.sub(pattern, replacement, name)
            break
    for pattern, replacement in rules:
        if not re.match(r"\^(en|de)coder", pattern):
            name = re.sub(pattern, replacement, name)
    return prefix + name


def official_tensors(components, fp8_layers=lambda name: False):
    """bf16 tensors under official names; the transformer's chosen layers in fp8 with `weight_scale`, `input_scale`."""
    tensors = {}
    for component in RENAMES:
        for name, tensor in components[component].state_dict().items():
            key, tensor = official_name(component, name), tensor.detach().to(torch.bfloat16)
            layer = key.removesuffix(".weight")
            if component == "transformer" and name.endswith(".weight") and fp8_layers(name.removesuffix(".weight")):
                scale = tensor.float().abs().max() / FP8_MAX
                tensors[f"{layer}.weight_scale"] = scale
                tensors[f"{layer}.input_scale"] = torch.tensor(0.05)
                tensor = (tensor.float() / scale).to(torch.float8_e4m3fn)
            tensors[key] = tensor.contiguous()
    return tensors


def official_config(components):
    """The `config` of the metadata, as in the released files."""
    transformer, connectors, vae, audio_vae, vocoder = (components[name].config for name in RENAMES)
    downsamplers = {
        "spatial": "compress_space_res",
        "temporal": "compress_time_res",
        "spatiotemporal": "compress_all_res",
    }
    upsamplers = {kind: name.removesuffix("_res") for kind, name in downsamplers.items()}
    decoder_base = vae.decoder_block_out_channels[0] // vae.upsample_factor[0]
    return {
        "transformer": {
            "_class_name": "AVTransformer3DModel",
            "qk_norm": "rms_norm",
            "caption_proj_before_connector": True,
            "cross_attention_adaln": True,
            "text_encoder_norm_type": "per_token_rms",
            "use_audio_video_cross_attention": True,
            "apply_gated_attention": True,
            "connector_apply_gated_attention": True,
            "positional_embedding_theta": transformer.rope_theta,
            "positional_embedding_max_pos": [
                transformer.pos_embed_max_pos,
                transformer.base_height,
                transformer.base_width,
            ],
            "audio_positional_embedding_max_pos": [transformer.audio_pos_embed_max_pos],
            "av_ca_timestep_scale_multiplier": transformer.cross_attn_timestep_scale_multiplier,
            "frequencies_precision": "float64" if transformer.rope_double_precision else "float32",
            "connector_num_attention_heads": connectors.video_connector_num_attention_heads,
            "connector_attention_head_dim": connectors.video_connector_attention_head_dim,
            "connector_num_layers": connectors.video_connector_num_layers,
            "connector_num_learnable_registers": connectors.video_connector_num_learnable_registers,
            "connector_positional_embedding_max_pos": [connectors.connector_rope_base_seq_len],
            "audio_connector_num_attention_heads": connectors.audio_connector_num_attention_heads,
            "audio_connector_attention_head_dim": connectors.audio_connector_attention_head_dim,
            **{
                name: transformer[name]
                for name in (
                    "num_attention_heads attention_head_dim in_channels out_channels num_layers cross_attention_dim "
                    "caption_channels norm_eps audio_num_attention_heads audio_attention_head_dim audio_out_channels "
                    "audio_cross_attention_dim timestep_scale_multiplier rope_type"
                ).split()
            },
        },
        "vae": {
            "_class_name": "CausalVideoAutoencoder",
            "in_channels": 3,
            "out_channels": 3,
            "latent_channels": vae.latent_channels,
            "encoder_blocks": stages(
                vae.layers_per_block, vae.downsample_type, downsamplers, vae.block_out_channels, 128
            ),
            "decoder_blocks": stages(
                vae.decoder_layers_per_block,
                vae.upsample_type[::-1],
                upsamplers,
                vae.decoder_block_out_channels,
                decoder_base,
            ),
            "norm_layer": "pixel_norm",
            "patch_size": vae.patch_size,
            "latent_log_var": "uniform",
            "causal_decoder": vae.decoder_causal,
            "timestep_conditioning": vae.timestep_conditioning,
            "encoder_base_channels": 128,
            "decoder_base_channels": decoder_base,
            "spatial_padding_mode": vae.decoder_spatial_padding_mode,
        },
        "audio_vae": {
            "model": {
                "params": {
                    "ddconfig": {
                        "double_z": True,
                        "mel_bins": audio_vae.mel_bins,
                        "z_channels": audio_vae.latent_channels,
                        "in_channels": audio_vae.in_channels,
                        "out_ch": audio_vae.output_channels,
                        "ch": audio_vae.base_channels,
                        "ch_mult": audio_vae.ch_mult,
                        "num_res_blocks": audio_vae.num_res_blocks,
                        "attn_resolutions": [],
                        "mid_block_add_attention": audio_vae.mid_block_add_attention,
                        "norm_type": audio_vae.norm_type,
                        "causality_axis": audio_vae.causality_axis,
                    },
                    "sampling_rate": audio_vae.sample_rate,
                }
            },
            "preprocessing": {"stft": {"hop_length": audio_vae.mel_hop_length, "causal": audio_vae.is_causal}},
        },
        "vocoder": {
            "vocoder": generator(vocoder, ""),
            "bwe": {
                **generator(vocoder, "bwe_"),
                "input_sampling_rate": vocoder.input_sampling_rate,
                "output_sampling_rate": vocoder.output_sampling_rate,
                "hop_length": vocoder.hop_length,
                "n_fft": vocoder.filter_length,
                "win_size": vocoder.window_length,
                "num_mels": vocoder.num_mel_channels,
            },
        },
    }


def stages(layers, kinds, names, widths, base):
    blocks = [["res_x", {"num_layers": layers[0]}]]
    for count, kind, (before, after) in zip(layers[1:], kinds, pairwise([base, *widths]), strict=True):
        multiplier = after // before if after >= before else after / before  # the tiny encoder narrows at first
        blocks += [[names[kind], {"multiplier": multiplier}], ["res_x", {"num_layers": count}]]
    return blocks


def generator(vocoder, prefix):
    return {
        "resblock": "AMP1",
        "stereo": True,
        "activation": vocoder[f"{prefix}act_fn"],
        "use_tanh_at_final": False,
        "use_bias_at_final": vocoder[f"{prefix}final_bias"],
        "upsample_initial_channel": vocoder[f"{prefix}hidden_channels"],
        "upsample_rates": vocoder[f"{prefix}upsample_factors"],
        "upsample_kernel_sizes": vocoder[f"{prefix}upsample_kernel_sizes"],
        "resblock_kernel_sizes": vocoder[f"{prefix}resnet_kernel_sizes"],
        "resblock_dilation_sizes": vocoder[f"{prefix}resnet_dilations"],
    }


def write_official(path, components, fp8_layers=lambda name: False, without=(), extra=None, notes=None):
    """A single file of the components; `without` some keys, with `extra` tensors, and `notes` in its metadata."""
    tensors = official_tensors(components, fp8_layers) | (extra or {})
    metadata = {"config": json.dumps(official_config(components)), "model_version": "2.3.0"} | (notes or {})
    save_file({key: tensor for key, tensor in tensors.items() if key not in without}, path, metadata)
    return path
