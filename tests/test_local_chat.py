"""A Gemma 3 in a folder writes prompts out: read strictly, asked in Gemma's turns, the same as transformers' own."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Gemma3ForCausalLM
from typer.testing import CliRunner

import ltx_nb as ltx
from ltx_nb.catalogue.models import TINY
from ltx_nb.cli import app
from ltx_nb.loading import chat
from ltx_nb.loading.stored import WeightsError
from ltx_nb.remote.enhancing import INSTRUCTIONS
from ltx_nb.tiny import architecture

IDEA = "a red ball bounces"


@pytest.fixture(autouse=True)
def few_tokens(monkeypatch):
    monkeypatch.setattr(chat, "MOST_TOKENS", 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text-only Gemma 3 as the 1B is published, with random weights that say something."""
    path = tmp_path_factory.mktemp("chat") / "gemma-3-tiny-it"
    tokenizer = architecture.tokenizer()
    torch.manual_seed(0)
    text = architecture.text_encoder(len(tokenizer)).config.text_config
    Gemma3ForCausalLM(text).save_pretrained(path)
    tokenizer.save_pretrained(path)
    assert json.loads((path / "config.json").read_text())["model_type"] == "gemma3_text"
    return path


def test_it_says_what_transformers_own_says(folder):
    made = ltx.enhance_prompt(IDEA, ltx.LocalChat(folder))
    tokenizer = architecture.tokenizer()
    turns = f"<start_of_turn>user\n{INSTRUCTIONS}\n\n{IDEA}<end_of_turn>\n<start_of_turn>model\n"
    words = tokenizer(turns, return_tensors="pt")
    own = Gemma3ForCausalLM.from_pretrained(folder, dtype="auto").eval()
    said = own.generate(
        **{name: words[name] for name in ("input_ids", "attention_mask")}, do_sample=False, max_new_tokens=12
    )
    wanted = tokenizer.decode(said[0, words["input_ids"].shape[1] :], skip_special_tokens=True)
    assert made.after == " ".join(wanted.split()) and made.after
    assert (made.before, made.model) == (IDEA, "gemma-3-tiny-it")


def test_the_text_encoder_of_a_model_serves_too():
    """With its tokenizer in the folder beside it, as diffusers has them."""
    made = ltx.LocalChat(Path(TINY.weights) / "text_encoder")
    assert made.name == "text_encoder"
    assert isinstance(made.answer("say something", IDEA), str)


def test_the_command_takes_a_folder(folder):
    said = CliRunner().invoke(app, ["enhance", IDEA, "--folder", str(folder), "--json"])
    answer = json.loads(said.stdout)
    assert (
        answer["written_prompt"] == IDEA and answer["prompt"] == ltx.enhance_prompt(IDEA, ltx.LocalChat(folder)).after
    )
    refused = CliRunner().invoke(app, ["enhance", IDEA, "--json"])
    assert refused.exit_code == 2 and "--endpoint with --chat-model, or --folder" in refused.stdout


@pytest.mark.parametrize(
    ("spoil", "error", "told"),
    [
        (lambda path: shutil.rmtree(path), FileNotFoundError, "is no folder; give that of a Gemma 3 that is here"),
        (lambda path: (path / "config.json").unlink(), FileNotFoundError, "no file .*config.json"),
        (lambda path: (path / "model.safetensors").unlink(), FileNotFoundError, "only safetensors are read"),
        (lambda path: _without(path, "norm.weight"), WeightsError, "is not a whole gemma3; 1 missing: chat model.norm"),
        (lambda path: _other_kind(path), WeightsError, "holds a model of type 'llama', not gemma3 or gemma3_text"),
        (lambda path: [one.unlink() for one in path.glob("tokenizer*")], WeightsError, "has no tokenizer"),
    ],
)
def test_what_is_no_whole_gemma_is_refused(folder, tmp_path, spoil, error, told):
    path = Path(shutil.copytree(folder, tmp_path / "copy"))
    spoil(path)
    with pytest.raises(error, match=told):
        ltx.LocalChat(path)


def _without(path, name):
    tensors = load_file(path / "model.safetensors")
    kept = {key: tensor for key, tensor in tensors.items() if not re.search(rf"^model\.{name}$", key)}
    assert len(kept) == len(tensors) - 1
    save_file(kept, path / "model.safetensors", {"format": "pt"})


def _other_kind(path):
    config = json.loads((path / "config.json").read_text()) | {"model_type": "llama"}
    (path / "config.json").write_text(json.dumps(config))


def test_an_endpoint_needs_the_name_of_its_model():
    with pytest.raises(ValueError, match="name the chat model, as http://localhost:9/v1 calls it"):
        ltx.enhance_prompt(IDEA, "http://localhost:9/v1")
