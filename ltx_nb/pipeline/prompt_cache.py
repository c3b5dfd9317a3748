"""Prompts after the connectors, kept on disk, so that a prompt is encoded once: 12.6 MB stand for 30 GB of weights.

A prompt goes with its negative, since the connectors take both at once and round by what is beside a row. Knows files
and tensors; what encodes a prompt is the pipeline's.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ltx_nb.whole_files import whole_file

# What LTX2TextConnectorStep puts into the pipeline's state.
EMBEDDINGS = tuple(
    f"{sign}connector_{what}"
    for sign in ("", "negative_")
    for what in ("prompt_embeds", "audio_prompt_embeds", "attention_mask")
)
_SAMPLED_VALUES = 64


def fingerprint(modules: Iterable[nn.Module]) -> str:
    """Fingerprint of weights, wherever they came from: name, dtype, shape and the first values of every tensor."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in module.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(_bytes(tensor.detach().reshape(-1)[:_SAMPLED_VALUES]))
    return digest.hexdigest()


class PromptCache:
    """Files in `folder`, one for each prompt with its negative, of one text encoder with its connectors."""

    def __init__(self, folder: str | os.PathLike[str], checkpoint: str):
        self.folder = Path(folder)
        self.checkpoint = checkpoint

    def get(self, **key: Any) -> dict[str, torch.Tensor] | None:
        """EMBEDDINGS on the CPU, or None. An entry that is damaged is removed with a warning, to be made again.

        key: what decides the result beside the checkpoint, as plain data: prompt, negative_prompt, dtype, ...
        """
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in EMBEDDINGS}
            if metadata.get("sha256") != _checksum(tensors):
                raise SafetensorError("its values do not match their checksum")
        except (SafetensorError, OSError) as error:
            warnings.warn(f"{path} is damaged or not to be read ({error}); the prompt is encoded again", stacklevel=2)
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        return tensors

    def put(self, embeddings: Mapping[str, torch.Tensor], **key: Any) -> None:
        """Keep a prompt's embeddings; where the folder is full or cannot be written, warn and go on without."""
        # Without views and devices, so that a file holds just these values.
        tensors = {name: embeddings[name].detach().cpu().contiguous().clone() for name in EMBEDDINGS}
        notes = {"sha256": _checksum(tensors), "key": json.dumps(key, sort_keys=True)}
        try:
            with whole_file(self._path(key)) as unfinished:
                save_file(tensors, unfinished, notes)
        except (OSError, SafetensorError) as error:  # the latter for a disk that is full
            warnings.warn(f"{self.folder} keeps no prompts ({error}); each is encoded when it is used", stacklevel=2)

    def _path(self, key: Mapping[str, Any]) -> Path:
        text = json.dumps({**key, "checkpoint": self.checkpoint}, sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(_bytes(tensors[name]))
    return digest.hexdigest()


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
