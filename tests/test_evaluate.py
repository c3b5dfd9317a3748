"""Scores, tables and the card, on rendered clips whose truth is known."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ltx_nb.clip import Clip
from ltx_nb.tiny.evaluate import draw_cases
from ltx_nb.tiny.evaluate_autoencoders import measure_autoencoders, spectral_distance
from ltx_nb.tiny.report import Metric, card_marks, share, to_markdown, write_card
from ltx_nb.tiny.scores import Case, Outcome, failures, score
from ltx_nb.tiny.world import BACKGROUNDS, COLOURS, FRAME_RATE, SAMPLE_RATE_HZ, SHAPES, Scene, random_scene

CARD_START, CARD_END = card_marks("tiny-card")


def rendered(scene: Scene, shift_s: float = 0.0) -> Clip:
    return Clip(frames=scene.frames(), audio=scene.audio(shift_s), frame_rate=FRAME_RATE, sample_rate=SAMPLE_RATE_HZ)


def outcomes_of(asked: list[Case], shown: list[Scene], shift_s: float = 0.0) -> list[Outcome]:
    return [Outcome.of(case, rendered(scene, shift_s)) for case, scene in zip(asked, shown, strict=True)]


def values(metrics: list[Metric]) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in metrics}


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Sixteen cases, each with a scene that does what its prompt says from a random start."""
    rng = np.random.default_rng(21)
    drawn = draw_cases(16, seed=1)
    return [
        replace(case, scene=replace(case.scene, num_frames=49, start=rng.random(), phase=rng.uniform(0.2, 0.8)))
        for case in drawn
    ]


def test_cases_are_balanced_and_their_seeds_differ():
    drawn = draw_cases(96, seed=20_000)
    for field, options in (("shape", SHAPES), ("colour", COLOURS), ("background", BACKGROUNDS)):
        counts = Counter(getattr(case.scene, field) for case in drawn)
        assert counts == dict.fromkeys(options, 96 // len(options))
    assert Counter(case.scene.motion for case in drawn) == {"bounce": 36, "slide": 36, "still": 24}
    assert sum(case.is_silent for case in drawn) == 36
    assert Counter((case.scene.width, case.scene.height, case.scene.num_frames) for case in drawn) == {
        (128, 128, 49): 60,
        (160, 96, 49): 9,
        (96, 160, 49): 9,
        (128, 128, 25): 9,
        (128, 128, 97): 9,
    }
    assert len({case.seed for case in drawn}) == 96


def test_cases_are_the_same_for_the_same_seed_only():
    assert draw_cases(12, seed=5) == draw_cases(12, seed=5)
    assert draw_cases(12, seed=5) != draw_cases(12, seed=6)


def test_a_perfect_model_scores_full_marks(cases):
    outcomes = outcomes_of(cases, [case.scene for case in cases])
    metrics = score(outcomes)
    assert values(metrics)["median distance from sound to contact"] < 5
    assert {metric.value for metric in metrics if metric.unit == "%"} == {100.0}
    assert [metric.name for metric in metrics if metric.reached is False] == []
    assert failures(outcomes) == []


def test_late_sounds_are_measured_as_late(cases):
    moving = [case for case in cases if not case.is_silent]
    outcomes = outcomes_of(moving, [case.scene for case in moving], shift_s=0.08)
    assert values(score(outcomes))["median distance from sound to contact"] == pytest.approx(80, abs=5)
    assert "ms from the contacts" in failures(outcomes)[0]["wrong"][0]


def test_sounds_from_the_wrong_side_are_measured():
    scene = Scene(motion="slide", phase=0.3)
    clip = rendered(scene)
    swapped = Clip(frames=clip.frames, audio=clip.audio[::-1].copy(), frame_rate=FRAME_RATE, sample_rate=SAMPLE_RATE_HZ)
    right, wrong = (
        values(score([Outcome.of(Case("a red ball", 1, scene), one)]))["heard from where it is seen, sliding"]
        for one in (clip, swapped)
    )
    assert right < 0.02 and wrong == pytest.approx(2 * abs(scene.contacts_x[0] - 0.5), abs=0.02)


def test_a_faint_first_strike_in_noise_is_measured():
    scene = Scene(phase=0.3)
    noise = np.random.default_rng(0).normal(0, 0.2, scene.audio().shape)
    noisy = np.clip(0.05 * scene.audio() + noise, -1, 1).astype(np.float32)
    clip = Clip(frames=scene.frames(), audio=noisy, frame_rate=FRAME_RATE, sample_rate=SAMPLE_RATE_HZ)
    result = values(score([Outcome.of(Case("a red ball", 1, scene), clip)]))
    assert result["rise of the first strike"] < 10 and result["`av_sync` gives a lag without doubt"] == 0


@pytest.mark.parametrize(
    "change, metric, words",
    [
        ({"colour": "white"}, "colour", "colour is white, not red"),
        ({"background": "teal"}, "background", "background is teal, not navy"),
        ({"shape": "square"}, "shape", "shape is square, not ball"),
        ({"motion": "slide"}, "motion", "motion is slide, not bounce"),
        ({"shape": "triangle"}, "sound class", "sound is bell, not thump"),
        ({"silent": True}, "sound class", "sound is silence, not thump"),
        ({"silent": True}, "contacts counted within one", "2 contacts are seen, 0 heard"),
    ],
)
def test_what_is_wrong_lowers_its_metric_and_is_named(change, metric, words):
    scene = Scene(phase=0.3)
    outcomes = outcomes_of([Case("a red ball", 1, scene)], [replace(scene, **change)])
    assert values(score(outcomes))[metric] == 0
    assert words in failures(outcomes)[0]["wrong"]


def test_sound_where_there_should_be_none_is_a_failure():
    scene = Scene(phase=0.3, silent=True)
    outcomes = outcomes_of([Case("a red ball in silence", 1, scene)], [replace(scene, silent=False)])
    result = values(score(outcomes))
    assert result["silence kept"] == 0
    assert result["sound class"] is None
    assert failures(outcomes)[0]["wrong"] == ["sounds at -5 dBFS"]


def test_a_clip_that_ends_before_the_first_contact_may_be_quiet():
    scene = Scene(motion="slide", width=160, height=96, phase=0.05, energy=0.9, num_frames=25)
    outcomes = outcomes_of([Case("a red ball slides", 1, scene)], [scene])
    assert values(score(outcomes))["sound class"] is None
    assert failures(outcomes) == []


def test_a_goal_without_a_measurement_is_not_reached():
    assert share("colour", [], "clips", goal=95).reached is False
    assert share("colour", [], "clips").reached is None


def test_the_table_has_other_draws_beside_where_there_are_some():
    metrics = [
        Metric("lag", 12.34, "ms", 7, "sounds", goal=60, smaller_is_better=True, second=70.0, rendered=1.5),
        Metric("distance", 0.1234, "", 3, "scenes"),
    ]
    table = to_markdown({"measured_on": "On 4 clips.", "metrics": [metric.as_dict() for metric in metrics]})
    assert table.splitlines()[2:] == [
        "| measured | value | second draw | as rendered | goal | on |",
        "|---|---:|---:|---:|---:|---|",
        "| lag | 12.3 ms | 70 ms | 1.5 ms | ≤ 60 ms | 7 sounds |",
        "| distance | 0.123 |  |  |  | 3 scenes |",
    ]


def test_the_table_says_value_goal_and_count():
    metrics = [
        share("colour", [True, True, True, False], "clips", goal=95),
        Metric("lag", 12.34, "ms", 7, "sounds", goal=60, smaller_is_better=True),
        Metric("distance", 0.1234, "", 3, "scenes"),
        Metric("far", 2041.7, "ms", 2, "sounds"),
        Metric("silence kept", None, "%", 0, "clips"),
    ]
    table = to_markdown({"measured_on": "On 4 clips.", "metrics": [metric.as_dict() for metric in metrics]})
    assert table.splitlines() == [
        "On 4 clips.",
        "",
        "| measured | value | goal | on |",
        "|---|---:|---:|---|",
        "| colour | 75 % (missed) | ≥ 95 % | 4 clips |",
        "| lag | 12.3 ms | ≤ 60 ms | 7 sounds |",
        "| distance | 0.123 |  | 3 scenes |",
        "| far | 2042 ms |  | 2 sounds |",
        "| silence kept | nothing to measure |  | 0 clips |",
    ]


def test_the_card_is_replaced_between_its_marks_only(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"above\n{CARD_START}\nold\n{CARD_END}\nbelow\n")
    write_card(readme, "| new |")
    assert readme.read_text() == f"above\n{CARD_START}\n| new |\n{CARD_END}\nbelow\n"
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize("text", ["no marks", CARD_START, f"{CARD_END}\n{CARD_START}", CARD_START * 2 + CARD_END])
def test_a_file_without_the_marks_is_refused_and_kept(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match=r"README\.md must hold <!-- tiny-card:start --> and, after it,"):
        write_card(readme, "new")
    assert readme.read_text() == text


def test_spectral_distance_is_zero_for_the_same_and_one_for_silence():
    sound = random_scene(np.random.default_rng(3), motion="bounce", silent=False).audio()
    assert spectral_distance(sound, sound) == 0
    assert spectral_distance(-sound, sound) == pytest.approx(0, abs=1e-6)
    assert spectral_distance(np.zeros_like(sound), sound) == pytest.approx(1)


def test_untrained_autoencoders_are_measured_and_miss_the_goal(random_session):
    metrics = measure_autoencoders(random_session.pipe, seed=2, num_scenes=2)
    assert all(np.isfinite(metric.value) for metric in metrics[:5])
    assert metrics[0].name == "video VAE, PSNR"
    assert metrics[0].count == 2
    assert metrics[0].reached is False
