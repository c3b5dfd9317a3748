"""Speech: an engine by name or of one's own, room noise, and errors that say which file or program is missing."""

import shutil

import numpy as np
import pytest

import ltx_nb
from ltx_nb.spoken import VOICES, room_noise

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not on PATH")


def tone(words, voice):
    """An engine that hums a tenth of a second for each word."""
    return 0.5 * np.sin(np.arange(1600 * len(words.split())) / 5), 16_000


def test_an_engine_is_a_function_and_gives_both_sides():
    waveform, rate = ltx_nb.speech("one two three", engine=tone)
    assert (waveform.shape, waveform.dtype, rate) == ((2, 4800), np.float32, 16_000)
    assert (waveform[0] == waveform[1]).all()


def test_room_noise_has_its_level_and_lies_under_the_words():
    noise = room_noise(48_000, -50)
    assert np.abs(20 * np.log10(np.sqrt((noise**2).mean())) + 50) < 0.1
    plain, _ = ltx_nb.speech("one two", engine=tone)
    noisy, _ = ltx_nb.speech("one two", engine=tone, room_noise_dbfs=-50)
    assert np.abs(noisy - plain).max() < 0.03 and (noisy != plain).any() and (noisy[0] != noisy[1]).any()


def test_a_clip_follows_what_an_engine_spoke(random_session):
    waveform, rate = ltx_nb.speech("one two three four", engine=tone)
    sampling = ltx_nb.Sampling(num_inference_steps=1)
    clip = random_session.audio_to_video(
        "a ball", waveform, rate, width=64, height=64, seconds=0.4, sampling=sampling, progress=False
    )
    assert clip.provenance["audio"][0][2] == "source" and np.abs(clip.audio).max() > 0.4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": "  "}, "words is empty; give a sentence"),
        ({"engine": "espeak"}, "engine='espeak' is not one of .* did you mean 'espeak-ng'"),
        ({"engine": lambda words, voice: (np.zeros((3, 5)), 16_000)}, r"samples of shape \(3, 5\); want float \[N\]"),
        ({"engine": tone, "room_noise_dbfs": 3}, "room_noise_dbfs=3.0 is too large; the most is 0"),
        ({"engine": tone, "voice": 3}, "voice=3 is a int, not a str"),
    ],
)
def test_what_cannot_be_spoken_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ltx_nb.speech(**{"words": "one"} | options)


@pytest.mark.parametrize(
    ("engine", "missing"),
    [
        ("kittentts", "needs kitten_tts_nano_v0_1.onnx, voices.npz in .*KittenML/kitten-tts-nano-0.1"),
        ("kokoro-onnx", "needs kokoro-v1.0.onnx, voices-v1.0.bin in .*thewh1teagle/kokoro-onnx"),
        ("supertonic", "needs onnx/tts.json, .*voice_styles/M1.json in .*Supertone/supertonic-3"),
    ],
)
def test_files_that_are_missing_are_named_and_not_fetched(engine, missing, tmp_path):
    with pytest.raises(ValueError, match=f"{missing}.*and give folder="):
        ltx_nb.speech("one", engine=engine, folder=tmp_path)


def test_no_program_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=r"espeak-ng is not on PATH; install it .*apt install espeak-ng"):
        ltx_nb.speech("one")


@needs_espeak
def test_espeak_speaks_and_takes_text_for_text():
    waveform, rate = ltx_nb.speech("One. Two.", voice="en-gb")
    assert rate == 22_050 and waveform.shape[0] == 2 and 0.5 < waveform.shape[1] / rate < 3
    option, _ = ltx_nb.speech("-v en-us")  # said, not obeyed
    assert np.abs(option).max() > 0.1


@needs_espeak
@pytest.mark.parametrize("voice", ["xx-none", "../voice", "--path=/tmp"])
def test_a_voice_that_there_is_not_is_refused(voice):
    with pytest.raises(ValueError, match="espeak-ng --voices lists them"):
        ltx_nb.speech("one", voice=voice)


def test_every_engine_has_a_usual_voice():
    assert set(VOICES) == {"espeak-ng", "kittentts", "kokoro-onnx", "supertonic"}
