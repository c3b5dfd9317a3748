"""Guidance terms of planted predictions and of a real guided run; clips without them."""

import numpy as np
import pytest
import torch

from ltx_nb import ClipRequest, Sampling, Trace
from ltx_nb.inspect import guidance_terms, scale_grid, without_terms
from ltx_nb.trace import StepEvent

REQUEST = ClipRequest("a red ball bounces", width=32, height=32, num_frames=9, sampling=Sampling(sigmas=(1.0, 0.5)))
GUIDED = Sampling(sigmas=(1.0, 0.5), guidance_scale=3.0, audio_guidance_scale=3.0, stg_scale=1.0)


def test_size_and_direction_are_those_that_were_planted():
    cond, audio = torch.ones(4, 2, 2, 2), torch.ones(8, 5, 16)
    up = 1 + torch.arange(32.0).reshape(4, 2, 2, 2) / 32
    predictions = {
        "pred_cond": (cond, audio),
        "pred_uncond": (cond - 0.5 * (up - cond), audio),  # the term leads to `up`, where the run ends
        "pred_cond_stg": (cond + (up - cond), audio),  # this one leads away from it
    }
    trace = Trace()
    for index in range(2):
        tensors = (cond, audio, up, audio)
        trace.record(StepEvent(index, 2, 1, 1.0 - index / 2, *tensors, predictions=predictions))
    terms = guidance_terms(trace)
    assert list(terms.video) == list(terms.audio) == ["cfg", "stg"]
    np.testing.assert_allclose(terms.video["cfg"].direction, 1, atol=1e-3)
    np.testing.assert_allclose(terms.video["stg"].direction, -1, atol=1e-3)
    np.testing.assert_allclose(terms.video["stg"].size / terms.video["cfg"].size, 2, rtol=1e-2)
    assert (terms.audio["cfg"].size == 0).all() and (terms.audio["cfg"].direction == 0).all()


def test_a_guided_run_has_its_terms(random_session):
    clip = random_session.run(REQUEST.replace(sampling=GUIDED), trace=True, progress=False)
    terms = guidance_terms(clip.trace)
    assert list(terms.video) == ["cfg", "stg"]
    for lane in (terms.video, terms.audio):
        assert all((term.size > 0).all() and (np.abs(term.direction) <= 1 + 1e-6).all() for term in lane.values())


def test_a_run_without_guidance_is_said(random_session):
    clip = random_session.run(REQUEST, trace=True, progress=False)
    with pytest.raises(ValueError, match="the run was not guided: set guidance_scale above 1"):
        guidance_terms(clip.trace)
    with pytest.raises(ValueError, match="run with trace=True"):
        guidance_terms(None)


def test_clips_without_a_term_differ_and_only_its_own_are_left_out(random_session):
    clips = without_terms(random_session, REQUEST.replace(sampling=GUIDED))
    assert list(clips) == ["all terms", "without cfg", "without stg"]
    latents = [clip.latents for clip in clips.values()]
    assert not torch.equal(latents[0], latents[1]) and not torch.equal(latents[0], latents[2])


def test_what_makes_no_grid_is_said_before_the_first_run(random_session):
    with pytest.raises(ValueError, match=r"guidance_scales=3 is a int; give a list: \[3\]"):
        scale_grid(random_session, REQUEST, guidance_scales=3, stg_scales=(0,))
    with pytest.raises(ValueError, match="stg_scales is empty; give at least one"):
        scale_grid(random_session, REQUEST, guidance_scales=(3,), stg_scales=())
    with pytest.raises(ValueError, match=r"stg_scales=-1\.0 is too small; the least is 0"):
        scale_grid(random_session, REQUEST, guidance_scales=(3,), stg_scales=(0, -1))
    with pytest.raises(ValueError, match="request is a str; give a ClipRequest"):
        without_terms(random_session, "a red ball")


def test_a_grid_has_every_pair_of_scales(random_session):
    clips = scale_grid(random_session, REQUEST, guidance_scales=(1, 3), stg_scales=(0,))
    assert list(clips) == ["cfg 1, stg 0", "cfg 3, stg 0"]
    plain = random_session.run(REQUEST, progress=False)
    assert torch.equal(clips["cfg 1, stg 0"].latents, plain.latents)
