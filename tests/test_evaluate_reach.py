"""How far a model reaches, of one that renders the truth and of one that loses its object."""

from dataclasses import replace

import numpy as np
import pytest

from ltx_nb.clip import Clip
from ltx_nb.tiny import evaluate_reach as reach
from ltx_nb.tiny.evaluate import rendered_clip
from ltx_nb.tiny.world import Scene


class Shrinking:
    """A session whose clips all show the same small, white triangle, half of one that belongs there."""

    def clip(self, frames: int, width: int = 128, height: int = 128) -> Clip:
        scene = Scene("triangle", "white", "black", "still", width=width, height=height, num_frames=frames)
        clip = rendered_clip(scene)
        pictures = clip.frames.copy()
        pictures[:, :, : int(scene.positions()[0, 0])] = pictures[:, :1, :1]
        return replace(clip, frames=pictures)

    def extend(self, clip, seconds, *, direction, prompt, seed, progress):
        return self.clip(clip.num_frames + 24)

    def storyboard(self, shots, *, seconds, seed, progress):
        return self.clip(24 * len(shots) + 1)

    def text_to_video(self, prompt, *, width, height, num_frames, seed, progress):
        return self.clip(num_frames, width, height)


@pytest.fixture(scope="module")
def lost() -> dict:
    return reach.evaluate_reach(Shrinking(), rounds=1, progress=False)


def test_what_is_rendered_is_right(lost):
    assert {metric["name"]: metric["rendered"] for metric in lost["metrics"]} == dict.fromkeys(reach.ROWS, 100.0)
    counts = [metric["count"] for metric in lost["metrics"]]
    assert counts == [9, 9, 2 * reach.SHOTS, 9, 15]


def test_an_object_that_is_lost_is_found(lost):
    assert [metric["value"] for metric in lost["metrics"]] == [0.0] * len(reach.ROWS)
    assert [metric["reached"] for metric in lost["metrics"]] == [False] * 4 + [None]
    words = " ".join(what for failure in lost["failures"] for what in failure["wrong"])
    assert "area is" in words and "shot 9: " in words and "256x160x97: " in words


def test_area_is_of_the_object():
    frames = Scene("square", num_frames=3).frames()
    assert reach._area(frames) == pytest.approx(40 * 40, rel=0.01)
    assert reach._area(np.zeros_like(frames)) == 0
