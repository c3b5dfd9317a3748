"""Masks on both lanes against an Euler loop written out here, forwards counted, noise drawn per lane."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from ltx_nb.media import Media
from ltx_nb.pipeline.encode import encode_audio, encode_video
from ltx_nb.pipeline.prepare import draw_noise, pack_audio, pack_video, unpack_audio, unpack_video
from ltx_nb.request import ClipRequest, Given, Sampling, Source
from ltx_nb.running.cross_modal import velocities

PROMPT = "A red ball bounces."
SIZE = {"width": 64, "height": 64, "num_frames": 17}
RATE = 48_000
STEPS = 3
DURATION_S = 17 / 24


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (17, 1, 1, 3), dtype=np.uint8).repeat(64, 1).repeat(64, 2)
    audio = rng.uniform(-0.5, 0.5, (2, round(DURATION_S * RATE))).astype(np.float32)
    return Source.from_media(Media(frames=frames, frame_rate=24.0, audio=audio, sample_rate=RATE))


def spans(source, lane, *spans_s):
    return tuple(Given(lane, source, start_s, end_s, source_start_s=start_s) for start_s, end_s in spans_s)


def image(source, strength):
    return (Given("video", Source.from_media(Media(frames=source.media.frames[:1])), strength=strength),)


def embeddings(session):
    pipe = session.pipe
    tokens = pipe.tokenizer([PROMPT], padding="max_length", max_length=64, return_tensors="pt")
    with torch.no_grad():
        hidden = pipe.text_encoder(**tokens, output_hidden_states=True).hidden_states
        return pipe.connectors(torch.stack(hidden, -1).flatten(2, 3), tokens.attention_mask)


def by_hand(session, request, source):
    """The same run in plain torch: timesteps and x0 per token, one sigma a lane, blending, Euler."""
    pipe, mask = session.pipe, {}
    mask["video"] = torch.from_numpy(request.video_mask())[None, :, None]
    mask["audio"] = torch.from_numpy(request.audio_mask())[None, :, None]
    audio = torch.from_numpy(source.media.audio)
    with torch.no_grad():
        clean = {
            "video": pack_video(encode_video(pipe, torch.from_numpy(source.media.frames.copy()))),
            "audio": pack_audio(encode_audio(pipe, audio, RATE, request.audio_tokens)),
        }
    noise = {
        "video": pack_video(draw_noise(request.seed, "video", 1, (1, 128, 3, 2, 2))),
        "audio": draw_noise(request.seed, "audio", 1, (1, request.audio_tokens, 128)),
    }
    sigmas = [*session.model.sigmas_of(STEPS), 0.0]
    x = {lane: noise[lane] * mask[lane] * sigmas[0] + clean[lane] * (1 - mask[lane] * sigmas[0]) for lane in mask}
    video_embeds, audio_embeds, attention_mask = embeddings(session)
    for sigma, next_sigma in pairwise(sigmas):
        lane_sigma = {lane: 1000 * sigma * torch.tensor([float(mask[lane].max() > 0)]) for lane in mask}
        with torch.no_grad():
            velocity = velocities(
                pipe.transformer,
                hidden_states=x["video"],
                audio_hidden_states=x["audio"],
                encoder_hidden_states=video_embeds,
                audio_encoder_hidden_states=audio_embeds,
                encoder_attention_mask=attention_mask,
                audio_encoder_attention_mask=attention_mask,
                timestep=1000 * sigma * mask["video"][..., 0],
                audio_timestep=1000 * sigma * mask["audio"][..., 0],
                sigma=lane_sigma["video"],
                audio_sigma=lane_sigma["audio"],
                num_frames=3,
                height=2,
                width=2,
                fps=24.0,
                audio_num_frames=request.audio_tokens,
            )
        for lane, v in zip(("video", "audio"), velocity, strict=True):
            x0 = x[lane] - v * sigma * mask[lane]
            x0 = x0 * mask[lane] + clean[lane] * (1 - mask[lane])
            x[lane] = x[lane] + (next_sigma - sigma) * (x[lane] - x0) / sigma
    return unpack_video(x["video"], 3, 2, 2)[0], unpack_audio(x["audio"])[0]


CASES = {
    "whole audio": lambda s: spans(s, "audio", (0, DURATION_S)),
    "whole video": lambda s: spans(s, "video", (0, DURATION_S)),
    "start of both": lambda s: spans(s, "video", (0, 0.4)) + spans(s, "audio", (0, 0.4)),
    "end of both": lambda s: spans(s, "video", (0.4, DURATION_S)) + spans(s, "audio", (0.4, DURATION_S)),
    "all but the middle of the sound": lambda s: spans(s, "audio", (0, 0.2), (0.5, DURATION_S)),
    "half of an image": lambda s: image(s, 0.5),
}


@pytest.mark.parametrize("case", CASES)
def test_loop_is_the_one_written_out(random_session, source, case):
    request = ClipRequest(
        PROMPT, **SIZE, seed=5, sampling=Sampling(num_inference_steps=STEPS), given=CASES[case](source)
    )
    clip = random_session.run(request, progress=False)
    video, audio = by_hand(random_session, request, source)
    assert (clip.latents - video).abs().max() <= 1e-4
    assert (clip.audio_latents - audio).abs().max() <= 1e-4


def forwards(session, given=(), **sampling):
    calls = []
    hook = session.pipe.transformer.register_forward_hook(lambda *_: calls.append(1))
    try:
        sampling = Sampling(num_inference_steps=2, **sampling)
        session.run(ClipRequest(PROMPT, **SIZE, sampling=sampling, given=given), progress=False)
    finally:
        hook.remove()
    return len(calls) / 2


@pytest.mark.parametrize(
    ("sampling", "passes"),
    [
        ({}, 1),
        ({"guidance_scale": 3.0}, 2),
        ({"audio_guidance_scale": 3.0}, 2),
        ({"guidance_scale": 3.0, "audio_guidance_scale": 7.0}, 2),
        ({"stg_scale": 1.0}, 2),
        ({"audio_modality_scale": 3.0}, 2),
        ({"guidance_scale": 3.0, "audio_stg_scale": 1.0, "modality_scale": 2.0}, 4),
        ({"guidance_rescale": 0.7}, 1),
    ],
)
def test_each_guidance_term_adds_one_forward(random_session, sampling, passes):
    assert forwards(random_session, **sampling) == passes


def test_frozen_lane_asks_for_no_guidance(random_session, source):
    given = spans(source, "audio", (0, DURATION_S))
    assert forwards(random_session, given, audio_guidance_scale=7.0, audio_guidance_rescale=0.7) == 1


def test_freezing_one_lane_leaves_the_noise_of_the_other(random_session, source):
    starts = []
    for given in ((), spans(source, "audio", (0, DURATION_S))):
        request = ClipRequest(PROMPT, **SIZE, given=given, sampling=Sampling(num_inference_steps=1))
        random_session.run(request, progress=False, on_step=lambda event: starts.append(event.latents.clone()))
    assert torch.equal(*starts)


def test_kept_latents_stay_as_they_are_to_the_bit(random_session, source):
    seen = []
    request = ClipRequest(PROMPT, **SIZE, given=spans(source, "video", (0, DURATION_S)))
    clip = random_session.run(
        request.replace(sampling=Sampling(num_inference_steps=STEPS)),
        progress=False,
        on_step=lambda event: seen.append(event.latents.clone()),
    )
    assert all(torch.equal(latents, clip.latents) for latents in seen)


def test_same_request_gives_the_same_latents_and_another_seed_does_not(random_session):
    request = ClipRequest(PROMPT, **SIZE, sampling=Sampling(num_inference_steps=1))
    first, again = (random_session.run(request, progress=False) for _ in range(2))
    other = random_session.run(request.replace(seed=1), progress=False)
    assert torch.equal(first.latents, again.latents) and torch.equal(first.audio_latents, again.audio_latents)
    assert not torch.equal(first.latents, other.latents) and not torch.equal(first.audio_latents, other.audio_latents)


def test_blocks_print_as_a_tree_that_names_their_origin(random_session):
    tree = repr(random_session.pipe.blocks)
    assert "denoiser: LoopDenoiser (ltx_nb)" in tree
    assert "vae: DecodeVideoStep (ltx_nb)" in tree
    assert "audio_vae_and_vocoder: LTX2AudioDecoderStep (diffusers)" in tree
