"""The tiny world's control LoRA: its pairs, its training, and that the one that ships follows paths it never saw."""

import json

import numpy as np
import pytest
from safetensors import safe_open

from ltx_nb.loading import lora_notes, use_loras
from ltx_nb.tiny.control import SILHOUETTE, draw_pairs, evaluate_control, train
from ltx_nb.tiny.world import Scene
from ltx_nb.training import read_dataset


def path_of(pair):
    return pair.scene.positions().round(3).tobytes()


def test_a_silhouette_is_white_where_the_object_is_and_black_elsewhere():
    scene = Scene(colour="yellow", background="teal", num_frames=17)
    frames = scene.frames().astype(int)
    shown = scene.silhouette()
    assert shown.shape == frames.shape and shown.dtype == np.uint8
    assert (frames[shown[..., 0] == 255] == (235, 205, 55)).all() and (
        frames[shown[..., 0] == 0] == (12, 98, 100)
    ).all()
    assert set(np.unique(shown)) >= {0, 255} and (shown[..., 0] == shown[..., 2]).all()


def test_held_out_paths_are_in_no_pair_that_is_learned_from():
    learned, measured = (draw_pairs(60, 3, held_out=held_out) for held_out in (False, True))
    assert not {path_of(pair) for pair in learned} & {path_of(pair) for pair in measured}
    others = [pair.seen.shape != pair.scene.shape for pair in learned]
    assert 0.15 < np.mean(others) < 0.55
    assert all(np.array_equal(pair.seen.positions(), pair.scene.positions()) for pair in learned)
    shorter = draw_pairs(60, 3, held_out=True, num_frames=25)
    assert [pair.caption for pair in shorter] == [pair.caption for pair in measured]


def test_pairs_become_a_dataset_that_is_learned_from(session, tmp_path):
    out = train(session, tmp_path / "x.safetensors", tmp_path / "work", clips=2, steps=1)
    examples = read_dataset(tmp_path / "work" / "pairs.json", "reference_video")
    assert [example.references[0].name for example in examples] == ["0-silhouette.mp4", "1-silhouette.mp4"]
    assert lora_notes(session, out).follows_reference


def test_the_one_that_ships_is_small_and_says_what_it_is(session):
    assert SILHOUETTE.stat().st_size <= 2_000_000
    assert lora_notes(session, SILHOUETTE).follows_reference
    with safe_open(SILHOUETTE, framework="pt") as file:
        about = file.metadata()
    assert (about["base_model"], about["reference_downscale_factor"]) == ("tiny", "1")
    assert json.loads(about["rank"]) == 32 and len(about["data_sha256"]) == 64


@pytest.fixture
def steered(session):
    use_loras(session, SILHOUETTE)
    yield session
    use_loras(session, ())


def test_the_one_that_ships_follows_what_it_never_saw(steered):
    found = evaluate_control(steered, cases=4, seed=81_000, progress=False)
    value = {metric["name"]: metric["value"] for metric in found["metrics"]}
    assert value["object within 6 px of the reference's track"] >= 90
    assert value["colour by the prompt"] == value["shape by the prompt"] == 100
    assert value["median distance from the reference's contact to the sound"] <= 60


def test_without_it_the_reference_is_copied_whole(session):
    """White, whatever the prompt says: what a reference does not say is learned, too."""
    found = evaluate_control(session, cases=3, seed=70_000, progress=False)
    value = {metric["name"]: metric["value"] for metric in found["metrics"]}
    assert value["colour by the prompt"] < 50
    assert len(found["failures"]) >= 2


def test_bounces_and_slides_are_held_out():
    assert {pair.scene.motion for pair in draw_pairs(40, 5, held_out=True)} >= {"bounce", "slide"}
