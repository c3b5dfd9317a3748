"""LoRAs: read whole from safetensors, and added to the weights of a model before those are quantised.

weight + scale x (alpha / rank) x up @ down, as `fuse_lora` of diffusers does, layer by layer, so that no second copy of
the model is made; DoRA and LoKr by their own formulas. Weights that have one byte or less already are turned back,
changed and rounded again. Knows tensors; names are in `lora_names`. Raises ValueError (WeightsError) for bad files.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch

from ltx_nb.applied_lora import AppliedLora
from ltx_nb.checks import finite_number
from ltx_nb.loading.lora_names import ALPHA, COMPONENTS, DOWN, KRONECKER, MAGNITUDE, UP, LoraNames
from ltx_nb.loading.stored import Stored, WeightsError, shown
from ltx_nb.loading.weight_files import opened, stored_tensors
from ltx_nb.running.gguf_linear import GgufLinear
from ltx_nb.running.one_byte import ScaledLinear
from ltx_nb.running.switched_loras import SwitchedLoras

# What `load(loras=...)` takes: a path, or a path with a scale; one or several.
LoraSource = str | os.PathLike[str] | tuple[str | os.PathLike[str], float]
# In the metadata of IC-LoRAs: ltx_pipelines/iclora_utils.py of the reference.
REFERENCE, REFERENCE_IN_TIME = "reference_downscale_factor", "reference_temporal_scale_factor"
Layer: TypeAlias = torch.nn.Linear | ScaledLinear | GgufLinear


@dataclass(frozen=True)
class LoraLayer:
    """The change of one layer: its tensors by part, their own scale, and how much of the change is wanted."""

    name: str
    parts: Mapping[str, torch.Tensor]
    scale: float
    strength: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """[out, in] of the weight that it changes."""
        if DOWN in self.parts:
            return self.parts[UP].shape[0], self.parts[DOWN].shape[1]
        first, second = (_factor(self.parts, name) for name in KRONECKER[:2])
        return first.shape[0] * second.shape[0], first.shape[1] * second.shape[1]

    def added_to(self, weight: torch.Tensor) -> torch.Tensor:
        """float32 [out, in] with the change. DoRA: Liu et al. (2024), equation 5, with the norm of each output row."""
        if DOWN in self.parts:
            delta = self.parts[UP].float() @ self.parts[DOWN].float()
        else:
            delta = torch.kron(*(_factor(self.parts, name) for name in KRONECKER[:2]))
        delta = self.scale * delta.to(weight.device)
        if MAGNITUDE not in self.parts:
            return weight + self.strength * delta
        changed = weight + delta
        magnitude = self.parts[MAGNITUDE].float().to(weight.device).reshape(-1, 1)
        return weight + self.strength * (changed * magnitude / changed.norm(dim=1, keepdim=True) - weight)


def listed(loras: LoraSource | Sequence[LoraSource]) -> tuple[LoraSource, ...]:
    """Several as they are; one, by itself or with its scale, as the only one."""
    if isinstance(loras, (str, os.PathLike)):
        return (loras,)
    if isinstance(loras, tuple) and len(loras) == 2 and not isinstance(loras[1], (str, os.PathLike, tuple)):
        return (loras,)
    return tuple(loras)


def path_and_scale(source: LoraSource) -> tuple[str, float]:
    """Path and scale of one LoRA; a scale that is left out is 1."""
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

    Raises WeightsError for a file that does not fit them.
    """
    changes = _changes(models, sources)
    for name, layers in changes.items():
        component, _, target_name = name.partition(".")
        target = models[component].get_submodule(target_name)
        weight = _float_weight(target)
        for layer in layers:
            weight = layer.added_to(weight)
        _put(models[component], target_name, target, weight, dtype)
        after(models[component], target_name)


def switched_loras(transformer: torch.nn.Module, sources: Sequence[LoraSource]) -> SwitchedLoras:
    """Put LoRAs beside the transformer's weights, off, and return their switch.

    What they change of the connectors is left out, as by the reference: a prompt is encoded once for all stages.

    Raises WeightsError as `fuse_loras`, for DoRA and LoKr, which are no plain sum, and for an IC-LoRA.
    """
    if reference_factor(sources) is not None:
        raise WeightsError("an IC-LoRA follows references in every stage; nearest: give it to loras")
    return beside_weights(transformer, plain_changes(transformer, sources, passed_over=("connectors",)))


def plain_changes(
    transformer: torch.nn.Module, sources: Sequence[LoraSource], passed_over: tuple[str, ...] = ()
) -> dict[str, list[LoraLayer]]:
    """Changes that LoRAs make to the transformer's layers, as pairs of down and up alone.

    Raises WeightsError for DoRA and LoKr, which are no plain sum, and for a change of another component unless it is
    passed over.
    """
    changes = _changes({"transformer": transformer}, sources, passed_over)
    for name, layers in changes.items():
        if any(set(layer.parts) - {DOWN, UP, ALPHA} for layer in layers):
            raise WeightsError(
                f"{name} is changed by DoRA or LoKr; a LoRA of one stage, or of one run, has pairs of down and up "
                "alone; nearest: load(model, loras=[...])"
            )
    return changes


def beside_weights(transformer: torch.nn.Module, changes: Mapping[str, list[LoraLayer]], **how: Any) -> SwitchedLoras:
    """Put `plain_changes` beside the weights of the transformer's layers. how: device and dtype, else the file's."""
    switched = SwitchedLoras()
    for name, layers in changes.items():
        target = transformer.get_submodule(name.removeprefix("transformer."))
        for layer in layers:
            down, up = (layer.parts[part].to(**how) if how else layer.parts[part] for part in (DOWN, UP))
            switched.add(target, down, up, layer.scale * layer.strength)
    return switched


def applied_loras(sources: Sequence[LoraSource], second_stage_only: bool = False) -> tuple[AppliedLora, ...]:
    """Return what a clip's request keeps of them. Each file is read once more, for its hash."""
    found = []
    for path, strength in map(path_and_scale, sources):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(AppliedLora(os.path.basename(path), strength, digest, second_stage_only))
    return tuple(found)


def reference_factor(sources: Sequence[LoraSource]) -> int | None:
    """By how much smaller than the clip their references are to be, where one of them is an IC-LoRA; else None.

    Raises WeightsError where they differ in it, and for what references cannot be here.
    """
    found: dict[str, int] = {}
    for path, _ in map(path_and_scale, sources):
        with opened(path) as file:
            notes = file.metadata()
        factors = {name: notes[name] for name in (REFERENCE, REFERENCE_IN_TIME) if name in notes}
        for name, value in factors.items():
            if not value.isdecimal() or int(value) < 1:
                raise WeightsError(f"{path} has {name}={value[:20]!r} in its metadata, which is no whole number from 1")
        if int(factors.get(REFERENCE_IN_TIME, 1)) != 1:
            raise WeightsError(
                f"{path} was trained on references of fewer frames a second ({REFERENCE_IN_TIME}="
                f"{factors[REFERENCE_IN_TIME][:20]}), which cannot be given yet; leave it out"
            )
        if factors:
            found[path] = int(factors.get(REFERENCE, 1))
    if len(set(found.values())) > 1:
        those = ", ".join(f"{path} ({factor})" for path, factor in found.items())
        raise WeightsError(f"the LoRAs differ in {REFERENCE}: {those}; give those of one of them")
    return next(iter(found.values()), None)


def parameters_of_loras(sources: Sequence[LoraSource]) -> int:
    """How many numbers their files have. Raises WeightsError for one that is none, FileNotFoundError for no file."""
    count = 0
    for path, _ in map(path_and_scale, sources):
        with opened(path) as file:
            count += sum(math.prod(entry.shape) for entry in stored_tensors(file).values())
    return count


def _changes(
    models: Mapping[str, torch.nn.Module], sources: Sequence[LoraSource], passed_over: tuple[str, ...] = ()
) -> dict[str, list[LoraLayer]]:
    """Changes that the LoRAs make to each layer, all checked. passed_over: components whose changes are left out."""
    changes: dict[str, list[LoraLayer]] = {}
    if not sources:
        return changes
    names = LoraNames({part: layers_of(model) for part, model in models.items()})
    for path, strength in map(path_and_scale, sources):
        for layer in _layers(path, names):
            if layer.name.partition(".")[0] in passed_over:
                continue
            _check(path, models, layer)
            changes.setdefault(layer.name, []).append(replace(layer, strength=strength))
    return changes


def layers_of(model: torch.nn.Module) -> dict[str, Layer]:
    """Layers of a model that a LoRA can change, by name."""
    return {name: module for name, module in model.named_modules() if _is_layer(module)}


def _float_weight(layer: Layer) -> torch.Tensor:
    return layer.weight.detach().float() if isinstance(layer, torch.nn.Linear) else layer.dequantised(torch.float32)


def _put(model: torch.nn.Module, name: str, layer: Any, weight: torch.Tensor, dtype: torch.dtype | None) -> None:
    """The layer with another weight, in the form that it has; what has rotated or fewer bits becomes int8 by row."""
    # A new tensor: the old one may be the bytes of a mapped file.
    if isinstance(layer, torch.nn.Linear):
        layer.weight = torch.nn.Parameter(weight.to(dtype or layer.weight.dtype), requires_grad=False)
        return
    with torch.device("meta"):
        changed = torch.nn.Linear(layer.in_features, layer.out_features, bias=False)
    changed.weight, changed.bias = torch.nn.Parameter(weight, requires_grad=False), layer.bias
    is_fp8 = layer.weight.dtype.is_floating_point
    model.set_submodule(name, ScaledLinear.fp8_rows(changed) if is_fp8 else ScaledLinear.int8_rows(changed))


def _is_layer(module: torch.nn.Module) -> bool:
    return isinstance(module, (torch.nn.Linear, ScaledLinear, GgufLinear))


def _check(path: str, models: Mapping[str, torch.nn.Module], layer: LoraLayer) -> None:
    component, _, name = layer.name.partition(".")
    try:
        found = models[component].get_submodule(name)
    except (KeyError, AttributeError):
        raise WeightsError(f"{path} changes {layer.name}, which this model has not; is it made for LTX-2.3?") from None
    if not _is_layer(found) or (found.out_features, found.in_features) != layer.shape:
        raise WeightsError(f"{path} changes {layer.name} as one of {list(layer.shape)}, which it is not in this model")
    magnitude = layer.parts.get(MAGNITUDE)
    if magnitude is not None and tuple(magnitude.shape) not in ((layer.shape[0],), (layer.shape[0], 1)):
        raise WeightsError(
            f"{path} has a DoRA magnitude of {list(magnitude.shape)} for {layer.name}; read are those of output rows, "
            f"[{layer.shape[0]}, 1]"
        )


def _layers(path: str, names: LoraNames) -> Iterator[LoraLayer]:
    with opened(path) as file:
        stored, notes = stored_tensors(file), file.metadata()
        adapter = _adapter(path, notes)
        by_layer: dict[str, dict[str, Stored]] = {}
        unknown = []
        for key, entry in stored.items():
            place = names.layer_and_part(key)
            if place is None or not place[0].startswith(tuple(f"{one}." for one in COMPONENTS)):
                unknown.append(key)
            elif place[1] in by_layer.setdefault(place[0], {}):
                raise WeightsError(f"{path} changes {place[0]} twice: {key}")
            else:
                by_layer[place[0]][place[1]] = entry
        half = [name for name, parts in by_layer.items() if not _is_whole(parts)]
        if unknown or half or not by_layer:
            what = f"tensors {shown(unknown or half)}" if unknown or half else "no tensors"
            raise WeightsError(
                f"{path} is not a LoRA of LTX-2: it has {what}; expected are pairs of lora_A.weight and lora_B.weight, "
                "or lora_down.weight and lora_up.weight"
            )
        for name, entries in by_layer.items():
            parts = {part: _checked(path, part, entry) for part, entry in entries.items()}
            yield LoraLayer(name, parts, _own_scale(path, name, parts, adapter))


def _is_whole(parts: Mapping[str, Any]) -> bool:
    kronecker = all(name in parts or {f"{name}_a", f"{name}_b"} <= parts.keys() for name in KRONECKER[:2])
    pair = {DOWN, UP} <= parts.keys()
    return pair != kronecker and not (pair and any(name in parts for name in KRONECKER))


def _checked(path: str, part: str, entry: Stored) -> torch.Tensor:
    """The tensor, of the rank that its part has, with something in it, and finite."""
    ranks = {ALPHA: (0, 1), MAGNITUDE: (1, 2)}.get(part, (2,))
    if len(entry.shape) not in ranks or 0 in entry.shape or (part == ALPHA and entry.shape not in ((), (1,))):
        raise WeightsError(f"{path}: {entry.key} is {list(entry.shape)}, which is no {part} of a LoRA")
    if entry.dtype not in ("BF16", "F16", "F32", "F64"):
        raise WeightsError(f"{path}: {entry.key} is {entry.dtype}, and not in floating point of two bytes or more")
    tensor = entry.read()
    if not tensor.float().isfinite().all():
        raise WeightsError(f"{path}: {entry.key} has NaN or infinity")
    return tensor


def _own_scale(path: str, name: str, parts: Mapping[str, torch.Tensor], adapter: Mapping[str, Any]) -> float:
    """alpha / rank: alpha of the file, or as PEFT's metadata in a file that diffusers saved has it; else the rank."""
    ranks = [parts[part].shape[0] for part in (DOWN, "lokr_w1_b", "lokr_w2_b") if part in parts]
    if not ranks:  # LoKr of two whole factors, whose alpha LyCORIS takes for the rank
        return 1.0
    if DOWN in parts and parts[UP].shape[1] != ranks[0]:
        raise WeightsError(f"{path} changes {name} with rank {ranks[0]} down and {parts[UP].shape[1]} up")
    if ALPHA in parts:
        return float(parts[ALPHA]) / ranks[0]
    component, _, layer = name.partition(".")
    pattern = adapter.get(f"{component}.alpha_pattern") or {}
    alpha = pattern.get(layer, adapter.get(f"{component}.lora_alpha", ranks[0]))
    return finite_number(f"{path}: lora_alpha of {name} in its metadata", alpha) / ranks[0]


def _factor(parts: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """One factor of a LoKr: whole, or the product of two."""
    if name in parts:
        return parts[name].float()
    return parts[f"{name}_a"].float() @ parts[f"{name}_b"].float()


def _adapter(path: str, notes: Mapping[str, str]) -> dict[str, Any]:
    try:
        adapter = dict(json.loads(notes.get("lora_adapter_metadata", "{}")))
        for component in COMPONENTS:
            dict(adapter.get(f"{component}.alpha_pattern") or {})
        return adapter
    except (ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} has a lora_adapter_metadata that is not PEFT's: {error}") from None
