"""Verbs say what they take: every option by name, with its default, and the right word for a wrong one."""

import inspect

import pytest

from ltx_nb import Session
from ltx_nb.pipeline import tasks

FROM_NOTHING = ("text_to_video", "audio_only", "image_to_video", "keyframes_to_video", "audio_to_video", "storyboard")
OF_A_CLIP = ("extend", "retake", "video_to_audio", "upscale")


@pytest.mark.parametrize("name", [*FROM_NOTHING, *OF_A_CLIP])
def test_a_verb_spells_out_every_option(name):
    parameters = inspect.signature(getattr(Session, name)).parameters
    wanted = tasks.RequestOptions if name in FROM_NOTHING else tasks.ClipOptions
    run = [it for it in inspect.signature(Session.run).parameters if it not in ("self", "request")]
    assert set(wanted.__annotations__) | set(run) <= set(parameters)
    defaults = {it: inspect.signature(Session.run).parameters[it].default for it in run}
    assert {it: parameters[it].default for it in run} == defaults
    assert parameters["seed"].default == 0


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("fps", "frame_rate"),
        ("steps", "num_inference_steps"),
        ("guidance_scale", "Sampling"),
        ("image", "image_to_video"),
    ],
)
def test_a_word_of_other_programs_names_the_right_one(session, word, right):
    with pytest.raises(TypeError, match=f"{word} is no option here; it is .*{right}"):
        session.text_to_video("a ball", **{word: 8})
