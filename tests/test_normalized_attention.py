"""Normalized attention guidance: its arithmetic, where it acts, and that it is off unless asked for."""

import pytest
import torch

from ltx_nb import ClipRequest, Sampling, TimedPrompt
from ltx_nb.catalogue.models import DEV, TINY
from ltx_nb.pipeline.normalized_attention import Nag, guided
from ltx_nb.running.lean import make_lean, make_stock
from ltx_nb.stages import stages_of

PROMPT, NEGATIVE = "A ball bounces.", "A red ball bounces."
SIZE = {"width": 64, "height": 64, "num_frames": 17}


def made(session, prompt=PROMPT, negative=NEGATIVE, timed=(), **sampling):
    sampling = Sampling(num_inference_steps=2, **sampling)
    request = ClipRequest(prompt, negative_prompt=negative, timed_prompts=timed, sampling=sampling, **SIZE)
    return session.run(request, progress=False)


def same(one, other, lane="latents"):
    return torch.equal(getattr(one, lane), getattr(other, lane))


def test_a_token_is_pushed_away_and_its_size_is_bounded():
    near, far = torch.tensor([[[1.0, 1.0], [1.0, 1.0]]]), torch.tensor([[[0.9, 1.0], [-1.0, 1.0]]])
    # The first is pushed to (1.4, 1); the second to (9, 1), five times its size, and back to 2.5 times.
    wanted = torch.tensor([[[1.1, 1.0], [0.75 + 0.25 * 4.5, 0.75 + 0.25 * 0.5]]])
    torch.testing.assert_close(guided(near.clone(), far, Nag(5.0, 2.5, 0.25)), wanted)


def test_a_scale_of_one_is_the_plain_run_and_five_is_another(random_session):
    plain, off = made(random_session), made(random_session, nag_scale=1.0, audio_nag_scale=1.0)
    assert same(plain, off) and same(plain, off, "audio_latents")
    video = made(random_session, nag_scale=5.0)
    assert not same(plain, video)
    assert not same(made(random_session, nag_scale=5.0, audio_nag_scale=5.0), video, "audio_latents")


def test_away_from_the_prompt_itself_is_nowhere(random_session):
    """Where both prompts are one, there is no difference to follow."""
    plain = made(random_session, negative=PROMPT)
    guided_by_itself = made(random_session, negative=PROMPT, nag_scale=5.0, audio_nag_scale=5.0)
    for lane in ("latents", "audio_latents"):
        torch.testing.assert_close(getattr(guided_by_itself, lane), getattr(plain, lane), atol=2e-3, rtol=0)


@pytest.mark.parametrize("timed", [(), (TimedPrompt("A blue ball.", 0.3, 0.6),)], ids=["one text", "timed prompts"])
def test_the_lean_forward_gives_the_same(fresh_random_session, timed):
    session, scales = fresh_random_session, {"nag_scale": 5.0, "audio_nag_scale": 3.0}
    stock = made(session, timed=timed, **scales)
    make_lean(session.pipe.transformer)
    lean = made(session, timed=timed, **scales)
    make_stock(session.pipe.transformer)
    assert same(stock, lean) and same(stock, lean, "audio_latents")


def test_it_is_refused_beside_guidance_by_the_negative_prompt(random_session):
    with pytest.raises(ValueError, match=r"guidance_scale steers away from it already; nearest: nag_scale=1"):
        made(random_session, nag_scale=5.0, guidance_scale=3.0)
    for value, rule in ((0.5, "the least is 1"), (100, "the most is 50")):
        with pytest.raises(ValueError, match=rule):
            Sampling(nag_scale=value)


def test_a_second_stage_keeps_it_and_the_dev_models_have_none():
    request = ClipRequest(PROMPT, width=128, height=128, num_frames=17, two_stage=True)
    asked = request.replace(sampling=Sampling(nag_scale=5.0))
    assert [stage.nag_prefixes for stage in stages_of(TINY, asked)] == [("",), ("",)]
    assert [stage.nag_prefixes for stage in stages_of(DEV, request)] == [(), ()]
