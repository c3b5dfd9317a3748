"""The audio front end against librosa, and its refusals."""

import librosa
import numpy as np
import pytest
import torch

from ltx_nb.mel import FLOOR, SAMPLE_RATE_HZ, log_mel


def tone(hz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(round(rate * seconds)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * hz * t), 0.25 * np.sin(2 * np.pi * hz * t)]).astype(np.float32)


def test_equals_librosa():
    wave = tone(440, SAMPLE_RATE_HZ) + 0.01 * np.random.default_rng(0).standard_normal((2, 8000)).astype(np.float32)
    for channel, mel in zip(wave, log_mel(wave, SAMPLE_RATE_HZ), strict=True):
        expected = librosa.feature.melspectrogram(
            y=channel, sr=16000, n_fft=1024, hop_length=160, n_mels=64, power=1.0, pad_mode="reflect", fmax=8000
        )
        np.testing.assert_allclose(mel.T, np.log(np.maximum(expected, 1e-5)), atol=2e-3)


def test_one_hundred_frames_a_second_at_any_sample_rate():
    for rate in (16_000, 44_100, 48_000):
        assert log_mel(tone(1000, rate, 1.0), rate).shape == (2, 101, 64)


def test_silence_is_the_floor_and_one_channel_serves_both():
    mel = log_mel(np.zeros((1, 8000), np.float32), SAMPLE_RATE_HZ)
    assert torch.allclose(mel, torch.full_like(mel, float(np.log(FLOOR))))


@pytest.mark.parametrize(
    "shape, message", [((8000,), "must be"), ((3, 8000), "1 or 2 channels"), ((2, 100), "shortest")]
)
def test_refuses_other_shapes(shape, message):
    with pytest.raises(ValueError, match=message):
        log_mel(np.zeros(shape, np.float32), SAMPLE_RATE_HZ)
