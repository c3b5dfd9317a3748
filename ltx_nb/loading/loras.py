"""LoRAs: read whole from safetensors, and added to the weights of a model before those are quantised.

weight + scale x (alpha / rank) x up @ down, as `fuse_lora` of diffusers does, layer by layer, so that no second copy of
the model is made. Knows names and tensors; renames are diffusers'. Raises ValueError (WeightsError) for bad files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.loaders import LTX2LoraLoaderMixin

from ltx_nb.checks import finite_number
from ltx_nb.loading.stored import WeightsError, shown
from ltx_nb.loading.weight_files import opened, stored_tensors
from ltx_nb.running.one_byte import ScaledLinear

COMPONENTS = ("transformer", "connectors")
DOWN, UP, ALPHA = "lora_A.weight", "lora_B.weight", "alpha"

# What `load(loras=...)` takes: a path, or a path with a scale.
LoraSource = str | os.PathLike[str] | tuple[str | os.PathLike[str], float]


@dataclass(frozen=True)
class LoraLayer:
    """The change of one layer. down: [rank, in]; up: [out, rank]."""

    name: str
    down: torch.Tensor
    up: torch.Tensor
    scale: float


def path_and_scale(source: LoraSource) -> tuple[str, float]:
    """Of one LoRA; a scale that is left out is 1."""
    path, scale = source if isinstance(source, tuple) and len(source) == 2 else (source, 1.0)
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"{path!r} in loras is not a path; give 'lora.safetensors' or ('lora.safetensors', 0.8)")
    return os.fspath(path), finite_number("the scale of a LoRA", scale)


def fuse_loras(
    models: Mapping[str, torch.nn.Module],
    sources: Sequence[LoraSource],
    after: Callable[[torch.nn.Module, str], None] = lambda model, name: None,
    dtype: torch.dtype | None = None,
) -> None:
    """Add LoRAs to `models` ("transformer", "connectors") in place, all of them or none.

    after: called with the model and the name of each layer that is done, to quantise it before the next is made.
    dtype: of the changed weights, None for the stored one; bf16 rounds away much of a small change.

    Raises WeightsError for a file that does not fit them, and where a layer that it changes has weights of one byte.
    """
    changes: dict[str, list[LoraLayer]] = {}
    for path, scale in map(path_and_scale, sources):
        for layer in _layers(path):
            _check(path, models, layer)
            changes.setdefault(layer.name, []).append(replace(layer, scale=scale * layer.scale))
    for name, layers in changes.items():
        component, _, target_name = name.partition(".")
        target = models[component].get_submodule(target_name)
        weight = target.weight.detach().float()
        for layer in layers:
            weight = weight + layer.scale * (layer.up.float() @ layer.down.float()).to(weight.device)
        # A new tensor: the old one may be the bytes of a mapped file.
        target.weight = torch.nn.Parameter(weight.to(dtype or target.weight.dtype), requires_grad=False)
        after(models[component], target_name)


def _check(path: str, models: Mapping[str, torch.nn.Module], layer: LoraLayer) -> None:
    component, _, name = layer.name.partition(".")
    try:
        found = models[component].get_submodule(name)
    except (KeyError, AttributeError):
        raise WeightsError(f"{path} changes {layer.name}, which this model has not; is it made for LTX-2.3?") from None
    if isinstance(found, ScaledLinear):
        raise WeightsError(
            f"{layer.name} has weights of one byte, and a LoRA has to be added before weights are quantised: "
            "load(model, preset=..., loras=[...]) does it in that order, from weights in bf16 (not from an fp8 file)"
        )
    shape = (layer.up.shape[0], layer.down.shape[1])
    if not isinstance(found, torch.nn.Linear) or tuple(found.weight.shape) != shape:
        raise WeightsError(f"{path} changes {layer.name} as one of {list(shape)}, which it is not in this model")


def _layers(path: str) -> Iterator[LoraLayer]:
    with opened(path) as file:
        tensors = {name: entry.read() for name, entry in stored_tensors(file).items()}
        adapter = json.loads((file.metadata() or {}).get("lora_adapter_metadata", "{}"))
    renamed = LTX2LoraLoaderMixin.lora_state_dict(dict(tensors))
    by_layer: dict[str, dict[str, torch.Tensor]] = {}
    unknown = [] if len(renamed) == len(tensors) else sorted(tensors)
    for name, tensor in renamed.items():
        part = next((part for part in (DOWN, UP, ALPHA) if name.endswith(f".{part}")), None)
        if part is None or not name.startswith(tuple(f"{component}." for component in COMPONENTS)):
            unknown.append(name)
        else:
            by_layer.setdefault(name.removesuffix(f".{part}"), {})[part] = tensor
    half = [name for name, parts in by_layer.items() if DOWN not in parts or UP not in parts]
    if unknown or half or not by_layer:
        what = f"tensors {shown(unknown or half)}" if unknown or half else "no tensors"
        raise WeightsError(f"{path} is not a LoRA of LTX-2: it has {what}; expected are pairs of {DOWN} and {UP}")
    for name, parts in by_layer.items():
        rank = parts[DOWN].shape[0]
        alpha = float(parts[ALPHA]) if ALPHA in parts else _alpha(adapter, name, rank)
        yield LoraLayer(name, parts[DOWN], parts[UP], alpha / rank)


def _alpha(adapter: Mapping[str, Any], name: str, rank: int) -> float:
    """As PEFT's metadata in a file that diffusers saved has it; without any, alpha is the rank."""
    component, _, layer = name.partition(".")
    pattern = adapter.get(f"{component}.alpha_pattern") or {}
    return float(pattern.get(layer, adapter.get(f"{component}.lora_alpha", rank)))
