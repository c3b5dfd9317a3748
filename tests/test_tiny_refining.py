"""Going on from the tiny model's weights: the world as tables, a wider decoder, the loop that fits a time."""

import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ltx_nb.mel import log_mel
from ltx_nb.tiny.training import refining
from ltx_nb.tiny.training.muon import Muon
from ltx_nb.tiny.training.refine_sound import middle_and_side, waveform_error
from ltx_nb.tiny.training.refining import Refinement, refine
from ltx_nb.tiny.training.rendering import pictures
from ltx_nb.tiny.training.tables import Clips, sounds_of, tracks
from ltx_nb.tiny.world import BACKGROUNDS, COLOURS, SHAPES, Scene, random_scene

CPU = torch.device("cpu")


def test_the_tracks_are_all_that_the_world_has():
    scenes, chances = tracks(160, 96, 49)
    assert chances.sum() == pytest.approx(1) and len(scenes) == len(chances)
    known = {scene.positions().round(3).tobytes() for scene in scenes}
    assert len(known) == len(scenes)
    rng = np.random.default_rng(0)
    drawn = [random_scene(rng, width=160, height=96) for _ in range(200)]
    assert {scene.positions().round(3).tobytes() for scene in drawn} <= known


def test_a_clip_of_the_table_is_a_scenes_picture():
    clips = Clips(64, 96, 9, CPU, 5, seed=1)
    index = torch.arange(5)
    scenes = [
        Scene(**vars(clips.scenes[track]) | dict(shape=SHAPES[shape], colour=colour, background=background))
        for track, shape, colour, background in zip(
            clips.track,
            clips.shape,
            [list(COLOURS)[at] for at in clips.colour],
            [list(BACKGROUNDS)[at] for at in clips.background],
            strict=True,
        )
    ]
    assert torch.equal(clips.pixels(index), pictures(scenes))
    assert torch.equal(clips.pixels(index, torch.full((5, 1), 3)), pictures(scenes)[:, :, 3:4])


def test_a_table_without_a_count_holds_every_scene_and_draws_as_the_world_does_but_faint_pairs_more_often():
    clips = Clips(128, 128, 1, CPU, None, seed=0)
    assert len(clips) == len(clips.scenes) * len(SHAPES) * len(COLOURS) * len(BACKGROUNDS)
    torch.manual_seed(0)
    drawn = clips.draw(20_000)
    still = (clips.motion[clips.track[drawn]] == 2).float().mean()
    assert still == pytest.approx(0.15, abs=0.01)
    pairs = torch.bincount(clips.colour[drawn] * len(BACKGROUNDS) + clips.background[drawn])
    faint, plain = (
        pairs[list(COLOURS).index(front) * len(BACKGROUNDS) + list(BACKGROUNDS).index(back)]
        for front, back in (("green", "gray"), ("white", "black"))
    )
    assert 3 < faint / plain < 5  # 101 and 394 apart in RGB


def test_mels_of_the_table_are_those_that_given_sound_gets():
    scene = Scene("triangle", phase=0.3, num_frames=25)
    table = sounds_of([scene], CPU)
    frames = table.mel.shape[-2]
    for at, shape in enumerate(SHAPES):
        wave = Scene(**vars(scene) | {"shape": shape}).audio()
        np.testing.assert_array_equal(table.high[0, at], wave)
        torch.testing.assert_close(table.mel[0, at], log_mel(wave, 48_000)[:, :frames], atol=0.25, rtol=0)


def test_a_waveform_error_hears_a_lost_side():
    left_only = torch.zeros(1, 2, 1600)
    left_only[:, 0] = torch.sin(torch.arange(1600) / 5)
    middle = left_only.mean(1, keepdim=True).expand(-1, 2, -1)
    assert waveform_error(left_only, left_only, 16_000) == 0
    assert waveform_error(middle, left_only, 16_000) > 0.5
    torch.testing.assert_close(middle_and_side(left_only).square().sum(), left_only.square().sum())


class LineFit(Refinement):
    """A refinement small enough to run whole: one linear layer learns to turn its input round."""

    name = "line"
    ema = 0.9

    def __init__(self):
        torch.manual_seed(0)
        self.model = torch.nn.Linear(4, 4)
        self.learned = torch.nn.ModuleDict({"model": self.model})
        self.optimizer = Muon(self.model.named_parameters(), lr=0.05, adam_lr=0.01)

    def loss(self, progress):
        x = torch.randn(64, 4)
        return (self.model(x).float() - x.flip(1)).square().mean(), {}


def test_a_refinement_learns_within_its_steps_and_writes_its_average_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(refining, "FILE_BYTES", 36)
    refine(LineFit(), tmp_path, time.monotonic() + 600, max_steps=300)
    assert len(list(tmp_path.iterdir())) == 2
    state = {key: value for path in tmp_path.iterdir() for key, value in load_file(path).items()}
    assert (state["model/weight"].float() - torch.eye(4).flip(0)).square().mean() < 0.02


def test_a_refinement_whose_time_is_over_writes_what_it_began_with(tmp_path):
    part = LineFit()
    refine(part, tmp_path, time.monotonic())
    assert torch.equal(load_file(tmp_path / "line-0.safetensors")["model/weight"], part.model.weight.bfloat16())
