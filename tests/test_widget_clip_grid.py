"""Grid of clips: where each clip of a sweep stands, what the browser is sent, and whose request a click sets."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_nb.sampling import Sampling
from ltx_nb.sweep import grid, sweep
from ltx_nb.timed import TimedPrompt
from ltx_nb.tiny.world import Scene
from ltx_widgets import ClipGrid, Prompt
from ltx_widgets.clip_grid import cells
from ltx_widgets.clip_grid.places import places_of

SMALL = {"width": 64, "height": 64, "num_frames": 9, "num_inference_steps": 1}


@dataclass(frozen=True)
class Row:
    request: ClipRequest
    path: Path
    error: str | None = None


@pytest.fixture
def rows(tmp_path):
    """Two prompts by two seeds, of which one failed."""
    made = []
    for index, request in enumerate(grid(prompt=["a red ball", "a blue ball"], seed=[3, 5], width=64, height=64)):
        path = tmp_path / f"{index}.mp4"
        if index == 3:
            made.append(Row(request, path, "out of memory"))
            continue
        scene = Scene(colour=("red", "blue")[index // 2], width=64, height=64, num_frames=9)
        clip = Clip(frames=scene.frames(), audio=scene.audio(), frame_rate=24, sample_rate=48_000, request=request)
        made.append(Row(request, clip.save(path)))
    return made


def sent_by(widget):
    """The messages, (content, buffers) each, that a widget sends from now on."""
    sent = []
    widget.send = lambda content, buffers=None: sent.append((content, buffers))
    return sent


def received(widget, **content):
    widget._receive(None, content, [])


def places(*requests):
    found = places_of(requests)
    return found.labels, found.columns, found.at


def test_a_row_is_a_prompt_and_a_column_a_seed():
    requests = grid(prompt=["a", "b"], seed=[7, 9])
    assert places(*requests) == (["a", "b"], 2, [(0, 0), (0, 1), (1, 0), (1, 1)])
    assert places(*requests[1:]) == (["a", "b"], 2, [(0, 1), (1, 0), (1, 1)])


def test_what_else_differs_makes_rows_of_its_own():
    requests = grid(prompt="a", seed=[1, 2], guidance_scale=[1.0, 3.0])
    assert places(*requests)[0] == ["a · guidance_scale 1.0", "a · guidance_scale 3.0"]
    timed = [ClipRequest("a", seed=1), ClipRequest("a", seed=1, timed_prompts=[TimedPrompt("b", 0.0, 1.0)])]
    assert places(*timed)[0] == ["a · timed_prompts #1", "a · timed_prompts #2"]


def test_seeds_that_were_drawn_fill_rows_from_the_left():
    requests = [ClipRequest(prompt, seed=seed) for seed, prompt in enumerate("abcabd")]
    assert places(*requests) == (list("abcd"), 2, [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (3, 0)])


def test_a_sweep_and_its_folder_are_one_grid(session, tmp_path):
    made = sweep(
        session, grid(prompt=["A red ball bounces.", "A blue ball."], seed=[1, 2], **SMALL), tmp_path, progress=False
    )
    by_rows, by_folder = ClipGrid(made), ClipGrid(tmp_path)
    assert repr(by_rows) == repr(by_folder) == "ClipGrid(4 clips, 2 rows)"
    told = [{name: value for name, value in cell.items() if name != "id"} for cell in by_rows.cells]
    assert told == [{name: value for name, value in cell.items() if name != "id"} for cell in by_folder.cells]
    assert [(cell["row"], cell["column"], cell["name"]) for cell in told[:2]] == [(0, 0, "seed 1"), (0, 1, "seed 2")]


def test_pictures_come_first_and_a_file_when_it_is_wanted(rows):
    widget = ClipGrid(rows)
    sent = sent_by(widget)
    received(widget, type="ready")
    assert [content["type"] for content, _ in sent] == ["picture"] * 3
    red, _, _ = np.asarray(Image.open(io.BytesIO(sent[0][1][0])).convert("RGB")).reshape(-1, 3).max(0)
    assert red > 180
    received(widget, type="want", id=widget.cells[0]["id"], aac=True)
    content, (file,) = sent[-1]
    assert content == {"type": "file", "id": widget.cells[0]["id"], "media_type": "video/mp4"}
    assert file == rows[0].path.read_bytes()
    received(widget, type="want", id=99, aac=True)  # of rows that are there no more
    assert len(sent) == 4 and widget.error == ""


def test_a_large_file_is_sent_smaller(rows, monkeypatch, tmp_path):
    monkeypatch.setattr(cells, "MOST_BYTES", 10)
    monkeypatch.setattr(cells, "STILL_WIDTH_PX", 32)
    (tmp_path / "small.mp4").write_bytes(cells.cell_of(rows[0].path).content())
    small = Clip.load(tmp_path / "small.mp4")
    assert small.frames.shape == (9, 32, 32, 3) and small.audio is not None


def test_a_click_sets_the_request_of_what_takes_it(rows):
    prompt = Prompt(ClipRequest("before"))
    widget = ClipGrid(rows, into=prompt)
    assert widget.request is None
    received(widget, type="take", index=3)  # a failed one has a request, too
    assert prompt.request == widget.request == rows[3].request
    received(widget, type="take", index=4)
    assert "index=4" in widget.error and widget.selected == 3


def test_what_failed_says_why_and_what_is_gone_does(rows):
    rows[0].path.unlink()
    errors = [cell["error"] for cell in ClipGrid(rows).cells]
    assert errors[1:] == [None, None, "out of memory"] and "0.mp4" in errors[0]


def test_a_saved_notebook_keeps_the_pictures_in_their_places(rows):
    sheet = np.asarray(Image.open(io.BytesIO(ClipGrid(rows)._still())))
    assert sheet.shape == (132, 132, 3)
    assert (sheet[68:, 68:] == 255).all() and (sheet[:64, :64] != 255).any()


@pytest.mark.parametrize(
    ("count", "rule"),
    [(0, "no rows are given"), (65, r"65 clips are too many to play at once; give up to 64: rows\[:64\]")],
)
def test_none_and_too_many_are_refused(rows, count, rule):
    with pytest.raises(ValueError, match=rule):
        ClipGrid([rows[3]] * count)


def test_a_folder_without_such_clips_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no MP4 with a request"):
        ClipGrid(tmp_path)
    with pytest.raises(ValueError, match="is no folder"):
        ClipGrid(tmp_path / "none")


def test_settings_of_sampling_differ_by_their_names():
    requests = [ClipRequest("a", seed=1, sampling=Sampling(nag_scale=scale)) for scale in (1.0, 5.0)]
    assert places(*requests)[0] == ["a · nag_scale 1.0", "a · nag_scale 5.0"]
