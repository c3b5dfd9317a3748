"""Sampling has diffusers' own names, and refuses settings that no run could use."""

import inspect
import json
from dataclasses import fields

import pytest

from ltx_nb.sampling import Sampling

DISTILLED_SIGMAS = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875)


def test_names_are_those_of_the_diffusers_pipeline():
    from diffusers import LTX2Pipeline

    added = {"nag_scale", "audio_nag_scale", "nag_tau", "nag_alpha"}  # which that pipeline has not
    names = {field.name for field in fields(Sampling)} - added
    assert names <= set(inspect.signature(LTX2Pipeline.__call__).parameters)


def test_everything_is_left_to_the_model_by_default():
    assert Sampling().to_dict() == {}


def test_json_round_trip():
    sampling = Sampling(sigmas=[*DISTILLED_SIGMAS], audio_guidance_scale=7, spatio_temporal_guidance_blocks=[28])
    assert Sampling.from_dict(json.loads(json.dumps(sampling.to_dict()))) == sampling


def test_lists_become_tuples_so_that_sampling_is_hashable():
    assert Sampling(sigmas=[1.0, 0.5]) == Sampling(sigmas=(1.0, 0.5))
    assert hash(Sampling(sigmas=[1.0, 0.5])) == hash(Sampling(sigmas=(1.0, 0.5)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps=0 is too small; the least is 1"),
        ({"num_inference_steps": 1001}, "num_inference_steps=1001 is too large; the most is 1000"),
        ({"num_inference_steps": 8.5}, r"num_inference_steps=8\.5 is a float, not a whole number"),
        ({"sigmas": 0.5}, "sigmas=0.5 is a float, not a list or tuple"),
        ({"sigmas": []}, "sigmas are 0 steps; give 1 to 1000"),
        ({"sigmas": [1.0] * 1001}, "sigmas are 1001 steps; give 1 to 1000"),
        ({"sigmas": [1.0, 0.5, 0.0]}, "sigmas end in 0, which is added after the last step; leave it out"),
        ({"sigmas": [0.5, 1.0]}, "sigmas go from 0.5 to 1; they must fall from step to step"),
        ({"sigmas": [1.0, 1.0]}, "sigmas go from 1 to 1; they must fall"),
        ({"sigmas": [1.5, 1.0]}, r"sigmas=1\.5 is too large; the most is 1"),
        ({"sigmas": [1.0], "num_inference_steps": 8}, "num_inference_steps=8 but sigmas are 1 steps"),
        ({"guidance_scale": "3"}, "guidance_scale='3' is a str, not a number; try 3"),
        ({"audio_stg_scale": -1}, "audio_stg_scale=-1.0 is too small; the least is 0"),
        ({"audio_modality_scale": float("nan")}, "audio_modality_scale=nan is not finite"),
        ({"guidance_rescale": 1.1}, "guidance_rescale=1.1 is too large; the most is 1"),
        ({"audio_guidance_rescale": 2}, "audio_guidance_rescale=2.0 is too large; the most is 1"),
        ({"spatio_temporal_guidance_blocks": 28}, "spatio_temporal_guidance_blocks=28 is a int, not a list"),
        ({"spatio_temporal_guidance_blocks": []}, "is empty; None leaves it to the model"),
        ({"spatio_temporal_guidance_blocks": [2, 2]}, r"names a block twice; nearest: \[2\]"),
        ({"spatio_temporal_guidance_blocks": [-1]}, "spatio_temporal_guidance_blocks=-1 is too small"),
    ],
)
def test_refused_settings_say_why(settings, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**settings)


def test_an_unknown_setting_is_told_the_closest():
    with pytest.raises(ValueError, match="sampling has no 'cfg_scale'; did you mean 'stg_scale'"):
        Sampling.from_dict({"cfg_scale": 3})
