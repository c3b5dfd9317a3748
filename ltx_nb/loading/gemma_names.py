"""Names of Gemma 3's tensors: where each of a file belongs in transformers' language model.

Hugging Face's folders, older and newer, ComfyUI's single files, llama.cpp's GGUF. What is for pictures is left out: no
prompt goes through it. Knows names alone.
"""

from __future__ import annotations

import re

LANGUAGE_MODEL = ("language_model.model.", "model.language_model.", "model.", "")
UNUSED = (
    "vision_tower.",
    "model.vision_tower.",
    "vision_model.",
    "multi_modal_projector.",
    "model.multi_modal_projector.",
    "language_model.lm_head.",  # the embedding of words once more
    "lm_head.",
    "output.",
    "spiece_model",  # ComfyUI's copy of the tokenizer
    "tokenizer_json",
    "hf_asset__",
    "rope_freqs.",
    "scaled_fp8",
)
_OWN = re.compile(r"(layers\.\d+|embed_tokens|norm)\.")
# llama.cpp, gguf-py/gguf/constants.py: TENSOR_NAMES.
_GGUF = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_GGUF_BLOCK = re.compile(r"blk\.(\d+)\.")


def language_model_name(key: str) -> str | None:
    """The name in the language model's state dict; None for a key of another kind."""
    for prefix in LANGUAGE_MODEL:
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and _OWN.match(name):
            return name
    block, name = "", key
    if found := _GGUF_BLOCK.match(key):
        block, name = f"layers.{found[1]}.", key[found.end() :]
    layer, _, part = name.rpartition(".")
    if layer not in _GGUF or bool(block) == (layer in ("token_embd", "output_norm")):
        return None
    return f"{block}{_GGUF[layer]}.{part}"


def is_unused(key: str) -> bool:
    """Whether a key of such a file is of what is not read of it."""
    return key.startswith(UNUSED)
