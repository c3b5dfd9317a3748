"""The task measures, against a model that always renders the truth and against clips with known faults."""

from dataclasses import replace

import numpy as np
import pytest

from ltx_nb.clip import Clip
from ltx_nb.tiny.detect import see
from ltx_nb.tiny.evaluate_tasks import TASKS, evaluate_tasks, psnr_db, source_cases
from ltx_nb.tiny.report import to_markdown
from ltx_nb.tiny.scores import Case
from ltx_nb.tiny.seams import clicks, jumps_px
from ltx_nb.tiny.truth import Truth
from ltx_nb.tiny.world import FRAME_RATE, SAMPLE_RATE_HZ, Scene

SEED = 30_000


def truth(cases: int) -> Truth:
    return Truth(source_cases(cases, SEED))


def test_the_truth_reaches_every_goal():
    result = evaluate_tasks(truth(cases=4), cases=4, seed=SEED, progress=False)
    assert [metric["name"] for metric in result["metrics"] if metric["reached"] is False] == []
    assert {metric["value"] for metric in result["metrics"] if metric["unit"] == "%"} == {100.0}
    assert result["failures"] == []
    assert all(metric["value"] == metric["rendered"] for metric in result["metrics"])
    assert "| foley: sound class | 100 % | 100 % | ≥ 85 % | 4 clips |" in to_markdown(result)


def test_a_model_that_ignores_what_is_given_misses():
    another = truth(cases=2)
    for seed, scene in another.scenes.items():
        colour = "white" if scene.colour != "white" else "red"
        another.scenes[seed] = replace(scene, colour=colour, phase=(scene.phase + 0.25) % 1)
    result = evaluate_tasks(another, cases=2, seed=SEED, progress=False)
    missed = {metric["name"] for metric in result["metrics"] if metric["reached"] is False}
    assert missed >= {
        "image to video: colour and shape kept",
        "image to video: first frame, PSNR",
        "extension after: colour and shape kept",
        "extension before: colour and shape kept",
        "audio to video: median distance from given sound to contact",
        "foley: median distance from sound to visible contact",
        "two stages: colour",
    }
    assert {failure["task"] for failure in result["failures"]} >= {"image to video", "extension after", "two stages"}


def test_a_retake_that_changes_more_than_its_span_is_found():
    class Careless(Truth):
        def retake(self, clip, start, end, **options):
            return super().retake(clip, start - 0.7, end, **options)

    measure, _ = TASKS["retake"]
    found = measure(Careless(source_cases(1, SEED)), source_cases(1, SEED)[0])
    assert not found["outside"]
    assert found["inside"]


def test_source_scenes_move_and_sound():
    cases = source_cases(24, SEED)
    assert all(isinstance(case, Case) and case.scene.sounds for case in cases)
    assert [case.scene.motion for case in cases].count("slide") == 12
    assert len({case.scene.phase for case in cases}) == 24


def test_a_jump_at_a_seam_is_measured_there_and_nowhere_else():
    frames = Scene(motion="still", num_frames=9, start=0.2).frames()
    frames[5:] = np.roll(frames[5:], 7, axis=2)
    for seam, jump_px in ((5, 7.0), (4, 0.0)):
        spans = [(0, seam / FRAME_RATE, "source"), (seam / FRAME_RATE, 9 / FRAME_RATE, "generated")]
        clip = Clip(frames=frames, frame_rate=FRAME_RATE, provenance={"video": spans})
        np.testing.assert_allclose(jumps_px(clip, see(frames, FRAME_RATE).track_px), [jump_px], atol=0.01)


@pytest.mark.parametrize("step, click", [(0.1, True), (0.0, False), (0.0005, False)])
def test_a_step_in_the_sound_at_a_seam_is_a_click(step, click):
    audio = 0.1 * np.sin(2 * np.pi * 200 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    audio[SAMPLE_RATE_HZ // 2 :] += step
    spans = [(0, 0.5, "source"), (0.5, 1.0, "generated")]
    stereo = np.stack([audio, audio]).astype(np.float32)
    assert clicks(Clip(audio=stereo, sample_rate=SAMPLE_RATE_HZ, provenance={"audio": spans})) is click


@pytest.mark.parametrize("step, click", [(0.15, True), (0.0, False)])
def test_a_bell_that_rings_through_a_seam_is_no_click_by_itself(step, click):
    scene = Scene("triangle", phase=0.3)
    struck_s = scene.contacts_s[0]
    seam_s = round((struck_s + 0.05) * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    audio = scene.audio()
    audio[:, round(seam_s * SAMPLE_RATE_HZ) :] += step
    spans = [(0, seam_s, "generated"), (seam_s, scene.duration_s, "source")]
    assert clicks(Clip(audio=audio, sample_rate=SAMPLE_RATE_HZ, provenance={"audio": spans})) is click


def test_psnr_of_equal_and_of_opposite_pictures():
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert psnr_db(black, white) == pytest.approx(0)
    assert psnr_db(black, black) == pytest.approx(88.1, abs=0.1)
