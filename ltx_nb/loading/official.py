"""Reader of the official LTX-2.3 single files (bf16 and fp8) and of the upscaler's file, into diffusers' components.

The header is read and checked whole before any tensor: every name, shape and dtype has to be known and none missing.
Tensors keep the dtype they are stored in, and their bytes stay mapped from the file until something changes them. Fp8
weights keep their scales (`ltx_nb.loading.quantised`). Knows no device, no pipeline and no hub.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ltx_nb.components import empty_component
from ltx_nb.loading.keys import diffusers_name
from ltx_nb.loading.official_config import component_configs, latent_upsampler_config
from ltx_nb.loading.quantised import ScaledLinear

FP8 = "F8_E4M3"
PLAIN_DTYPES = ("BF16", "F16", "F32")
SHOWN_NAMES = 8


class OfficialFileError(ValueError):
    """The file is not what it should be. unknown, missing: names in the file that are too many, in it that lack."""

    def __init__(self, message: str, unknown: Iterable[str] = (), missing: Iterable[str] = ()):
        super().__init__(message)
        self.unknown, self.missing = tuple(unknown), tuple(missing)


@dataclass(frozen=True)
class Stored:
    """One tensor as the header has it."""

    key: str
    dtype: str
    shape: tuple[int, ...]


def read_components(path: str | os.PathLike[str]) -> dict[str, torch.nn.Module]:
    """transformer, connectors, vae, audio_vae and vocoder of an official single file, in evaluation mode.

    Raises OfficialFileError (a ValueError) for a file that is cut short, is no safetensors or is not LTX-2.3's in every
    tensor, FileNotFoundError where there is none.
    """
    with _opened(path) as file:
        stored, unknown = _by_component(file)
        if not stored:
            raise OfficialFileError(
                f"{path} is not an official LTX-2.3 single file: of its {len(unknown)} tensors, for example "
                f"{_shown(unknown)}, none is named as there",
                unknown,
            )
        try:
            configs = component_configs(_config(file))
        except ValueError as error:
            raise OfficialFileError(f"{path}: {error}") from None
        projection = stored.get("connectors", {}).get("video_text_proj_in.weight")
        if projection is not None:  # the only number that no config has: the layers of the text encoder
            caption_channels = configs["connectors"]["caption_channels"]
            configs["connectors"]["text_proj_in_factor"] = projection.shape[1] // caption_channels
        models = {name: empty_component(name, config) for name, config in configs.items()}
        _prepare(path, models, stored, unknown)
        return {name: _filled(file, model, stored[name]) for name, model in models.items()}


def read_latent_upsampler(path: str | os.PathLike[str]) -> torch.nn.Module:
    """The latent upsampler of an official upscaler file, whose names are diffusers'. Raises as `read_components`."""
    with _opened(path) as file:
        keys = file.keys()
        stored = {"latent_upsampler": {key: _stored(file, key) for key in keys}}
        models = {"latent_upsampler": empty_component("latent_upsampler", latent_upsampler_config(_config(file)))}
        _prepare(path, models, stored, [])
        return _filled(file, models["latent_upsampler"], stored["latent_upsampler"])


@contextmanager
def _opened(path: str | os.PathLike[str]):
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.suffix != ".safetensors":
        raise OfficialFileError(f"{path.name} does not end in .safetensors; only safetensors are read, never pickles")
    try:
        file = safe_open(path, framework="pt")
    except SafetensorError as error:
        raise OfficialFileError(
            f"{path} is cut short or is no safetensors file ({error}); it has {path.stat().st_size} bytes: "
            "compare with its source, and download it again"
        ) from None
    with file:
        yield file


def _config(file: Any) -> Mapping[str, Any]:
    return json.loads((file.metadata() or {}).get("config", "{}"))


def _stored(file: Any, key: str) -> Stored:
    entry = file.get_slice(key)
    return Stored(key, str(entry.get_dtype()), tuple(entry.get_shape()))


def _by_component(file: Any) -> tuple[dict[str, dict[str, Stored]], list[str]]:
    """What the header has, under component and diffusers' name, and the keys that have no such name."""
    stored: dict[str, dict[str, Stored]] = {}
    unknown = []
    keys = file.keys()
    for key in keys:
        place = diffusers_name(key)
        if place is None or place[1] in stored.get(place[0], {}):
            unknown.append(key)
        else:
            stored.setdefault(place[0], {})[place[1]] = _stored(file, key)
    return stored, unknown


def _prepare(
    path: str | os.PathLike[str],
    models: dict[str, torch.nn.Module],
    stored: dict[str, dict[str, Stored]],
    unknown: list[str],
) -> None:
    """Make the fp8 layers ready for their weights; refuse a header that does not fill the models exactly."""
    missing, wrong = [], []
    for component, model in models.items():
        found = stored.get(component, {})
        # A layer that multiplies in the dtype of its input has no use for the scale that an fp8 input would take.
        unused = {f"{layer}.input_scale" for layer in _replace_fp8_layers(model, found)}
        expected = model.state_dict()
        missing += [f"{component}.{name}" for name in expected if name not in found]
        for name, entry in list(found.items()):
            if name not in expected:
                if name not in unused:
                    unknown.append(entry.key)
                del found[name]
                continue
            dtypes = (FP8,) if expected[name].dtype == torch.float8_e4m3fn else PLAIN_DTYPES
            shape = tuple(expected[name].shape)
            if entry.shape not in (shape, (1,) if shape == () else shape):
                wrong.append(f"{entry.key} is {list(entry.shape)}, not {list(shape)}")
            elif entry.dtype not in dtypes:
                wrong.append(f"{entry.key} is {entry.dtype}, not {' or '.join(dtypes)}")
    if unknown or missing or wrong:
        parts = [f"{len(unknown)} unknown: {_shown(unknown)}"] * bool(unknown)
        parts += [f"{len(missing)} missing: {_shown(missing)}"] * bool(missing)
        parts += [f"{len(wrong)} of another kind: {_shown(wrong)}"] * bool(wrong)
        raise OfficialFileError(f"{path} is not a whole LTX-2.3 file; tensors {'; '.join(parts)}", unknown, missing)


def _replace_fp8_layers(model: torch.nn.Module, stored: Mapping[str, Stored]) -> list[str]:
    """Make room for fp8 weights with their scales, and name the layers. A weight without one is refused later."""
    replaced = []
    for name, entry in stored.items():
        layer_name, _, field = name.rpartition(".")
        if entry.dtype != FP8 or field != "weight" or f"{layer_name}.weight_scale" not in stored:
            continue
        try:
            layer = model.get_submodule(layer_name)
        except AttributeError:
            continue
        if isinstance(layer, torch.nn.Linear):
            model.set_submodule(layer_name, ScaledLinear.empty_fp8(layer))
            replaced.append(layer_name)
    return replaced


def _filled(file: Any, model: torch.nn.Module, stored: Mapping[str, Stored]) -> torch.nn.Module:
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    tensors = {name: file.get_tensor(entry.key).reshape(shapes[name]) for name, entry in stored.items()}
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def _shown(names: list[str]) -> str:
    more = f", and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more
