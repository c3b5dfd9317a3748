"""What attention means is measured against chance: by hand on planted maps, and once on the model."""

import numpy as np
import pytest

from ltx_nb.inspect.attention import AttentionMaps, TokenGrid
from ltx_nb.tiny.detect import see
from ltx_nb.tiny.evaluate_attention import (
    colour_on_object,
    contact_to_sound,
    evaluate_attention,
    object_cells,
    sound_to_contact,
)
from ltx_nb.tiny.scores import Case
from ltx_nb.tiny.world import FRAME_RATE, Scene

FRAMES, SIDE, LATENTS = 7, 4, 51
GRID = TokenGrid(
    (FRAMES, SIDE, SIDE),
    np.maximum(8 * np.arange(FRAMES + 1) - 7, 0) / FRAME_RATE,
    np.maximum(4 * np.arange(LATENTS + 1) - 3, 0) / 100,
)
CONTACT_S = 0.9  # frame 21.6: latent frame 3 covers frames 17 to 24


def maps_of(name: str, rows: np.ndarray, tokenizer=None) -> AttentionMaps:
    return AttentionMaps((0,), ("video_to_audio", "audio_to_video", "text"), tokenizer, GRID, 1, 64, {(name, 0): rows})


def test_attention_that_looks_at_everything_is_at_chance():
    cells = FRAMES * SIDE * SIDE
    even = maps_of("video_to_audio", np.full((LATENTS, cells), 1 / cells))
    assert sound_to_contact(even, np.array([CONTACT_S])) == pytest.approx([1.0])
    even = maps_of("audio_to_video", np.full((cells, LATENTS), 1 / LATENTS))
    assert contact_to_sound(even, np.array([CONTACT_S])) == pytest.approx([1.0])


def test_attention_on_the_contact_alone_is_as_far_from_chance_as_it_can_be():
    rows = np.zeros((LATENTS, FRAMES, SIDE * SIDE))
    rows[:, 3] = 1 / SIDE**2
    assert sound_to_contact(maps_of("video_to_audio", rows.reshape(LATENTS, -1)), np.array([CONTACT_S])) == [FRAMES]
    rows = np.zeros((FRAMES, SIDE * SIDE, LATENTS))
    latent = int(np.searchsorted(GRID.audio_edges_s, CONTACT_S, side="right")) - 1
    rows[3, :, latent : latent + 2] = 0.5
    found = contact_to_sound(maps_of("audio_to_video", rows.reshape(-1, LATENTS)), np.array([CONTACT_S]))
    assert found == pytest.approx([LATENTS / 2])


def test_a_colour_that_only_its_object_looks_at_stands_out(session):
    scene = Scene(start=0.99, phase=0.3)
    seen = see(scene.frames(), FRAME_RATE)
    covered = object_cells(GRID, scene, seen)
    assert covered.sum(axis=(1, 2)).min() >= 1 and covered.sum(axis=(1, 2)).max() <= 4
    assert not covered[:, :, 0].any()  # it bounces at the right wall
    rows = np.full((covered.size, 65), 0.01)
    rows[covered.ravel(), :64] = 0.03
    case = Case(scene.caption(), 1, scene)
    maps = maps_of("video_text", rows, session.pipe.tokenizer)
    maps.sums["audio_text", 0] = np.full((LATENTS, 65), 0.01)
    ratio = colour_on_object(maps, case, seen)
    share = covered.mean()
    assert ratio == pytest.approx([0.03 / (0.03 * share + 0.01 * (1 - share))])


def test_the_model_is_measured_on_every_case(session):
    result = evaluate_attention(session, cases=2, progress=False)
    assert result["measured_on"].startswith("2 held-out pairs")
    assert {metric["unit"] for metric in result["metrics"]} == {"x chance"}
