"""What the tiny model says it understands: its own captions and nothing beside them."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import ltx_nb
from ltx_nb import Sampling
from ltx_nb.catalogue.vocabulary import FILE_NAME, read_vocabulary, vocabulary_json
from ltx_nb.tiny.train import WEIGHTS, trained_vocabulary
from ltx_nb.tiny.world import random_scene

PAGE = Path(__file__).parents[1] / "docs" / "tiny_vocabulary.md"
PROMPT = "A red ball bounces on the floor in front of a navy background."


@pytest.fixture(scope="module")
def vocabulary():
    return read_vocabulary(WEIGHTS)


@pytest.fixture(scope="module")
def session():
    return ltx_nb.load("tiny")


def test_the_folder_says_what_was_trained(vocabulary):
    assert vocabulary == trained_vocabulary()


def test_a_session_has_its_models_vocabulary(session, vocabulary):
    assert session.vocabulary == vocabulary
    assert "a deep thump (ball)" in repr(vocabulary) and "128x128" in repr(vocabulary)


def test_a_caption_of_the_world_is_doubted_only_where_its_colours_are_too_near(vocabulary):
    rng = np.random.default_rng(3)
    for _ in range(500):
        scene = random_scene(rng)
        is_faint = (scene.colour, scene.background) in vocabulary.faint
        assert len(vocabulary.doubts(scene.caption(rng))) == is_faint


@pytest.mark.parametrize(
    "prompt, doubt",
    [
        ("A navy ball bounces.", "'navy' is known before 'background' only"),
        ("A ball on a red background.", "'red' is known before 'ball', 'square' or 'triangle' only"),
        ("A ball. Each bounce makes a bell sound.", "a ball never sounds like 'bell'"),
        (
            "The green ball stands still on a gray background.",
            "green on gray is too faint for it; take another colour or background",
        ),
        ("A red ball and a blue square.", "'ball' and 'square' were never in one clip; there is one object in each"),
    ],
)
def test_known_words_out_of_place_are_doubted(vocabulary, prompt, doubt):
    assert vocabulary.doubts(prompt) == [doubt]


def test_sizes_beside_those_of_training_are_doubted(vocabulary):
    assert vocabulary.doubts_of_size(160, 96, 97) == []
    (of_size,) = vocabulary.doubts_of_size(256, 256, 49)
    assert of_size.startswith("256x256 px is no size it was trained at") and of_size.endswith("nearest: 128x128")
    assert vocabulary.doubts_of_size(128, 128, 105) == ["105 frames are more than the 97 that it was trained with"]


def test_a_run_warns_of_what_lies_outside(session):
    one_step = {"num_frames": 9, "sampling": Sampling(num_inference_steps=1), "progress": False}
    with pytest.warns(UserWarning, match="tiny may make something else: 64x96 px is no size"):
        session.text_to_video(PROMPT, width=64, height=96, **one_step)
    with pytest.warns(UserWarning, match="tiny may make something else: 'navy' is known before 'background' only"):
        session.text_to_video("A navy ball.", width=64, height=64, **one_step)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.text_to_video(PROMPT, width=64, height=64, **one_step)


def test_a_folder_without_one_has_none_and_a_broken_one_is_named(tmp_path, vocabulary):
    assert read_vocabulary(tmp_path) is None
    (tmp_path / FILE_NAME).write_text(vocabulary_json(vocabulary))
    assert read_vocabulary(tmp_path) == vocabulary
    (tmp_path / FILE_NAME).write_text('{"words": ["ball"]}')
    with pytest.raises(ValueError, match="is no vocabulary"):
        read_vocabulary(tmp_path)


def test_the_page_names_all_of_it(vocabulary):
    page = PAGE.read_text(encoding="utf-8")
    phrases = [phrase for options in (*vocabulary.motions.values(), *vocabulary.sounds.values()) for phrase in options]
    named = [*vocabulary.objects, *vocabulary.colours, *vocabulary.backgrounds, *phrases, *vocabulary.silence]
    named += [f"{width}x{height}" for width, height in vocabulary.sizes]
    assert [one for one in named if one.lower() not in page.lower()] == []
