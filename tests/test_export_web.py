"""The tiny model for web pages: each ONNX part gives what torch gives, and model.json says what a sampler needs."""

import hashlib
import json

import numpy as np
import pytest
from exported_model import exported_model
from typer.testing import CliRunner

from ltx_nb import ClipRequest
from ltx_nb.cli import app
from ltx_nb.pipeline.prepare import draw_noise
from ltx_nb.tiny.export_web import parts_of

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

# How far a part may be from torch: of latents, words and samples, and of pixels in levels of 256.
TOLERANCES = {"text": 5e-3, "transformer": 5e-3, "glance": 1, "picture": 1, "sound": 1e-4, "image": 5e-3}
MOST_MB = 60


@pytest.fixture(scope="module")
def folder():
    return exported_model()


@pytest.fixture(scope="module")
def described(folder):
    return json.loads((folder / "model.json").read_text("utf-8"))


def opened(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", TOLERANCES)
def test_a_part_gives_what_torch_gives(name, folder, described, session):
    part = parts_of(session)[name]()
    found = opened(folder / f"{name}.onnx").run(
        described["parts"][name]["outputs"], {key: value.numpy() for key, value in part.inputs.items()}
    )
    for own, theirs in zip(found, part.run(), strict=True):
        assert own.shape == theirs.shape
        assert own.dtype == theirs.dtype
        assert np.abs(own.astype(float) - theirs.astype(float)).max() <= TOLERANCES[name]


def test_files_are_those_that_model_json_names_and_no_larger_than_it_says(folder, described):
    assert {path.name for path in folder.iterdir()} == {"model.json", *(f"{name}.onnx" for name in TOLERANCES)}
    for part in described["parts"].values():
        content = (folder / part["file"]).read_bytes()
        assert len(content) == part["bytes"]
        assert hashlib.sha256(content).hexdigest() == part["sha256"]
    assert sum(part["bytes"] for part in described["parts"].values()) < MOST_MB * 1e6


@pytest.mark.parametrize("name", ["transformer", "picture", "sound", "image"])
def test_trained_weights_are_stored_in_fp16(name, folder):
    weights = onnx.load(folder / f"{name}.onnx").graph.initializer
    bits = {onnx.TensorProto.FLOAT16: 0, onnx.TensorProto.FLOAT: 0}
    for weight in weights:
        if weight.data_type in bits:
            bits[weight.data_type] += int(np.prod(weight.dims))
    assert bits[onnx.TensorProto.FLOAT16] > 10 * bits[onnx.TensorProto.FLOAT]


def test_the_sampler_is_told_what_the_session_does(described, session):
    seen = []
    clip = session.text_to_video("A red ball bounces.", seed=3, on_step=seen.append, progress=False)
    assert described["sigmas"] == [event.sigma for event in seen] + [0.0]
    assert described["noise"]["audio"] == list(draw_noise(3, "audio", 1, (1, clip.request.audio_tokens, 128)).shape)
    assert described["num_samples"] == clip.audio.shape[1]
    assert described["latent_shape"] == list(clip.latents.shape[1:])


def test_its_request_is_one_that_the_kit_reads(described):
    request = ClipRequest.from_dict(described["request"])
    assert (request.width, request.height, request.num_frames) == (128, 128, 49)
    assert described["intervals_s"]["audio"][-1][1] == pytest.approx(request.duration_s, abs=0.04)


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = CliRunner().invoke(app, ["export-web", str(tmp_path)])
    assert done.exit_code != 0
    assert "there already" in done.output
    assert (tmp_path / "mine.txt").read_text() == "mine"
