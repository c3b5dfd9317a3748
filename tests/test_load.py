"""Presets carried out on the tiny model on a CPU: every form makes the clip that the plain session makes."""

import re
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import ltx_nb
from ltx_nb import Sampling
from ltx_nb.catalogue.checkpoints import find_model
from ltx_nb.catalogue.models import DEV, DISTILLED, TINY
from ltx_nb.loading import load
from ltx_nb.loading.folder import read_folder, write_folder
from ltx_nb.loading.tensors import WeightsError
from ltx_nb.planning import PRESETS, DoesNotFit
from ltx_nb.running.lean import HOOK as LEAN
from ltx_nb.running.one_byte import ScaledLinear
from ltx_nb.running.streaming import is_streamed

PROMPT = "A red ball bounces on the floor in front of a navy background."
SMALL = {"width": 64, "height": 64, "num_frames": 9, "seed": 3, "sampling": Sampling(num_inference_steps=2)}
# A card's form, two of six blocks on it, with the weights as they are: to be tried on a CPU.
CARD = replace(PRESETS["8gb"], name="small card", resident_blocks=2, weight_bytes=4, compute_bytes=4)


def small_clip(session, **changes):
    return session.text_to_video(PROMPT, **SMALL | changes, progress=False)


def error(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


def assert_same_clip(found, wanted):
    assert torch.equal(found.latents, wanted.latents)
    assert torch.equal(found.audio_latents, wanted.audio_latents)
    assert np.array_equal(found.frames, wanted.frames)
    assert np.array_equal(found.audio, wanted.audio)


@pytest.fixture(scope="module")
def plain(session):
    return small_clip(session)


@pytest.fixture(scope="module")
def on_card(tmp_path_factory):
    return load("tiny", CARD, device="cpu", prompt_cache=tmp_path_factory.mktemp("prompts"))


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    return load("tiny", "cpu", prompt_cache=tmp_path_factory.mktemp("prompts"))


@pytest.fixture(scope="module")
def int8_clip(int8):
    return small_clip(int8)


def one_byte_layers(session):
    return [name for name, layer in session.pipe.transformer.named_modules() if isinstance(layer, ScaledLinear)]


def test_the_tiny_model_is_left_as_it_is(session):
    assert not one_byte_layers(session)
    registries = (getattr(module, "_diffusers_hook", None) for module in session.pipe.transformer.modules())
    assert not any(registry.hooks for registry in registries if registry is not None)  # every run makes an empty one
    assert session.prompt_cache is None


def test_int8_by_row_makes_almost_the_same_clip(int8, int8_clip, plain):
    assert len(one_byte_layers(int8)) == 6 * (6 * 4 + 2 * 2)
    for found, wanted in ((int8_clip.latents, plain.latents), (int8_clip.audio_latents, plain.audio_latents)):
        assert 0 < error(found, wanted) < 0.05
    assert np.abs(int8_clip.frames.astype(int) - plain.frames).mean() < 2


def test_products_in_int8_make_almost_the_same_clip_too(int8_clip, plain):
    session = load("tiny", "cpu", compute="int8", text="stream")
    layers = [it for it in session.pipe.transformer.modules() if isinstance(it, ScaledLinear)]
    assert sum(layer.compute == "int8" for layer in layers) == 4 * (6 * 4 + 2 * 2)
    found = small_clip(session)
    for name in ("latents", "audio_latents"):
        of_weights = error(getattr(int8_clip, name), getattr(plain, name))
        assert of_weights < error(getattr(found, name), getattr(plain, name)) < 0.05


def test_a_preset_runs_the_lean_forward(int8):
    block = int8.pipe.transformer.transformer_blocks[0]
    assert block._diffusers_hook.get_hook(LEAN) is not None


def test_streamed_blocks_and_components_make_the_same_clip(on_card, plain):
    clip = small_clip(on_card)  # its prompt's rows are encoded one by one, which rounds otherwise in float32
    assert error(clip.latents, plain.latents) < 1e-5
    assert error(clip.audio_latents, plain.audio_latents) < 1e-5
    assert np.abs(clip.frames.astype(int) - plain.frames).max() <= 1


def test_streaming_goes_through_two_stages_and_given_images(on_card, session, plain):
    def second_stage(session):
        sizes = {"width": 128, "height": 128, "two_stage": True}
        return session.image_to_video(PROMPT, plain.frames[0], **SMALL | sizes, progress=False)

    found, wanted = second_stage(on_card), second_stage(session)
    # One modulation row for each distinct timestep: in float32 a matrix of two rows rounds otherwise than one of many.
    assert error(found.latents, wanted.latents) < 1e-5
    assert error(found.audio_latents, wanted.audio_latents) < 1e-5


def test_a_cached_prompt_is_encoded_once(on_card):
    calls = []
    handle = on_card.pipe.connectors.register_forward_hook(lambda *_: calls.append(1))
    try:
        for seed in (1, 2):
            on_card.text_to_video("A green triangle slides from side to side.", **SMALL | {"seed": seed})
    finally:
        handle.remove()
    assert len(calls) == 1


def test_blocks_are_on_the_card_only_while_they_run(on_card):
    streamed = on_card.pipe.transformer.transformer_blocks[1].attn1.to_q.weight
    assert streamed.isnan().all() and streamed.untyped_storage().nbytes() < streamed.nbytes


def test_a_converted_model_is_read_back_from_its_folder(int8_clip, tmp_path):
    streamed = replace(PRESETS["8gb"], resident_blocks=2, compute_bytes=4, compute="float")
    first = small_clip(load("tiny", streamed, device="cpu", offload="disk", text="stream", converted=tmp_path))
    (folder,) = tmp_path.iterdir()
    assert re.fullmatch("tiny-int8-[0-9a-f]{12}", folder.name)
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    # The second time it is the folder that is read: a change there shows.
    assert isinstance(read_folder(folder)["transformer"].transformer_blocks[0].attn1.to_q, ScaledLinear)
    again = load("tiny", "cpu", text="stream", converted=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == written
    for clip in (first, small_clip(again)):
        assert error(clip.latents, int8_clip.latents) < 1e-5


def test_a_mac_with_little_memory_reads_blocks_from_the_disk(int8_clip, tmp_path):
    """Run on the CPU: what Metal itself does is not seen here, but which paths are taken is."""
    mac = replace(PRESETS["mps"], resident_blocks=2, compute_bytes=4)
    session = load("tiny", mac, device="cpu", text="stream", converted=tmp_path)
    transformer, vocoder = session.pipe.transformer, session.pipe.vocoder
    assert is_streamed(transformer) and vocoder._forward_pre_hooks
    assert next(vocoder.parameters()).device.type == "cpu"
    clip = small_clip(session)
    assert error(clip.latents, int8_clip.latents) < 1e-5
    np.testing.assert_allclose(clip.audio, int8_clip.audio, atol=1e-4)


def test_what_another_process_converted_meanwhile_is_taken(tmp_path, monkeypatch):
    def after_another(folder, components):
        write_folder(folder, components)
        write_folder(folder, components)

    monkeypatch.setattr("ltx_nb.loading.write_folder", after_another)
    session = load("tiny", "cpu", text="stream", converted=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert isinstance(session.pipe.transformer.transformer_blocks[0].attn1.to_q, ScaledLinear)


def test_a_conversion_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("ltx_nb.loading.folder.SHARD_SIZE", "no size")
    with pytest.raises(ValueError):
        load("tiny", "cpu", converted=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_conversion_without_room_is_refused_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("ltx_nb.loading.folder.free_disk_gb", lambda folder: 0.001)
    with pytest.raises(OSError, match=r"GB are to be written and 0\.0 GB of disk are free at"):
        load("tiny", "cpu", converted=tmp_path)
    assert list(tmp_path.iterdir()) == []


# What load refuses


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"compute": "int4"}, r"compute='int4' is not one of float, int8, fp8; did you mean 'int8'"),
        ({"preset": "9gb"}, r"preset='9gb' is not one of .*; did you mean '8gb'"),
        ({"device": "mps"}, r"device='mps' is not here: torch .* sees none; nearest: 'cpu'"),
        ({"preset": "8gb"}, r"preset '8gb' is for a cuda device, which this machine has not; .*device='cpu'"),
        ({"offload": "disc"}, r"offload='disc' is not one of none, ram, disk; did you mean 'disk'"),
        ({"dtype": "bf16"}, r"dtype='bf16' is not one of torch\.bfloat16, torch\.float16, torch\.float32"),
        ({"dtype": torch.int8}, r"dtype=torch\.int8 is not one of .*a preset's"),
        ({"text": "streamed"}, r"text='streamed' is not one of cached, stream, resident; did you mean 'stream'"),
        ({"text_encoder": "gemma"}, r"text_encoder is for official single files; the folder of 'tiny' has its own"),
        ({"loras": ["none.bin"]}, r"no file none\.bin|none\.bin does not end in \.safetensors"),
    ],
)
def test_bad_arguments_are_named(arguments, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load("tiny", **arguments)


def test_a_preset_without_room_says_what_would_fit():
    with pytest.raises(DoesNotFit, match=r"tiny does not fit with preset 'stamp': .* needs .*would fit: .*preset 8gb"):
        load("tiny", replace(CARD, name="stamp", vram_gb=1.3), device="cpu")


def test_the_real_model_is_refused_before_its_download_where_it_does_not_fit():
    with pytest.raises(DoesNotFit, match=r"2\.3-distilled does not fit with preset '8gb': .* can be used"):
        load("2.3-distilled", replace(PRESETS["8gb"], vram_gb=3), device="cpu")


def test_a_text_encoder_that_is_to_stay_needs_room():
    with pytest.raises(DoesNotFit, match=r"with preset '24gb': text needs 3\d\.\d GB, 23\.2 GB can be used"):
        load("2.3-distilled", "24gb", text="resident", device="cpu")


# Models by path


@pytest.fixture
def folder(tmp_path):
    """The tiny model's folder, its large files as links."""
    return shutil.copytree(TINY.weights, tmp_path / "model", copy_function=lambda a, b: shutil.copy(a, b))


def test_a_folder_is_a_model(folder, plain):
    assert find_model(folder).name == "tiny"
    session = load(folder)
    assert session.model.weights == str(folder)
    assert_same_clip(small_clip(session), plain)


@pytest.mark.parametrize("shifts, like", [(True, DEV), (False, DISTILLED)])
def test_the_scheduler_tells_dev_from_distilled(tmp_path, shifts, like):
    for name, content in (
        ("transformer/config.json", '{"num_layers": 48, "cross_attn_mod": true}'),
        ("scheduler/scheduler_config.json", f'{{"use_dynamic_shifting": {str(shifts).lower()}}}'),
        ("model_index.json", "{}"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert find_model(tmp_path) == replace(like, weights=str(tmp_path))


def test_a_folder_of_ltx_2_5_is_refused_with_what_runs_it(folder):
    (folder / "transformer" / "config.json").write_text('{"cross_attn_mod": true, "ff_bias": false}')
    message = r"holds LTX-2\.5, which is not supported yet: .*Gemma 4.* LTX25ModularPipeline"
    with pytest.raises(ValueError, match=message):
        find_model(folder)


def test_a_truncated_shard_of_a_folder_is_named(folder):
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=r"transformer.* is cut short .* download it again"):
        load(folder)


def test_a_shard_outside_the_folder_is_not_read(folder):
    index = folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text('{"weight_map": {"proj_in.weight": "../vae/diffusion_pytorch_model.safetensors"}}')
    with pytest.raises(ValueError, match=r"shard='\.\./vae/.*' is not one of"):
        load(folder)


@pytest.mark.parametrize("name", ["transformer/config.json", "scheduler/scheduler_config.json", "model_index.json"])
def test_what_a_folder_lacks_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"it has no {name}"):
        load(folder)


@pytest.mark.parametrize(
    "model, kind, message",
    [
        ("tinny", ValueError, r"model='tinny' is not one of .*did you mean 'tiny'"),
        ("some/where", FileNotFoundError, r"no file and no folder 'some/where'; models by name: tiny, "),
        ("lost-dev.safetensors", FileNotFoundError, r"no file .*lost-dev\.safetensors"),
    ],
)
def test_what_is_no_model_is_named(model, kind, message):
    with pytest.raises(kind, match=message):
        ltx_nb.load(model)


def test_threads_that_load_at_once_each_get_a_whole_model(session):
    loaded = []
    threads = [threading.Thread(target=lambda: loaded.append(load("tiny"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = session.pipe.transformer.state_dict()
    assert len(loaded) == 3
    for made in loaded:
        found = made.pipe.transformer.state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in whole.items())
        assert not any(parameter.is_meta for parameter in made.pipe.text_encoder.parameters())
