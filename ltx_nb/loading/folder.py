"""Components of a folder in diffusers' layout: read from mapped shards as strictly as a single file, and written whole.

Weights of one byte with their scales are read and written as they are, so that a converted model can be kept. Knows
the layout; not where a folder comes from and not what a pipeline does with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from ltx_nb.catalogue.components import CLASSES, empty_component
from ltx_nb.checks import choice
from ltx_nb.loading.forms import tensors_with_marks
from ltx_nb.loading.stored import Stored, WeightsError
from ltx_nb.loading.tensors import fill
from ltx_nb.loading.weight_files import opened
from ltx_nb.planning.machine import GB, free_disk_gb
from ltx_nb.whole_files import whole_folder

WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"
INDEX_NAME = f"{WEIGHTS_NAME}.index.json"
SHARD_SIZE = "5GB"


def read_folder(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Every component but the text encoder and its tokenizer; no `latent_upsampler` where the folder has none.

    Raises FileNotFoundError for a folder without model_index.json, WeightsError for a file that is cut short or does
    not fill its component.
    """
    folder = Path(folder)
    if not (folder / "model_index.json").is_file():
        raise FileNotFoundError(f"no weights in {os.fspath(folder)!r}: it has no model_index.json")
    names = [name for name in CLASSES if name != "latent_upsampler" or (folder / name).is_dir()]
    components: dict[str, Any] = {name: _read_component(folder / name, name) for name in names}
    scheduler = json_object(folder / "scheduler" / "scheduler_config.json")
    return components | {"scheduler": FlowMatchEulerDiscreteScheduler.from_config(scheduler)}


def write_folder(folder: str | os.PathLike[str], components: Mapping[str, Any]) -> None:
    """A folder that `read_folder` reads, whole or not at all. Raises OSError where there is no room for it."""
    num_bytes = sum(tensor.nbytes for name in CLASSES if name in components for tensor in _tensors(components[name]))
    free_gb = free_disk_gb(folder)
    if num_bytes / GB > free_gb:
        raise OSError(f"{num_bytes / GB:.1f} GB are to be written and {free_gb:.1f} GB of disk are free at {folder}")
    with whole_folder(folder) as unfinished:
        for name in (*CLASSES, "scheduler"):
            if components.get(name) is not None:
                components[name].save_pretrained(unfinished / name, **_sharding(components[name]))
        (unfinished / "model_index.json").write_text(json.dumps({"_class_name": "LTX2Pipeline"}, indent=2))


def _tensors(component: torch.nn.Module) -> Iterable[torch.Tensor]:
    return component.state_dict().values()


def _sharding(component: Any) -> dict[str, Any]:
    return {"max_shard_size": SHARD_SIZE} if isinstance(component, torch.nn.Module) else {}


def _read_component(folder: Path, name: str) -> torch.nn.Module:
    with stored_component(folder, name) as (model, stored):
        fill(folder, {name: model}, {name: stored})
    return model


@contextmanager
def stored_component(folder: Path, name: str) -> Iterator[tuple[torch.nn.Module, dict[str, Stored]]]:
    """The component of a folder, empty, and the tensors that its shards have for it."""
    config = json_object(folder / "config.json")
    try:
        model = empty_component(name, config)
    except ValueError as error:
        raise WeightsError(f"{folder / 'config.json'}: {error}") from None
    with ExitStack() as files:
        stored: dict[str, Stored] = {}
        for shard in _shards(folder):
            stored |= tensors_with_marks(files.enter_context(opened(shard)))
        yield model, stored


def _shards(folder: Path) -> list[Path]:
    index = folder / INDEX_NAME
    if not index.is_file():
        return [folder / WEIGHTS_NAME]
    names = sorted(set(json_object(index).get("weight_map", {}).values()))
    present = [path.name for path in folder.iterdir()]
    return [folder / choice("shard", name, present) for name in names]  # a plain name, never a path out of the folder


def json_object(path: Path) -> dict[str, Any]:
    """Contents of a JSON file. Raises FileNotFoundError, and WeightsError for anything but an object."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} is no JSON object: {error}") from None
