"""Forms in which files have weights, one byte or a few bits each, and the layers that compute with them as they lie.

Scaled fp8 as the publisher writes it and as ComfyUI does, fp8 that was cast without a scale, int8 with its rows turned
or not, GGUF's blocks. What is no linear layer becomes bf16. A form that is not read is refused by its name. Knows names
in a module, dtypes and shapes; no layouts of files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ltx_nb.loading.stored import Stored, TensorFile, WeightsError
from ltx_nb.loading.weight_files import stored_tensors
from ltx_nb.running.gguf_linear import BLOCKS, GgufLinear, dequantised, quant_named, row_bytes
from ltx_nb.running.one_byte import ScaledLinear, turned

PLAIN_DTYPES = ("BF16", "F16", "F32")
FP8_DTYPES = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
ONE_BYTE_DTYPES = {**FP8_DTYPES, "I8": torch.int8}
QUANT, ROTATION = "weight_quant", "weight_rotation"

# ComfyUI (comfy/ops.py, comfy/utils.py `convert_old_quants`): a uint8 tensor of JSON beside a weight, or the same for
# all layers in the header; before that `scale_weight`, `scale_input` and one tensor that says that there are some.
MARK, OLD_MARK, HEADER_MARK = "comfy_quant", "scaled_fp8", "_quantization_metadata"
OLD_NAMES = {"scale_weight": "weight_scale", "scale_input": "input_scale"}
READ_FORMATS = {"float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "int8_tensorwise": "I8"}
INSTEAD = (
    "take the official fp8 file (2.3-distilled-official-fp8), an int8 or a GGUF one (Q4_K and up); of the text encoder "
    "gemma_3_12B_it_fp8_scaled"
)
MOST_MARK_BYTES = 4096


def tensors_with_marks(file: TensorFile) -> dict[str, Stored]:
    """All of an open file by name, and a mark beside each weight whose format only the header says."""
    tensors = stored_tensors(file)
    text = file.metadata().get(HEADER_MARK)
    if text is None:
        return tensors
    try:
        layers = dict(json.loads(text).get("layers", {}))
        marks = {f"{layer}.{MARK}": json.dumps(dict(config)).encode() for layer, config in layers.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{file.path} has a {HEADER_MARK} that is not read: {error}") from None
    return {key: _mark(key, content) for key, content in marks.items()} | tensors


def make_room(path: Any, model: nn.Module, stored: Mapping[str, Stored]) -> dict[str, Stored]:
    """Put a layer for each form in the place of `model`'s own, and return what its state dict then takes.

    Raises WeightsError for a format that is not read, and for fp8 without a scale in a file that has scales.
    """
    formats, found = {}, {}
    for name, entry in stored.items():
        layer, _, part = name.rpartition(".")
        if part == MARK:
            formats[layer] = _format(entry)
        elif name != OLD_MARK:
            found[f"{layer}.{OLD_NAMES[part]}" if part in OLD_NAMES else name] = entry
    kept = [name.removesuffix(f".{QUANT}") for name in found if name.endswith(f".{QUANT}")]
    _check_formats(path, formats, {name: entry for name, entry in found.items() if name[:-7] not in kept})
    for layer in kept:  # what was written here, blocks and all
        linear, quant = _linear(model, layer), quant_named(int(found[f"{layer}.{QUANT}"].read()))
        if linear is not None and quant is not None:
            model.set_submodule(layer, GgufLinear.empty(linear, quant))
    has_scales = any(name.endswith(".weight_scale") for name in found)
    for name, entry in list(found.items()):
        if entry.dtype in BLOCKS:
            _blocks(path, model, name, entry, found)
        elif entry.dtype in ONE_BYTE_DTYPES:
            layer = name.removesuffix(".weight")
            if f"{layer}.weight_scale" in found or (entry.dtype in FP8_DTYPES and not has_scales):
                _one_byte(model, name, entry, formats.get(layer, {}), found)
    return found


def _one_byte(model: nn.Module, name: str, entry: Stored, mark: Mapping[str, Any], found: dict[str, Stored]) -> None:
    layer_name, _, part = name.rpartition(".")
    scale = found.pop(f"{layer_name}.weight_scale", None) if part == "weight" else None
    rotation = int(mark.get("convrot_groupsize", 256)) if mark.get("convrot") else 0
    if f"{layer_name}.{ROTATION}" in found:
        rotation = int(found[f"{layer_name}.{ROTATION}"].read())
    by_row = entry.dtype == "I8" or (scale is not None and sum(size > 1 for size in scale.shape) > 0)
    if scale is None:
        scale = Stored(f"{name} (no scale)", "F32", (), lambda: torch.ones(()))
    elif _is_scale(scale, entry.shape[0] if entry.shape else 1):
        scale = _float_scale(scale, (entry.shape[0], 1) if by_row else ())
    layer = _linear(model, layer_name) if part == "weight" else None
    found.pop(f"{layer_name}.input_scale", None)  # of products in fp8, which would round the input
    if layer is None:
        found[name] = replace(entry, dtype="BF16", source=lambda: _in_bf16(entry, scale, rotation))
        found.pop(f"{layer_name}.{ROTATION}", None)
        return
    if rotation and (entry.shape[-1] % rotation or not _is_power_of_4(rotation)):
        raise WeightsError(f"{entry.key} is turned in groups of {rotation}, and {list(entry.shape)} has no such groups")
    model.set_submodule(layer_name, ScaledLinear.empty(layer, ONE_BYTE_DTYPES[entry.dtype], by_row, rotation))
    found[f"{layer_name}.weight_scale"] = scale
    if rotation:
        found[f"{layer_name}.{ROTATION}"] = _number(name, rotation)


def _blocks(path: Any, model: nn.Module, name: str, entry: Stored, found: dict[str, Stored]) -> None:
    _check_gguf_installed(path)
    layer_name, _, part = name.rpartition(".")
    layer = _linear(model, layer_name) if part == "weight" else None
    if layer is None or entry.shape != tuple(layer.weight.shape):
        values = replace(entry, dtype="BF16", source=lambda: _dense(entry))
        found[name] = values
        return
    model.set_submodule(layer_name, GgufLinear.empty(layer, entry.dtype))
    found[name] = replace(entry, dtype="U8", shape=(entry.shape[0], row_bytes(entry.shape[1], entry.dtype)))
    found[f"{layer_name}.{QUANT}"] = _number(name, BLOCKS[entry.dtype][0])


def _check_formats(path: Any, formats: Mapping[str, Mapping[str, Any]], found: Mapping[str, Stored]) -> None:
    """Raises WeightsError for the first layer in a format that is not read, by what the file says or by its dtypes."""
    for layer, mark in formats.items():
        weight = found.get(f"{layer}.weight")
        wanted = READ_FORMATS.get(str(mark.get("format")))
        if wanted is None:
            raise _refused(path, layer, str(mark.get("format")))
        if weight is not None and weight.dtype != wanted:
            raise WeightsError(f"{path} says that {layer} is {mark['format']}, and its weight is {weight.dtype}")
    for name, entry in found.items():
        layer, _, part = name.rpartition(".")
        if part == "weight_scale_2" or (part == "weight" and entry.dtype in ("F4", "U8")):
            raise _refused(path, layer, "nvfp4 or another format of four bits")
        if part == "weight_scale" and entry.dtype in ("F8_E8M0", "U8"):
            raise _refused(path, layer, "mxfp8")


def _refused(path: Any, layer: str, kind: str) -> WeightsError:
    return WeightsError(f"{path} has {layer} in {kind}, which is not read here; {INSTEAD}")


def _format(entry: Stored) -> dict[str, Any]:
    if entry.dtype != "U8" or len(entry.shape) != 1 or entry.shape[0] > MOST_MARK_BYTES:
        raise WeightsError(f"{entry.key} is {entry.dtype} {list(entry.shape)}, not a few bytes of JSON")
    try:
        return dict(json.loads(bytes(entry.read().tolist())))
    except (ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{entry.key} is no JSON object: {error}") from None


def _mark(key: str, content: bytes) -> Stored:
    return Stored(key, "U8", (len(content),), lambda: torch.frombuffer(bytearray(content), dtype=torch.uint8))


def _number(name: str, value: int) -> Stored:
    return Stored(name, "I32", (), lambda: torch.tensor(value, dtype=torch.int32))


def _is_scale(scale: Stored, rows: int) -> bool:
    """One number, or one a row, in any float dtype; another stays as it is, to be refused with its shape."""
    return scale.dtype in PLAIN_DTYPES and scale.shape in ((), (1,), (1, 1), (rows,), (rows, 1))


def _float_scale(scale: Stored, shape: tuple[int, ...]) -> Stored:
    def read() -> torch.Tensor:
        values = scale.read().float()
        return values.reshape(-1, 1).expand(shape).contiguous() if shape else values.reshape(())

    return replace(scale, dtype="F32", shape=shape, source=read)


def _in_bf16(entry: Stored, scale: Stored, rotation: int) -> torch.Tensor:
    values = entry.read().float()
    factor = scale.read()
    values = values * (factor.reshape(-1, *[1] * (values.dim() - 1)) if factor.numel() > 1 else factor)
    return (turned(values, rotation) if rotation else values).to(torch.bfloat16)


def _dense(entry: Stored) -> torch.Tensor:
    return dequantised(entry.read(), entry.dtype, torch.bfloat16).view(entry.shape)


def _linear(model: nn.Module, name: str) -> nn.Linear | None:
    try:
        layer = model.get_submodule(name)
    except AttributeError:
        return None
    return layer if isinstance(layer, nn.Linear) else None


def _is_power_of_4(number: int) -> bool:
    return number >= 4 and number & (number - 1) == 0 and number.bit_length() % 2 == 1


def _check_gguf_installed(path: Any) -> None:
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise ImportError(f'{path} is a GGUF file; to read it: pip install "ltx-nb[gguf]"') from None
