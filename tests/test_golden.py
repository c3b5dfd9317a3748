"""Equal to the public reference, number for number, from the same weights; `data/README.md` says whence they come."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, LTX2VideoTransformer3DModel
from diffusers.modular_pipelines import SequentialPipelineBlocks
from diffusers.modular_pipelines.ltx2.before_denoise import LTX2ConditionSetTimestepsStep
from safetensors import safe_open
from safetensors.torch import load_file

from ltx_nb.catalogue.components import empty_component
from ltx_nb.catalogue.models import DEV, DEV_2_0, STAGE_2_SIGMAS, UNGUIDED
from ltx_nb.loading.keys import diffusers_name
from ltx_nb.loading.official_config import component_configs
from ltx_nb.pipeline.denoise import DenoiseStep
from ltx_nb.pipeline.guidance import guiders_of
from ltx_nb.pipeline.prepare import AddNoiseStep, pack_audio, pack_video
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
        return load_file(path), json.loads(file.metadata().get("config", "{}"))


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


class LoopBlocks(SequentialPipelineBlocks):
    model_name = "ltx2"
    block_classes = (LTX2ConditionSetTimestepsStep, AddNoiseStep, DenoiseStep)
    block_names = ("set_timesteps", "add_noise", "denoise")


GUIDED = {
    **{"guidance_scale": 3.0, "stg_scale": 1.0, "modality_scale": 3.0, "guidance_rescale": 0.7},
    **{"audio_guidance_scale": 7.0, "audio_stg_scale": 1.0, "audio_modality_scale": 3.0, "audio_guidance_rescale": 0.7},
    "spatio_temporal_guidance_blocks": (1,),
}
UNSEEN = {"guidance_scale": 1.0, "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0} | {
    "audio_modality_scale": 1.0
}
STEPS = (1.0, 0.7, 0.3)
# What each run is given: images as (frame, name, strength), an image at frame 0 in its place or appended.
RUNS = {
    "guided_text_to_video": {"sampling": GUIDED},
    "guided_image_to_video": {"sampling": GUIDED, "first": 0.6},
    "guided_audio_to_video": {"sampling": GUIDED, "frozen": ("audio",)},
    "soft_images_in_stage_1": {"first": 0.6, "appended": [(12, "later_image", 0.5)]},
    "soft_images_in_stage_2": {"first": 0.6, "appended": [(12, "later_image", 0.5)], "sigmas": STAGE_2_SIGMAS},
    "guided_audio_only": {"sampling": {**GUIDED, **UNSEEN}, "isolated": True},
    "keyframes": {"appended": [(0, "first_image", 1.0), (16, "later_image", 1.0)]},
}


def as_encoded(first=None, appended=(), frozen=(), sigmas=STEPS, sampling=None, isolated=False):
    """What the encoding blocks hand to the loop for 17 frames of 96 x 64 px."""
    tensors, _ = golden("transformer_conditional")
    given, _ = golden("loops")
    is_second = sigmas is STAGE_2_SIGMAS
    video = pack_video(given["in.initial"] if is_second else torch.zeros(1, 16, 3, 2, 3))
    clean, mask, coords = video.clone(), torch.ones(1, 18, 1), tensors["in.video_coords"]
    if first is not None:
        clean[:, :6], mask[:, :6] = pack_video(given["in.first_image"]), 1 - first
    for frame, name, strength in appended:
        clean = torch.cat([clean, pack_video(given[f"in.{name}"])], 1)
        video = torch.cat([video, torch.zeros(1, 6, 16)], 1)
        mask = torch.cat([mask, torch.full((1, 6, 1), 1 - strength)], 1)
        place = coords[:, :, :6].clone()
        place[:, 0] = torch.tensor([frame / 24, (frame + 1) / 24])
        coords = torch.cat([coords, place], 2)
    audio = pack_audio(given["in.initial_audio"] if is_second or frozen else torch.zeros(1, 8, 10, 16))
    text = {"": tensors, "negative_": given}
    return {
        **{f"{sign}connector_prompt_embeds": of[f"in.{sign}video_context"] for sign, of in text.items()},
        **{f"{sign}connector_audio_prompt_embeds": of[f"in.{sign}audio_context"] for sign, of in text.items()},
        **{f"{sign}connector_attention_mask": torch.ones(1, 128) for sign in text},
        **{"latents": clean, "start_latents": video, "video_mask": mask, "video_coords": coords},
        **{"audio_latents": audio, "start_audio_latents": audio, "audio_coords": tensors["in.audio_coords"]},
        **{"audio_mask": torch.zeros(1, 10, 1) if frozen else torch.ones(1, 10, 1), "dtype": torch.float32},
        **{"base_token_count": 18, "latent_shape": (3, 2, 3), "seed": 5, "stage": 1 + is_second},
        **{"sigmas": list(sigmas), "num_inference_steps": len(sigmas), "isolate_modalities": isolated},
    }


@pytest.mark.parametrize("way", ["stock", "lean and streamed"])
@pytest.mark.parametrize("run", RUNS)
def test_a_whole_loop_ends_where_the_reference_s_does(run, way):
    model = golden_transformer()
    FORWARDS[way](model)
    given = RUNS[run]
    pipe = LoopBlocks().init_pipeline()
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=False)
    sampling = Sampling(**given.get("sampling", UNGUIDED.to_dict()))
    pipe.update_components(transformer=model, scheduler=scheduler, **guiders_of(sampling, given.get("frozen", ())))
    state = pipe(**as_encoded(**given))
    wanted, _ = golden("loops")
    for name, lane in (("latents", "video"), ("audio_latents", "audio")):
        if f"{run}.{lane}" not in wanted:  # the reference's text-to-audio has no video lane
            continue
        true = wanted[f"{run}.{lane}"]
        assert (state.get(name) - true).norm() / true.norm() <= 1e-5
