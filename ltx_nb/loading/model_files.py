"""Which files a model is read from: those that lie here, or those to be downloaded, and a converted copy of them.

Knows the layouts of the catalogue's repositories; not what is in a file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltx_nb.catalogue.components import CLASSES
from ltx_nb.catalogue.models import TEXT_ENCODER, UPSCALER, Model
from ltx_nb.loading.download import Files, fetch, local_snapshot
from ltx_nb.loading.loras import LoraSource, path_and_scale
from ltx_nb.loading.weight_files import opened
from ltx_nb.planning.presets import Preset

TEXT_PARTS = ("text_encoder", "tokenizer")
# What is read of a repository in diffusers' layout, and of one with a text encoder alone.
FOLDER_PATTERNS = (
    "model_index.json",
    *(f"{name}/*.{ending}" for name in (*CLASSES, "scheduler", *TEXT_PARTS) for ending in ("json", "safetensors")),
    "tokenizer/*.model",
)
TEXT_PATTERNS = ("*.json", "*.safetensors", "*.model")


@dataclass(frozen=True)
class Located:
    """model: a folder in diffusers' layout, or an official single file, which may have an upscaler's file beside it.

    text_encoder, tokenizer: their folders.
    """

    model: Path
    upscaler: Path | None
    text_encoder: Path
    tokenizer: Path


def files_of(model: Model, text_encoder: str | os.PathLike[str] | None = None) -> list[Files]:
    """What `located` needs of the hub: nothing where everything lies here.

    Raises FileNotFoundError for a model whose place is here and whose file is not, WeightsError where that is none that
    can be read: before anything else is downloaded for it.
    """
    wanted = []
    if model.file is not None and _is_here(model):
        with opened(Path(model.weights) / model.file):
            pass
    if not _is_here(model):
        wanted.append(Files(model.weights, FOLDER_PATTERNS if model.file is None else (model.file,)))
        if model.file is not None:
            wanted.append(Files(UPSCALER[0], (UPSCALER[1],)))
    source = os.fspath(text_encoder or TEXT_ENCODER)
    if model.file is not None and not Path(source).is_dir():
        wanted.append(Files(source, TEXT_PATTERNS))
    return wanted


def is_downloaded(model: Model, text_encoder: str | os.PathLike[str] | None = None) -> bool:
    """Whether all that a model needs of the hub lies in its cache; no request is made."""
    return not any(local_snapshot(files) is None for files in files_of(model, text_encoder))


def located(model: Model, text_encoder: str | os.PathLike[str] | None = None) -> Located:
    """Where everything is, once it has been downloaded if need be. Raises as `fetch`."""
    wanted = files_of(model, text_encoder)
    folders = dict(zip([files.repository for files in wanted], fetch(wanted), strict=True))
    place = folders.get(model.weights, Path(model.weights))
    if model.file is None:
        return Located(place, None, *(place / name for name in TEXT_PARTS))
    upscaler = folders.get(UPSCALER[0], place) / UPSCALER[1]
    text = os.fspath(text_encoder or TEXT_ENCODER)
    found = folders.get(text, Path(text))
    parts = [found / name for name in TEXT_PARTS] if (found / "text_encoder").is_dir() else [found, found]
    return Located(place / model.file, upscaler if upscaler.is_file() else None, *parts)


def stage_2_lora_of(model: Model) -> tuple[LoraSource, ...]:
    """The LoRA that the model's second stage is made for, where it lies beside the model or in the hub's cache."""
    if model.stage_2_lora is None:
        return ()
    repository, name, strength = model.stage_2_lora
    folders = [Path(model.weights) if _is_here(model) else None, local_snapshot(Files(repository, (name,)))]
    found = [folder / name for folder in folders if folder is not None and (folder / name).is_file()]
    return ((found[0], strength),) if found else ()


def converted_folder(
    cache: str | os.PathLike[str], model: Model, source: Path, preset: Preset, loras: Sequence[LoraSource]
) -> Path:
    """The folder in `cache` for this model, these LoRAs and this form; another source is another folder."""
    paths = [path_and_scale(lora) for lora in loras]
    # With products in float, fp8 stays as it is stored.
    one_byte = {"float": "int8", "int8": "all-int8", "fp8": "fp8"}[preset.compute]
    form = one_byte if preset.weight_bytes == 1 else "as-stored"
    key = [_identity(source), form, [(_identity(Path(path)), scale) for path, scale in paths]]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
    return Path(cache) / f"{model.name}-{form}-{digest}"


def _is_here(model: Model) -> bool:
    return os.path.isabs(model.weights)  # a folder, not the id of a repository


def _identity(path: Path) -> list[Any]:
    """Of a file, or of the transformer's files in a folder: name, size and time, as `make` goes by."""
    files = sorted((path / "transformer").glob("*.safetensors")) if path.is_dir() else [path]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in map(Path.resolve, files)]
