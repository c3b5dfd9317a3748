"""The loop against diffusers' own pipelines: the same components, the same noise, the same latents."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import LTX2ConditionPipeline, LTX2ImageToVideoPipeline, LTX2InContextPipeline, LTX2Pipeline
from diffusers.configuration_utils import FrozenDict
from diffusers.pipelines.ltx2 import (
    LTX2LatentUpsamplePipeline,
    pipeline_ltx2,
    pipeline_ltx2_condition,
    pipeline_ltx2_ic_lora,
)
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from diffusers.pipelines.ltx2.utils import STAGE_2_DISTILLED_SIGMA_VALUES
from PIL import Image

from ltx_nb.media import Media
from ltx_nb.pipeline.prepare import draw_noise, pack_video
from ltx_nb.request import ClipRequest, Given, Reference, Sampling, Source

TOLERANCE = 1e-4
PROMPT = "A red ball bounces."
SIZE = {"width": 64, "height": 64, "num_frames": 17}
# With the model's own three, which lie nearer to noise, guidance as strong as below makes up to 1e-3 of a rounding in
# the trained weights; in float64 the pipelines are 4e-7 apart.
SIGMAS = (1.0, 6 / 7, 0.6)
UNGUIDED = Sampling(sigmas=SIGMAS)
GUIDED = Sampling(
    sigmas=SIGMAS,
    guidance_scale=3.0,
    stg_scale=1.0,
    modality_scale=3.0,
    audio_guidance_scale=7.0,
    audio_stg_scale=0.5,
    audio_modality_scale=2.0,
    spatio_temporal_guidance_blocks=(3,),
)
RESCALED = Sampling(**GUIDED.to_dict() | {"guidance_rescale": 0.7, "audio_guidance_rescale": 0.4})


def reference(session, pipeline_class, **inputs):
    """Final latents, denormalised, of a diffusers pipeline made of the session's components."""
    names = pipeline_class.__init__.__annotations__
    components = {name: value for name, value in session.pipe.components.items() if name in names}
    pipe = pipeline_class(**components)
    pipe.set_progress_bar_config(disable=True)
    output = pipe(prompt=PROMPT, max_sequence_length=64, output_type="latent", **SIZE | inputs)
    return output.frames, output.audio


def settings(session, sampling):
    done = session.model.complete(sampling)
    assert done.nag_scale == done.audio_nag_scale == 1  # neutral: diffusers' pipelines have none
    values = {name: value for name, value in done.to_dict().items() if "nag_" not in name}
    values["sigmas"] = list(done.sigmas)
    return values


def denormalised(session, latents, audio_latents):
    vae, audio_vae = session.pipe.vae, session.pipe.audio_vae
    video = latents * vae.latents_std.view(1, -1, 1, 1, 1) + vae.latents_mean.view(1, -1, 1, 1, 1)
    return video, audio_latents * audio_vae.latents_std.view(1, 8, 1, 16) + audio_vae.latents_mean.view(1, 8, 1, 16)


def normalised(session, latents, audio_latents):
    """Latents as the loop has them, in which a difference is a share of their spread, whatever the weights."""
    vae, audio_vae = session.pipe.vae, session.pipe.audio_vae
    video = (latents - vae.latents_mean.view(1, -1, 1, 1, 1)) / vae.latents_std.view(1, -1, 1, 1, 1)
    return video, (audio_latents - audio_vae.latents_mean.view(1, 8, 1, 16)) / audio_vae.latents_std.view(1, 8, 1, 16)


def ours(session, sampling, given=(), **fields):
    """Final latents and the noisy latents of the first step."""
    start = []
    request = ClipRequest(PROMPT, **SIZE, seed=3, sampling=sampling, given=given, **fields)
    clip = session.run(
        request, progress=False, on_step=lambda e: start.append((e.latents.clone(), e.audio_latents.clone()))
    )
    return (clip.latents[None], clip.audio_latents[None]), start[0]


def assert_same(session, ours, theirs, tolerance=TOLERANCE):
    """ours: as the loop has them. theirs: denormalised, as diffusers gives them."""
    for mine, other in zip(ours, normalised(session, *theirs), strict=True):
        assert (mine - other).abs().max() <= tolerance


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC))


def image_given(seed, **when):
    return Given("video", Source.from_media(Media(frames=picture(seed)[None])), **when)


@pytest.fixture(params=["random_session", "session"], ids=["random weights", "trained weights"])
def any_session(request, monkeypatch):
    """On diffusers' rule of cross-modal modulation, which its pipelines have; LTX-2.3's own is in `test_golden`."""
    session = request.getfixturevalue(request.param)
    transformer = session.pipe.transformer
    monkeypatch.setattr(transformer, "_internal_dict", FrozenDict(transformer.config | {"use_cross_timestep": True}))
    return session


@pytest.mark.parametrize("sampling", [UNGUIDED, GUIDED, RESCALED], ids=["unguided", "guided", "rescaled"])
def test_text_to_video_is_LTX2Pipeline(any_session, sampling):
    latents, (noise, audio_noise) = ours(any_session, sampling)
    _, audio_noise = denormalised(any_session, noise[None], audio_noise[None])
    theirs = reference(
        any_session,
        LTX2Pipeline,
        latents=pack_video(noise[None]),
        audio_latents=audio_noise,
        **settings(any_session, sampling),
    )
    assert_same(any_session, latents, theirs)


# Rescaling looks at the spread of x0 over all tokens, given ones included, for which these two take the scalar sigma
# and not the token's own: equal only where nothing is given.
@pytest.mark.parametrize("sampling", [UNGUIDED, GUIDED], ids=["unguided", "guided"])
def test_image_to_video_is_LTX2ImageToVideoPipeline(any_session, sampling):
    latents, (start, audio_noise) = ours(any_session, sampling, (image_given(0),))
    start, audio_noise = denormalised(any_session, start[None], audio_noise[None])
    theirs = reference(
        any_session,
        LTX2ImageToVideoPipeline,
        image=Image.fromarray(picture(0)),
        image_crf=0,
        latents=start,
        audio_latents=audio_noise,
        **settings(any_session, sampling),
    )
    assert_same(any_session, latents, theirs)


@pytest.mark.parametrize("sampling", [UNGUIDED, GUIDED], ids=["unguided", "guided"])
def test_keyframes_are_LTX2ConditionPipeline(any_session, sampling, monkeypatch):
    given = (image_given(0), image_given(1, start_s=9 / 24))
    latents, _ = ours(any_session, sampling, given)
    noise = pack_video(draw_noise(3, "video", 1, (1, 128, 3, 2, 2)))
    noises = iter(
        [
            torch.cat([noise, draw_noise(3, "keyframes", 1, (1, 4, 128))], dim=1),
            draw_noise(3, "audio", 1, (1, 18, 128)),
        ]
    )
    monkeypatch.setattr(pipeline_ltx2_condition, "randn_tensor", lambda *_, **__: next(noises))
    conditions = [
        LTX2VideoCondition(frames=Image.fromarray(picture(0)), index=0, crf=0),
        LTX2VideoCondition(frames=Image.fromarray(picture(1)), index=2, crf=0),  # latent 2 begins at frame 9
    ]
    theirs = reference(any_session, LTX2ConditionPipeline, conditions=conditions, **settings(any_session, sampling))
    # Guidance of 7 multiplies float32's rounding, which differs by processor: 1.2e-4 on one, below 1e-4 on another.
    assert_same(any_session, latents, theirs, TOLERANCE if sampling is UNGUIDED else 2 * TOLERANCE)


def reference_frames(seed, num_frames, side_px):
    frames = np.random.default_rng(seed).integers(0, 256, (num_frames, 4, 4, 3), dtype=np.uint8)
    return frames.repeat(side_px // 4, 1).repeat(side_px // 4, 2)


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("sampling", [UNGUIDED, GUIDED], ids=["unguided", "guided"])
def test_references_are_LTX2InContextPipeline(any_session, sampling, factor, monkeypatch):
    """A first frame, a keyframe, a video and a picture to look at, together."""
    side_px = 64 // factor
    tokens = (side_px // 32) ** 2
    video, still = reference_frames(5, 17, side_px), reference_frames(6, 1, side_px)
    references = (
        Reference(Source.from_media(Media(frames=video, frame_rate=24.0)), num_frames=17),
        Reference(Source.from_media(Media(frames=still))),
    )
    given = (image_given(0), image_given(1, start_s=9 / 24))
    latents, _ = ours(any_session, sampling, given, references=references, reference_downscale_factor=factor)
    noises = [pack_video(draw_noise(3, "video", 1, (1, 128, 3, 2, 2)))]
    noises += [draw_noise(3, "keyframes", 1, (1, 4, 128)), draw_noise(3, "references", 1, (1, 4 * tokens, 128))]
    drawn = iter([torch.cat(noises, dim=1), draw_noise(3, "audio", 1, (1, 18, 128))])
    monkeypatch.setattr(pipeline_ltx2_ic_lora, "randn_tensor", lambda *_, **__: next(drawn))
    theirs = reference(
        any_session,
        LTX2InContextPipeline,
        conditions=[
            LTX2VideoCondition(frames=Image.fromarray(picture(0)), index=0, crf=0),
            LTX2VideoCondition(frames=Image.fromarray(picture(1)), index=2, crf=0),
        ],
        reference_conditions=[
            LTX2ReferenceCondition(frames=[Image.fromarray(frame) for frame in frames]) for frames in (video, still)
        ],
        reference_downscale_factor=factor,
        **settings(any_session, sampling),
    )
    # Guidance multiplies what float32 rounds: 2e-4 at most, where unguided clips are within 1e-5.
    assert_same(any_session, latents, theirs, TOLERANCE if sampling is UNGUIDED else 5 * TOLERANCE)


@pytest.fixture
def upsampler(random_session):
    torch.manual_seed(0)
    model = LTX2LatentUpsamplerModel(mid_channels=32, num_blocks_per_stage=1, use_rational_resampler=False).eval()
    random_session.pipe.update_components(latent_upsampler=model)
    yield model
    random_session.pipe.update_components(latent_upsampler=None)


def test_two_stages_are_the_recipe_of_LTX2LatentUpsamplePipeline(random_session, upsampler, monkeypatch):
    start = []
    request = ClipRequest(PROMPT, width=128, height=128, num_frames=17, seed=3, sampling=UNGUIDED, two_stage=True)
    clip = random_session.run(
        request, progress=False, on_step=lambda e: start.append((e.latents.clone(), e.audio_latents.clone()))
    )
    noise, audio_noise = start[0]
    _, audio_start = denormalised(random_session, noise[None], audio_noise[None])
    low, audio = reference(
        random_session,
        LTX2Pipeline,
        latents=pack_video(noise[None]),
        audio_latents=audio_start,
        **settings(random_session, UNGUIDED),
    )
    upsample = LTX2LatentUpsamplePipeline(vae=random_session.pipe.vae, latent_upsampler=upsampler)
    (doubled,) = upsample(latents=low, height=64, width=64, output_type="latent", return_dict=False)

    noises = iter([pack_video(draw_noise(3, "video", 2, (1, 128, 3, 4, 4))), draw_noise(3, "audio", 2, (1, 18, 128))])
    monkeypatch.setattr(pipeline_ltx2, "randn_tensor", lambda *_, **__: next(noises))
    sigmas = STAGE_2_DISTILLED_SIGMA_VALUES
    theirs = reference(
        random_session,
        LTX2Pipeline,
        latents=doubled,
        audio_latents=audio,
        noise_scale=sigmas[0],
        **settings(random_session, Sampling())
        | {"sigmas": sigmas, "num_inference_steps": 3, "width": 128, "height": 128},
    )
    assert_same(random_session, (clip.latents[None], clip.audio_latents[None]), theirs)
    assert [len(clip.frames), clip.width, clip.height] == [17, 128, 128]


def test_upscale_refines_the_latents_of_the_clip(random_session, upsampler):
    clip = random_session.text_to_video(PROMPT, sampling=UNGUIDED, progress=False, **SIZE)
    sigmas = []
    doubled = random_session.upscale(
        clip, progress=False, on_step=lambda event: sigmas.append((event.stage, event.sigma))
    )
    assert [len(doubled.frames), doubled.width, doubled.height] == [17, 128, 128]
    assert [stage for stage, _ in sigmas] == [2, 2, 2]
    assert [sigma for _, sigma in sigmas] == pytest.approx(STAGE_2_DISTILLED_SIGMA_VALUES)


def test_what_was_converted_for_a_second_stage_is_on_the_clip(random_session, upsampler):
    clip = random_session.text_to_video(PROMPT, sampling=UNGUIDED, progress=False, **SIZE)
    wider = replace(clip, frames=np.pad(clip.frames, ((0, 0), (0, 0), (3, 3), (0, 0))))
    assert random_session.upscale(wider, progress=False).notes == ("picture 70x64, cropped to 64x64",)
