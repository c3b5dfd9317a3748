"""The tiny world against itself: what it says, shows and sounds must agree."""

import re

import numpy as np
import pytest

from ltx_nb.tiny.world import (
    BACKGROUNDS,
    COLOURS,
    MOTIONS,
    SAMPLE_RATE_HZ,
    SHAPES,
    SOUNDS,
    Scene,
    random_scene,
    vocabulary,
)

MOTION_WORDS = {
    "bounce": "bounces|bouncing",
    "slide": "slides|sliding",
    "still": "stands still|standing still|does not move|rests",
}


@pytest.fixture(scope="module")
def captions() -> list[tuple[Scene, str]]:
    rng = np.random.default_rng(1)
    return [(scene, scene.caption(rng)) for scene in (random_scene(rng) for _ in range(2000))]


def test_captions_name_shape_colour_background_and_motion(captions):
    for scene, text in captions:
        words = re.findall(r"\w+", text.lower())
        for value, others in (
            (scene.shape, SHAPES),
            (scene.colour, COLOURS),
            (scene.background, BACKGROUNDS),
        ):
            assert [word for word in words if word in others] == [value], text
        named = [motion for motion in MOTIONS if re.search(MOTION_WORDS[motion], text)]
        assert named == [scene.motion], text


def test_captions_say_silence_exactly_when_the_scene_is_muted(captions):
    for scene, text in captions:
        assert ("in silence" in text.lower()) == scene.silent, text


def test_captions_name_no_sound_but_the_shape_s_own(captions):
    for scene, text in captions:
        named = [sound for sound in SOUNDS.values() if sound in text]
        assert named in ([], [SOUNDS[scene.shape]]), text
        assert not named or (scene.motion != "still" and not scene.silent), text


def test_vocabulary_is_the_captions_words_and_no_others(captions):
    used = {word for _, text in captions for word in re.findall(r"\w+|[^\w\s]", text.lower())}
    assert used == set(vocabulary())


def test_a_caption_without_a_generator_is_the_plain_one():
    assert Scene().caption() == (
        "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump."
    )


@pytest.mark.parametrize("motion", ["bounce", "slide"])
@pytest.mark.parametrize("width, height", [(128, 128), (160, 96), (96, 160)])
def test_contacts_are_where_the_velocity_flips(motion, width, height):
    rng = np.random.default_rng(2)
    axis = 1 if motion == "bounce" else 0
    for _ in range(10):
        scene = random_scene(rng, motion=motion, width=width, height=height, num_frames=97)
        fine = np.arange(0, 96, 0.01)
        velocity = np.diff(scene.positions(fine)[:, axis])
        # The top of an arc is a smooth turn; a contact reverses the velocity from one instant to the next.
        flips = np.flatnonzero(np.abs(np.diff(velocity)) > 0.5 * np.abs(velocity).max())
        expected = np.unique(np.round(fine[flips + 1]))
        np.testing.assert_allclose(np.round(scene.contacts_s * 24), expected, atol=1)
        assert len(scene.contacts_s) == len(expected)


def test_contacts_touch_the_floor_or_a_wall():
    rng = np.random.default_rng(3)
    for _ in range(20):
        bounce = random_scene(rng, motion="bounce")
        at_contact = bounce.positions(bounce.contacts_s * 24)
        assert np.allclose(at_contact[:, 1] + bounce.radius_px, bounce.height - 6 * bounce.unit_px)
        slide = random_scene(rng, motion="slide", width=160, height=96, num_frames=97)
        x = slide.contacts_x * slide.width
        gap = np.minimum(x, slide.width - x) - slide.radius_px
        assert np.allclose(gap, 2 * slide.unit_px)


def test_contacts_keep_to_the_grid_and_off_the_ends():
    rng = np.random.default_rng(5)
    for _ in range(50):
        scene = random_scene(rng, motion=("bounce", "slide")[int(rng.integers(2))])
        np.testing.assert_allclose(scene.contacts_s * 24 % 4, 2, atol=1e-6)
        assert np.all((scene.contacts_s > 0) & (scene.contacts_s < scene.duration_s - 1 / 24))


def test_standing_still_has_no_contact_and_no_sound():
    scene = Scene(motion="still")
    assert len(scene.contacts_s) == 0
    assert not scene.sounds
    assert not scene.audio().any()


def test_silent_scenes_keep_their_contacts_but_make_no_sound():
    scene = Scene(silent=True)
    assert len(scene.contacts_s) > 0
    assert not scene.audio().any()


def test_nothing_moves_faster_than_six_units_a_frame():
    rng = np.random.default_rng(4)
    for _ in range(200):
        step = np.diff(random_scene(rng).positions(), axis=0)
        assert np.hypot(*step.T).max() <= 6.0


@pytest.mark.parametrize("width, height, num_frames", [(128, 128, 25), (160, 96, 49), (96, 160, 97), (64, 64, 1)])
def test_frames_and_audio_have_the_size_asked_for(width, height, num_frames):
    scene = Scene(width=width, height=height, num_frames=num_frames)
    assert scene.frames().shape == (num_frames, height, width, 3)
    assert scene.frames().dtype == np.uint8
    assert scene.audio().shape == (2, num_frames * SAMPLE_RATE_HZ // 24)
    assert scene.audio().dtype == np.float32


def test_a_scene_looks_the_same_at_twice_the_size():
    small, large = (Scene(width=size, height=size, num_frames=9, phase=0.3) for size in (128, 256))
    np.testing.assert_allclose(large.positions(), 2 * small.positions())
    np.testing.assert_allclose(large.contacts_s, small.contacts_s)
    halved = large.frames().reshape(9, 128, 2, 128, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - small.frames()).mean() < 1.0


@pytest.mark.parametrize("shape, fill", [("ball", np.pi / 4), ("square", 1.0), ("triangle", 0.5)])
def test_frames_show_the_shape_at_its_position_in_its_colours(shape, fill):
    scene = Scene(shape=shape, colour="white", background="black", num_frames=9, phase=0.4)
    frames = scene.frames().astype(float)
    assert np.all(frames[:, 0, 0] == BACKGROUNDS["black"])
    cover = (frames[..., 0] - 12) / (240 - 12)
    for frame, (x, y) in zip(frames, scene.positions(), strict=True):
        assert np.all(frame[int(y), int(x)] == COLOURS["white"])
    area = cover.sum(axis=(1, 2))
    np.testing.assert_allclose(area, fill * (2 * scene.radius_px) ** 2, rtol=0.02)
    centre_x = (cover.sum(1) * (np.arange(128) + 0.5)).sum(1) / area
    np.testing.assert_allclose(centre_x, scene.positions()[:, 0], atol=0.05)


def test_sound_starts_at_each_contact_and_not_before():
    scene = Scene(phase=0.5, num_frames=49)
    loud = np.abs(scene.audio()).max(0) > 1e-4
    first = round(scene.contacts_s[0] * SAMPLE_RATE_HZ)
    assert not loud[:first].any()
    for start in np.round(scene.contacts_s * SAMPLE_RATE_HZ).astype(int):
        assert loud[start : start + 48].any()  # within a millisecond


def test_a_shift_moves_every_sound_by_exactly_that_much():
    scene = Scene(shape="square", phase=0.5, num_frames=97)
    late = scene.audio(shift_s=0.1)
    np.testing.assert_array_equal(late[:, 4800:], scene.audio()[:, :-4800])
    early = scene.audio(shift_s=-0.1)
    np.testing.assert_array_equal(early[:, :-4800], scene.audio()[:, 4800:])


@pytest.mark.parametrize("start", [0.0, 0.5, 1.0])
def test_the_speakers_share_the_power_by_position(start):
    scene = Scene(phase=0.5, start=start)
    left, right = np.square(scene.audio()).sum(1)
    assert np.arctan2(np.sqrt(right), np.sqrt(left)) * 2 / np.pi == pytest.approx(scene.contacts_x[0], abs=1e-3)


def test_random_scenes_cover_the_world_and_keep_what_is_fixed():
    rng = np.random.default_rng(5)
    scenes = [random_scene(rng, width=160, height=96) for _ in range(300)]
    assert {scene.shape for scene in scenes} == set(SHAPES)
    assert {scene.colour for scene in scenes} == set(COLOURS)
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)
    assert {scene.motion for scene in scenes} == set(MOTIONS)
    assert {(scene.width, scene.height) for scene in scenes} == {(160, 96)}
