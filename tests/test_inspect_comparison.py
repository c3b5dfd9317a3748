"""Two clips compared: what is the same, how far the rest is apart, and what cannot be compared."""

from dataclasses import replace

import numpy as np
import pytest

from ltx_nb import Clip, ClipRequest, inspect
from ltx_nb.tiny.world import Scene

SCENE = Scene(width=64, height=64, num_frames=17, phase=0.4)


@pytest.fixture
def clip():
    request = ClipRequest("A red ball.", width=64, height=64, num_frames=17, seed=1)
    return Clip(frames=SCENE.frames(), audio=SCENE.audio(), frame_rate=24.0, sample_rate=48_000, request=request)


def test_a_clip_is_itself(clip):
    found = inspect.compare(clip, clip)
    assert found.summary() == {
        "psnr_db": np.inf,
        "ssim": 1.0,
        "mel_db": 0.0,
        "same_frames": True,
        "same_audio": True,
    }
    assert found.differing == {}


def test_what_differs_is_named_and_measured(clip):
    other = replace(clip, frames=clip.frames // 2, request=clip.request.replace(seed=2))
    found = inspect.compare(clip, other)
    assert found.differing == {"seed": (1, 2)}
    summary = found.summary()
    assert summary["same_audio"] and not summary["same_frames"]
    assert 0 < summary["ssim"] < 1 and 5 < summary["psnr_db"] < 40


def test_the_shorter_one_says_how_long(clip):
    found = inspect.compare(clip, clip.slice(0.0, 9 / 24))
    assert len(found.ssim) == 9 and found.ssim.min() == 1 and found.differing == {}


def test_what_one_lacks_is_left_out(clip):
    found = inspect.compare(clip, Clip(audio=clip.audio, sample_rate=48_000))
    assert found.psnr_db is None and found.summary()["same_frames"] is None and found.summary()["same_audio"]


def test_other_sizes_are_not_compared(clip):
    with pytest.raises(ValueError, match="width is 64 of the first clip and 32 of the second"):
        inspect.compare(clip, Clip(frames=clip.frames[:, :, :32], frame_rate=24.0))
