"""The text encoder is read whole or not at all: transformers alone would fill gaps with random values."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_nb.catalogue.models import TINY
from ltx_nb.loading.tensors import WeightsError
from ltx_nb.loading.text_encoder import read_text_encoder

TOKENIZER = Path(TINY.weights) / "tokenizer"
CONNECTORS = json.loads((Path(TINY.weights) / "connectors" / "config.json").read_text())


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(Path(TINY.weights) / "text_encoder", tmp_path / "text_encoder"))


def read(folder):
    return read_text_encoder(folder, TOKENIZER, CONNECTORS)


def test_it_is_what_the_files_have(folder):
    made = read(folder)
    stored = load_file(folder / "model.safetensors")
    weight = made["text_encoder"].get_input_embeddings().weight
    assert any(tensor.shape == weight.shape and torch.equal(tensor, weight) for tensor in stored.values())
    assert made["tokenizer"]("a red ball").input_ids


def test_a_file_that_is_cut_short_is_named(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=r"text_encoder/model\.safetensors is cut short .* download it again"):
        read(folder)


def test_a_missing_weight_is_named_and_not_made_up(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    lost = next(name for name in sorted(tensors) if name.endswith("q_proj.weight"))
    del tensors[lost]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(WeightsError, match=r"is not a whole gemma3; 1 missing: .*q_proj\.weight"):
        read(folder)


def test_a_pickle_is_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"no \*\.safetensors in .*; only safetensors are read, never pickles"):
        read(folder)


def test_a_folder_of_something_else_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*config\.json"):
        read(tmp_path)


def test_another_kind_of_model_is_refused(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "t5"}))
    with pytest.raises(WeightsError, match=r"holds a model of type 't5', not 'gemma3'; nearest: .*gemma-3-12b"):
        read(folder)


def test_a_gemma_of_another_size_is_refused(folder):
    connectors = CONNECTORS | {"caption_channels": 3840, "text_proj_in_factor": 49}
    with pytest.raises(WeightsError, match=r"hidden states of width 64, and this model takes 49 of width 3840"):
        read_text_encoder(folder, TOKENIZER, connectors)
