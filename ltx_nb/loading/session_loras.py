"""LoRAs of a session that is loaded: which files there are for it, and which it is to use from the next run on.

Headers alone are read to list them. Knows sessions and files; how a LoRA is read is in `loras`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ltx_nb.loading.found import models_folders
from ltx_nb.loading.lora_names import DOWN, LoraNames
from ltx_nb.loading.loras import (
    REFERENCE,
    LoraSource,
    applied_loras,
    beside_weights,
    layers_of,
    listed,
    plain_changes,
    reference_factor,
)
from ltx_nb.loading.stored import WeightsError
from ltx_nb.loading.weight_files import opened, stored_tensors
from ltx_nb.pipeline.session import Session
from ltx_nb.running.streaming import is_streamed

# Where a trigger word is said: by this kit, and by the ModelSpec that many trainers write.
TRIGGERS = ("trigger", "modelspec.trigger_phrase")
FOLDERS = ("", "loras")


@dataclass(frozen=True)
class LoraNotes:
    """Notes of a LoRA's header. trigger: a word that it waits for in a prompt, "" for none. follows_reference: whether
    it is an IC-LoRA, which wants `references`."""

    path: str
    name: str
    trigger: str = ""
    follows_reference: bool = False


def lora_notes(session: Session, path: str | os.PathLike[str]) -> LoraNotes:
    """Return the notes of a file. Raises WeightsError for one that is no LoRA of the session's transformer."""
    transformer = session.pipe.transformer
    layers = layers_of(transformer)
    names = LoraNames({"transformer": layers})
    with opened(path) as file:
        notes, stored = file.metadata(), stored_tensors(file)
    places = {key: names.layer_and_part(key) for key in stored}
    is_one = bool(stored)
    for key, place in places.items():
        if place is None:
            is_one = False
            continue
        component, _, layer = place[0].partition(".")
        if component == "transformer":
            found = layers.get(layer)
            shape = stored[key].shape
            is_one &= found is not None and (place[1] != DOWN or shape[1:] == (found.in_features,))
    if not is_one:
        raise WeightsError(f"{os.fspath(path)} is no LoRA of {session.model.name}: its layers are others")
    trigger = next((notes[name].strip() for name in TRIGGERS if notes.get(name, "").strip()), "")
    return LoraNotes(os.fspath(path), Path(path).name, trigger, REFERENCE in notes)


def found_loras(session: Session) -> list[LoraNotes]:
    """List the LoRAs for the session's model that lie in the folders which LTX_NB_MODELS names, and in `loras` there.

    Files of other models are passed over. Raises FileNotFoundError for a folder that is named and not there.
    """
    found = []
    for path in (file for folder in models_folders() for name in FOLDERS for file in _files(folder / name)):
        try:
            found.append(lora_notes(session, path))
        except (ValueError, OSError):
            continue
    return found


def use_loras(session: Session, loras: LoraSource | Sequence[LoraSource]) -> None:
    """Have the session make clips with these LoRAs from its next run on, in place of those that this put there before.

    loras: as `load` takes them; () for none. They stay beside the weights, two thin products more a layer; those that
    `load` added to the weights stay there.

    Raises ValueError for a session whose blocks stream; WeightsError for a file that does not fit its transformer, or
    changes it otherwise than by a plain sum. Then nothing has changed.
    """
    sources = listed(loras)
    transformer = session.pipe.transformer
    if is_streamed(transformer):
        raise ValueError(
            "this session's blocks stream, and what is put beside their weights now would not; nearest: "
            "load(model, loras=[...])"
        )
    factor = reference_factor(sources)
    changes = plain_changes(transformer, sources)
    # On the device and in the dtype that it computes in: weights may have one byte, and the file any dtype.
    how = {"device": transformer.device, "dtype": session.pipe.connectors.dtype}
    applied = applied_loras(sources)
    with session.exclusively():
        session.change_loras(lambda: beside_weights(transformer, changes, **how) if changes else None, factor, applied)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
