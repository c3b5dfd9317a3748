"""Components of the full-size model with random weights: drawn on a device, which takes seconds, and kept in host
memory; or the tiny model, to rehearse with. Knows configs and forms of weights; nothing of files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import nn
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

from ltx_nb.catalogue.components import CONFIGS, empty_component
from ltx_nb.catalogue.models import TINY
from ltx_nb.catalogue.parameters import GEMMA
from ltx_nb.loading.folder import read_folder
from ltx_nb.loading.text_encoder import read_text_encoder
from ltx_nb.running.one_byte import ScaledLinear, is_quantised, quantise_blocks
from ltx_nb.tiny import architecture

STD = 0.02
ONE_BYTE = {"int8": torch.int8, "fp8": torch.float8_e4m3fn}
GEMMA_NAMES = {
    "vocab": "vocab_size",
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "ff": "intermediate_size",
}


def components(weights: str, device: str | torch.device, rehearses: bool = False) -> dict[str, Any]:
    """All that a pipeline has. weights: of the transformer's blocks, "int8", "fp8" or "bf16"."""
    if rehearses:
        folder, small = Path(TINY.weights), read_folder(TINY.weights)
        small |= read_text_encoder(folder / "text_encoder", folder / "tokenizer", small["connectors"].config)
        return small | {"transformer": transformer(weights, device, rehearses)}
    others = {name: filled(empty_component(name, CONFIGS[name]), device) for name in CONFIGS if name != "transformer"}
    words = architecture.tokenizer()
    words.model_max_length = 1024
    return others | {
        "transformer": transformer(weights, device),
        "text_encoder": text_encoder(device),
        "tokenizer": words,
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def transformer(weights: str, device: str | torch.device, rehearses: bool = False) -> nn.Module:
    if rehearses:
        small = read_folder(TINY.weights)["transformer"].to(torch.bfloat16)
        if weights in ONE_BYTE:
            quantise_blocks(small, form=weights)
        return small
    model = empty_component("transformer", CONFIGS["transformer"])
    if weights in ONE_BYTE:
        for name, layer in list(model.named_modules()):
            if is_quantised(name):
                model.set_submodule(name, ScaledLinear.empty(layer, ONE_BYTE[weights]))
    return filled(model, device)


def text_encoder(device: str | torch.device) -> nn.Module:
    """Without values in the parts that no prompt goes through."""
    config = Gemma3Config(text_config={name: GEMMA[key] for key, name in GEMMA_NAMES.items()})
    with init_empty_weights():
        model = Gemma3ForConditionalGeneration(config).eval()
    filled(model.model.language_model, device)
    return model


def filled(model: nn.Module, device: str | torch.device) -> nn.Module:
    """The model with values for all that is on the meta device: bf16, or one byte with a scale."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.is_meta:
                values = torch.empty(parameter.shape, dtype=torch.bfloat16, device=device).normal_(std=STD)
                module._parameters[name] = nn.Parameter(values.cpu(), requires_grad=False)
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.is_meta:
                module._buffers[name] = _one_byte(buffer, device).cpu()
    return model.eval()


def _one_byte(buffer: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """Of ScaledLinear: so that weight x weight_scale has about the spread of the others."""
    if buffer.dtype == torch.int8:
        return torch.randint(-127, 128, buffer.shape, dtype=torch.int8, device=device)
    if buffer.dtype == torch.float8_e4m3fn:
        return torch.randn(buffer.shape, dtype=torch.bfloat16, device=device).to(buffer.dtype)
    is_by_row = buffer.dim() > 0
    return torch.full(buffer.shape, STD / 73 if is_by_row else STD, device=device)
