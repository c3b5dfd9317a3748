"""Equal to the public reference, number for number, from the same weights; `data/README.md` says whence they come."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from diffusers import LTX2VideoTransformer3DModel
from safetensors import safe_open
from safetensors.torch import load_file

from ltx_nb.catalogue.components import empty_component
from ltx_nb.catalogue.models import DEV, DEV_2_0
from ltx_nb.loading.keys import diffusers_name
from ltx_nb.loading.official_config import component_configs
from ltx_nb.running.cross_modal import velocities
from ltx_nb.running.lean import make_lean
from ltx_nb.running.streaming import stream_blocks
from ltx_nb.sampling import Sampling

DATA = Path(__file__).parent / "data"
TASKS = [
    "text_to_video",
    "image_to_video",
    "soft_image_and_half_audio",
    "extend",
    "audio_to_video",
    "video_to_audio",
]
FORWARDS = {
    "stock": lambda model: None,
    "lean": make_lean,
    "streamed": lambda model: stream_blocks(model, "cpu"),
    "lean and streamed": lambda model: (make_lean(model), stream_blocks(model, "cpu")),
}


@cache
def golden(name):
    """The tensors and the official config of a file of golden numbers."""
    path = DATA / f"{name}.safetensors"
    with safe_open(path, "pt") as file:
        return load_file(path), json.loads(file.metadata()["config"])


def weights(tensors, component):
    named = {
        diffusers_name(key.removeprefix("weights.")): tensors[key] for key in tensors if key.startswith("weights.")
    }
    assert all(place[0] == component for place in named)
    return {name: tensor for (_, name), tensor in named.items()}


def golden_transformer(**changes):
    tensors, config = golden("transformer_conditional")
    model = LTX2VideoTransformer3DModel.from_config(component_configs(config)["transformer"] | changes)
    model.load_state_dict(weights(tensors, "transformer"))
    return model.eval().requires_grad_(False)


@torch.no_grad()
def golden_run(model, task):
    """Both velocities, and the relative error of each."""
    tensors, _ = golden("transformer_conditional")
    sigma = {lane: 1000 * tensors[f"{task}.{lane}_sigma"] for lane in ("video", "audio")}
    timestep = {lane: sigma[lane][:, None] * tensors[f"{task}.{lane}_mask"][..., 0] for lane in sigma}
    made = velocities(
        model,
        hidden_states=tensors["in.video_latents"],
        audio_hidden_states=tensors["in.audio_latents"],
        encoder_hidden_states=tensors["in.video_context"],
        audio_encoder_hidden_states=tensors["in.audio_context"],
        timestep=timestep["video"],
        audio_timestep=timestep["audio"],
        sigma=sigma["video"],
        audio_sigma=sigma["audio"],
        video_coords=tensors["in.video_coords"],
        audio_coords=tensors["in.audio_coords"],
    )
    wanted = [tensors[f"{task}.{lane}_velocity"] for lane in ("video", "audio")]
    return [float((found - true).norm() / true.norm()) for found, true in zip(made, wanted, strict=True)]


@pytest.mark.parametrize("way", FORWARDS)
@pytest.mark.parametrize("task", TASKS)
def test_both_velocities_are_the_reference_s(task, way):
    model = golden_transformer()
    FORWARDS[way](model)
    assert max(golden_run(model, task)) <= 1e-5


@pytest.mark.parametrize("task", ["image_to_video", "audio_to_video", "video_to_audio"])
def test_a_model_that_was_trained_on_diffusers_rule_keeps_it(task):
    """The golden numbers are far off then, so that they can tell the rules apart."""
    model = golden_transformer(use_cross_timestep=True)
    assert max(golden_run(model, task)) > 0.01


def test_each_distinct_timestep_makes_one_row_of_cross_modal_modulation():
    model = golden_transformer()
    rows = []
    model.av_cross_attn_video_scale_shift.linear.register_forward_hook(lambda _, __, out: rows.append(out.shape[0]))
    make_lean(model)
    golden_run(model, "image_to_video")
    assert rows == [2]


def test_a_forward_leaves_the_gates_without_hooks():
    model = golden_transformer()
    golden_run(model, "audio_to_video")
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("steps", ["8", "15", "20", "30", "40"])
@pytest.mark.parametrize("model", [DEV, DEV_2_0], ids=lambda model: model.name)
def test_the_dev_schedule_is_the_reference_s_at_every_size(model, steps):
    sigmas = json.loads((DATA / "schedules.json").read_text())["dev_sigmas"][steps]
    assert model.complete(Sampling(num_inference_steps=int(steps))).sigmas == pytest.approx(sigmas[:-1], abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 1000])
def test_any_number_of_steps_has_a_dev_schedule(steps):
    sigmas = DEV.complete(Sampling(num_inference_steps=steps)).sigmas
    assert len(sigmas) == steps and sigmas[0] == 1


@torch.no_grad()
def test_the_vocoder_s_first_stage_is_clamped_and_its_sound_the_reference_s():
    tensors, config = golden("vocoder_clamped")
    model = empty_component("vocoder", component_configs(config)["vocoder"])
    model.load_state_dict({name: tensor.float() for name, tensor in weights(tensors, "vocoder").items()}, assign=True)
    first = model.vocoder(tensors["in.mel"])
    assert first.abs().max() == 1 and (first - tensors["first_stage"]).abs().max() <= 1e-5
    assert (model(tensors["in.mel"]) - tensors["out"]).abs().max() <= 1e-5


@pytest.mark.parametrize("published", [{}, {"final_act_fn": None}], ids=["left out", "null"])
def test_a_folder_whose_vocoder_says_nothing_of_its_end_is_clamped(published):
    assert empty_component("vocoder", {"_class_name": "LTX2VocoderWithBWE"} | published).vocoder.final_act_fn == "clamp"
