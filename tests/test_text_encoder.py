"""The text encoder is read whole or not at all: transformers alone would fill gaps with random values."""

import ast
import io
import json
import re
import shutil
from pathlib import Path

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Gemma3ForConditionalGeneration

from ltx_nb.catalogue.models import TINY
from ltx_nb.loading.tensors import WeightsError
from ltx_nb.loading.text_encoder import read_text_encoder
from ltx_nb.running.gguf_linear import GgufLinear
from ltx_nb.running.one_byte import ScaledLinear
from ltx_nb.running.streamed_text import stream_text_encoder

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


# One file


def language_model(folder):
    """Name in the language model -> tensor, in bf16 as people have it."""
    stored = load_file(folder / "model.safetensors")
    prefix = "language_model.model."
    found = {name.removeprefix(prefix): tensor for name, tensor in stored.items() if name.startswith(prefix)}
    return {name: tensor.to(torch.bfloat16) for name, tensor in found.items()}


def noted(folder):
    """The config in the file's metadata: from shapes alone it would be Gemma 3 12B's, with a longer window."""
    return {"gemma_config": (folder / "config.json").read_text()}


def hidden_states(encoder):
    words = torch.tensor([[2, 5, 9, 11]])
    with torch.no_grad():
        return encoder.float()(input_ids=words, output_hidden_states=True).hidden_states


@pytest.mark.parametrize("prefix", ["model.", "language_model.model.", "model.language_model.", ""])
def test_one_file_under_any_prefix_is_the_folders_encoder(folder, tmp_path, prefix):
    tensors = {prefix + name: tensor for name, tensor in language_model(folder).items()}
    tensors["spiece_model"] = torch.zeros(4, dtype=torch.uint8)  # ComfyUI's copy of the tokenizer
    save_file(tensors, tmp_path / "gemma.safetensors", noted(folder))
    made = read(tmp_path / "gemma.safetensors")["text_encoder"]
    weights = made.model.language_model.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in language_model(folder).items())
    assert made.lm_head.weight is made.get_input_embeddings().weight
    ordinary = Gemma3ForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16, trust_remote_code=False)
    for found, wanted in zip(hidden_states(made), hidden_states(ordinary), strict=True):
        assert torch.equal(found, wanted)


def test_a_file_that_says_no_config_is_taken_by_its_shapes(folder, tmp_path):
    save_file(language_model(folder), tmp_path / "gemma.safetensors")
    text = read(tmp_path / "gemma.safetensors")["text_encoder"].config.text_config
    wanted = json.loads((folder / "config.json").read_text())["text_config"]
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size")
    assert {name: getattr(text, name) for name in names} == {name: wanted[name] for name in names}
    assert text.sliding_window == 1024 and text.rope_parameters["full_attention"]["factor"] == 8.0


def test_one_byte_a_weight_stays_one_byte_and_streams(folder, tmp_path):
    """As ComfyUI's fp8_scaled file has it."""
    plain, tensors = language_model(folder), {}
    for name, tensor in plain.items():
        if "_proj" in name:
            scale = tensor.float().abs().max() / 448
            layer = name.removesuffix(".weight")
            tensors |= {f"model.{name}": (tensor.float() / scale).to(torch.float8_e4m3fn)}
            tensors |= {f"model.{layer}.scale_weight": scale}
        else:
            tensors[f"model.{name}"] = tensor
    tensors["scaled_fp8"] = torch.zeros(0, dtype=torch.float8_e4m3fn)
    save_file(tensors, tmp_path / "gemma.safetensors", noted(folder))
    made = read(tmp_path / "gemma.safetensors")["text_encoder"]
    layer = made.model.language_model.layers[0].mlp.gate_proj
    assert isinstance(layer, ScaledLinear) and layer.weight.dtype == torch.float8_e4m3fn
    wanted = plain["layers.0.mlp.gate_proj.weight"].float()
    assert (layer.dequantised(torch.float32) - wanted).norm() < 0.04 * wanted.norm()
    resident = hidden_states(made)
    stream_text_encoder(made, "cpu", torch.float32)
    assert all(torch.equal(found, expected) for found, expected in zip(hidden_states(made), resident, strict=True))
    held = made.model.language_model.layers[1].mlp.gate_proj.weight
    assert held.untyped_storage().nbytes() < held.nbytes  # a placeholder: its weight is in the file


def test_a_file_of_four_bits_is_refused_by_its_format_with_what_to_take(folder, tmp_path):
    """As ComfyUI's fp4_mixed file has it: nvfp4 with its two scales in some layers, the rest as it was."""
    tensors = {f"model.{name}": tensor for name, tensor in language_model(folder).items()}
    layer = "model.layers.0.mlp.gate_proj"
    rows, columns = tensors[f"{layer}.weight"].shape
    tensors[f"{layer}.weight"] = torch.zeros(rows, columns // 2, dtype=torch.uint8)
    tensors[f"{layer}.weight_scale"] = torch.zeros(rows, columns // 16).to(torch.float8_e4m3fn)
    tensors[f"{layer}.weight_scale_2"] = torch.ones(())
    mark = json.dumps({"format": "nvfp4"}).encode()
    tensors[f"{layer}.comfy_quant"] = torch.frombuffer(bytearray(mark), dtype=torch.uint8)
    save_file(tensors, tmp_path / "gemma_3_12B_it_fp4_mixed.safetensors", noted(folder))
    with pytest.raises(WeightsError, match=r"gate_proj in nvfp4, which is not read here; .* gemma_3_12B_it_fp8_scaled"):
        read(tmp_path / "gemma_3_12B_it_fp4_mixed.safetensors")


GGUF_NAMES = {
    "embed_tokens": "token_embd",
    "norm": "output_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def test_ggufs_encoder_is_the_folders_within_its_blocks(folder, tmp_path):
    """Norms are a 1 larger there, and matrices of Q8_0."""
    writer = gguf.GGUFWriter(tmp_path / "gemma.gguf", "gemma3")
    plain = language_model(folder)
    for name, tensor in plain.items():
        block, layer, part = re.fullmatch(r"(?:layers\.(\d+)\.)?(.*)\.(weight)", name).groups()
        key = f"{'' if block is None else f'blk.{block}.'}{GGUF_NAMES[layer]}.{part}"
        values = tensor.float().numpy() + (1 if name.endswith("norm.weight") else 0)
        if "_proj" in name:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(key, gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(key, values)
    writer.add_string("gemma_config", (folder / "config.json").read_text())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    made = read(tmp_path / "gemma.gguf")["text_encoder"].model.language_model
    assert isinstance(made.layers[0].mlp.gate_proj, GgufLinear)
    wanted = plain["layers.0.mlp.gate_proj.weight"].float()
    assert (made.layers[0].mlp.gate_proj.dequantised(torch.float32) - wanted).norm() < 0.01 * wanted.norm()
    norm = plain["layers.0.input_layernorm.weight"].float()
    assert torch.allclose(made.layers[0].input_layernorm.weight, norm, atol=1e-6)


def test_a_file_of_something_else_is_named(tmp_path):
    save_file({"encoder.block.0.weight": torch.zeros(2)}, tmp_path / "t5.safetensors")
    with pytest.raises(WeightsError, match=r"t5\.safetensors has no Gemma 3 that is read here; nearest: .*gemma_3_12B"):
        read(tmp_path / "t5.safetensors")


def test_a_gemma_4_is_refused_with_what_takes_it(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "gemma4_unified"}))
    with pytest.raises(
        WeightsError, match=r"type 'gemma4_unified', not 'gemma3'; nearest: .*; LTX-2\.5 takes a Gemma 4"
    ):
        read(folder)


# A folder that wants its own code to be run


def hostile_tokenizer(folder):
    """A tokenizer's folder whose class is in a file beside it, which leaves a trace when it is run."""
    shutil.copytree(TOKENIZER, folder)
    path = folder / "tokenizer_config.json"
    changed = {"auto_map": {"AutoTokenizer": ["theirs.Theirs", "theirs.Theirs"]}, "tokenizer_class": "Theirs"}
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    (folder / "theirs.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Theirs: ...\n")
    return folder


def test_code_beside_a_tokenizer_is_neither_run_nor_asked_for(folder, tmp_path, monkeypatch):
    theirs = hostile_tokenizer(tmp_path / "theirs")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked"))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(WeightsError, match=r"theirs has no tokenizer that is read here"):
        read_text_encoder(folder, theirs, CONNECTORS)
    assert not (theirs / "ran").exists()


def test_code_beside_a_model_is_not_run(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "theirs.Config", "AutoModel": "theirs.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "theirs.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    assert read(folder)["text_encoder"] is not None
    assert not (folder / "ran").exists()


def test_every_from_pretrained_says_that_no_code_is_trusted():
    """In the package, the widgets and the benchmarks: for classes that could run code of a folder."""
    root = Path(__file__).parents[1]
    calls = []
    for path in [*root.glob("ltx_nb/**/*.py"), *root.glob("widgets/**/*.py"), *root.glob("benchmarks/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
            if name in ("from_pretrained", "load_components"):
                said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                calls.append((f"{path.name}:{node.lineno} {name}", said.get("trust_remote_code") == "False"))
    assert calls and [call for call, is_safe in calls if not is_safe] == []


# Configs


@pytest.mark.parametrize(
    "field, value",
    [
        ("num_hidden_layers", "3"),
        ("num_hidden_layers", 10**6),
        ("hidden_size", 10**9),
        ("hidden_size", 0),
        ("x", [[[]]] * 9999),
    ],
)
def test_a_config_with_values_that_no_model_has_is_named(folder, field, value):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["text_config"][field] = value
    path.write_text(json.dumps(config))
    with pytest.raises((WeightsError, ValueError), match=r"text_encoder"):
        read(folder)
