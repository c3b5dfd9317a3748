"""Components of the full-size model with random weights: drawn on a device, which takes seconds, and kept in host
memory; or the tiny model, to rehearse with. Knows configs and forms of weights; nothing of files.

Large tensors of one component that have one shape share their values until they are placed, so that a block is drawn
and not 48; each has its own scales, norms and biases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
SHARED_VALUES = 2**20
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
    others = components_of([name for name in CONFIGS if name != "transformer"], device)
    words = architecture.tokenizer()
    words.model_max_length = 1024
    return others | {
        "transformer": transformer(weights, device),
        "text_encoder": text_encoder(device),
        "tokenizer": words,
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def components_of(names: Sequence[str], device: str | torch.device, rehearses: bool = False) -> dict[str, Any]:
    """Those of the components around the transformer."""
    if rehearses:
        small = read_folder(TINY.weights)
        return {name: small[name] for name in names}
    return {name: filled(empty_component(name, CONFIGS[name]), device) for name in names}


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
    shared: dict[tuple[torch.Size, torch.dtype], torch.Tensor] = {}

    def drawn(like: torch.Tensor, draw: Callable[[], torch.Tensor]) -> torch.Tensor:
        if like.numel() < SHARED_VALUES:
            return draw().cpu()
        key = like.shape, like.dtype
        if key not in shared:
            shared[key] = draw().cpu()
        return shared[key].view(like.shape)  # a tensor of its own

    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.is_meta:
                values = drawn(parameter, lambda shape=parameter.shape: _normal(shape, device))
                module._parameters[name] = nn.Parameter(values, requires_grad=False)
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.is_meta:
                module._buffers[name] = drawn(buffer, lambda buffer=buffer: _one_byte(buffer, device))
    return model.eval()


def bytes_of(model: nn.Module) -> dict[int, int]:
    """Bytes of each storage that the model's parameters lie in, once for all that share it."""
    storages = [it.untyped_storage() for it in model.parameters() if not it.is_meta]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def _normal(shape: torch.Size, device: str | torch.device) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.bfloat16, device=device).normal_(std=STD)


def _one_byte(buffer: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """Of ScaledLinear: so that weight x weight_scale has about the spread of the others."""
    if buffer.dtype == torch.int8:
        return torch.randint(-127, 128, buffer.shape, dtype=torch.int8, device=device)
    if buffer.dtype == torch.float8_e4m3fn:
        return torch.randn(buffer.shape, dtype=torch.bfloat16, device=device).to(buffer.dtype)
    middle = STD / 73 if buffer.dim() else STD
    return middle * (0.75 + 0.5 * torch.rand(buffer.shape, device=device))
