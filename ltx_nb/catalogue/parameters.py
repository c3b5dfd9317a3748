"""How many parameters a model's parts have, counted from its configs on the meta device: no weights, no memory.

Knows configs and counts; not bytes, dtypes or devices.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltx_nb.catalogue.components import CLASSES, CONFIGS, UPSCALER_CONFIGS, empty_component
from ltx_nb.catalogue.models import Model, named_model

if TYPE_CHECKING:
    import torch

# Gemma 3 12B's config: google/gemma-3-12b-it, config.json, "text_config". Its files hold a picture encoder as well.
GEMMA = {"vocab": 262_208, "hidden": 3840, "layers": 48, "heads": 16, "kv_heads": 8, "head_dim": 256, "ff": 15_360}
GEMMA_FILE_PARAMETERS = 12_187_325_040


@dataclass(frozen=True)
class ParameterCounts:
    """Numbers of parameters, part by part.

    block: those of one of the `blocks` transformer blocks, which are all alike. largest_layer, largest_connector: those
    of one weight. text_encoder_file: with what its files hold beside the language model. width: channels of a video
    token in the blocks.
    """

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

    def by_part(self) -> dict[str, int]:
        """Parameters of the whole pipeline by the name of the part."""
        return {
            "transformer's blocks": self.blocks * self.block,
            "transformer around them": self.around_blocks,
            "connectors": self.connectors,
            "text encoder, Gemma 3": self.text_encoder,
            "video VAE": self.vae_encoder + self.vae_decoder,
            "audio VAE and vocoder": self.audio_vae + self.vocoder,
            "latent upsampler": self.latent_upsampler,
        }

    @property
    def parameters(self) -> int:
        """Parameters of the whole pipeline."""
        return sum(self.by_part().values())


def parameter_counts(model: str | Model) -> ParameterCounts:
    """Count the parameters of a model: by the configs in its folder where it lies in one, else by LTX-2.3's.

    Raises FileNotFoundError and ValueError for a folder whose configs are missing or are no JSON objects.
    """
    return _counts_of(named_model(model) if isinstance(model, str) else model)


@cache
def _counts_of(model: Model) -> ParameterCounts:
    folder = Path(model.weights)
    if model.file is None and folder.is_absolute():
        return _counted(_configs_of(folder), _text_of(folder))
    return _published_counts()


@cache
def _published_counts() -> ParameterCounts:
    return _counted(CONFIGS, GEMMA)


@cache
def upscaler_parameters(name: str) -> int:
    """Count the parameters of a published latent upscaler, by its name in `catalogue.models.UPSCALERS`."""
    return _count(empty_component("latent_upsampler", UPSCALER_CONFIGS[name]))


def _counted(configs: Mapping[str, Mapping[str, Any]], text: Mapping[str, int]) -> ParameterCounts:
    blocks = configs["transformer"]["num_layers"]
    # One block is enough to count: they are all alike.
    configs = {**configs, "transformer": {**configs["transformer"], "num_layers": 1}}
    made = counts_of_parts({name: empty_component(name, config) for name, config in configs.items()}, text)
    return replace(made, blocks=blocks, text_encoder_file=GEMMA_FILE_PARAMETERS if text == GEMMA else made.text_encoder)


def counts_of_parts(parts: Mapping[str, torch.nn.Module], text: Mapping[str, int]) -> ParameterCounts:
    """Count components as they are, by name; the latent upsampler may be missing. text: dimensions as in GEMMA."""
    transformer, vae = parts["transformer"], parts["vae"]
    blocks, block = len(transformer.transformer_blocks), transformer.transformer_blocks[0]
    layer = _gemma_layer(text)
    text_encoder = text["layers"] * layer + text["vocab"] * text["hidden"] + text["hidden"]
    return ParameterCounts(
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


def lora_parameters(model: Model, rank: int, targets: Sequence[str]) -> int:
    """Count the parameters of a LoRA of this rank on the layers of the blocks whose names end in one of `targets`."""
    folder = Path(model.weights)
    in_folder = model.file is None and folder.is_absolute()
    config = (_configs_of(folder) if in_folder else CONFIGS)["transformer"]
    block = empty_component("transformer", {**config, "num_layers": 1}).transformer_blocks[0]
    found = [layer for name, layer in block.named_modules() if f".{name}".endswith(tuple(f".{it}" for it in targets))]
    return config["num_layers"] * rank * sum(layer.in_features + layer.out_features for layer in found)


def text_dimensions(config: Any) -> dict[str, int]:
    """Name the dimensions of a text encoder's `config.text_config` as GEMMA does."""
    return {
        "vocab": config.vocab_size,
        "hidden": config.hidden_size,
        "layers": config.num_hidden_layers,
        "heads": config.num_attention_heads,
        "kv_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "ff": config.intermediate_size,
    }


def _configs_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The config of each component that a folder in diffusers' layout has."""
    names = [name for name in CLASSES if name != "latent_upsampler" or (folder / name).is_dir()]
    return {name: _json_object(folder / name / "config.json") for name in names}


def _text_of(folder: Path) -> dict[str, int]:
    from transformers import Gemma3Config  # it fills in what a published config leaves out

    return text_dimensions(Gemma3Config.from_dict(_json_object(folder / "text_encoder" / "config.json")).text_config)


def _json_object(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no JSON object: {error}") from None


def _gemma_layer(text: Mapping[str, int]) -> int:
    """Count query, key, value and output; gate, up and down; four norms of the layer, two of the heads."""
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
