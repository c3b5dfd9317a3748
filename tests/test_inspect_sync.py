"""The measured lag against scenes whose sound was moved by a known time, and against clips with nothing to match."""

import numpy as np
import pytest
import soxr

from ltx_nb import Clip
from ltx_nb.inspect import av_sync
from ltx_nb.inspect.sync import MIN_ONSET_DB, onset_envelope
from ltx_nb.tiny.detect import see
from ltx_nb.tiny.world import Scene, random_scene

SHIFTS_S = np.linspace(-0.3, 0.3, 12)


def clip_of(frames, audio):
    return Clip(frames=frames, audio=audio.astype(np.float32), frame_rate=24.0, sample_rate=48_000)


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(5)
    kinds = ("bounce", "slide")
    return [random_scene(rng, motion=kinds[n % 2], silent=False, width=64, height=64) for n in range(len(SHIFTS_S))]


@pytest.fixture(scope="module")
def scene():
    return Scene(motion="bounce", energy=0.9, width=64, height=64)


def test_a_known_shift_is_found(scenes):
    results = [av_sync(clip_of(one.frames(), one.audio(s))) for one, s in zip(scenes, SHIFTS_S, strict=True)]
    confident = [(one, s) for one, s in zip(results, SHIFTS_S, strict=True) if not one.is_low]
    errors_ms = np.array([one.lag_ms - 1000 * s for one, s in confident])
    assert len(confident) >= 0.8 * len(results)
    assert np.median(np.abs(errors_ms)) <= 20
    assert np.abs(errors_ms).max() <= 40


def test_late_sound_is_positive(scene):
    late = av_sync(clip_of(scene.frames(), scene.audio(0.2)))
    early = av_sync(clip_of(scene.frames(), scene.audio(-0.2)))
    assert late.lag_ms > 0 > early.lag_ms
    assert str(late).startswith("sound 2") and "ms late (confidence 0." in str(late)
    assert "ms early" in str(early)


@pytest.mark.parametrize("shape", ("ball", "square", "triangle"))
def test_every_sound_of_the_world_is_counted_once_and_in_time(shape):
    for motion, energy in (("bounce", 0.2), ("slide", 0.8)):
        scene = Scene(shape=shape, motion=motion, energy=energy)
        result = av_sync(clip_of(scene.frames()[:, ::2, ::2], scene.audio()))
        assert result.sounds_s == pytest.approx(scene.contacts_s, abs=0.01)
        assert result.onset_db.max() > 3 * MIN_ONSET_DB


def test_a_low_thump_among_hiss_is_counted():
    scene = Scene(shape="ball")
    hiss = np.random.default_rng(3).normal(0, 0.003, scene.audio().shape)
    result = av_sync(clip_of(scene.frames()[:, ::2, ::2], np.clip(scene.audio() + hiss, -1, 1)))
    assert result.sounds_s == pytest.approx(scene.contacts_s, abs=0.02)
    assert not result.is_low


@pytest.mark.parametrize("steepness", (0, 0.5, 1))
def test_noise_of_any_colour_never_begins(steepness):
    rng = np.random.default_rng(7)
    spectrum = np.fft.rfft(rng.normal(size=20 * 48_000))
    noise = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 400) ** steepness)
    both = np.stack([noise, noise]) * 0.5 / np.abs(noise).max()
    assert onset_envelope(both.astype(np.float32), 48_000)[1].max() < MIN_ONSET_DB


def test_contacts_that_are_known_better_are_used(scene):
    frames = scene.frames()
    result = av_sync(clip_of(frames, scene.audio(0.1)), visible_s=see(frames, 24.0).contacts_s)
    assert result.lag_ms == pytest.approx(100, abs=20) and not result.is_low


def test_times_that_are_none_are_refused(scene):
    with pytest.raises(ValueError, match="visible_s=nan is not finite"):
        av_sync(clip_of(scene.frames(), scene.audio()), visible_s=[0.5, float("nan")])
    with pytest.raises(ValueError, match=r"visible_s=0.5 is a float; give a list: \[0.5\]"):
        av_sync(clip_of(scene.frames(), scene.audio()), visible_s=0.5)


def test_events_that_are_known_not_to_be_there_are_none(scene):
    result = av_sync(clip_of(scene.frames(), scene.audio()), visible_s=[])
    assert result.lag_ms is None and result.note == "nothing is seen to happen"


def test_sounds_at_other_rates_are_measured(scene):
    for rate in (8000, 16_000, 44_100):
        audio = soxr.resample(scene.audio(0.1).T, 48_000, rate).T.clip(-1, 1)
        clip = Clip(frames=scene.frames(), audio=np.ascontiguousarray(audio), frame_rate=24.0, sample_rate=rate)
        assert av_sync(clip).lag_ms == pytest.approx(100, abs=20), rate


def test_a_rate_too_low_to_hear_an_onset_is_said(scene):
    clip = Clip(frames=scene.frames(), audio=scene.audio(), frame_rate=24.0, sample_rate=100)
    with pytest.raises(ValueError, match="sample_rate=100 is too small; the least is 8000"):
        av_sync(clip)


def test_each_event_has_its_own_lag(scene):
    result = av_sync(clip_of(scene.frames(), scene.audio()))
    assert len(result.events) >= 2
    assert result.lag_ms == pytest.approx(np.median([event.lag_ms for event in result.events]))
    for event in result.events:
        assert np.abs(scene.contacts_s - event.visible_s).min() < 0.03


@pytest.mark.parametrize("seed", range(3))
def test_nothing_to_match_is_said(scene, seed):
    rng = np.random.default_rng(seed)
    frames, audio = scene.frames(), scene.audio()
    noise_frames = rng.integers(0, 256, frames.shape, dtype=np.uint8)
    noise_audio = np.clip(rng.normal(0, 0.1, audio.shape), -1, 1)
    still = np.repeat(frames[:1], len(frames), axis=0)
    nothing = [(frames, 0 * audio), (still, audio), (noise_frames, noise_audio), (noise_frames, audio)]
    for one in (*nothing, (frames, noise_audio)):
        result = av_sync(clip_of(*one))
        assert result.is_low and result.note
        assert "confidence" in str(result)


def test_sounds_of_another_clip_are_doubted(scene):
    other = Scene(motion="bounce", energy=0.9, phase=0.6, num_frames=97)
    long = Scene(motion="bounce", energy=0.0, num_frames=97, width=64, height=64)
    result = av_sync(clip_of(long.frames(), other.audio()))
    same = av_sync(clip_of(long.frames(), long.audio()))
    assert result.confidence < 0.6 * same.confidence


def test_a_clip_of_one_frame_or_one_sample_is_measured(scene):
    frames, audio = scene.frames(), scene.audio()
    for short in (clip_of(frames[:1], audio[:, :2000]), clip_of(frames[:3], audio[:, :1])):
        assert av_sync(short).lag_ms is None


def test_a_missing_lane_is_said(scene):
    with pytest.raises(ValueError, match="this clip has no sound"):
        av_sync(Clip(frames=scene.frames(), frame_rate=24.0))
    with pytest.raises(ValueError, match="this clip has no picture"):
        av_sync(Clip(audio=scene.audio(), sample_rate=48_000))
