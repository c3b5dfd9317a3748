"""The text encoder, Gemma 3, and its tokenizer, read as strictly as everything else.

Transformers fills what a file lacks with random values, and takes a model of another kind for Gemma: both are refused
here. Knows the folder's layout; not how prompts are encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, Gemma3ForConditionalGeneration

from ltx_nb.catalogue.models import TEXT_ENCODER
from ltx_nb.loading.folder import json_object
from ltx_nb.loading.stored import WeightsError, shown
from ltx_nb.loading.weight_files import opened

KIND = "gemma3"
UNUSED = ("model.vision_tower.", "model.multi_modal_projector.")  # for pictures; no prompt goes through them


def read_text_encoder(folder: Path, tokenizer: Path, connectors: Mapping[str, Any]) -> dict[str, Any]:
    """text_encoder, its bytes mapped from the files in the dtype stored, and tokenizer, of these folders.

    connectors: the config of what takes the text encoder's hidden states, which has to be made for its size.

    Raises FileNotFoundError for a folder without a config or safetensors, WeightsError for a file that is cut short,
    another model and missing weights.
    """
    kind = json_object(folder / "config.json").get("model_type")
    if kind != KIND:
        raise WeightsError(f"{folder} holds a model of type {kind!r}, not {KIND!r}; nearest: {TEXT_ENCODER}")
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"no *.safetensors in {folder}; only safetensors are read, never pickles")
    for path in files:
        with opened(path):
            pass
    model, loaded = Gemma3ForConditionalGeneration.from_pretrained(
        folder, dtype="auto", use_safetensors=True, output_loading_info=True
    )
    if missing := sorted(name for name in loaded["missing_keys"] if not name.startswith(UNUSED)):
        raise WeightsError(f"{folder} is not a whole {KIND}; {len(missing)} missing: {shown(missing)}", (), missing)
    text = model.config.text_config
    # The connectors take the words' embeddings and the hidden states of every layer.
    found = (text.hidden_size, text.num_hidden_layers + 1)
    wanted = (connectors["caption_channels"], connectors["text_proj_in_factor"])
    if found != wanted:
        raise WeightsError(
            f"{folder} gives {found[1]} hidden states of width {found[0]}, and this model takes {wanted[1]} of width "
            f"{wanted[0]}; LTX-2.3's text encoder is {TEXT_ENCODER}"
        )
    return {"text_encoder": model, "tokenizer": AutoTokenizer.from_pretrained(tokenizer)}
