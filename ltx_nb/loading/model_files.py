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
from typing import Any, NamedTuple

from ltx_nb.catalogue.components import CLASSES
from ltx_nb.catalogue.models import DEV, DISTILLED, TEXT_ENCODER, UPSCALER, UPSCALERS, Model, with_weight_bytes
from ltx_nb.checks import choice
from ltx_nb.loading.download import Files, fetch, local_snapshot, missing_downloads, summary
from ltx_nb.loading.found import find
from ltx_nb.loading.loras import LoraSource, path_and_scale
from ltx_nb.loading.official import whole_parts
from ltx_nb.loading.weight_files import READERS, opened
from ltx_nb.planning.presets import Preset
from ltx_nb.request import DEFAULT_UPSCALER

TEXT_PARTS = ("text_encoder", "tokenizer")
# What is read of a repository in diffusers' layout, of one with a text encoder alone, and of that the tokenizer.
FOLDER_PATTERNS = (
    "model_index.json",
    *(f"{name}/*.{ending}" for name in (*CLASSES, "scheduler") for ending in ("json", "safetensors")),
)
OWN_TEXT_PATTERNS = (*(f"{name}/*.{ending}" for name in TEXT_PARTS for ending in ("json", "safetensors", "model")),)
TEXT_PATTERNS = ("*.json", "*.safetensors", "*.model")
TOKENIZER_ALONE = "tokenizer alone"  # given as a text encoder: none, and the tokenizer of the catalogue's
TOKENIZER_PATTERNS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map*", "added_tokens*")
FILE_PARTS = ("connectors", "vae", "audio_vae", "vocoder")  # of an official file, beside the transformer


@dataclass(frozen=True)
class Located:
    """model: a folder in diffusers' layout, or an official single file, which may have an upscaler's file beside it.

    text_encoder: a folder or a file. tokenizer: a folder. rest: a folder in diffusers' layout with the components that
    a file of the transformer alone lacks. upscalers: files of further latent upscalers.
    """

    model: Path
    upscaler: Path | None
    text_encoder: Path
    tokenizer: Path
    rest: Path | None = None
    upscalers: tuple[Path, ...] = ()


class _Wanted(NamedTuple):
    """Something of the hub: what to have of a repository, and the path in it."""

    files: Files
    path: str = ""


def files_of(
    model: Model,
    text_encoder: str | os.PathLike[str] | None = None,
    parts: Sequence[str | os.PathLike[str]] = (),
    upscalers: Sequence[str | os.PathLike[str]] = (),
) -> list[Files]:
    """Files that `located` needs of the hub: none where everything lies here.

    Raises FileNotFoundError for a model whose place is here and whose file is not, WeightsError where that is none that
    can be read: before anything else is downloaded for it.
    """
    places = [*_places(model, text_encoder, parts).values(), *_upscaler_places(model, upscalers)]
    return [place.files for place in places if isinstance(place, _Wanted)]


def is_downloaded(
    model: Model,
    text_encoder: str | os.PathLike[str] | None = None,
    upscalers: Sequence[str | os.PathLike[str]] = (),
) -> bool:
    """Whether all that a model needs of the hub lies in its cache; no request is made."""
    return not any(local_snapshot(files) is None for files in files_of(model, text_encoder, (), upscalers))


def to_download(model: Model, weight_bytes: int) -> Model:
    """The entry whose files are to be had for weights of so many bytes: the model's own where those are here."""
    return model if is_downloaded(model) else with_weight_bytes(model, weight_bytes)


def missing_files(model: Model, text_encoder: str | os.PathLike[str] | None = None) -> str:
    """Say what `load` would download of a model, its size and its licence; "" where all is here. Raises as `fetch`."""
    downloads = missing_downloads(files_of(model, text_encoder))
    return summary(downloads) if downloads else ""


def located(
    model: Model,
    text_encoder: str | os.PathLike[str] | None = None,
    parts: Sequence[str | os.PathLike[str]] = (),
    upscalers: Sequence[str | os.PathLike[str]] = (),
) -> Located:
    """Where everything is, once it has been downloaded if need be.

    upscalers: files, or names in the catalogue; those of the model that lie here come along unasked. Raises as `fetch`,
    and ValueError for an upscaler that is not made for the model.
    """
    places: dict[str, Any] = dict(_places(model, text_encoder, parts))
    further = dict(enumerate(_upscaler_places(model, upscalers)))
    wanted = {name: place for name, place in (places | further).items() if isinstance(place, _Wanted)}
    folders = fetch([place.files for place in wanted.values()])
    had = {name: folder / wanted[name].path for name, folder in zip(wanted, folders, strict=True)}
    found = {name: had.get(name, place) for name, place in places.items()}
    found["upscalers"] = tuple(had.get(index, place) for index, place in further.items())
    if (found["text_encoder"] / "text_encoder").is_dir():  # a whole model's folder, its own or instead of one
        found |= {name: found["text_encoder"] / name for name in TEXT_PARTS}
    return Located(**found)


def _places(
    model: Model, text_encoder: str | os.PathLike[str] | None, parts: Sequence[str | os.PathLike[str]]
) -> dict[str, Path | _Wanted | None]:
    """For each field of Located where it lies, or what is to be had of the hub for it."""
    place = Path(model.weights)
    upscaler: Path | _Wanted | None = None
    rest: _Wanted | None = None
    own_text = model.file is None and (model.text_encoder is None or (place / "text_encoder").is_dir())
    if _is_here(model):
        whole: Path | _Wanted = place if model.file is None else place / model.file
    else:
        patterns = FOLDER_PATTERNS + OWN_TEXT_PATTERNS * own_text if model.file is None else (model.file,)
        found = None if model.file is None else find(model.file)
        whole = found or _Wanted(Files(model.weights, patterns), model.file or "")
    if model.file is not None:
        upscaler = place / UPSCALER[1] if (place / UPSCALER[1]).is_file() else find(UPSCALER[1])
        if upscaler is None and not _is_here(model):
            upscaler = _Wanted(Files(UPSCALER[0], (UPSCALER[1],)), UPSCALER[1])
        if isinstance(whole, Path):
            lacking = [part for part in FILE_PARTS if part not in whole_parts([whole, *parts])]
            if lacking:
                patterns = tuple(f"{part}/{name}" for part in lacking for name in ("config.json", "*.safetensors"))
                rest = _Wanted(Files((DISTILLED if model.is_distilled else DEV).weights, patterns))
    text: dict[str, Any] = dict.fromkeys(TEXT_PARTS, whole)
    if not own_text or text_encoder is not None:
        text = _text_places(text_encoder or model.text_encoder or TEXT_ENCODER)
    return {"model": whole, "upscaler": upscaler, "rest": rest} | text


def _text_places(source: str | os.PathLike[str] | tuple[str, str | None]) -> dict[str, Path | _Wanted]:
    """Place of a folder, a file, a repository, or a repository with a file."""
    tokenizer: Path | _Wanted = _Wanted(Files(TEXT_ENCODER, TOKENIZER_PATTERNS))
    if source == TOKENIZER_ALONE:
        return dict.fromkeys(TEXT_PARTS, tokenizer)
    if isinstance(source, tuple):
        repository, file = source
        if file is None:
            found = find(repository.rpartition("/")[2], is_folder=True)
            whole = found or _Wanted(Files(repository, TEXT_PATTERNS))
            return dict.fromkeys(TEXT_PARTS, whole)
        found = find(file.rpartition("/")[2])
        return {"text_encoder": found or _Wanted(Files(repository, (file,)), file), "tokenizer": tokenizer}
    path = Path(source)
    if path.is_dir():
        return dict.fromkeys(TEXT_PARTS, path)
    if path.suffix in READERS:
        with opened(path):
            pass
        beside = [path.parent, path.parent / "tokenizer"]
        here = [folder for folder in beside if (folder / "tokenizer_config.json").is_file()]
        return {"text_encoder": path, "tokenizer": here[0] if here else tokenizer}
    return dict.fromkeys(TEXT_PARTS, _Wanted(Files(os.fspath(source), TEXT_PATTERNS)))


def _upscaler_places(model: Model, asked: Sequence[str | os.PathLike[str]]) -> list[Path | _Wanted]:
    """Place each latent upscaler that is asked for, and those of the model that lie here, but for the one it has."""
    places: dict[str, Path | _Wanted] = {}
    for item in asked:
        name = os.fspath(item)
        if name not in UPSCALERS:
            if not Path(name).is_file():
                choice("upscalers", name, UPSCALERS)
            places[name] = Path(name)
        elif name not in model.upscalers:
            raise ValueError(
                f"the upscaler {name!r} is made for the latents of LTX-2.3, and {model.name!r} has others; nearest: the"
                " path of one that is made for it"
            )
    for name in model.upscalers:
        repository, file = UPSCALERS[name]
        if name == DEFAULT_UPSCALER and name not in asked:
            continue
        beside = Path(model.weights) / file if _is_here(model) else None
        wanted = _Wanted(Files(repository, (file,)), file)
        found = beside if beside is not None and beside.is_file() else find(file)
        if found is not None or name in asked or local_snapshot(wanted.files) is not None:
            places[name] = found or wanted
    return list(places.values())


def stage_2_lora_of(model: Model) -> tuple[LoraSource, ...]:
    """The LoRA that the model's second stage is made for, where it lies beside the model or in the hub's cache."""
    if model.stage_2_lora is None:
        return ()
    repository, name, strength = model.stage_2_lora
    folders = [Path(model.weights) if _is_here(model) else None, local_snapshot(Files(repository, (name,)))]
    found = [folder / name for folder in folders if folder is not None and (folder / name).is_file()]
    lies = found[0] if found else find(name)
    return () if lies is None else ((lies, strength),)


def converted_folder(
    cache: str | os.PathLike[str], model: Model, source: Path, preset: Preset, loras: Sequence[LoraSource]
) -> Path:
    """The folder in `cache` for this model, these LoRAs and this form; another source is another folder."""
    paths = [path_and_scale(lora) for lora in loras]
    one_byte = "fp8" if preset.compute == "fp8" else "int8"
    if model.is_fp8 and preset.compute == "int8" and preset.offload != "disk":
        one_byte = "all-int8"  # else fp8 stays as it is stored
    form = one_byte if preset.weight_bytes == 1 else "as-stored"
    key = [_identity(source), form, [(_identity(Path(path)), scale) for path, scale in paths]]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
    return Path(cache) / f"{model.name}-{form}-{digest}"


def _is_here(model: Model) -> bool:
    return os.path.isabs(model.weights)  # a folder, not the id of a repository


def _identity(path: Path) -> list[Any]:
    """Identity of a file, or of the transformer's files in a folder: name, size and time, as `make` goes by."""
    files = sorted((path / "transformer").glob("*.safetensors")) if path.is_dir() else [path]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in map(Path.resolve, files)]
