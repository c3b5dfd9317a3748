"""LoRAs are added as diffusers adds them, before weights are quantised, and refused where that is too late."""

import json

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_nb.loading import load
from ltx_nb.loading.loras import fuse_loras, listed, reference_factor
from ltx_nb.loading.tensors import WeightsError
from ltx_nb.running.gguf_linear import GgufLinear
from ltx_nb.running.one_byte import ScaledLinear, quantise_blocks, quantise_layer
from ltx_nb.tiny import architecture

LAYERS = ("transformer_blocks.0.attn1.to_q", "transformer_blocks.3.ff.net.2", "proj_in")
OFFICIAL = {"proj_in": "patchify_proj"}
RANK = 4


@pytest.fixture(scope="module")
def transformer():
    torch.manual_seed(0)
    return architecture.transformer().eval().requires_grad_(False)


@pytest.fixture
def fresh(transformer):
    """A copy, to be changed."""
    copy = architecture.transformer().eval().requires_grad_(False)
    copy.load_state_dict(transformer.state_dict())
    return copy


def changes(transformer):
    """(down, up) of each layer."""
    generator = torch.Generator().manual_seed(1)
    found = {}
    for name in LAYERS:
        rows, columns = transformer.get_submodule(name).weight.shape
        found[name] = (
            torch.randn(RANK, columns, generator=generator) * 0.05,
            torch.randn(rows, RANK, generator=generator) * 0.05,
        )
    return found


def tensors_of(transformer, official):
    prefix = "diffusion_model" if official else "transformer"
    return {
        f"{prefix}.{OFFICIAL.get(name, name) if official else name}.lora_{part}.weight": tensor.contiguous()
        for name, both in changes(transformer).items()
        for part, tensor in zip("AB", both, strict=True)
    }


@pytest.fixture
def lora(transformer, tmp_path):
    path = tmp_path / "lora.safetensors"
    save_file(tensors_of(transformer, official=True), path)
    return path


def expected(transformer, scale):
    return {
        name: transformer.get_submodule(name).weight + scale * up @ down
        for name, (down, up) in changes(transformer).items()
    }


def assert_weights(transformer, wanted):
    for name, weight in wanted.items():
        torch.testing.assert_close(transformer.get_submodule(name).weight.data, weight, rtol=0, atol=1e-6)


@pytest.mark.parametrize("official", [True, False])
def test_both_layouts_are_added_with_their_scale(transformer, fresh, tmp_path, official):
    path = tmp_path / "lora.safetensors"
    save_file(tensors_of(transformer, official), path)
    fuse_loras({"transformer": fresh}, [(path, 0.8)])
    assert_weights(fresh, expected(transformer, 0.8))
    untouched = "transformer_blocks.1.attn1.to_q"
    assert torch.equal(fresh.get_submodule(untouched).weight, transformer.get_submodule(untouched).weight)


def test_it_is_what_diffusers_adds(transformer, fresh, lora):
    from diffusers.loaders import LTX2LoraLoaderMixin

    other = architecture.transformer()
    other.load_state_dict(transformer.state_dict())
    other.load_lora_adapter(LTX2LoraLoaderMixin.lora_state_dict(str(lora)), prefix="transformer")
    other.fuse_lora(lora_scale=0.8)
    other.unload_lora()
    fuse_loras({"transformer": fresh}, [(lora, 0.8)])
    assert_weights(fresh, {name: other.get_submodule(name).weight.detach() for name in LAYERS})


def test_alpha_of_peft_is_heeded(transformer, fresh, tmp_path):
    path = tmp_path / "lora.safetensors"
    adapter = {"r": RANK, "lora_alpha": 2 * RANK, "alpha_pattern": {LAYERS[2]: RANK}}
    adapter = {f"transformer.{name}": value for name, value in adapter.items()}
    save_file(tensors_of(transformer, official=False), path, {"lora_adapter_metadata": json.dumps(adapter)})
    fuse_loras({"transformer": fresh}, [path])
    wanted = expected(transformer, 2.0) | {LAYERS[2]: expected(transformer, 1.0)[LAYERS[2]]}
    assert_weights(fresh, wanted)


def test_two_loras_add_up(transformer, fresh, lora):
    fuse_loras({"transformer": fresh}, [(lora, 0.5), (lora, -0.25)])
    assert_weights(fresh, expected(transformer, 0.25))


def test_a_lora_then_int8_is_the_changed_weight_quantised(transformer, fresh, lora):
    fuse_loras({"transformer": fresh}, [lora], after=quantise_layer)
    quantise_blocks(fresh)
    layer = fresh.get_submodule(LAYERS[0])
    assert isinstance(layer, ScaledLinear)
    wanted = expected(transformer, 1.0)[LAYERS[0]]
    rounding = wanted.abs().amax(dim=1, keepdim=True) / 254
    assert ((layer.dequantised(torch.float32) - wanted).abs() <= rounding * 1.001).all()


def test_load_adds_loras_before_its_preset_quantises(lora):
    plain, changed = (load("tiny", "cpu", text="stream", loras=loras) for loras in ([], [lora]))
    layers = [session.pipe.transformer.get_submodule(LAYERS[0]) for session in (plain, changed)]
    assert all(layer.weight.dtype == torch.int8 for layer in layers)
    assert not torch.equal(layers[0].dequantised(torch.float32), layers[1].dequantised(torch.float32))


@pytest.mark.parametrize("form, rounding", [(ScaledLinear.int8_rows, 1 / 254), (ScaledLinear.fp8_rows, 1 / 16)])
def test_weights_of_one_byte_are_turned_back_changed_and_rounded_again(transformer, fresh, lora, form, rounding):
    for name in LAYERS:
        fresh.set_submodule(name, form(fresh.get_submodule(name)))
    before = {name: fresh.get_submodule(name).dequantised(torch.float32) for name in LAYERS}
    fuse_loras({"transformer": fresh}, [(lora, 2.0)])
    for name, (down, up) in changes(transformer).items():
        layer, wanted = fresh.get_submodule(name), before[name] + 2 * up @ down
        assert layer.weight.dtype == form(transformer.get_submodule(name)).weight.dtype
        step = wanted.abs().amax(dim=1, keepdim=True) * rounding
        assert ((layer.dequantised(torch.float32) - wanted).abs() <= step * 1.001).all()
        assert (wanted - before[name]).norm() > 5 * (layer.dequantised(torch.float32) - wanted).norm()


def test_ggufs_blocks_become_int8_where_a_lora_changes_them(transformer, fresh, lora):
    name = LAYERS[1]
    raw = gguf.quantize(fresh.get_submodule(name).weight.numpy(), gguf.GGMLQuantizationType.Q8_0)
    fresh.set_submodule(name, GgufLinear(torch.from_numpy(raw), "Q8_0", fresh.get_submodule(name).bias))
    before = fresh.get_submodule(name).dequantised(torch.float32)
    fuse_loras({"transformer": fresh}, [lora])
    down, up = changes(transformer)[name]
    layer, wanted = fresh.get_submodule(name), before + up @ down
    assert layer.weight.dtype == torch.int8 and (layer.bias is None) == (transformer.get_submodule(name).bias is None)
    step = wanted.abs().amax(dim=1, keepdim=True) / 254
    assert ((layer.dequantised(torch.float32) - wanted).abs() <= step * 1.001).all()


# Forms of files


def official(name):
    return OFFICIAL.get(name, name)


FORMS = {
    "official": lambda name: (f"diffusion_model.{official(name)}.lora_A.weight", None),
    "as in the checkpoint": lambda name: (f"model.diffusion_model.{official(name)}.lora_A.weight", None),
    "diffusers": lambda name: (f"transformer.{name}.lora_A.weight", None),
    "official names under diffusers' prefix": lambda name: (f"transformer.{official(name)}.lora_A.weight", None),
    "bare": lambda name: (f"{official(name)}.lora_A.weight", None),
    "down and up with alpha": lambda name: (f"diffusion_model.{official(name)}.lora_down.weight", 2.0),
    "kohya": lambda name: (f"lora_unet_{official(name).replace('.', '_')}.lora_down.weight", 2.0),
    "kohya with diffusers' names": lambda name: (f"lora_unet_{name.replace('.', '_')}.lora_down.weight", 2.0),
    "peft": lambda name: (f"base_model.model.{name}.lora_A.weight", None),
    "peft with an adapter": lambda name: (f"base_model.model.{name}.lora_A.default.weight", None),
}


def in_form(transformer, form):
    tensors = {}
    for name, (down, up) in changes(transformer).items():
        key, alpha = FORMS[form](name)
        tensors[key] = down.contiguous()
        tensors[key.replace("lora_A", "lora_B").replace("lora_down", "lora_up")] = up.contiguous()
        if alpha is not None:
            tensors[key.replace("lora_down.weight", "alpha")] = torch.tensor(alpha)
    return tensors


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_names_changes_the_same_weights(transformer, fresh, tmp_path, form):
    path = tmp_path / "lora.safetensors"
    save_file(in_form(transformer, form), path)
    fuse_loras({"transformer": fresh}, [path])
    alpha = FORMS[form](LAYERS[0])[1]
    assert_weights(fresh, expected(transformer, 1.0 if alpha is None else alpha / RANK))


def test_connectors_are_changed_by_their_official_names(tmp_path):
    connectors = architecture.connectors().requires_grad_(False)
    names = {
        "text_embedding_projection.video_aggregate_embed": "video_text_proj_in",
        "diffusion_model.audio_embeddings_connector.transformer_1d_blocks.0.attn1.to_q": (
            "audio_connector.transformer_blocks.0.attn1.to_q"
        ),
        "connectors.video_connector.transformer_blocks.0.attn1.to_k": "video_connector.transformer_blocks.0.attn1.to_k",
    }
    tensors, wanted = {}, {}
    for key, name in names.items():
        weight = connectors.get_submodule(name).weight
        down, up = torch.randn(2, weight.shape[1]) * 0.05, torch.randn(weight.shape[0], 2) * 0.05
        tensors |= {f"{key}.lora_A.weight": down, f"{key}.lora_B.weight": up}
        wanted[name] = weight.data + up @ down
    save_file(tensors, tmp_path / "lora.safetensors")
    fuse_loras({"connectors": connectors, "transformer": torch.nn.Module()}, [tmp_path / "lora.safetensors"])
    assert_weights(connectors, wanted)


@pytest.mark.parametrize("key", ["dora_scale", "lora_magnitude_vector.default.weight"])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_dora_scales_the_rows_of_the_changed_weight(transformer, fresh, tmp_path, key, strength):
    tensors, wanted = tensors_of(transformer, official=True), {}
    for name, (down, up) in changes(transformer).items():
        weight = transformer.get_submodule(name).weight.data
        magnitude = torch.rand(len(weight)) + 0.5
        shaped = magnitude.view(-1, 1) if key == "dora_scale" else magnitude
        tensors[f"diffusion_model.{official(name)}.{key}"] = shaped.contiguous()
        rows = [row / row.norm() * size for row, size in zip(weight + up @ down, magnitude, strict=True)]
        wanted[name] = weight + strength * (torch.stack(rows) - weight)
    save_file(tensors, tmp_path / "lora.safetensors")
    fuse_loras({"transformer": fresh}, [(tmp_path / "lora.safetensors", strength)])
    assert_weights(fresh, wanted)


@pytest.mark.parametrize("factored", [False, True])
def test_lokr_is_a_product_of_kronecker(transformer, fresh, tmp_path, factored):
    name = LAYERS[0]
    rows, columns = transformer.get_submodule(name).weight.shape
    first, down, up = torch.randn(2, 4), torch.randn(3, columns // 4) * 0.05, torch.randn(rows // 2, 3) * 0.05
    second = up @ down
    key = f"lora_unet_{name.replace('.', '_')}"
    tensors = {f"{key}.lokr_w1": first, f"{key}.alpha": torch.tensor(6.0)}
    tensors |= {f"{key}.lokr_w2_a": up, f"{key}.lokr_w2_b": down} if factored else {f"{key}.lokr_w2": second}
    save_file(tensors, tmp_path / "lora.safetensors")
    fuse_loras({"transformer": fresh}, [tmp_path / "lora.safetensors"])
    delta = torch.einsum("ab,cd->acbd", first, second).reshape(rows, columns)
    assert_weights(fresh, {name: transformer.get_submodule(name).weight.data + (2 if factored else 1) * delta})


def test_one_lora_needs_no_list(lora):
    assert listed(lora) == (lora,) and listed(str(lora)) == (str(lora),)
    assert listed((lora, 0.5)) == ((lora, 0.5),)
    assert listed([lora, (lora, 0.5)]) == (lora, (lora, 0.5)) and listed((lora, lora)) == (lora, lora)
    plain, changed = load("tiny"), load("tiny", loras=str(lora))
    weights = [session.pipe.transformer.get_submodule(LAYERS[0]).weight for session in (plain, changed)]
    assert not torch.equal(*weights)


FIRST = f"diffusion_model.{LAYERS[0]}.lora_A.weight"
SECOND = FIRST.replace("lora_A", "lora_B")


@pytest.mark.parametrize(
    "changed, metadata, message",
    [
        ({FIRST: torch.full((RANK, 64), torch.nan)}, None, rf"{FIRST} has NaN or infinity"),
        ({FIRST: torch.zeros(0, 64), SECOND: torch.zeros(64, 0)}, None, rf"{FIRST} is \[0, 64\], which is no down"),
        ({FIRST: torch.zeros(RANK, 8, 8)}, None, rf"{FIRST} is \[4, 8, 8\], which is no down of a LoRA"),
        ({FIRST: torch.zeros(3, 64)}, None, r"to_q with rank 3 down and 4 up"),
        ({FIRST: torch.zeros(64, RANK)}, None, r"to_q (with rank|as one of)"),
        ({FIRST: torch.zeros(RANK, 64, dtype=torch.int8)}, None, rf"{FIRST} is I8, and not in floating point"),
        ({FIRST[:-13] + "alpha": torch.zeros(4)}, None, r"alpha is \[4\], which is no alpha of a LoRA"),
        ({FIRST[:-13] + "alpha": torch.tensor(torch.inf)}, None, r"alpha has NaN or infinity"),
        (
            {FIRST[:-13] + "dora_scale": torch.ones(1, 64)},
            None,
            r"magnitude of \[1, 64\] for .*; read are those of output",
        ),
        ({FIRST[:-13] + "diff_b": torch.ones(64)}, None, r"has tensors .*diff_b"),
        ({}, {"lora_adapter_metadata": "[" * 9999}, r"lora_adapter_metadata that is not PEFT's"),
        ({}, {"lora_adapter_metadata": '{"transformer.alpha_pattern": 3}'}, r"metadata that is not PEFT's"),
        (
            {},
            {"lora_adapter_metadata": '{"transformer.lora_alpha": "NaN"}'},
            r"lora_alpha of .* is a str, not a number",
        ),
        ({}, {"lora_adapter_metadata": '{"transformer.lora_alpha": NaN}'}, r"lora_alpha of .* is not finite"),
    ],
    ids=range(14),
)
def test_damage_is_named_with_its_key(transformer, fresh, tmp_path, changed, metadata, message):
    tensors = tensors_of(transformer, official=True) | changed
    save_file(tensors, tmp_path / "lora.safetensors", metadata)
    before = fresh.get_submodule(LAYERS[2]).weight.clone()
    with pytest.raises(ValueError, match=message):
        fuse_loras({"transformer": fresh}, [tmp_path / "lora.safetensors"])
    assert torch.equal(fresh.get_submodule(LAYERS[2]).weight, before)


@pytest.mark.parametrize(
    "metadata, message",
    [
        (
            {"reference_downscale_factor": "half"},
            r"reference_downscale_factor='half' in its metadata, which is no whole",
        ),
        ({"reference_temporal_scale_factor": "4"}, r"fewer frames a second \(reference_temporal_scale_factor=4\)"),
    ],
)
def test_a_reference_that_cannot_be_given_is_named(lora, tmp_path, metadata, message):
    path = tmp_path / "ic.safetensors"
    save_file(load_file(lora), path, metadata)
    with pytest.raises(WeightsError, match=message):
        reference_factor([path])


def test_ic_loras_of_two_scales_are_not_mixed(lora, tmp_path):
    paths = [tmp_path / f"{factor}.safetensors" for factor in (1, 2)]
    for factor, path in enumerate(paths, start=1):
        save_file(load_file(lora), path, {"reference_downscale_factor": str(factor)})
    assert [reference_factor([path]) for path in (lora, *paths)] == [None, 1, 2]
    with pytest.raises(WeightsError, match=r"differ in reference_downscale_factor: .*1.safetensors \(1\), .* \(2\)"):
        reference_factor(paths)


@pytest.mark.parametrize(
    "rename, message",
    [
        (lambda key: key.replace("blocks.3", "blocks.99"), r"transformer_blocks\.99\.ff\.net\.2, which this model has"),
        (lambda key: key.replace("lora_A", "lora_C"), r"is not a LoRA of LTX-2: it has tensors .*lora_C"),
        (lambda key: key.replace("diffusion_model.", "unet."), r"is not a LoRA of LTX-2: it has tensors unet\."),
        (lambda key: key.replace("patchify_proj", "proj_out"), r"as one of \[\d+, 128\]"),
    ],
)
def test_what_does_not_fit_is_named(transformer, fresh, tmp_path, rename, message):
    path = tmp_path / "lora.safetensors"
    save_file({rename(key): tensor for key, tensor in tensors_of(transformer, official=True).items()}, path)
    with pytest.raises(WeightsError, match=message):
        fuse_loras({"transformer": fresh}, [path])


def test_an_empty_file_is_no_lora(fresh, tmp_path):
    save_file({}, tmp_path / "lora.safetensors")
    with pytest.raises(WeightsError, match="it has no tensors; expected are pairs of"):
        fuse_loras({"transformer": fresh}, [tmp_path / "lora.safetensors"])


@pytest.mark.parametrize("source, message", [((3, 0.5), "3 in loras is not a path"), (("a", "b"), "is a str, not a")])
def test_what_is_no_source_is_refused(fresh, source, message):
    with pytest.raises(ValueError, match=message):
        fuse_loras({"transformer": fresh}, [source])
