"""How many parameters a model's parts have, counted from its configs on the meta device: no weights, no memory.

Knows configs and counts; not bytes, dtypes or devices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from ltx_nb.catalogue.components import CONFIGS, empty_component
from ltx_nb.catalogue.models import TINY, Model

if TYPE_CHECKING:
    import torch

# Gemma 3 12B's config: google/gemma-3-12b-it, config.json, "text_config". Its files hold a picture encoder as well.
GEMMA = {"vocab": 262_208, "hidden": 3840, "layers": 48, "heads": 16, "kv_heads": 8, "head_dim": 256, "ff": 15_360}
GEMMA_FILE_PARAMETERS = 12_187_325_040


@dataclass(frozen=True)
class Sizes:
    """Parameters; `largest_layer` and `largest_connector` are of one weight. width: of a video token in the blocks."""

    blocks: int
    block: int
    largest_layer: int
    around_blocks: int
    connectors: int
    largest_connector: int
    vae_encoder: int
    vae_decoder: int
    audio_vae: int
    vocoder: int
    latent_upsampler: int
    text_encoder: int
    text_encoder_layer: int
    text_encoder_file: int
    width: int

    @property
    def parameters(self) -> int:
        """Of the whole pipeline."""
        around = self.around_blocks + self.connectors + self.vae_encoder + self.vae_decoder + self.audio_vae
        return self.blocks * self.block + around + self.vocoder + self.latent_upsampler + self.text_encoder


@cache
def sizes_of(model: Model) -> Sizes:
    """Of the components of a model in the catalogue; all but the tiny one are of LTX-2.3's size."""
    if model.name == TINY.name:
        return _tiny()
    # One block is enough to count: they are all alike.
    configs = CONFIGS | {"transformer": CONFIGS["transformer"] | {"num_layers": 1}}
    parts = {name: empty_component(name, config) for name, config in configs.items()}
    made = sizes_of_parts(parts, GEMMA)
    return replace(made, blocks=CONFIGS["transformer"]["num_layers"], text_encoder_file=GEMMA_FILE_PARAMETERS)


def sizes_of_parts(parts: Mapping[str, torch.nn.Module], text: Mapping[str, int]) -> Sizes:
    """Of components as they are, by name, and a text encoder's dimensions as in GEMMA; one may lack the upsampler."""
    transformer, vae = parts["transformer"], parts["vae"]
    blocks, block = len(transformer.transformer_blocks), transformer.transformer_blocks[0]
    layer = _gemma_layer(text)
    text_encoder = text["layers"] * layer + text["vocab"] * text["hidden"] + text["hidden"]
    return Sizes(
        blocks=blocks,
        block=_count(block),
        largest_layer=_largest(block),
        around_blocks=_count(transformer) - blocks * _count(block),
        connectors=_count(parts["connectors"]),
        largest_connector=_largest(parts["connectors"]),
        vae_encoder=_count(vae.encoder),
        vae_decoder=_count(vae.decoder),
        audio_vae=_count(parts["audio_vae"]),
        vocoder=_count(parts["vocoder"]),
        latent_upsampler=_count(parts["latent_upsampler"]) if "latent_upsampler" in parts else 0,
        text_encoder=text_encoder,
        text_encoder_layer=layer,
        text_encoder_file=text_encoder,
        width=transformer.config.cross_attention_dim,
    )


def text_dimensions(config: Any) -> dict[str, int]:
    """Of a text encoder's `config.text_config`, named as in GEMMA."""
    return {
        "vocab": config.vocab_size,
        "hidden": config.hidden_size,
        "layers": config.num_hidden_layers,
        "heads": config.num_attention_heads,
        "kv_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "ff": config.intermediate_size,
    }


def _tiny() -> Sizes:
    from accelerate import init_empty_weights

    from ltx_nb.tiny import architecture

    names = {"vae": "video_vae"} | {name: name for name in CONFIGS if name != "vae"}
    with init_empty_weights():
        parts = {name: getattr(architecture, maker)() for name, maker in names.items()}
        config = architecture.text_encoder(len(architecture.tokenizer())).config.text_config
    return sizes_of_parts(parts, text_dimensions(config))


def _gemma_layer(text: Mapping[str, int]) -> int:
    """Query, key, value and output; gate, up and down; four norms of the layer, two of the heads."""
    attention = 2 * text["hidden"] * text["head_dim"] * (text["heads"] + text["kv_heads"])
    return attention + 3 * text["hidden"] * text["ff"] + 4 * text["hidden"] + 2 * text["head_dim"]


def _count(module: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in _weights(module))


def _largest(module: torch.nn.Module) -> int:
    return max(tensor.numel() for tensor in _weights(module))


def _weights(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Parameters, and weights of one byte, which are buffers."""
    yield from module.parameters()
    yield from (buffer for buffer in module.buffers() if buffer.itemsize == 1)
