"""Storyboard: shots in and out, what it refuses, and a clip of shots in the studio."""

import numpy as np
import pytest

from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest, Sampling
from ltx_widgets import Storyboard, studio
from ltx_widgets.storyboard.widget import shots_of

SHOTS = [("a red ball bounces", 0.4), ("a blue square slides", 0.4)]


def received(board, **content):
    board._receive(None, content, [])


def test_shots_are_prompts_or_pairs():
    board = Storyboard(["a ball", ("a square", 3)])
    assert board.shots == [("a ball", 2.0), ("a square", 3.0)]
    assert board.begin_s(1) == 2
    assert repr(board) == "Storyboard(2 shots, 5 s)"


@pytest.mark.parametrize(
    "shots, rule",
    [([], "0 shots; give 1 to 40"), ([3], "is no list of prompts"), ([("a", -1)], "the seconds of shot 1")],
)
def test_what_is_no_shot_is_refused(shots, rule):
    with pytest.raises(ValueError, match=rule):
        Storyboard(shots)


def test_the_browser_edits_and_starts():
    made, again = [], []
    board = Storyboard(SHOTS, make=made.append, retake=lambda index, shot: again.append((index, shot)))
    received(board, type="edit", id="1", value=[{"prompt": "x", "seconds": 1}, {"prompt": "", "seconds": 2}])
    assert board.shots == [("x", 1), ("", 2)]
    received(board, type="make")
    assert board.error == "shot 2 has no prompt; describe it, or remove the shot" and made == []
    received(board, type="edit", id="1", value=[{"prompt": "x", "seconds": 1}])
    received(board, type="make")
    received(board, type="retake", index=0)
    assert made == [[("x", 1)]] and again == [(0, ("x", 1))] and board.error == ""


def test_shots_are_read_from_what_a_clip_notes():
    notes = ("0 s, seed 3: a red ball: it bounces", "2.5 s, seed 4: a square", "the picture was cropped")
    frames = np.zeros((97, 32, 32, 3), np.uint8)
    clip = Clip(frames=frames, frame_rate=24, notes=notes)
    assert shots_of(clip) == [("a red ball: it bounces", 2.5), ("a square", pytest.approx(97 / 24 - 2.5))]


def test_the_studio_makes_all_shots_and_one_anew(session):
    request = ClipRequest("x", width=64, height=64, num_frames=9, sampling=Sampling(num_inference_steps=1))
    made = studio(session, request)
    made.storyboard.shots = [("a red ball bounces", 0.7), ("a blue square slides", 1.0)]
    received(made.storyboard, type="make")
    assert made.run_panel.wait(300) and made.run_panel.error == ""
    assert [prompt for prompt, _ in shots_of(made.clip)] == ["a red ball bounces", "a blue square slides"]
    assert made.run_panel.results[0]["what"] == "several passes"

    received(made.storyboard, type="retake", index=1)
    assert made.storyboard.error == ""
    assert made.request.prompt == "a blue square slides"
    [[start_s, _]] = made.request.generated_spans_s("video")
    assert start_s == pytest.approx(shots_of(made.clip)[0][1], abs=0.05)
