"""A plan counts what a run makes: forwards, encodes and decodes of real runs of every task, guided and not."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel

from ltx_nb import Sampling, shapes
from ltx_nb.catalogue.models import TINY
from ltx_nb.media import Media
from ltx_nb.pipeline import tasks
from ltx_nb.planning import TASKS, plan
from ltx_nb.planning.examples import example_of, named_task
from ltx_nb.running import tiles

PROMPT = "A red ball bounces."
SIZE = {"width": 64, "height": 64}
STEPS = 2
# The part of a plan that each network is run in.
PART_OF = {
    "text_encoder": "text",
    "vae.encoder": "encode",
    "audio_vae.encoder": "encode sound",
    "latent_upsampler": "upsample",
    "vae.decoder": "decode",
    "vocoder": "audio",
}


def media(num_frames=33):
    rng = np.random.default_rng(0)
    return Media(
        frames=rng.integers(0, 256, (num_frames, 64, 64, 3), dtype=np.uint8),
        frame_rate=24.0,
        audio=rng.uniform(-0.5, 0.5, (2, num_frames * 2000)).astype(np.float32),
        sample_rate=48_000,
    )


def requests(sampling):
    """One of every task, and some that mix them, by name."""
    clip, image = media(), media().frames[0]
    short = SIZE | {"num_frames": 17, "sampling": sampling}
    like = {"prompt": PROMPT, "sampling": sampling}
    two_stage = short | {"width": 128, "height": 128, "two_stage": True}
    return {
        "text-to-video": tasks.text_to_video(TINY, PROMPT, **short),
        "audio-only": tasks.audio_only(TINY, PROMPT, **short),
        "image-to-video": tasks.image_to_video(TINY, PROMPT, image, **short),
        "keyframes": tasks.keyframes_to_video(TINY, PROMPT, {0.0: image, 0.3: image, -1: image}, **short),
        "extend": tasks.extend(TINY, clip, 0.3, **like),
        "retake": tasks.retake(TINY, clip, 0.5, 0.8, **like),
        "retake of the sound": tasks.retake(TINY, clip, 0.5, 0.8, video=False, **like),
        "audio-to-video": tasks.audio_to_video(TINY, PROMPT, clip, **short | {"num_frames": 33}),
        "video-to-audio": tasks.video_to_audio(TINY, clip, **like),
        "upscale": tasks.upscale(TINY, clip, **like),
        "reference": tasks.text_to_video(TINY, PROMPT, references=[clip], **short),
        "references of two kinds": tasks.image_to_video(
            TINY, PROMPT, image, references=[(clip, 0.5), image], reference_downscale_factor=2, **short
        ),
        "timed prompts": tasks.text_to_video(TINY, PROMPT, timed_prompts=[("A blue ball.", 0.2, 0.5)], **short),
        "two stages": tasks.text_to_video(TINY, PROMPT, **two_stage),
        "two stages from an image": tasks.image_to_video(TINY, PROMPT, image, **two_stage),
    }


UNGUIDED = requests(Sampling(num_inference_steps=STEPS))
GUIDED = {
    "CFG": Sampling(num_inference_steps=STEPS, guidance_scale=3.0),
    "STG of the sound": Sampling(num_inference_steps=STEPS, audio_stg_scale=1.0),
    "everything": Sampling(
        num_inference_steps=STEPS, guidance_scale=3.0, audio_guidance_scale=7.0, stg_scale=1.0, modality_scale=3.0
    ),
}
CASES = [pytest.param(request, id=name) for name, request in UNGUIDED.items()]
CASES += [
    pytest.param(UNGUIDED[name].replace(sampling=sampling), id=f"{name}, {guidance}")
    for guidance, sampling in GUIDED.items()
    for name in ("text-to-video", "retake of the sound", "audio-to-video", "video-to-audio", "two stages", "upscale")
]


def counted(session, request):
    """How often each network was run, by the part of a plan that it belongs to."""
    calls, stage = Counter(), [1]

    def count(part):
        def hook(module, *_):
            calls[part if part else f"stage {stage[0]}"] += 1

        return hook

    with ExitStack() as hooks:
        for path, part in {**PART_OF, "transformer": None}.items():
            name, _, inner = path.partition(".")
            module = getattr(session.pipe, name).get_submodule(inner)
            hooks.callback(module.register_forward_hook(count(part)).remove)
        for upsampler in (session.pipe.latent_upsampler, *session.upscalers.values()):
            hooks.callback(upsampler.register_forward_hook(lambda *_: stage.__setitem__(0, 2)).remove)
        for upsampler in session.upscalers.values():
            hooks.callback(upsampler.register_forward_hook(count("upsample")).remove)
        session.run(request, progress=False)
    return calls


def planned(request):
    calls = Counter()
    for part in plan("tiny", "cpu", request).parts:
        calls[part.name] += part.calls
    return calls


@pytest.mark.parametrize("request_", CASES)
def test_a_plan_counts_what_a_run_makes(session, request_):
    assert planned(request_) == counted(session, request_)


@pytest.mark.parametrize("how", [{"factor": 1.5}, {"frame_rate": 48}], ids=["in space", "in time"])
def test_a_plan_counts_what_another_upscaler_makes(session, monkeypatch, how):
    kinds = {
        "spatial-x1.5": {"rational_spatial_scale": 1.5},
        "temporal-x2": {"spatial_upsample": False, "temporal_upsample": True},
    }
    small = {"mid_channels": 32, "num_blocks_per_stage": 1}
    made = {name: LTX2LatentUpsamplerModel(**small, **kind).eval() for name, kind in kinds.items()}
    monkeypatch.setattr(session, "upscalers", made)
    request = tasks.upscale(TINY, media(), PROMPT, **how)
    assert planned(request) == counted(session, request)


def test_a_first_stage_whose_sound_is_kept_is_followed_by_its_decoding(session, monkeypatch):
    model = replace(TINY, keeps_first_sound=True)
    monkeypatch.setattr(session, "model", model)
    request = UNGUIDED["two stages"]
    made = plan(model, "cpu", request)
    assert [part.name for part in made.parts] == ["text", "stage 1", "audio", "upsample", "stage 2", "decode"]
    assert {part.name: part.calls for part in made.parts} == counted(session, request)


def test_tiles_are_counted_one_by_one(session, monkeypatch):
    monkeypatch.setattr(tiles, "MAX_PX", 41 * 224 * 64)
    tiles.tile_shape.cache_clear()
    try:
        request = UNGUIDED["extend"].replace(width=320)
        calls = planned(request)
        assert calls["encode"] > 1 and calls["decode"] > 1
        assert calls == counted(session, request)
    finally:
        tiles.tile_shape.cache_clear()


def test_the_case_that_was_priced_as_another_run():
    """Eighty steps with CFG and STG are 240 forwards, not eight."""
    sampling = Sampling(num_inference_steps=80, guidance_scale=3.0, stg_scale=1.0)
    (stage,) = [part for part in plan("2.3-dev", "24gb", sampling=sampling).parts if part.name == "stage 1"]
    assert stage.calls == 80 * 4  # the model's own modality guidance beside the two
    assert stage.assuming.startswith("80 steps of 4 forwards, ")


@pytest.mark.parametrize("task", TASKS)
def test_an_example_of_a_task_is_one(task):
    assert named_task(example_of(task, TINY)) == task
    assert named_task(example_of(task, TINY, num_frames=241)) == task


@pytest.mark.parametrize("task", [name for name in UNGUIDED if name in TASKS])
def test_an_example_has_the_parts_of_a_request_of_the_task(task):
    request = UNGUIDED[task]
    shape = {"width": request.width, "height": request.height, "num_frames": request.num_frames}
    example = plan("tiny", "cpu", task=task, **shape)
    assert [part.name for part in example.parts] == [part.name for part in plan("tiny", "cpu", request).parts]


def test_a_sound_alone_costs_no_decoding_of_pictures():
    sound, both = (plan("2.3-distilled", "cpu", task=task) for task in ("audio-only", "text-to-video"))
    assert [part.name for part in sound.parts] == ["text", "stage 1", "audio"]
    assert sound.seconds < both.seconds and sound.ram_gb < both.ram_gb
    assert not any("frames" in line.what for line in sound.ram)


def test_upscaling_has_its_encode_and_no_first_stage():
    made = plan("2.3-distilled", "8gb", task="upscale", width=1536, height=1024)
    names = [part.name for part in made.parts]
    assert names == ["text", "encode", "upsample", "encode sound", "stage 2", "decode", "audio"]
    (encode,) = [part for part in made.parts if part.name == "encode"]
    half = shapes.VideoShape(121, 512, 768).latent
    assert encode.calls == tiles.num_tiles(half)
