"""Encoding prompts with a few layers of the text encoder on the device at a time, straight from its mapped files.

What the connectors take of Gemma is the hidden states of all its layers; logits, a cache of keys and values, and
pictures are of no use to them. The connectors themselves stream with `stream_parts`. Knows Gemma's modules; no prompts.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.hooks import ModelHook
from torch import nn
from torch.nn import functional as F
from transformers import Gemma3ForConditionalGeneration

from ltx_nb.running.host_memory import BlockWeights
from ltx_nb.running.streaming import check_not_streamed, register, stream


def stream_text_encoder(
    text_encoder: Gemma3ForConditionalGeneration,
    device: str | torch.device,
    dtype: torch.dtype,
    *,
    source: str = "disk",
) -> None:
    """Encode on `device` in `dtype` with two layers there at a time; hidden states are those of the ordinary way.

    From `from_pretrained(folder, dtype="auto")` the weights stay mapped from the files, of whatever dtype, and no RAM
    is lasting. The embedding of words, a sixth of the weights, is looked up where it lies. Outputs have no logits and
    no cache. As with `stream_blocks`, take `fingerprint` first and end with `stop_streaming(text_encoder)`.

    source: "disk", or "ram" to hold the layers in page-locked memory, for many prompts.
    """
    check_not_streamed(text_encoder)
    device, model = torch.device(device), text_encoder.model
    language_model = model.language_model
    register(text_encoder, HiddenStatesAlone([model.vision_tower, model.multi_modal_projector], device, dtype))
    register(language_model.embed_tokens, HostEmbedding(language_model.embed_tokens, device, dtype))
    stream(language_model, list(language_model.layers), device, slots=2, source=source, dtype=dtype)


class HiddenStatesAlone(ModelHook):
    """Leaves out logits and cache. The parts that are never used say that they are on `device`, in `dtype`, as the
    pipeline asks the encoder where and in what it runs."""

    def __init__(self, unused: list[nn.Module], device: torch.device, dtype: torch.dtype):
        super().__init__()
        self.unused = [BlockWeights(module, dtype) for module in unused]
        for weights in self.unused:
            weights.attach(weights.placeholders(device))

    def new_forward(self, text_encoder: nn.Module, **inputs: Any) -> Any:
        return text_encoder.model(**inputs, use_cache=False)

    def deinitalize_hook(self, module: nn.Module) -> nn.Module:
        for weights in self.unused:
            weights.attach(weights.host)
        return module


class HostEmbedding(ModelHook):
    """Looks words up in host memory, and has their vectors on `device`: 7.9 MB of 2 GB for 1,024 tokens of Gemma 3."""

    def __init__(self, embedding: nn.Module, device: torch.device, dtype: torch.dtype):
        super().__init__()
        self.device, self.dtype = device, dtype
        self.weights = BlockWeights(embedding, dtype)
        self.weights.attach(self.weights.placeholders(device))

    def new_forward(self, embedding: nn.Module, input_ids: torch.Tensor) -> torch.Tensor:
        weight, embed_scale = self.weights.host
        words = F.embedding(input_ids.to(weight.device), weight).to(self.device, self.dtype)
        return words * embed_scale.to(self.device, self.dtype)

    def deinitalize_hook(self, module: nn.Module) -> nn.Module:
        self.weights.attach(self.weights.host)
        return module
