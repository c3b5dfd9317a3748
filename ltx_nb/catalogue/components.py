"""LTX-2.3's components as data: the class of each and the config that the published conversion to diffusers gives it.

Configs name what differs from the class's own defaults, with what a reader looks for. Knows no weights; a class is
imported only when a component is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from threading import local
from typing import TYPE_CHECKING, Any

from ltx_nb.catalogue.config_values import check_kinds, check_values
from ltx_nb.checks import choice

if TYPE_CHECKING:
    import torch

CLASSES = {
    "transformer": "diffusers.models.transformers.transformer_ltx2.LTX2VideoTransformer3DModel",
    "connectors": "diffusers.pipelines.ltx2.connectors.LTX2TextConnectors",
    "vae": "diffusers.models.autoencoders.autoencoder_kl_ltx2.AutoencoderKLLTX2Video",
    "audio_vae": "diffusers.models.autoencoders.autoencoder_kl_ltx2_audio.AutoencoderKLLTX2Audio",
    "vocoder": "diffusers.pipelines.ltx2.vocoder.LTX2VocoderWithBWE",
    "latent_upsampler": "diffusers.pipelines.ltx2.latent_upsampler.LTX2LatentUpsamplerModel",
}
VOCODERS = ("LTX2VocoderWithBWE", "LTX2Vocoder")  # the latter, without bandwidth extension, is LTX-2.0's

# diffusers' scripts/convert_ltx2_to_diffusers.py, version "2.3".
CONFIGS: dict[str, dict[str, Any]] = {
    "transformer": {
        "in_channels": 128,
        "out_channels": 128,
        "num_layers": 48,
        "num_attention_heads": 32,
        "attention_head_dim": 128,
        "cross_attention_dim": 4096,
        "gated_attn": True,
        "cross_attn_mod": True,
        "audio_in_channels": 128,
        "audio_out_channels": 128,
        "audio_num_attention_heads": 32,
        "audio_attention_head_dim": 64,
        "audio_cross_attention_dim": 2048,
        "audio_gated_attn": True,
        "audio_cross_attn_mod": True,
        "caption_channels": 3840,
        "rope_type": "split",
        "use_prompt_embeddings": False,
        "perturbed_attn": True,
    },
    "connectors": {
        "caption_channels": 3840,
        "text_proj_in_factor": 49,
        "video_connector_num_attention_heads": 32,
        "video_connector_attention_head_dim": 128,
        "video_connector_num_layers": 8,
        "video_connector_num_learnable_registers": 128,
        "video_gated_attn": True,
        "audio_connector_num_attention_heads": 32,
        "audio_connector_attention_head_dim": 64,
        "audio_connector_num_layers": 8,
        "audio_connector_num_learnable_registers": 128,
        "audio_gated_attn": True,
        "rope_type": "split",
        "per_modality_projections": True,
        "video_hidden_dim": 4096,
        "audio_hidden_dim": 2048,
        "proj_bias": True,
    },
    "vae": {
        "latent_channels": 128,
        "block_out_channels": (256, 512, 1024, 1024),
        "layers_per_block": (4, 6, 4, 2, 2),
        "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        "decoder_block_out_channels": (256, 512, 512, 1024),
        "decoder_layers_per_block": (4, 6, 4, 2, 2),
        "decoder_spatio_temporal_scaling": (True, True, True, True),
        "decoder_inject_noise": (False, False, False, False, False),
        "upsample_type": ("spatiotemporal", "spatiotemporal", "temporal", "spatial"),
        "upsample_residual": (False, False, False, False),
        "upsample_factor": (2, 2, 1, 2),
        "timestep_conditioning": False,
        "patch_size": 4,
        "encoder_causal": True,
        "decoder_causal": False,
        "encoder_spatial_padding_mode": "zeros",
        "decoder_spatial_padding_mode": "zeros",
        "spatial_compression_ratio": 32,
        "temporal_compression_ratio": 8,
    },
    "audio_vae": {
        "base_channels": 128,
        "output_channels": 2,
        "ch_mult": (1, 2, 4),
        "num_res_blocks": 2,
        "latent_channels": 8,
        "norm_type": "pixel",
        "causality_axis": "height",
        "mel_bins": 64,
    },
    "vocoder": {
        "in_channels": 128,
        "hidden_channels": 1536,
        "upsample_kernel_sizes": [11, 4, 4, 4, 4, 4],
        "upsample_factors": [5, 2, 2, 2, 2, 2],
        "resnet_kernel_sizes": [3, 7, 11],
        "resnet_dilations": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
        "bwe_in_channels": 128,
        "bwe_hidden_channels": 512,
        "bwe_upsample_kernel_sizes": [12, 11, 4, 4, 4],
        "bwe_upsample_factors": [6, 5, 2, 2, 2],
        "bwe_resnet_kernel_sizes": [3, 7, 11],
        "bwe_resnet_dilations": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    },
    "latent_upsampler": {"in_channels": 128, "mid_channels": 1024, "dims": 3, "use_rational_resampler": False},
}

# Of each published upscaler: the others are told from x2 by the sizes of their files, 1,090,125,794 and 262 million
# bytes, which these have and no other that was tried.
UPSCALER_CONFIGS = {
    "spatial-x2": CONFIGS["latent_upsampler"],
    "spatial-x1.5": CONFIGS["latent_upsampler"] | {"use_rational_resampler": True, "rational_spatial_scale": 1.5},
    "temporal-x2": CONFIGS["latent_upsampler"]
    | {"mid_channels": 512, "spatial_upsample": False, "temporal_upsample": True},
}

# Fields of a config that diffusers' class does not know and would warn of: see `ltx_nb.running.cross_modal`.
OWN_FIELDS = {"transformer": ("use_cross_timestep",)}


_THREAD = local()


@contextmanager
def empty_weights() -> Iterator[None]:
    """Make modules with their parameters on the meta device and their buffers real, in this thread and no other.

    accelerate's init_empty_weights changes torch for all threads, so that two that load at once break each other.
    """
    _listen_to_new_parameters()
    before, _THREAD.makes_empty = getattr(_THREAD, "makes_empty", False), True
    try:
        yield
    finally:
        _THREAD.makes_empty = before


@cache
def _listen_to_new_parameters() -> None:
    """Register one hook for good: a list of them that changes while another thread goes through it would break that."""
    from torch.nn.modules.module import register_module_parameter_registration_hook

    def emptied(module: torch.nn.Module, name: str, parameter: torch.nn.Parameter) -> torch.nn.Parameter | None:
        if not getattr(_THREAD, "makes_empty", False):
            return None
        return type(parameter)(parameter.to("meta"), requires_grad=parameter.requires_grad)

    register_module_parameter_registration_hook(emptied)


def empty_component(name: str, config: Mapping[str, Any]) -> torch.nn.Module:
    """The component with its parameters on the meta device: shapes and no memory. Buffers are real.

    Raises ValueError for a vocoder of another class than the two that there are, and for values that no model has.
    """
    module, class_name = CLASSES[name].rsplit(".", 1)
    if name == "vocoder":
        class_name = choice("vocoder", config.get("_class_name", class_name), VOCODERS)
        if class_name == VOCODERS[0] and config.get("final_act_fn") is None:
            # The reference has no other; published folders say null, and their sound would go on beyond +-1.
            config = {**config, "final_act_fn": "clamp"}
    made = getattr(import_module(module), class_name)
    check_values(name, config)
    check_kinds(name, config, made)
    config = dict(config)
    ours = {field: config.pop(field) for field in OWN_FIELDS.get(name, ()) if field in config}
    try:
        with empty_weights():
            component = made.from_config(config)
    except Exception as error:  # values that do not go together: classes say so with errors of many kinds
        raise ValueError(f"no {class_name} can be made of the config of {name!r}: {error}") from error
    if ours:
        component.register_to_config(**ours)
    return component
