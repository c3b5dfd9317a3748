"""The `config` in an official single file's metadata, turned into the configs of diffusers' components.

What the file says wins; what it does not say is LTX-2.3's (`ltx_nb.catalogue.components`). A file of another
generation is refused. Knows no tensors. Field names of the official config: the reference's
`model_configurator.py` files.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import accumulate
from operator import mul
from typing import Any

from ltx_nb.catalogue.components import CONFIGS
from ltx_nb.shapes import UPSCALINGS, Upscaling

# What makes a file LTX-2.3's rather than 2.0's or 2.5's, what the reference's own configurators insist on, and what
# diffusers' classes take for granted.
_EXPECTED: dict[str, dict[str, Any]] = {
    "transformer": {
        "activation_fn": "gelu-approximate",
        "attention_bias": True,
        "audio_ff_bias": True,
        "av_cross_ada_norm": True,
        "caption_proj_before_connector": True,
        "caption_proj_input_norm": False,
        "caption_projection_first_linear": False,
        "caption_projection_second_linear": False,
        "connector_ff_bias": True,
        "cross_attention_adaln": True,
        "cross_attention_norm": True,
        "double_self_attention": False,
        "ff_bias": True,
        "norm_elementwise_affine": False,
        "only_cross_attention": False,
        "positional_embedding_type": "rope",
        "qk_norm": "rms_norm",
        "share_ff": False,
        "standardization_norm": "rms_norm",
        "text_encoder_norm_type": "per_token_rms",
        "use_audio_video_cross_attention": True,
        "use_keyframes_abs_pos_embedding": False,
        "use_middle_indices_grid": True,
        "use_prompt_adaln_single": True,
    },
    "vae": {"_class_name": "CausalVideoAutoencoder", "norm_layer": "pixel_norm", "latent_log_var": "uniform"},
}
_EXPECTED_VOCODER = {"activation": "snakebeta", "resblock": "AMP1", "stereo": True, "use_tanh_at_final": False}

# The official name of each field, under diffusers' name.
_TRANSFORMER = {
    **{
        name: name
        for name in (
            "num_attention_heads attention_head_dim in_channels out_channels num_layers cross_attention_dim "
            "caption_channels norm_eps audio_num_attention_heads audio_attention_head_dim audio_in_channels "
            "audio_out_channels audio_cross_attention_dim timestep_scale_multiplier rope_type"
        ).split()
    },
    "rope_theta": "positional_embedding_theta",
    "cross_attn_timestep_scale_multiplier": "av_ca_timestep_scale_multiplier",
    "gated_attn": "apply_gated_attention",
    "audio_gated_attn": "apply_gated_attention",
}
_CONNECTORS = {
    "caption_channels": "caption_channels",
    "video_connector_num_attention_heads": "connector_num_attention_heads",
    "video_connector_attention_head_dim": "connector_attention_head_dim",
    "video_connector_num_layers": "connector_num_layers",
    "video_connector_num_learnable_registers": "connector_num_learnable_registers",
    "video_gated_attn": "connector_apply_gated_attention",
    "audio_connector_num_attention_heads": "audio_connector_num_attention_heads",
    "audio_connector_attention_head_dim": "audio_connector_attention_head_dim",
    "audio_connector_num_layers": "audio_connector_num_layers",
    "audio_connector_num_learnable_registers": "connector_num_learnable_registers",
    "audio_gated_attn": "connector_apply_gated_attention",
    "rope_theta": "positional_embedding_theta",
    "rope_type": "rope_type",
}
_VAE = {
    **{
        name: name for name in ("in_channels", "out_channels", "latent_channels", "patch_size", "timestep_conditioning")
    },
    "decoder_causal": "causal_decoder",
}
_AUDIO_VAE = {
    **{
        name: name
        for name in (
            "ch_mult num_res_blocks in_channels resolution norm_type causality_axis dropout mid_block_add_attention "
            "mel_bins double_z"
        ).split()
    },
    "base_channels": "ch",
    "output_channels": "out_ch",
    "latent_channels": "z_channels",
}
_VOCODER = {
    "hidden_channels": "upsample_initial_channel",
    "upsample_factors": "upsample_rates",
    "upsample_kernel_sizes": "upsample_kernel_sizes",
    "resnet_kernel_sizes": "resblock_kernel_sizes",
    "resnet_dilations": "resblock_dilation_sizes",
    "act_fn": "activation",
    "final_bias": "use_bias_at_final",
}
_BANDWIDTH_EXTENSION = {
    "input_sampling_rate": "input_sampling_rate",
    "output_sampling_rate": "output_sampling_rate",
    "hop_length": "hop_length",
    "filter_length": "n_fft",
    "window_length": "win_size",
    "num_mel_channels": "num_mels",
}
_LATENT_UPSAMPLER = {
    **{
        name: name
        for name in "in_channels mid_channels num_blocks_per_stage dims spatial_upsample temporal_upsample".split()
    },
    "rational_spatial_scale": "spatial_scale",
    "use_rational_resampler": "rational_resampler",
}


def component_configs(official: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """diffusers' config of every component of the single file. Raises ValueError for one that is not LTX-2.3's."""
    transformer, vae = official.get("transformer", {}), official.get("vae", {})
    audio, vocoder = official.get("audio_vae", {}), official.get("vocoder", {})
    for section, expected in _EXPECTED.items():
        _check(section, official.get(section, {}), expected)
    if vocoder:
        for part in ("vocoder", "bwe"):
            if part not in vocoder:
                raise ValueError(f"the file's config has no vocoder.{part}; LTX-2.3's has (2.0's has not)")
            _check(f"vocoder.{part}", vocoder[part], _EXPECTED_VOCODER)
    bwe = vocoder.get("bwe", {})
    found = {
        "transformer": _taken(_TRANSFORMER, transformer) | _positions(transformer),
        "connectors": _connectors(transformer),
        "vae": _taken(_VAE, vae) | _padding(vae) | _encoder_blocks(vae) | _decoder_blocks(vae),
        "audio_vae": _audio_vae(audio),
        "vocoder": _taken(_VOCODER, vocoder.get("vocoder", {}))
        | {f"bwe_{name}": value for name, value in _taken(_VOCODER, bwe).items()}
        | _taken(_BANDWIDTH_EXTENSION, bwe),
    }
    return {name: CONFIGS[name] | config for name, config in found.items()}


def latent_upsampler_config(official: Mapping[str, Any]) -> dict[str, Any]:
    # What a file leaves open is 512 channels to the reference's LatentUpsamplerConfigurator.
    return CONFIGS["latent_upsampler"] | {"mid_channels": 512} | _taken(_LATENT_UPSAMPLER, official)


def upscaler_named(config: Mapping[str, Any]) -> str:
    """The name in `shapes.UPSCALINGS` of an upscaler, by diffusers' config. Raises ValueError for another kind."""
    in_space = Fraction(1)
    if config["spatial_upsample"]:
        in_space = Fraction(config["rational_spatial_scale"] if config["use_rational_resampler"] else 2)
    scale = Upscaling(in_space, 2 if config["temporal_upsample"] else 1)
    for name, known in UPSCALINGS.items():
        if scale == known:
            return name
    raise ValueError(
        f"it enlarges {float(in_space):g} times in space and {scale.time} in time; what is used here is "
        + ", ".join(UPSCALINGS)
    )


def _check(section: str, config: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        if config.get(name, value) != value:
            raise ValueError(f"the file's config has {section}.{name}={config[name]!r}; LTX-2.3's has {value!r}")


def _taken(names: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: config[official] for name, official in names.items() if official in config}


def _positions(transformer: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "positional_embedding_max_pos" in transformer:
        names = ("pos_embed_max_pos", "base_height", "base_width")
        found |= zip(names, transformer["positional_embedding_max_pos"], strict=True)
    if "audio_positional_embedding_max_pos" in transformer:
        found["audio_pos_embed_max_pos"] = transformer["audio_positional_embedding_max_pos"][0]
    if "frequencies_precision" in transformer:
        found["rope_double_precision"] = transformer["frequencies_precision"] == "float64"
    return found


def _connectors(transformer: Mapping[str, Any]) -> dict[str, Any]:
    found = _taken(_CONNECTORS, transformer)
    if "video_connector_num_layers" in found:
        found.setdefault("audio_connector_num_layers", found["video_connector_num_layers"])
    for lane in ("video", "audio"):
        whole = {**CONFIGS["connectors"], **found}
        heads = whole[f"{lane}_connector_num_attention_heads"]
        found[f"{lane}_hidden_dim"] = heads * whole[f"{lane}_connector_attention_head_dim"]
    if "connector_positional_embedding_max_pos" in transformer:
        found["connector_rope_base_seq_len"] = transformer["connector_positional_embedding_max_pos"][0]
    if "frequencies_precision" in transformer:
        found["rope_double_precision"] = transformer["frequencies_precision"] == "float64"
    return found


def _padding(vae: Mapping[str, Any]) -> dict[str, Any]:
    """How both halves pad in space. Where a VAE's config is silent, the reference's encoder takes zeros, its decoder
    reflects; it does not read the decoder's own field."""
    if not vae:
        return {}
    of_both, own = vae.get("spatial_padding_mode"), "decoder_spatial_padding_mode"
    decoder = of_both or "reflect"
    if vae.get(own, decoder) != decoder:
        raise ValueError(
            f"the file's config has vae.{own}={vae[own]!r}, which the reference does not read: it takes {decoder!r}"
        )
    return {"encoder_spatial_padding_mode": of_both or vae.get("encoder_spatial_padding_mode", "zeros"), own: decoder}


def _encoder_blocks(vae: Mapping[str, Any]) -> dict[str, Any]:
    if "encoder_blocks" not in vae:
        return {}
    layers, kinds, factors = _stages("encoder_blocks", vae["encoder_blocks"], "_res")
    widths = accumulate(factors, mul, initial=vae.get("encoder_base_channels", 128))
    return {
        "layers_per_block": layers,
        "downsample_type": kinds,
        "block_out_channels": tuple(int(width) for width in widths)[1:],
    }


def _decoder_blocks(vae: Mapping[str, Any]) -> dict[str, Any]:
    """The official list runs from pixels to latents, as diffusers' widths, layers and factors; its types do not."""
    if "decoder_blocks" not in vae:
        return {}
    layers, kinds, factors = _stages("decoder_blocks", vae["decoder_blocks"], "")
    widths = accumulate(factors, mul, initial=vae.get("decoder_base_channels", 128))
    return {
        "decoder_layers_per_block": layers,
        "upsample_type": kinds[::-1],
        "upsample_factor": factors,
        "decoder_block_out_channels": tuple(int(width) for width in widths)[1:],
    }


def _stages(name: str, blocks: list[Any], ending: str) -> tuple[tuple, tuple, tuple]:
    """Layers of the residual stages, kinds and channel factors of the resamplers between them."""
    kind_of = {f"compress_{axes}{ending}": kind for axes, kind in _KINDS.items()}
    expected = {"res_x": {"num_layers"}} | {kind: {"multiplier"} for kind in kind_of}
    for index, (kind, options) in enumerate(blocks):
        is_known = (kind == "res_x") == (index % 2 == 0) and set(options) <= expected.get(kind, set())
        if len(blocks) != 9 or not is_known:
            raise ValueError(f"the file's config has vae.{name}[{index}]={[kind, options]}, which LTX-2.3's has not")
    return (
        tuple(options["num_layers"] for _, options in blocks[::2]),
        tuple(kind_of[kind] for kind, _ in blocks[1::2]),
        tuple(options["multiplier"] for _, options in blocks[1::2]),
    )


_KINDS = {"space": "spatial", "time": "temporal", "all": "spatiotemporal"}


def _audio_vae(audio: Mapping[str, Any]) -> dict[str, Any]:
    params, stft = audio.get("model", {}).get("params", {}), audio.get("preprocessing", {}).get("stft", {})
    found = _taken(_AUDIO_VAE, params.get("ddconfig", {}))
    found |= _taken({"sample_rate": "sampling_rate"}, params)
    found |= _taken({"mel_hop_length": "hop_length", "is_causal": "causal"}, stft)
    return found
