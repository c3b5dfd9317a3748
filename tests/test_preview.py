"""Previews against the decoders that they stand in for, on the trained tiny model."""

import numpy as np
import pytest
import torch

from ltx_nb.mel import log_mel
from ltx_nb.pipeline.encode import encode_audio, encode_video
from ltx_nb.pipeline.preview import PATCH, Preview


@pytest.fixture(scope="module")
def preview(session):
    return Preview(session.pipe)


def test_preview_shows_where_a_shape_is_and_its_colour(session, preview):
    frames = np.zeros((9, 128, 128, 3), np.uint8)
    frames[..., 2] = 90  # navy
    frames[:, 24:72, 64:112] = (220, 20, 20)
    with torch.no_grad():
        x0 = encode_video(session.pipe, torch.from_numpy(frames))[0]
    shown = preview.frames(x0).astype(int)
    assert shown.shape == (2, 4 * PATCH, 4 * PATCH, 3)
    reddish = shown[..., 0] - shown[..., 2]
    inside, outside = reddish[:, 4:8, 9:13], reddish[:, 11:, :6]
    assert inside.mean() > 80 and outside.mean() < 0


def test_strip_is_the_frames_side_by_side(preview):
    x0 = torch.randn(128, 3, 2, 4, generator=torch.Generator().manual_seed(0))
    strip = preview.strip(x0)
    assert strip.shape == (2 * PATCH, 3 * 4 * PATCH, 3)
    assert np.array_equal(strip[:, 4 * PATCH : 8 * PATCH], preview.frame(x0, 1))


def test_spectrogram_tells_sound_from_silence_and_left_from_right(session, preview):
    time_s = np.arange(48_000) / 48_000
    tone = 0.5 * np.sin(2 * np.pi * 440 * time_s).astype(np.float32) * (time_s > 0.5)
    waveform = torch.from_numpy(np.stack([tone, np.zeros_like(tone)]))
    with torch.no_grad():
        audio_x0 = encode_audio(session.pipe, waveform, 48_000, 25)[0]
    shown = preview.spectrogram(audio_x0)
    assert shown.shape == (2, 25, 64)
    band = int(log_mel(waveform, 48_000)[0, 75].argmax())
    left, right = shown[:, 15:, band].mean(1)
    assert left > shown[0, :10, band].mean() + 2 and left > right + 2


def test_maps_are_fitted_once(session, preview, monkeypatch):
    monkeypatch.setattr("ltx_nb.pipeline.preview._fit_video", lambda pipe: pytest.fail("fitted again"))
    Preview(session.pipe)
