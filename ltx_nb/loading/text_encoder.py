"""The text encoder, Gemma 3, and its tokenizer, read as strictly as everything else, from a folder or from one file.

Transformers would fill what a file lacks with random values, take a model of another kind for Gemma, and could run code
that lies in a folder: none of that here. Only the language model is read. Knows configs and files; names of tensors are
in `gemma_names`, and how prompts are encoded is the pipeline's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoTokenizer, Gemma3Config, Gemma3ForConditionalGeneration

from ltx_nb.catalogue.components import empty_weights
from ltx_nb.catalogue.config_values import check_values
from ltx_nb.catalogue.models import TEXT_ENCODER
from ltx_nb.checks import choice
from ltx_nb.loading.folder import json_object
from ltx_nb.loading.forms import tensors_with_marks
from ltx_nb.loading.gemma_names import is_unused, language_model_name
from ltx_nb.loading.stored import Stored, WeightsError
from ltx_nb.loading.tensors import fill
from ltx_nb.loading.weight_files import opened

KIND = "gemma3"
CONFIG_NOTE = "gemma_config"  # in the metadata of single files that say it: ltx_core's gemma_assets.py
INDEX_NAME = "model.safetensors.index.json"
# google/gemma-3-12b-it, config.json, where a file's shapes do not tell: transformers' own defaults are the 2B model's.
_GEMMA_12B = {
    "sliding_window": 1024,
    "query_pre_attn_scalar": 256,
    "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
    },
}


def read_text_encoder(source: Path, tokenizer: Path, connectors: Mapping[str, Any]) -> dict[str, Any]:
    """text_encoder, its bytes mapped from the files in the form stored, and tokenizer, of its folder.

    source: a folder, or a safetensors or GGUF file. connectors: the config of what takes the text encoder's hidden
    states, which has to be made for its size.

    Raises FileNotFoundError for a folder without a config or safetensors, WeightsError for a file that is cut short,
    another model and missing weights.
    """
    with ExitStack() as files:
        stored: dict[str, Stored] = {}
        notes: dict[str, str] = {}
        for path in files_of(source):
            file = files.enter_context(opened(path))
            stored, notes = tensors_with_marks(file) | stored, {**file.metadata(), **notes}
        named, unknown = named_tensors(stored, is_gguf=source.suffix == ".gguf")
        config = _config(source, named, notes)
        text = config.text_config
        # The connectors take the words' embeddings and the hidden states of every layer.
        found = (text.hidden_size, text.num_hidden_layers + 1)
        wanted = (connectors["caption_channels"], connectors["text_proj_in_factor"])
        if found != wanted:
            raise WeightsError(
                f"{source} gives {found[1]} hidden states of width {found[0]}, and this model takes {wanted[1]} of "
                f"width {wanted[0]}; LTX-2.3's text encoder is {TEXT_ENCODER}"
            )
        with empty_weights():
            model = Gemma3ForConditionalGeneration(config)
        # For pictures. The pipeline asks the first parameter where the encoder runs: that is the embedding then.
        model.model.vision_tower = model.model.multi_modal_projector = nn.Module()
        language_model = model.model.language_model
        fill(source, {"text_encoder": language_model}, {"text_encoder": named}, unknown, what=f"{KIND};")
        model.lm_head.weight = language_model.embed_tokens.weight
    return {"text_encoder": model.eval().requires_grad_(False), "tokenizer": read_tokenizer(tokenizer)}


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder, by transformers' own classes: code that lies beside it is never run, nor asked for.

    Raises WeightsError for a folder that has none that is read.
    """
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # of a damaged file, whatever transformers makes of it
        raise WeightsError(f"{folder} has no tokenizer that is read here ({type(error).__name__}: {error})") from error


def files_of(source: Path) -> list[Path]:
    """The weight files of a folder, or the file itself. Raises FileNotFoundError for a folder without."""
    if not source.is_dir():
        return [source]
    if not (source / "config.json").is_file():
        raise FileNotFoundError(f"no file {source / 'config.json'}")
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"no *.safetensors in {source}; only safetensors are read, never pickles")
    if (source / INDEX_NAME).is_file():  # a repository may have the same weights in shards of two sizes
        names = sorted(set(json_object(source / INDEX_NAME).get("weight_map", {}).values()))
        return [source / choice("shard", name, [path.name for path in files]) for name in names]
    return files


def named_tensors(stored: Mapping[str, Stored], is_gguf: bool) -> tuple[dict[str, Stored], list[str]]:
    """Tensors by their names in the language model, and the keys of those that are neither its nor known."""
    named, unknown = {}, []
    for key, entry in stored.items():
        name = language_model_name(key)
        if name is not None:
            # llama.cpp adds the 1 that transformers' norms add to their weights.
            named[name] = _less_one(entry) if is_gguf and name.endswith("norm.weight") else entry
        elif not is_unused(key):
            unknown.append(key)
    return named, unknown


def _less_one(entry: Stored) -> Stored:
    return replace(entry, dtype="F32", source=lambda: entry.read().float() - 1)


def _config(source: Path, named: Mapping[str, Stored], notes: Mapping[str, str]) -> Any:
    config: dict[str, Any]
    if source.is_dir():
        config = json_object(source / "config.json")
    elif CONFIG_NOTE in notes:
        try:
            config = dict(json.loads(notes[CONFIG_NOTE]))
        except (ValueError, TypeError, RecursionError) as error:
            raise WeightsError(f"{source} has a {CONFIG_NOTE} that is no JSON object: {error}") from None
    else:
        config = {"model_type": KIND, "text_config": _GEMMA_12B | _sizes(source, named)}
    kind = config.get("model_type")
    if kind != KIND:
        which = "; LTX-2.5 takes a Gemma 4 that was trained further, LTX-2.3 does not" * str(kind).startswith("gemma4")
        raise WeightsError(f"{source} holds a model of type {kind!r}, not {KIND!r}; nearest: {TEXT_ENCODER}{which}")
    try:
        check_values("text_config", config.get("text_config", {}))
        return Gemma3Config.from_dict(config)
    except Exception as error:  # transformers checks configs with errors of many kinds
        raise WeightsError(f"{source} has a config that is not {KIND}'s: {error}") from None


def _sizes(source: Path, named: Mapping[str, Stored]) -> dict[str, int]:
    """Sizes of a Gemma 3, from the shapes of its tensors."""
    try:
        vocab, hidden = named["embed_tokens.weight"].shape
        first = {part: named[f"layers.0.{part}.weight"].shape for part in ("self_attn.q_norm", "mlp.gate_proj")}
        queries, keys = (named[f"layers.0.self_attn.{part}_proj.weight"].shape[0] for part in "qk")
    except (KeyError, ValueError, IndexError):
        raise WeightsError(
            f"{source} has no Gemma 3 that is read here; nearest: {TEXT_ENCODER}, or ComfyUI's gemma_3_12B_it"
        ) from None
    (head_dim,), ff = first["self_attn.q_norm"], first["mlp.gate_proj"][0]
    return {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": ff,
        "num_hidden_layers": len({name.split(".")[1] for name in named if name.startswith("layers.")}),
        "num_attention_heads": queries // max(head_dim, 1),
        "num_key_value_heads": keys // max(head_dim, 1),
        "head_dim": head_dim,
    }
