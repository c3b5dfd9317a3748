"""Models in files of other layouts than the official one: split, bare, GGUF, in ComfyUI's folders, LTX-2.5's."""

import json
import re
import shutil

import gguf
import pytest
import torch
from official_layout import official_config, official_tensors, write_official
from safetensors.torch import save_file
from typer.testing import CliRunner

import ltx_nb
from ltx_nb.catalogue.models import MODELS, TEXT_ENCODER, UPSCALER, model_of_file
from ltx_nb.cli import app
from ltx_nb.loading import model_files
from ltx_nb.loading.keys import TRANSFORMER_PREFIX
from ltx_nb.loading.model_files import files_of, located
from ltx_nb.loading.official import read_components, whole_parts
from ltx_nb.loading.stored import WeightsError
from ltx_nb.running.gguf_linear import GgufLinear
from ltx_nb.tiny import architecture

COMPONENTS = ("transformer", "connectors", "vae", "audio_vae", "vocoder")


@pytest.fixture(scope="module")
def components():
    pipe = architecture.pipeline()
    return {name: getattr(pipe, name).to(torch.bfloat16).eval() for name in COMPONENTS}


@pytest.fixture(scope="module")
def notes(components):
    return {"config": json.dumps(official_config(components))}


def of(tensors, *beginnings):
    return {key: tensor for key, tensor in tensors.items() if key.startswith(beginnings)}


@pytest.fixture(scope="module")
def split(components, notes, tmp_path_factory):
    """As ComfyUI's users have it: the transformer with the connectors' blocks, the projection, each VAE apart."""
    folder, tensors = tmp_path_factory.mktemp("split"), official_tensors(components)
    bare = {key.removeprefix(TRANSFORMER_PREFIX): it for key, it in of(tensors, TRANSFORMER_PREFIX).items()}
    video = {key.removeprefix("vae."): it for key, it in of(tensors, "vae.").items()}
    save_file(bare, folder / "ltx-2.3-22b-distilled_transformer_only.safetensors", notes)
    save_file(of(tensors, "text_embedding_projection."), folder / "ltx-2.3_text_projection_bf16.safetensors")
    save_file(video, folder / "LTX23_video_vae_bf16.safetensors")
    save_file(of(tensors, "audio_vae.", "vocoder."), folder / "LTX23_audio_vae_bf16.safetensors")
    return sorted(folder.iterdir(), key=lambda path: "transformer" not in path.name)


def assert_same(found, wanted):
    for name in COMPONENTS:
        expected = wanted[name].state_dict()
        assert found[name].state_dict().keys() == expected.keys()
        assert all(torch.equal(tensor, expected[key]) for key, tensor in found[name].state_dict().items()), name


def test_split_files_are_put_together(components, split):
    assert whole_parts(split) == set(COMPONENTS)
    assert whole_parts(split[:1]) == {"transformer"}  # its connectors lack their projection
    assert_same(read_components(split[0], split[1:]), components)


def test_a_part_that_none_has_is_named(split):
    others = [path for path in split[1:] if "audio" not in path.name]
    with pytest.raises(WeightsError, match=r"missing: audio_vae\."):
        read_components(split[0], others)


def test_what_no_file_has_comes_from_the_catalogues_folder(components, split, tmp_path, monkeypatch):
    for name in ("connectors", "vae", "audio_vae", "vocoder"):
        components[name].save_pretrained(tmp_path / name)
    wanted = files_of(model_of_file(split[0]))
    (rest,) = [files for files in wanted if files.repository == MODELS["2.3-distilled"].weights]
    assert {pattern.partition("/")[0] for pattern in rest.patterns} == {"connectors", "vae", "audio_vae", "vocoder"}
    monkeypatch.setattr(model_files, "fetch", lambda files: [tmp_path for _ in files])
    found = located(model_of_file(split[0]))
    assert found.rest == tmp_path
    assert_same(read_components(found.model, rest=found.rest), components)


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", TRANSFORMER_PREFIX])
def test_a_transformer_under_any_prefix(components, notes, split, tmp_path, prefix):
    tensors = of(official_tensors(components), TRANSFORMER_PREFIX)
    path = tmp_path / "dev.safetensors"
    save_file({prefix + key.removeprefix(TRANSFORMER_PREFIX): it for key, it in tensors.items()}, path, notes)
    assert_same(read_components(path, split[1:]), components)


def test_a_gguf_transformer_runs_with_the_rest_in_safetensors(components, notes, split, tmp_path):
    """Under bare official names, as converters write it; linear layers in Q8_0, within its rounding of the clip."""
    path = tmp_path / "ltx-2.3-22b-distilled-Q8_0.gguf"
    writer, kind = gguf.GGUFWriter(path, "ltxv"), gguf.GGMLQuantizationType.Q8_0
    writer.add_string("config", notes["config"])
    for key, tensor in of(official_tensors(components), TRANSFORMER_PREFIX).items():
        values = tensor.float().numpy()
        is_linear = key.endswith(".weight") and values.ndim == 2 and values.shape[1] % 32 == 0
        raw = gguf.quantize(values, kind) if is_linear else values
        writer.add_tensor(key.removeprefix(TRANSFORMER_PREFIX), raw, raw_dtype=kind if is_linear else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    transformer = read_components(path, split[1:])["transformer"]
    layer = transformer.transformer_blocks[0].attn1.to_q
    wanted = components["transformer"].transformer_blocks[0].attn1.to_q.weight.float()
    assert isinstance(layer, GgufLinear)
    assert (layer.dequantised(torch.float32) - wanted).norm() < 0.01 * wanted.norm()
    gemma = ltx_nb.catalogue.models.TINY.weights
    request = {"width": 64, "height": 64, "num_frames": 9, "sampling": ltx_nb.Sampling(sigmas=(1.0, 0.5)), "seed": 3}
    whole = ltx_nb.load(split[0], parts=split[1:], text_encoder=gemma).text_to_video("a red ball", **request)
    found = ltx_nb.load(path, parts=split[1:], text_encoder=gemma).text_to_video("a red ball", **request)
    error = (found.latents - whole.latents).norm() / whole.latents.norm()
    assert 0 < error < 0.02


# LTX-2.5


@pytest.mark.parametrize("layout", ["whole", "split", "gguf"])
def test_ltx_2_5_is_refused_for_what_it_is(components, tmp_path, layout):
    tensors = official_tensors(components)
    tensors = {key: it for key, it in tensors.items() if ".ff.net" not in key or not key.endswith("bias")}
    path = tmp_path / f"ltx-2.5-dev.{'gguf' if layout == 'gguf' else 'safetensors'}"
    if layout != "whole":
        tensors = {key.removeprefix(TRANSFORMER_PREFIX): it for key, it in of(tensors, TRANSFORMER_PREFIX).items()}
    if layout == "gguf":
        writer = gguf.GGUFWriter(path, "ltxv")
        for key, tensor in tensors.items():
            writer.add_tensor(key, tensor.float().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    else:
        save_file(tensors, path)
    with pytest.raises(
        WeightsError, match=r"holds LTX-2\.5, which is not supported yet: its text encoder is a Gemma 4"
    ):
        read_components(path)


# Found, not downloaded twice


@pytest.fixture
def models(components, tmp_path, monkeypatch):
    """A ComfyUI `models` folder with the official fp8 file, its upscaler and a Gemma."""
    root = tmp_path / "ComfyUI" / "models"
    for name in ("checkpoints", "text_encoders", "latent_upscale_models"):
        (root / name).mkdir(parents=True)
    write_official(root / "checkpoints" / MODELS["2.3-distilled-official-fp8"].file, components)
    shutil.copytree(f"{ltx_nb.catalogue.models.TINY.weights}/text_encoder", root / "text_encoders" / TEXT_ENCODER[11:])
    (root / "latent_upscale_models" / UPSCALER[1]).write_bytes(b"")
    monkeypatch.setenv("LTX_NB_MODELS", str(root))
    return root


def test_what_lies_in_comfyuis_folder_is_not_asked_of_the_hub(models, capfd):
    entry = MODELS["2.3-distilled-official-fp8"]
    asked = {name for files in files_of(entry) for name in files.patterns}
    assert not asked & {entry.file, UPSCALER[1]}
    found = model_files._places(entry, None, ())
    assert found["model"] == models / "checkpoints" / entry.file
    assert f"found: {models / 'checkpoints' / entry.file}" in capfd.readouterr().err


def test_a_gemma_folder_there_is_found_by_its_name(models):
    entry = MODELS["2.3-distilled-official"]
    assert model_files._places(entry, None, ())["text_encoder"] == models / "text_encoders" / TEXT_ENCODER[11:]


def test_doctor_says_what_lies_there(models):
    done = CliRunner().invoke(app, ["doctor", "--json"])
    found = json.loads(done.stdout)["found"]
    assert str(models / "checkpoints" / MODELS["2.3-distilled-official-fp8"].file) in found
    assert str(models / "latent_upscale_models" / UPSCALER[1]) in found


def test_what_is_out_of_reach_is_said_in_two_lines_with_size_and_licence():
    with pytest.raises(FileNotFoundError) as caught:
        ltx_nb.load("2.3-distilled", "8gb", device="cpu")
    first, second = str(caught.value).splitlines()
    assert re.match(r"no \S+ in 'Lightricks/LTX-2\.3-fp8', neither here nor within reach on the hub", first)
    assert re.match(
        r"wanted: ltx-2\.3-22b-distilled-fp8\.safetensors \(29\.\d GB\), .*\(1\.0 GB\), Gemma 3 12B", second
    )
    assert second.endswith("LTX-2 Community License (weights), Gemma Terms of Use (text encoder)")


def test_a_folder_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("LTX_NB_MODELS", "/no/such/folder")
    with pytest.raises(FileNotFoundError, match=r"LTX_NB_MODELS names '/no/such/folder', which is no folder"):
        files_of(MODELS["2.3-distilled-official-fp8"])
