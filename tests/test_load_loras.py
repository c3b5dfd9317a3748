"""LoRAs are added as diffusers adds them, before weights are quantised, and refused where that is too late."""

import json

import pytest
import torch
from safetensors.torch import save_file

from ltx_nb.loading import load
from ltx_nb.loading.loras import fuse_loras
from ltx_nb.loading.tensors import WeightsError
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


def test_a_lora_on_quantised_weights_is_refused_with_the_order_to_use(fresh, lora):
    quantise_blocks(fresh)
    before = fresh.get_submodule("proj_in").weight.clone()
    with pytest.raises(WeightsError, match=r"has weights of one byte.*load\(model, preset=\.\.\., loras=\[\.\.\.\]\)"):
        fuse_loras({"transformer": fresh}, [lora])
    assert torch.equal(fresh.get_submodule("proj_in").weight, before)


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
