"""From safetensors files to a module on the meta device: every header is checked whole before any tensor is read.

Tensors keep the dtype they are stored in, and their bytes stay mapped from the file until something changes them. A
weight of one byte needs its scale (`ltx_nb.running.one_byte`). Knows files, names and modules; no layouts, no devices.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import torch

from ltx_nb.loading.stored import Stored, WeightsError, shown
from ltx_nb.running.one_byte import ScaledLinear

PLAIN_DTYPES = ("BF16", "F16", "F32")
ONE_BYTE_DTYPES = {"F8_E4M3": torch.float8_e4m3fn, "I8": torch.int8}


def fill(
    path: str | os.PathLike[str],
    models: Mapping[str, torch.nn.Module],
    stored: Mapping[str, Mapping[str, Stored]],
    unknown: Iterable[str] = (),
) -> None:
    """Give the models their tensors, in evaluation mode; stored: by the name of the model, then as its state dict.

    path, unknown: for the message, where the files do not fill the models exactly: WeightsError, and nothing is read.
    """
    taken = _checked(path, models, stored, list(unknown))
    for name, model in models.items():
        shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
        tensors = {key: entry.read().reshape(shapes[key]) for key, entry in taken[name].items()}
        model.load_state_dict(tensors, strict=True, assign=True)
        model.eval().requires_grad_(False)


def _checked(
    path: str | os.PathLike[str],
    models: Mapping[str, torch.nn.Module],
    stored: Mapping[str, Mapping[str, Stored]],
    unknown: list[str],
) -> dict[str, dict[str, Stored]]:
    """Make room for weights of one byte; what to read of each model, or WeightsError."""
    missing, wrong, taken = [], [], {}
    for component, model in models.items():
        found = dict(stored.get(component, {}))
        # A layer that multiplies in the dtype of its input has no use for the scale that an fp8 input would take.
        for layer in _replace_one_byte_layers(model, found):
            found.pop(f"{layer}.input_scale", None)
        expected = model.state_dict()
        missing += [f"{component}.{name}" for name in expected if name not in found]
        unknown += [entry.key for name, entry in found.items() if name not in expected]
        taken[component] = {name: entry for name, entry in found.items() if name in expected}
        for name, entry in taken[component].items():
            wrong += _difference(entry, tuple(expected[name].shape), expected[name].dtype)
    if unknown or missing or wrong:
        parts = [f"{len(unknown)} unknown: {shown(unknown)}"] * bool(unknown)
        parts += [f"{len(missing)} missing: {shown(missing)}"] * bool(missing)
        parts += [f"{len(wrong)} of another kind: {shown(wrong)}"] * bool(wrong)
        raise WeightsError(f"{path} is not a whole LTX-2.3 file; tensors {'; '.join(parts)}", unknown, missing)
    return taken


def _difference(entry: Stored, shape: tuple[int, ...], dtype: torch.dtype) -> list[str]:
    """What is wrong with a tensor, in words; none where nothing is."""
    of_one_byte = [name for name, one_byte in ONE_BYTE_DTYPES.items() if dtype == one_byte]
    if entry.shape not in (shape, (1,) if shape == () else shape):
        return [f"{entry.key} is {list(entry.shape)}, not {list(shape)}"]
    if entry.dtype not in (of_one_byte or PLAIN_DTYPES):
        return [f"{entry.key} is {entry.dtype}, not {' or '.join(of_one_byte or PLAIN_DTYPES)}"]
    return []


def _replace_one_byte_layers(model: torch.nn.Module, stored: Mapping[str, Stored]) -> list[str]:
    """Make room for int8 and fp8 weights with their scales, and name the layers; one without is refused later."""
    replaced = []
    for name, entry in stored.items():
        layer_name, _, part = name.rpartition(".")
        if entry.dtype not in ONE_BYTE_DTYPES or part != "weight" or f"{layer_name}.weight_scale" not in stored:
            continue
        try:
            layer = model.get_submodule(layer_name)
        except AttributeError:
            continue
        if isinstance(layer, torch.nn.Linear):
            model.set_submodule(layer_name, ScaledLinear.empty(layer, ONE_BYTE_DTYPES[entry.dtype]))
            replaced.append(layer_name)
    return replaced
