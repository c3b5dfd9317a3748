"""Latent upscalers x1.5 and in time: from official files to clips, and what says that one is not there."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from safetensors.torch import save_file
from typer.testing import CliRunner

import ltx_nb
from ltx_nb import ClipRequest, Given
from ltx_nb.catalogue.models import DISTILLED, MODELS, TINY, UPSCALERS, model_of_file, published_names
from ltx_nb.catalogue.parameters import upscaler_parameters
from ltx_nb.cli import app
from ltx_nb.loading.download import Files
from ltx_nb.loading.model_files import files_of
from ltx_nb.loading.official import read_upscalers
from ltx_nb.loading.stored import WeightsError
from ltx_nb.media import Media
from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.encode import encode_video, video_statistics
from ltx_nb.planning import plan
from ltx_nb.stages import before_upscaling, first_stage_as_given, stages_of

PROMPT = "A red ball bounces on the floor in front of a navy background."
# The official config of each kind, and diffusers' for the same.
KINDS = {
    "spatial-x1.5": (
        {"rational_resampler": True, "spatial_scale": 1.5},
        {"use_rational_resampler": True, "rational_spatial_scale": 1.5},
    ),
    "temporal-x2": (
        {"spatial_upsample": False, "temporal_upsample": True},
        {"use_rational_resampler": False, "spatial_upsample": False, "temporal_upsample": True},
    ),
}
SMALL = {"mid_channels": 32, "num_blocks_per_stage": 1, "dims": 3}


def save_upscaler(path, name, **changes):
    official, ours = KINDS[name]
    torch.manual_seed(0)
    model = LTX2LatentUpsamplerModel(**SMALL, **ours).to(torch.bfloat16)
    save_file(model.state_dict(), path, {"config": json.dumps(SMALL | official | changes)})
    return model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("upscalers")
    return {
        name: folder / f"{name}.safetensors" for name in KINDS if save_upscaler(folder / f"{name}.safetensors", name)
    }


@pytest.fixture(scope="module")
def upscaling(files):
    """The tiny model with both, which are not made for its latents, so that only sizes and courses mean something."""
    return ltx_nb.load("tiny", upscalers=list(files.values()))


@pytest.fixture
def clip():
    rng = np.random.default_rng(0)
    audio = rng.uniform(-0.5, 0.5, (2, 17 * 2000)).astype(np.float32)
    frames = rng.integers(0, 256, (17, 64, 64, 3), dtype=np.uint8)
    return Media(frames=frames, frame_rate=24.0, audio=audio, sample_rate=48_000)


def recorded(session, name, request):
    """What an upscaler was given and gave in a run, and the clip."""
    calls = []
    hook = session.upscalers[name].register_forward_hook(lambda _, inputs, output: calls.append((inputs[0], output)))
    try:
        made = session.run(request, progress=False)
    finally:
        hook.remove()
    ((before, after),) = calls
    return before, after, made


@pytest.mark.parametrize("name", KINDS)
def test_an_official_file_is_read_whole_and_says_what_it_does(name, tmp_path):
    model = save_upscaler(tmp_path / "any.safetensors", name)
    ((found, read),) = read_upscalers([tmp_path / "any.safetensors"]).items()
    assert found == name
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in read.state_dict().items())


def test_an_upscaler_of_another_kind_is_refused_by_what_it_does(tmp_path):
    path = tmp_path / "x3-4.safetensors"
    ours = {"use_rational_resampler": True, "rational_spatial_scale": 0.75}
    model = LTX2LatentUpsamplerModel(**SMALL, **ours)
    config = SMALL | {"rational_resampler": True, "spatial_scale": 0.75}
    save_file(model.state_dict(), path, {"config": json.dumps(config)})
    with pytest.raises(
        WeightsError, match=r"enlarges 0\.75 times in space and 1 in time; what is used here is spatial-x2"
    ):
        read_upscalers([path])


def test_a_clip_at_one_and_a_half_times_its_size(upscaling, clip):
    request = tasks.upscale(TINY, clip, PROMPT, factor=1.5, seed=1)
    assert (request.width, request.height, request.num_frames) == (96, 96, 17)
    own = upscaling.pipe.latent_upsampler
    before, after, made = recorded(upscaling, "spatial-x1.5", request)
    latents = encode_video(upscaling.pipe, torch.from_numpy(clip.frames))
    mean, std = video_statistics(upscaling.pipe, latents)
    torch.testing.assert_close(before, latents * std + mean)
    assert after.shape == (1, 128, 3, 3, 3)
    assert (made.frames.shape, made.audio.shape) == ((17, 96, 96, 3), (2, 17 * 2000))
    assert upscaling.pipe.latent_upsampler is own


def test_a_clip_at_twice_its_frame_rate_keeps_its_sound(upscaling, clip):
    request = tasks.upscale(TINY, clip, PROMPT, frame_rate=48, seed=1)
    assert (request.num_frames, request.frame_rate, request.width) == (33, 48, 64)
    before, after, made = recorded(upscaling, "temporal-x2", request)
    assert (before.shape, after.shape) == ((1, 128, 3, 2, 2), (1, 128, 5, 2, 2))
    assert made.frames.shape == (33, 64, 64, 3)
    np.testing.assert_array_equal(made.audio, clip.audio[:, : made.audio.shape[1]])
    assert made.provenance["audio"] == ((0.0, 33 / 48, "source"),)


@pytest.mark.parametrize("name", KINDS)
def test_two_stages_begin_at_what_the_upscaler_makes_the_whole_of(upscaling, name):
    sizes = {"width": 96, "height": 96, "num_frames": 17, "frame_rate": 24}
    sizes |= {"num_frames": 33, "frame_rate": 48} if name == "temporal-x2" else {}
    shapes = []
    made = upscaling.text_to_video(
        PROMPT,
        **sizes,
        two_stage=True,
        upscaler=name,
        progress=False,
        on_step=lambda event: shapes.append(event.latents.shape),
    )
    low = before_upscaling(made.request).video_latent_shape
    assert (
        shapes[0][-3:] == (low.num_frames, low.height, low.width) == ((3, 3, 3) if name == "temporal-x2" else (3, 2, 2))
    )
    assert made.frames.shape == (sizes["num_frames"], 96, 96, 3)
    assert made.audio.shape[1] == round(sizes["num_frames"] / sizes["frame_rate"] * 48_000)


def test_it_runs_streamed_as_it_does_resident(files, upscaling, clip):
    """In the preset of a small card, whose weights come from the file in every run."""
    streamed = ltx_nb.load(
        "tiny", "8gb", device="cpu", dtype=torch.float32, compute="float", upscalers=files["spatial-x1.5"]
    )
    request = tasks.upscale(TINY, clip, PROMPT, factor=1.5, seed=1)
    _, after, _ = recorded(upscaling, "spatial-x1.5", request)
    _, streamed_after, _ = recorded(streamed, "spatial-x1.5", request)
    torch.testing.assert_close(streamed_after, after, atol=1e-4, rtol=1e-4)


def test_the_size_that_a_factor_makes_is_of_what_is_shown(clip):
    """96 px are three latents, and x1.5 begins with pairs: the rest is an edge that export cuts off."""
    narrow = replace(clip, frames=np.repeat(clip.frames, 2, axis=2)[:, :, :96])
    request = tasks.upscale(TINY, narrow, PROMPT, factor=1.5)
    assert (request.width, request.crop_width, request.height, request.crop_height) == (192, 144, 96, None)
    assert first_stage_as_given(request).width == 128


def test_sound_is_given_to_the_longer_first_stage_s_end(clip):
    end_s = 33 / 48
    given = (Given("audio", ltx_nb.Source.from_media(clip), 0, end_s),)
    sizes = {"width": 64, "height": 64, "num_frames": 33, "frame_rate": 48}
    request = ClipRequest(PROMPT, **sizes, two_stage=True, upscaler="temporal-x2", given=given)
    first, second = stages_of(TINY, request)
    assert first.request.frozen_lanes == second.request.frozen_lanes == ("audio",)


WRONG = {
    "a factor that none has": ({"factor": 3}, "factor=3 is that of no latent upscaler; nearest: 2"),
    "both at once": (
        {"factor": 1.5, "frame_rate": 48},
        "factor and frame_rate are both given; upscale twice, with one of them each time",
    ),
    "another frame rate": ({"frame_rate": 30}, "frame_rate=30 is not twice the clip's 24; nearest: 48"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_no_upscaler_does_is_refused(case, clip):
    options, message = WRONG[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        tasks.upscale(TINY, clip, PROMPT, **options)


def test_a_session_without_the_upscaler_says_what_it_has(session, monkeypatch, clip):
    message = "this takes the latent upscaler 'spatial-x1.5', and tiny has 'spatial-x2'; nearest: upscaler='spatial-x2'"
    with pytest.raises(ValueError, match=re.escape(message)):
        session.upscale(clip, PROMPT, factor=1.5)
    monkeypatch.setattr(session, "model", replace(TINY, upscalers=DISTILLED.upscalers))
    with pytest.raises(ValueError, match=re.escape("nearest: load(model, upscalers='temporal-x2')")):
        session.upscale(clip, PROMPT, frame_rate=48)


def test_loading_refuses_what_is_no_upscaler_of_the_model(tmp_path):
    with pytest.raises(ValueError, match=r"'temporal-x2' is made for the latents of LTX-2\.3, and 'tiny' has others"):
        ltx_nb.load("tiny", upscalers="temporal-x2")
    with pytest.raises(ValueError, match=r"upscalers='spatial-x3' is not one of spatial-x2, .* mean 'spatial-x2'\?"):
        ltx_nb.load("tiny", upscalers="spatial-x3")


def test_the_catalogue_names_every_published_file():
    names = published_names()
    for file in (
        *(upscaler.file for upscaler in UPSCALERS.values()),
        "ltx-2.3-22b-dev.safetensors",
        "ltx-2.3-22b-distilled-1.1.safetensors",
        "ltx-2.3-22b-dev-fp8.safetensors",
        "ltx-2.3-22b-distilled-fp8.safetensors",
        "ltx-2.3-22b-distilled-lora-384-1.1.safetensors",
    ):
        assert file in names
    lines = plan("2.3-distilled", "8gb").download
    assert (lines[0].what, lines[0].why) == (
        MODELS["2.3-distilled-official-fp8"].file,
        MODELS["2.3-distilled-official-fp8"].about_file,
    )
    assert "of 1.1 there is no fp8" in lines[0].why


def test_an_upscaler_that_is_asked_for_is_downloaded_and_one_beside_the_model_found(tmp_path):
    repository, file = UPSCALERS["temporal-x2"]
    assert files_of(DISTILLED, upscalers=["temporal-x2"]) == [*files_of(DISTILLED), Files(repository, (file,))]
    path = tmp_path / "ltx-2.3-22b-distilled-1.1.safetensors"
    save_upscaler(tmp_path / file, "temporal-x2")
    save_file({"a": torch.zeros(1)}, path)
    beside = ltx_nb.loading.model_files._upscaler_places(model_of_file(path), [])
    assert beside == [tmp_path / file]


@pytest.mark.parametrize(("name", "size"), [("spatial-x1.5", 1_090_125_794), ("temporal-x2", 261_944_000)])
def test_their_sizes_are_the_published_files(name, size):
    """Of a header of some kilobytes, the rest is two bytes a parameter."""
    assert 0 < size - 2 * upscaler_parameters(name) < 10_000
    sizes = {"width": 1920, "height": 1056, "num_frames": 113, "frame_rate": 48}
    made = plan("2.3-distilled", "8gb", task="upscale", **sizes, two_stage=True, upscaler=name)
    assert [line.gb for line in made.download if line.what == UPSCALERS[name].file] == [
        2 * upscaler_parameters(name) / 1e9
    ]
    (weights,) = [line for line in made.part("upsample").lines if line.what == f"{name} upscaler"]
    assert weights.gb == 2 * upscaler_parameters(name) / 1e9


def test_the_command_line_upscales_by_either(clip, tmp_path):
    made = ltx_nb.Clip(frames=clip.frames, audio=clip.audio, frame_rate=24.0, sample_rate=48_000)
    made.save(tmp_path / "a.mp4")

    def error(*options):
        arguments = ["run", "--out", str(tmp_path / "b.mp4"), "--prompt", PROMPT, "--upscale", str(tmp_path / "a.mp4")]
        return json.loads(CliRunner().invoke(app, [*arguments, *options, "--json"]).stdout)["error"]

    assert "takes the latent upscaler 'spatial-x1.5', and tiny has 'spatial-x2'" in error("--factor", "1.5")
    assert "takes the latent upscaler 'temporal-x2', and tiny has 'spatial-x2'" in error("--frame-rate", "48")
