"""What is heard, against synthetic sounds whose level, pitch and place are known."""

import numpy as np
import pytest

from ltx_nb.inspect import audio_view, bandwidth_extension, compare_audio

RATE = 48_000


def tone(hz, level=0.5, seconds=1.0, left=1.0, right=1.0, rate=RATE):
    wave = level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.stack([left * wave, right * wave]).astype(np.float32)


@pytest.fixture(scope="module")
def view_of_440():
    return audio_view(tone(440), RATE)


def test_a_sine_has_its_pitch_level_and_loudness(view_of_440):
    view = view_of_440
    assert np.nanmedian(view.pitch_hz) == pytest.approx(440, rel=0.005)
    loudest = view.spectrogram_db[:, 50].argmax()
    assert view.frequencies_hz[loudest] == pytest.approx(440, abs=view.frequencies_hz[1])
    assert view.spectrogram_db[loudest, 50] == pytest.approx(20 * np.log10(0.5), abs=1.5)
    assert view.peak_db == pytest.approx(20 * np.log10(0.5), abs=0.1)


def test_loudness_is_that_of_the_standard():
    # ITU-R BS.1770-4: a 997 Hz sine at 0 dBFS in one channel has -3.01 LKFS, so in both 0.0.
    assert audio_view(tone(997, level=1.0, right=0.0), RATE).loudness_lufs == pytest.approx(-3.01, abs=0.05)
    assert audio_view(tone(997, level=0.1), RATE).loudness_lufs == pytest.approx(-20.0, abs=0.05)


@pytest.mark.parametrize(("left", "right", "position"), [(1, 1, 0), (1, 0, -1), (0, 1, 1)])
def test_position_is_between_the_speakers(left, right, position):
    view = audio_view(tone(300, left=left, right=right, seconds=0.5), RATE)
    np.testing.assert_allclose(view.position[5:-5], position, atol=1e-6)


def test_the_centroid_of_two_tones_is_between_them():
    view = audio_view(tone(1000, 0.3) + tone(3000, 0.3), RATE)
    assert np.nanmedian(view.centroid_hz) == pytest.approx(2000, rel=0.05)


def test_an_onset_is_where_the_sound_begins():
    audio = np.pad(tone(800, seconds=0.5), ((0, 0), (RATE // 2, 0)))
    view = audio_view(audio, RATE)
    assert view.times_s[view.onset_db.argmax()] == pytest.approx(0.5, abs=0.025)


def test_times_are_right_at_a_rate_that_ten_milliseconds_do_not_divide():
    # 220.5 samples in 10 ms; frames 220 samples apart come 34 ms early after 15 s, if they are taken for 10 ms.
    audio = np.pad(tone(500, seconds=0.5, rate=22_050), ((0, 0), (15 * 22_050, 0)))
    view = audio_view(audio, 22_050)
    heard_s = view.times_s[np.isfinite(view.pitch_hz)]
    assert heard_s[0] == pytest.approx(15.0, abs=0.025)
    assert view.times_s[view.onset_db.argmax()] == pytest.approx(15.0, abs=0.025)


def test_noise_has_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, (2, RATE // 2)).astype(np.float32)
    assert np.isnan(audio_view(noise, RATE).pitch_hz).mean() > 0.95


def test_silence_has_no_pitch_place_or_loudness():
    view = audio_view(np.zeros((2, RATE // 2), np.float32), RATE)
    assert view.loudness_lufs == float("-inf")
    assert all(np.isnan(values).all() for values in (view.pitch_hz, view.centroid_hz, view.position))


def test_one_sample_is_looked_at():
    view = audio_view(np.full((2, 1), 0.5, np.float32), RATE)
    assert view.loudness_lufs is None and view.spectrogram_db.shape[1] == len(view.times_s)


def test_the_model_mel_is_what_the_vae_sees(view_of_440):
    from ltx_nb.mel import log_mel

    assert (view_of_440.model_mel == log_mel(tone(440), RATE).numpy()).all()


def test_latents_are_a_grid_on_the_time_axis():
    latents = np.arange(8 * 25 * 16, dtype=np.float32).reshape(8, 25, 16)
    view = audio_view(tone(440), RATE, latents)
    assert view.latent_grid[16 * 3 + 2, 7] == latents[3, 7, 2]
    assert view.latent_edges_s[-1] == pytest.approx(0.97)


def test_latents_of_the_picture_are_refused():
    with pytest.raises(ValueError, match=r"which is video; give audio latents, \[C, L, M\]"):
        audio_view(tone(440), RATE, np.zeros((128, 2, 1, 1), np.float32))


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros(100, np.float32), r"one channel is np.stack\(\[audio, audio\]\)"),
        (np.zeros((2, 0), np.float32), "N >= 1"),
        (np.full((2, 100), np.nan, np.float32), "NaN or infinity"),
        (np.zeros((2, 100)), r"audio.astype\('float32'\)"),
    ],
)
def test_what_is_no_sound_is_said(audio, message):
    with pytest.raises(ValueError, match=message):
        audio_view(audio, RATE)


@pytest.mark.parametrize(
    ("rate", "message"),
    [(100, "too small; the least is 8000"), (10**7, "too large; the most is 384000"), (48e3, "try 48000")],
)
def test_a_rate_that_is_none_is_said(rate, message):
    with pytest.raises(ValueError, match=message):
        audio_view(tone(440, seconds=0.1), rate)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100])
def test_every_mel_band_hears_something_at_any_rate(rate):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, rate // 2)).astype(np.float32)
    assert audio_view(noise, rate).mel_db.max(1).min() > -60


def test_a_comparison_measures_what_was_changed(view_of_440):
    same = compare_audio(view_of_440, view_of_440)
    assert (same.mel_distance_db == 0).all()
    softer = compare_audio(view_of_440, audio_view(tone(440, level=0.05), RATE))
    loud_bins = view_of_440.model_mel.mean(1).max(0) > -5
    assert loud_bins.any() and 0 < softer.mel_distance_db.mean() <= 20.01


def test_what_cannot_be_compared_is_said(view_of_440):
    with pytest.raises(ValueError, match=r"a ndarray is no AudioView; give audio_view\(audio, sample_rate\) of both"):
        compare_audio(view_of_440, tone(440))
    with pytest.raises(ValueError, match=r"names=\('before',\) are 1; give one for each"):
        compare_audio(view_of_440, view_of_440, names=("before",))


def test_bandwidth_extension_is_seen_at_both_rates(random_session):
    result = bandwidth_extension(random_session, np.zeros((8, 8, 16), np.float32))
    assert result.names == ("vocoder at 16 kHz", "vocoder at 48 kHz")
    assert result.before.duration_s == pytest.approx(result.after.duration_s)
    assert (result.before.frequencies_hz[-1], result.after.frequencies_hz[-1]) == (8000, 24_000)
