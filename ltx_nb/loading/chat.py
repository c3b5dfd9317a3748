"""A small Gemma 3 from a folder that is here, for prompts to be written out by it; nothing is downloaded.

Read as strictly as the text encoder is, whose folder may serve too. Turns are written as Gemma's documentation has them
("Gemma formatting and system instructions": the system's words begin the user's turn), since the template that lies in
a folder is a program.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from ltx_nb.catalogue.components import empty_weights
from ltx_nb.catalogue.config_values import check_values
from ltx_nb.loading.folder import json_object
from ltx_nb.loading.forms import tensors_with_marks
from ltx_nb.loading.stored import Stored, WeightsError
from ltx_nb.loading.tensors import fill
from ltx_nb.loading.text_encoder import files_of, named_tensors, read_tokenizer
from ltx_nb.loading.weight_files import opened

KINDS = ("gemma3", "gemma3_text")  # with an encoder of pictures, and without, as the 1B has it
MOST_TOKENS = 320  # some 200 words


class LocalChat:
    """A Gemma 3 for `ltx_nb.enhance_prompt`, from a folder in transformers' layout: config, tokenizer, safetensors.

    device: where it runs, as torch names it. name: the folder's, by which what it wrote is told.

    Raises FileNotFoundError for a folder without config or safetensors, WeightsError for another kind of model, for
    weights that are missing or damaged, and for a folder without a tokenizer.
    """

    def __init__(self, folder: str | os.PathLike[str], device: str = "cpu"):
        path = Path(folder)
        if not path.is_dir():
            raise FileNotFoundError(f"{path} is no folder; give that of a Gemma 3 that is here, as gemma-3-1b-it")
        self.name = path.resolve().name
        self._model = _read_model(path).to(device)
        places = (path, path.parent / "tokenizer")  # the second as a diffusers folder has it
        found = next((place for place in places if any(place.glob("tokenizer*.json"))), None)
        if found is None:  # transformers would make one up
            raise WeightsError(
                f"{path} has no tokenizer, as tokenizer.json is one; copy it there from the model's page"
            )
        self._tokenizer = read_tokenizer(found)

    def answer(self, instructions: str, text: str) -> str:
        """Return what it says to a user's text under these instructions; the same each time."""
        turns = f"<start_of_turn>user\n{instructions}\n\n{text}<end_of_turn>\n<start_of_turn>model\n"
        words = self._tokenizer(turns, return_tensors="pt")
        ids, mask = (words[name].to(self._model.device) for name in ("input_ids", "attention_mask"))
        unknown = getattr(self._tokenizer, "unk_token_id", None)
        ends = {self._tokenizer.eos_token_id, self._tokenizer.convert_tokens_to_ids("<end_of_turn>")} - {None, unknown}
        with torch.inference_mode():
            said = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=MOST_TOKENS,
                eos_token_id=sorted(ends),
                pad_token_id=self._tokenizer.pad_token_id,
            )
        return str(self._tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True))


def _read_model(path: Path) -> Any:
    with ExitStack() as files:
        stored: dict[str, Stored] = {}
        for file in files_of(path):
            stored = tensors_with_marks(files.enter_context(opened(file))) | stored
        named, unknown = named_tensors(stored, is_gguf=False)
        with empty_weights():
            model = Gemma3ForCausalLM(_config(path))
        fill(path, {"chat model": model.model}, {"chat model": named}, unknown, what="gemma3;")
        model.lm_head.weight = model.model.embed_tokens.weight
    return model.eval().requires_grad_(False)


def _config(path: Path) -> Any:
    config = json_object(path / "config.json")
    kind = config.get("model_type")
    if kind not in KINDS:
        raise WeightsError(f"{path} holds a model of type {kind!r}, not {' or '.join(KINDS)}; nearest: gemma-3-1b-it")
    text = config.get("text_config", {}) if kind == KINDS[0] else config
    try:
        check_values("text_config", text)
        return Gemma3TextConfig.from_dict(text)
    except Exception as error:  # transformers checks configs with errors of many kinds
        raise WeightsError(f"{path} has a config that is not {kind}'s: {error}") from None
