"""Names of tensors: where each of an official LTX-2.3 single file belongs in diffusers' layout.

Knows names alone. Source of the renames: diffusers' scripts/convert_ltx2_to_diffusers.py (2.3), and the two module
trees; a whole parts list of the real size maps one to one (5,947 tensors).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TRANSFORMER_PREFIX = "model.diffusion_model."
CONNECTOR_PREFIXES = ("video_embeddings_connector.", "audio_embeddings_connector.")
TEXT_PROJECTION_PREFIX = "text_embedding_projection."
SAME_PREFIX = ("vae", "audio_vae", "vocoder")

# Official part of a dotted name -> diffusers' part; "" takes the part out.
_PARTS = {
    "transformer": {
        "patchify_proj": "proj_in",
        "audio_patchify_proj": "audio_proj_in",
        "adaln_single": "time_embed",
        "audio_adaln_single": "audio_time_embed",
        "prompt_adaln_single": "prompt_adaln",
        "audio_prompt_adaln_single": "audio_prompt_adaln",
        "av_ca_video_scale_shift_adaln_single": "av_cross_attn_video_scale_shift",
        "av_ca_a2v_gate_adaln_single": "av_cross_attn_video_a2v_gate",
        "av_ca_audio_scale_shift_adaln_single": "av_cross_attn_audio_scale_shift",
        "av_ca_v2a_gate_adaln_single": "av_cross_attn_audio_v2a_gate",
        "scale_shift_table_a2v_ca_video": "video_a2v_cross_attn_scale_shift_table",
        "scale_shift_table_a2v_ca_audio": "audio_a2v_cross_attn_scale_shift_table",
        "q_norm": "norm_q",
        "k_norm": "norm_k",
    },
    "connectors": {
        "video_embeddings_connector": "video_connector",
        "audio_embeddings_connector": "audio_connector",
        "transformer_1d_blocks": "transformer_blocks",
        "video_aggregate_embed": "video_text_proj_in",
        "audio_aggregate_embed": "audio_text_proj_in",
        "q_norm": "norm_q",
        "k_norm": "norm_k",
    },
    "vae": {"res_blocks": "resnets"},
    "audio_vae": {},
    "vocoder": {
        "ups": "upsamplers",
        "resblocks": "resnets",
        "conv_pre": "conv_in",
        "conv_post": "conv_out",
        "act_post": "act_out",
        "lowpass": "",
    },
}
# The way back, part by part.
OFFICIAL_PARTS = {
    component: {ours: official for official, ours in parts.items() if ours} for component, parts in _PARTS.items()
}
_STATISTICS = {
    "per_channel_statistics.mean-of-means": "latents_mean",
    "per_channel_statistics.std-of-means": "latents_std",
}
# The official VAE counts residual stages and resamplers in one list of nine: r s r s r s r s r.
_VAE_STAGE = re.compile(r"^(encoder\.down_blocks|decoder\.up_blocks)\.(\d+)\.")
_LAST_STAGE = 8
_BARE = (
    "transformer_blocks.",
    "patchify_proj.",
    "proj_in.",
    *CONNECTOR_PREFIXES,
)  # what a bare transformer begins with


def diffusers_name(key: str) -> tuple[str, str] | None:
    """(component, name in its state dict) of a key of the single file, or None for one that it should not have."""
    if key.startswith(TRANSFORMER_PREFIX):
        rest = key.removeprefix(TRANSFORMER_PREFIX)
        component = "connectors" if rest.startswith(CONNECTOR_PREFIXES) else "transformer"
    elif key.startswith(TEXT_PROJECTION_PREFIX):
        component, rest = "connectors", key.removeprefix(TEXT_PROJECTION_PREFIX)
    else:
        component, _, rest = key.partition(".")
        if component not in SAME_PREFIX:
            return None
    if component.endswith("vae"):
        if rest in _STATISTICS:
            return component, _STATISTICS[rest]
        if component == "vae":
            rest = _VAE_STAGE.sub(_vae_stage, rest)
    renamed = (_PARTS[component].get(part, part) for part in rest.split("."))
    return component, ".".join(part for part in renamed if part)


def _vae_stage(match: re.Match[str]) -> str:
    blocks, index = match[1], int(match[2])
    half, is_resampler = divmod(index, 2)
    if blocks.startswith("encoder"):
        if index == _LAST_STAGE:
            return "encoder.mid_block."
        return f"{blocks}.{half}.downsamplers.0." if is_resampler else f"{blocks}.{half}."
    if index == 0:
        return "decoder.mid_block."
    return f"{blocks}.{half}.upsamplers.0." if is_resampler else f"{blocks}.{half - 1}."


def official_keys(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """A file's tensors under the keys of the single file, with the prefixes that split files leave out.

    Those have the transformer, with connectors or without, or one VAE, under the names that they have within it. Values
    have a `shape`.
    """
    if any(is_of_lora(key) for key in tensors):
        return dict(tensors)  # of another kind of file, which is to be named as it is
    known = (TRANSFORMER_PREFIX, TEXT_PROJECTION_PREFIX, *(f"{name}." for name in SAME_PREFIX))
    is_bare = not any(key.startswith(known) for key in tensors)
    is_vae = is_bare and any(key.startswith(("encoder.", "decoder.")) for key in tensors)
    is_video = any(len(value.shape) == 5 for value in tensors.values())
    prefix = "" if not is_bare else TRANSFORMER_PREFIX if not is_vae else "vae." if is_video else "audio_vae."
    if is_bare and not is_vae and not any(key.removeprefix("diffusion_model.").startswith(_BARE) for key in tensors):
        prefix = ""

    def renamed(key: str) -> str:
        if key.startswith("diffusion_model."):
            return f"model.{key}"
        return TRANSFORMER_PREFIX + key if key.startswith(CONNECTOR_PREFIXES) else prefix + key

    return {renamed(key): value for key, value in tensors.items()}


def is_of_lora(key: str) -> bool:
    """Whether a key is that of a LoRA, by what all of their writers have in it."""
    return ".lora_" in key or ".lokr_" in key or key.startswith("lora_")
