"""Edges of a clip as a control picture, and what is said where there can be none."""

import sys

import numpy as np
import pytest

from ltx_nb import Clip
from ltx_nb.control import edges
from ltx_nb.tiny.world import Scene


def clip_of(scene):
    return Clip(frames=scene.frames(), audio=scene.audio(), frame_rate=24.0, sample_rate=48_000)


def test_edges_are_where_the_object_ends(tmp_path):
    scene = Scene(shape="ball", colour="white", background="black", num_frames=9)
    found = edges(clip_of(scene))
    assert found.audio is None and found.frame_rate == 24.0
    assert set(np.unique(found.frames)) == {0, 255} and (found.frames[..., 0] == found.frames[..., 2]).all()
    frame, y, x = np.nonzero(found.frames[..., 0])
    far_px = np.hypot(*(np.stack([x, y], 1) + 0.5 - scene.positions()[frame]).T)
    assert np.abs(far_px - scene.radius_px).max() < 2.5 and set(frame) == set(range(9))
    clip_of(scene).save(tmp_path / "ball.mp4")
    assert edges(tmp_path / "ball.mp4").frames.shape == found.frames.shape


def test_a_larger_blur_keeps_fewer():
    noisy = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    sharp, blurred = (edges(Clip(frames=noisy, frame_rate=24.0), sigma=sigma).frames.mean() for sigma in (1, 4))
    assert blurred < sharp


def test_sound_has_no_edges():
    with pytest.raises(ValueError, match="has no picture"):
        edges(Clip(audio=np.zeros((2, 4800), np.float32), sample_rate=48_000))


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.raises(ImportError, match=r'pip install "ltx-nb\[control\]"'):
        edges(clip_of(Scene(num_frames=9)))
