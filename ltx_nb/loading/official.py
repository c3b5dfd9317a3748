"""Reader of the official LTX-2.3 single files (bf16 and fp8) and of the upscaler's file, into diffusers' components.

Strict and complete: every name, shape and dtype has to be known and none missing. Knows the layout of these files; how
tensors are read and scaled is in `ltx_nb.loading.tensors`. Knows no device, no pipeline and no hub.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from ltx_nb.catalogue.components import empty_component
from ltx_nb.loading.forms import tensors_with_marks
from ltx_nb.loading.keys import diffusers_name
from ltx_nb.loading.official_config import component_configs, latent_upsampler_config
from ltx_nb.loading.stored import Stored, TensorFile, WeightsError, shown
from ltx_nb.loading.tensors import fill
from ltx_nb.loading.weight_files import opened


def read_components(path: str | os.PathLike[str]) -> dict[str, torch.nn.Module]:
    """transformer, connectors, vae, audio_vae and vocoder of an official single file, in evaluation mode.

    Raises WeightsError (a ValueError) for a file that is cut short, is no safetensors or is not LTX-2.3's in every
    tensor, FileNotFoundError where there is none.
    """
    with opened(path) as file:
        stored, unknown = _by_component(tensors_with_marks(file))
        if not stored:
            raise WeightsError(
                f"{path} is not an official LTX-2.3 single file: of its {len(unknown)} tensors, for example "
                f"{shown(unknown)}, none is named as there",
                unknown,
            )
        models = _empty_models(path, file, stored)
        fill(path, models, stored, unknown)
        return models


def read_latent_upsampler(path: str | os.PathLike[str]) -> torch.nn.Module:
    """The latent upsampler of an official upscaler file, whose names are diffusers'. Raises as `read_components`."""
    with opened(path) as file:
        with _named_config(path):
            model = empty_component("latent_upsampler", latent_upsampler_config(_config(path, file)))
        fill(path, {"latent_upsampler": model}, {"latent_upsampler": tensors_with_marks(file)})
        return model


def _empty_models(
    path: str | os.PathLike[str], file: TensorFile, stored: Mapping[str, Mapping[str, Stored]]
) -> dict[str, torch.nn.Module]:
    config = _config(path, file)
    with _named_config(path):
        configs = component_configs(config)
        projection = stored.get("connectors", {}).get("video_text_proj_in.weight")
        if projection is not None:  # the only number that no config has: the layers of the text encoder
            caption_channels = configs["connectors"]["caption_channels"]
            configs["connectors"]["text_proj_in_factor"] = projection.shape[1] // caption_channels
        return {name: empty_component(name, config) for name, config in configs.items()}


@contextmanager
def _named_config(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what is raised about a config into an error that names the file."""
    try:
        yield
    except (AttributeError, TypeError, LookupError, ArithmeticError) as error:
        raise WeightsError(f"{path} has a config in its metadata that is not LTX-2.3's: {error}") from None
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from None


def _config(path: str | os.PathLike[str], file: TensorFile) -> Mapping[str, Any]:
    try:
        return dict(json.loads((file.metadata() or {}).get("config", "{}")))
    except (ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} has a config in its metadata that is no JSON object: {error}") from None


def _by_component(tensors: Mapping[str, Stored]) -> tuple[dict[str, dict[str, Stored]], list[str]]:
    """What the file has, under component and diffusers' name, and the keys that have no such name."""
    stored: dict[str, dict[str, Stored]] = {}
    unknown = []
    for key, entry in tensors.items():
        place = diffusers_name(key)
        if place is None or place[1] in stored.get(place[0], {}):
            unknown.append(key)
        else:
            stored.setdefault(place[0], {})[place[1]] = entry
    return stored, unknown
