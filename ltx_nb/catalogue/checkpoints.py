"""Which model a name or a path means: an entry of the catalogue, an official file, a folder in diffusers' layout.

Reads names and small JSON files alone; no weights, no torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ltx_nb.catalogue.models import (
    DEV,
    DEV_2_0,
    DISTILLED,
    DISTILLED_2_0,
    MODELS,
    TINY,
    Model,
    model_of_file,
    named_model,
)

LTX_2_5 = (
    "holds LTX-2.5, which is not supported yet: its text encoder is a Gemma 4 that was trained further, its files are "
    f"split by component and its audio front is another. What runs here is LTX-2.0 and LTX-2.3, for example {DEV.name}"
)
TINY_LAYERS = 6  # of the transformer, as its config has it; the full-size model has 48


def find_model(model: str | os.PathLike[str]) -> Model:
    """The entry that `model` names, or one made for the file or folder at this path.

    Raises ValueError for a name that is unknown and a path that does not tell how to sample, FileNotFoundError for a
    path to nothing.
    """
    name = os.fspath(model)
    if name in MODELS:
        return MODELS[name]
    path = Path(name)
    if path.is_dir():
        return _model_of_folder(path)
    if path.is_file() or path.suffix in (".safetensors", ".gguf"):
        return model_of_file(path)
    if len(path.parts) > 1 and not get_close_matches(name, MODELS):
        raise FileNotFoundError(f"no file and no folder {name!r}; models by name: {', '.join(MODELS)}")
    return named_model(name)


def _generation(transformer: Mapping[str, Any]) -> str:
    """Tell the generation as the published conversions do: 2.3 modulates prompts, 2.5 has no bias in feed-forwards."""
    if not transformer.get("cross_attn_mod", False):
        return "2.0"
    return "2.3" if transformer.get("ff_bias", True) else "2.5"


def _model_of_folder(folder: Path) -> Model:
    configs = {}
    for name in ("transformer/config.json", "scheduler/scheduler_config.json", "model_index.json"):
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"no weights in {os.fspath(folder)!r}: it has no {name}")
        try:
            configs[name] = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is no JSON object: {error}") from None
    transformer, scheduler = (configs[name] for name in list(configs)[:2])
    generation = _generation(transformer)
    if generation == "2.5":
        raise ValueError(f"{os.fspath(folder)!r} {LTX_2_5}; diffusers' LTX25ModularPipeline runs it")
    # The published conversion: dev shifts by the number of tokens, distilled uses the sigmas given.
    is_dev = bool(scheduler.get("use_dynamic_shifting"))
    if generation == "2.0":
        entry = DEV_2_0 if is_dev else DISTILLED_2_0
    elif transformer.get("num_layers") == TINY_LAYERS:
        entry = TINY
    else:
        entry = DEV if is_dev else DISTILLED
    return replace(entry, weights=os.fspath(folder.absolute()))
