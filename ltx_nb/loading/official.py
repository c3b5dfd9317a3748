"""Reader of the official LTX-2.3 single files (bf16 and fp8) and of the upscaler's file, into diffusers' components.

Strict and complete: every name, shape and dtype has to be known and none missing. Knows the layout of these files; how
tensors are read and scaled is in `ltx_nb.loading.tensors`. Knows no device, no pipeline and no hub.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from ltx_nb.catalogue.checkpoints import LTX_2_5
from ltx_nb.catalogue.components import empty_component
from ltx_nb.loading.folder import stored_component
from ltx_nb.loading.forms import tensors_with_marks
from ltx_nb.loading.keys import diffusers_name, is_of_lora, official_keys
from ltx_nb.loading.official_config import component_configs, latent_upsampler_config, upscaler_named
from ltx_nb.loading.stored import Stored, TensorFile, WeightsError, shown
from ltx_nb.loading.tensors import fill
from ltx_nb.loading.weight_files import opened


def read_components(
    path: str | os.PathLike[str], others: Sequence[str | os.PathLike[str]] = (), rest: Path | None = None
) -> dict[str, torch.nn.Module]:
    """transformer, connectors, vae, audio_vae and vocoder of an official single file, in evaluation mode.

    others: further files of one that is split; of a tensor that two have the first counts. rest: a folder in diffusers'
    layout that has the components that none of them has.

    Raises WeightsError (a ValueError) for a file that is cut short, is no safetensors or is not LTX-2.3's in every
    tensor, FileNotFoundError where there is none.
    """
    with ExitStack() as opened_files:
        files = [opened_files.enter_context(opened(it)) for it in (path, *others)]
        stored, unknown = _by_component(files)
        if not stored:
            hint = "; a LoRA is given with its model: load(model, loras=...)" * any(map(is_of_lora, unknown))
            raise WeightsError(
                f"{path} is not an official LTX-2.3 single file: of its {len(unknown)} tensors, for example "
                f"{shown(unknown)}, none is named as there{hint}",
                unknown,
            )
        _refuse_2_5(path, files, stored)
        models = _empty_models(path, files, stored)
        for name in ("connectors", "vae", "audio_vae", "vocoder"):
            if rest is not None and (rest / name).is_dir():
                models[name], of_folder = opened_files.enter_context(stored_component(rest / name, name))
                stored[name] = of_folder | stored.get(name, {})
        fill(path, models, stored, unknown)
        return models


def whole_parts(paths: Sequence[str | os.PathLike[str]]) -> set[str]:
    """Which components these files have between them. Raises as `read_components` for a file that cannot be read."""
    with ExitStack() as opened_files:
        stored, _ = _by_component([opened_files.enter_context(opened(path)) for path in paths])
    if "connectors" in stored and "video_text_proj_in.weight" not in stored["connectors"]:
        del stored["connectors"]  # their blocks lie with the transformer, their projections in a file of their own
    return set(stored)


def read_latent_upsampler(path: str | os.PathLike[str]) -> torch.nn.Module:
    """The latent upsampler of an official upscaler file, whose names are diffusers'. Raises as `read_components`."""
    with opened(path) as file:
        with _named_config(path):
            model = empty_component("latent_upsampler", latent_upsampler_config(_config(path, file)))
        fill(path, {"latent_upsampler": model}, {"latent_upsampler": tensors_with_marks(file)})
        return model


def read_upscalers(paths: Iterable[str | os.PathLike[str]]) -> dict[str, torch.nn.Module]:
    """Latent upscalers by their names in `shapes.UPSCALINGS`. Raises as `read_components`, and for another kind."""
    found = {}
    for path in paths:
        model = read_latent_upsampler(path)
        with _named_config(path):
            found[upscaler_named(model.config)] = model
    return found


def _empty_models(
    path: str | os.PathLike[str], files: Sequence[TensorFile], stored: Mapping[str, Mapping[str, Stored]]
) -> dict[str, torch.nn.Module]:
    config = next((found for found in (_config(path, file) for file in files) if found), {})
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


def _by_component(files: Sequence[TensorFile]) -> tuple[dict[str, dict[str, Stored]], list[str]]:
    """Tensors of the files, under component and diffusers' name, and the keys that have no such name."""
    stored: dict[str, dict[str, Stored]] = {}
    unknown = []
    for file in files:
        found: dict[str, dict[str, Stored]] = {}
        for key, entry in official_keys(tensors_with_marks(file)).items():
            place = diffusers_name(key)
            if place is None or place[1] in found.get(place[0], {}):
                unknown.append(key)
            else:
                found.setdefault(place[0], {})[place[1]] = entry
        for component, entries in found.items():
            stored[component] = entries | stored.get(component, {})
    return stored, unknown


def _refuse_2_5(path: Any, files: Sequence[TensorFile], stored: Mapping[str, Mapping[str, Stored]]) -> None:
    """Raises WeightsError for LTX-2.5, of any layout: feed-forwards without bias, or what its header says."""
    block = stored.get("transformer", {})
    no_bias = "transformer_blocks.0.ff.net.2.weight" in block and "transformer_blocks.0.ff.net.2.bias" not in block
    said = [file.metadata() for file in files]
    if no_bias or any("gemma_source_checkpoint" in it or it.get("model_version", "").startswith("2.5") for it in said):
        raise WeightsError(f"{path} {LTX_2_5}")
