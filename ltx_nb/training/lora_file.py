"""A LoRA as a file: the official keys, what it was made of in the metadata; and the state that a training goes on from.

safetensors and JSON alone. Knows names and tensors; not how they came about.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ltx_nb.whole_files import whole_file

OFFICIAL_PREFIX = "diffusion_model."  # of ltx-trainer, ComfyUI and the LoRAs that Lightricks publishes
ADAPTER = "ltx_nb_training"
STATE_FORMAT = "ltx-nb-training/1"
DATA = "data_sha256"  # of all that is learned from


def adapter_weights(transformer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the trained matrices by layer: `<layer>.lora_A.weight` [rank, in], `<layer>.lora_B.weight` [out, rank]."""
    found = get_peft_model_state_dict(transformer, adapter_name=ADAPTER)
    return {name.removeprefix("base_model.model."): tensor for name, tensor in found.items()}


def save_whole(path: str | os.PathLike[str], tensors: Mapping[str, torch.Tensor], notes: Mapping[str, str]) -> None:
    """Write tensors and notes as a safetensors file, or leave what was there.

    Raises OSError with what to do where the disk has no room for them, or refuses.
    """
    try:
        with whole_file(path) as unfinished:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished, dict(notes))
    except (SafetensorError, OSError) as error:
        size_mb = sum(tensor.nbytes for tensor in tensors.values()) / 1e6
        raise OSError(
            f"{os.fspath(path)}, {size_mb:.1f} MB, cannot be written: {error}; what was there is as it was. Make room, "
            "and call it again to go on"
        ) from None


def write_lora(
    path: str | os.PathLike[str], weights: Mapping[str, torch.Tensor], about: Mapping[str, Any], dtype: torch.dtype
) -> Path:
    """Write a LoRA as the reference's own tools name its tensors.

    about: goes into the file's metadata, each value as text or JSON. alpha is the rank, so that nothing is scaled.
    """
    path = Path(path)
    tensors = {OFFICIAL_PREFIX + name: tensor.to("cpu", dtype) for name, tensor in weights.items()}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}
    save_whole(path, tensors, {"format": "pt", **texts})
    return path


@dataclass(frozen=True)
class TrainingState:
    """All that decides the steps to come: the weights so far, the optimizer's moments, the steps done, the losses."""

    step: int
    weights: dict[str, torch.Tensor]
    moments: dict[str, torch.Tensor]
    losses: list[dict[str, float]]


def write_state(
    path: Path, transformer: torch.nn.Module, optimizer: torch.optim.Optimizer, about: dict[str, Any]
) -> None:
    """Write all that `read_state` needs. about: `step`, `losses`, and what a resumed training must be equal in."""
    tensors = {f"weights.{name}": tensor for name, tensor in adapter_weights(transformer).items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"moments.{index}.{name}": tensor for name, tensor in moments.items()}
    tensors = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    save_whole(path, tensors, {"format": STATE_FORMAT, "about": json.dumps(about)})


def read_state(path: Path, must_equal: Mapping[str, Any]) -> TrainingState | None:
    """Return the state in `path`, None where there is none.

    Raises ValueError where it is damaged, or of another training than `must_equal` describes.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it to begin anew") from None
    if not isinstance(about, dict):
        raise ValueError(f"{path} is no state of a training; remove it to begin anew")
    others = [name for name, value in must_equal.items() if about.get(name) != value]
    if others:
        differing = ", ".join(
            "its clips were others" if name == DATA else f"{name} was {about.get(name)!r} and is {must_equal[name]!r}"
            for name in others
        )
        raise ValueError(f"{path} is of another training: {differing}; go on with those, or remove it to begin anew")
    parts = {
        part: {name.removeprefix(f"{part}."): it for name, it in tensors.items() if name.startswith(f"{part}.")}
        for part in ("weights", "moments")
    }
    return TrainingState(about["step"], parts["weights"], parts["moments"], about["losses"])


def restore(state: TrainingState, transformer: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put weights and moments of `state` where `transformer` and `optimizer` have theirs."""
    set_peft_model_state_dict(transformer, state.weights, adapter_name=ADAPTER)
    stored = optimizer.state_dict()
    for name, tensor in state.moments.items():
        index, _, moment = name.partition(".")
        stored["state"].setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict(stored)
