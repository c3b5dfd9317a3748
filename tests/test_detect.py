"""The detectors against rendered ground truth: clean, and spoilt as a small VAE and vocoder would."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage, signal

from ltx_nb.tiny.detect import Heard, Seen, hear, lags_s, outline, see
from ltx_nb.tiny.world import EDGE, FRAME_RATE, SAMPLE_RATE_HZ, SOUNDS, Scene, random_scene

# width, height, frames: every size and length, the short ones more often to save time
SIZES = (
    (128, 128, 25),
    (128, 128, 49),
    (160, 96, 25),
    (96, 160, 25),
    (128, 128, 25),
    (160, 96, 49),
    (128, 128, 25),
    (96, 160, 49),
    (160, 96, 25),
    (96, 160, 25),
)
NUM_SCENES = 156


@dataclass
class Reading:
    scene: Scene
    seen: Seen
    heard: Heard


def blurred_noisy_frames(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    soft = ndimage.gaussian_filter(frames.astype(np.float32), (0.5, 1.5, 1.5, 0))
    noise = 8 * rng.standard_normal(frames.shape, dtype=np.float32)  # 30 dB PSNR by itself
    return np.clip(np.round(soft + noise), 0, 255).astype(np.uint8)


def smeared_audio(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Low-passed at 6 kHz, spread by 10 ms of diffuse echo around each moment, with a noise floor at -60 dBFS."""
    echo = rng.standard_normal(480) * np.hanning(480)
    echo *= 0.6 / np.linalg.norm(echo)
    echo[240] += 0.8
    spread = np.stack([np.convolve(side, echo, mode="same") for side in audio])
    low = signal.sosfiltfilt(signal.butter(4, 6000, fs=SAMPLE_RATE_HZ, output="sos"), spread)
    return (low + 0.0007 * rng.standard_normal(low.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def readings() -> dict[str, list[Reading]]:
    rng = np.random.default_rng(11)
    clean, spoilt = [], []
    for index in range(NUM_SCENES):
        width, height, num_frames = (128, 128, 97) if index < 4 else SIZES[index % len(SIZES)]
        scene = random_scene(rng, width=width, height=height, num_frames=num_frames)
        frames, audio = scene.frames(), scene.audio()
        clean.append(Reading(scene, see(frames, FRAME_RATE), hear(audio)))
        if num_frames == 25:
            worse = blurred_noisy_frames(frames, rng)
            spoilt.append(Reading(scene, see(worse, FRAME_RATE), hear(smeared_audio(audio, rng))))
    return {"clean": clean, "spoilt": spoilt}


@pytest.mark.parametrize("field", ["background", "colour", "shape", "motion"])
@pytest.mark.parametrize("state, least", [("clean", 0.99), ("spoilt", 0.97)])
def test_what_is_seen_is_what_was_drawn(readings, state, least, field):
    right = [getattr(one.seen, field) == getattr(one.scene, field) for one in readings[state]]
    assert np.mean(right) >= least


@pytest.mark.parametrize("state, least", [("clean", 0.99), ("spoilt", 0.97)])
def test_the_sound_is_named_where_there_is_one(readings, state, least):
    right = [one.heard.sound == SOUNDS[one.scene.shape] for one in readings[state] if one.scene.sounds]
    assert np.mean(right) >= least


@pytest.mark.parametrize("state", ["clean", "spoilt"])
def test_silent_means_silent_and_only_then(readings, state):
    assert [one.heard.silent for one in readings[state]] == [not one.scene.sounds for one in readings[state]]


@pytest.mark.parametrize("state", ["clean", "spoilt"])
def test_contacts_are_seen_in_time(readings, state):
    found = [lags_s(one.seen.contacts_s, one.scene.contacts_s) for one in readings[state]]
    error_ms = 1000 * np.abs(np.concatenate(found))
    assert np.median(error_ms) <= 10
    assert np.percentile(error_ms, 95) <= 25


@pytest.mark.parametrize("state, least", [("clean", 0.97), ("spoilt", 0.95)])
def test_no_contact_is_missed_or_invented(readings, state, least):
    # A contact within a fraction of a frame of either end leaves no turn to see.
    right = [len(one.seen.contacts_s) == len(one.scene.contacts_s) for one in readings[state]]
    assert np.mean(right) >= least


@pytest.mark.parametrize("state", ["clean", "spoilt"])
def test_onsets_are_the_contacts_one_for_one(readings, state):
    for one in readings[state]:
        if one.scene.sounds:
            assert len(one.heard.onsets_s) == len(one.scene.contacts_s), one.scene
            assert np.abs(one.heard.onsets_s - one.scene.contacts_s).max() <= 0.010, one.scene


def test_contacts_that_are_smoothed_in_time_are_still_found():
    rng = np.random.default_rng(15)
    for motion in ("bounce", "slide") * 3:
        scene = random_scene(rng, motion=motion, num_frames=49, phase=0.6, energy=0.5)
        soft = ndimage.gaussian_filter1d(scene.frames().astype(np.float32), 1.5, axis=0)
        contacts_s = see(np.round(soft).astype(np.uint8), FRAME_RATE).contacts_s
        assert len(contacts_s) == len(scene.contacts_s)
        np.testing.assert_allclose(contacts_s, scene.contacts_s, atol=0.025)


def test_sounds_come_from_where_the_object_touches(readings):
    for one in readings["clean"]:
        if one.scene.sounds:
            np.testing.assert_allclose(one.heard.onsets_x, one.scene.contacts_x, atol=0.02)


def test_the_track_follows_the_object(readings):
    for one in readings["clean"]:
        offset = one.seen.track_px - one.scene.positions()
        assert np.abs(offset - offset.mean(0)).max() < 0.1, one.scene  # px: edges of 2 px are read to a tenth of one
        low = one.scene.radius_px / 3 if one.scene.shape == "triangle" else 0
        np.testing.assert_allclose(offset.mean(0), [0, low], atol=0.2)


def test_a_late_sound_measures_late():
    rng = np.random.default_rng(12)
    lags = []
    for _ in range(8):
        scene = random_scene(rng, silent=False, motion="bounce", num_frames=49)
        onsets = hear(scene.audio(shift_s=0.120)).onsets_s
        lags.append(lags_s(onsets, see(scene.frames(), FRAME_RATE).contacts_s))
    assert 1000 * np.median(np.concatenate(lags)) == pytest.approx(120, abs=10)


def test_lags_are_signed_and_to_the_nearest_contact():
    np.testing.assert_allclose(lags_s(np.array([0.9, 1.3, 2.1]), np.array([1.0, 2.0])), [-0.1, 0.3, 0.1])
    assert np.isinf(lags_s(np.array([0.9]), np.zeros(0))).all()


def test_an_empty_picture_shows_nothing():
    seen = see(np.full((9, 64, 64, 3), (18, 28, 84), dtype=np.uint8), FRAME_RATE)
    assert (seen.background, seen.colour, seen.shape, seen.motion) == ("navy", "none", "none", "none")
    assert np.isnan(seen.track_px).all()


def test_two_objects_are_no_shape():
    frames = Scene(motion="still", start=0.0, num_frames=9).frames()
    both = np.where(np.arange(128)[:, None] < 64, frames, frames[:, :, ::-1])
    assert see(frames, FRAME_RATE).shape == "ball"
    assert see(both, FRAME_RATE).shape == "none"


def test_an_object_that_comes_and_goes_has_no_motion():
    frames = Scene(motion="still", num_frames=9).frames()
    frames[::2] = frames[0, 0, 0]
    assert see(frames, FRAME_RATE).motion == "none"


def test_a_diagonal_path_is_no_motion_of_this_world():
    frames = Scene(motion="slide", num_frames=25, phase=0.1).frames()
    sinking = np.stack([np.roll(frame, -2 * index, axis=0) for index, frame in enumerate(frames)])
    assert see(sinking, FRAME_RATE).motion == "none"


def test_noise_is_heard_but_not_named():
    rng = np.random.default_rng(13)
    heard = hear(0.1 * rng.standard_normal((2, SAMPLE_RATE_HZ)).astype(np.float32))
    assert not heard.silent
    assert heard.sound == "none"


def test_a_faint_floor_is_silence_and_a_quiet_strike_is_not():
    rng = np.random.default_rng(14)
    floor = 0.001 * rng.standard_normal((2, SAMPLE_RATE_HZ)).astype(np.float32)
    assert hear(floor).silent
    strike = Scene(phase=0.5).audio()
    quiet = hear(0.05 * strike)
    assert not quiet.silent
    assert quiet.sound == "thump"


def test_a_ringing_bell_is_one_strike_each_contact():
    scene = Scene(shape="triangle", phase=0.7, energy=0.0, num_frames=97)
    assert len(hear(scene.audio()).onsets_s) == len(scene.contacts_s) == 6


def test_wrong_arrays_are_refused():
    with pytest.raises(ValueError, match=r"frames are float64 \[2, 4, 4, 3\]; they must be uint8 \[F, H, W, 3\]"):
        see(np.zeros((2, 4, 4, 3)), FRAME_RATE)
    with pytest.raises(ValueError, match=r"audio has shape \[100\]; it must be \[2, samples\]"):
        hear(np.zeros(100))


@pytest.mark.parametrize("shape, roundness", (("ball", 1.0), ("square", np.pi / 4), ("triangle", 0.62)))
def test_an_outline_is_as_sharp_and_as_round_as_it_is_drawn(shape, roundness):
    found = outline(Scene(shape=shape, num_frames=9).frames())
    assert found.rise_px == pytest.approx(0.8 * EDGE, abs=0.5)
    assert found.roundness == pytest.approx(roundness, abs=0.03)
    assert found.flicker_levels == 0


def test_blur_widens_the_outline_and_a_grid_roughens_it():
    frames = Scene(num_frames=9).frames()
    soft = ndimage.gaussian_filter(frames.astype(np.float32), (0, 3, 3, 0))
    ragged = frames.copy()
    ragged[:, ::4] = np.roll(ragged, 3, axis=2)[:, ::4]
    assert outline(soft.astype(np.uint8)).rise_px > 2 * outline(frames).rise_px
    assert outline(ragged).roundness < 0.8 * outline(frames).roundness


def test_flicker_is_counted_where_nothing_moves():
    frames = Scene(num_frames=9).frames().astype(int)
    frames[::2] += 3
    assert outline(frames.clip(0, 255).astype(np.uint8)).flicker_levels == pytest.approx(3, abs=0.01)


def test_a_clip_without_an_object_has_no_outline():
    assert np.isnan(outline(np.zeros((9, 64, 64, 3), np.uint8)).rise_px)
