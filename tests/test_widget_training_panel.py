"""TrainingPanel: a real training in its thread is shown, cancelled, gone on with, and its errors said."""

import threading
from functools import partial

import pytest

from ltx_nb import Clip, ClipRequest, Sampling
from ltx_nb.tiny.world import Scene
from ltx_nb.training import train_lora
from ltx_widgets import TrainingPanel
from ltx_widgets.training_panel.widget import MOST_POINTS, curves_of

LONG_S = 300  # longer than a training takes on any machine
SMALL = {"rank": 2, "lr": 1e-3, "batch_size": 2, "width": 64, "height": 64, "num_frames": 9, "progress": False}
SAMPLE = ClipRequest("A red ball.", width=64, height=64, num_frames=9, sampling=Sampling(num_inference_steps=1))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    for colour in ("red", "green"):
        scene = Scene(colour=colour, width=64, height=64, num_frames=9)
        clip = Clip(frames=scene.frames(), audio=scene.audio(), frame_rate=24.0, sample_rate=48_000)
        clip.save(folder / f"{colour}.mp4")
        (folder / f"{colour}.txt").write_text(scene.caption())
    return folder


def panel_of(session, dataset, out, steps=4, **settings):
    train = partial(train_lora, session, dataset, out, steps=steps, **SMALL | settings)
    return TrainingPanel(train, steps=steps)


def messages(panel):
    sent = []
    panel.send = lambda content, buffers=None: sent.append((content, buffers))
    return sent


def test_a_training_is_shown_to_its_end(fresh_random_session, dataset, tmp_path):
    out = tmp_path / "style.safetensors"
    panel = panel_of(fresh_random_session, dataset, out, samples=[SAMPLE], sample_every=2)
    sent = messages(panel)
    panel._receive(panel, {"type": "start"}, [])
    assert panel.wait(LONG_S)
    assert (panel.error, panel.state, panel.step, panel.result) == ("", "done", 4, out)
    assert set(panel.curves) == {"video", "audio"} and panel.curves["video"][-1][0] == 4
    assert [one["step"] for one in panel.samples] == [2, 4]
    files = [buffers[0] for content, buffers in sent if content["type"] == "sample"]
    assert [file[4:8] for file in files] == [b"ftyp", b"ftyp"]
    panel._on_ready()
    assert len([content for content, _ in sent if content["type"] == "sample"]) == 4


def test_a_cancelled_training_goes_on_where_it_was(fresh_random_session, dataset, tmp_path):
    panel = panel_of(fresh_random_session, dataset, tmp_path / "style.safetensors", steps=200)
    begun = threading.Event()
    panel.observe(lambda change: change["new"] >= 1 and begun.set(), "step")
    panel.start()
    assert begun.wait(LONG_S)
    panel._receive(panel, {"type": "cancel"}, [])
    assert panel.wait(LONG_S)
    assert (panel.state, panel.error) == ("cancelled", "")
    done = panel.step
    assert 1 <= done < 200
    shorter = panel_of(fresh_random_session, dataset, tmp_path / "style.safetensors", steps=done + 1)
    shorter.start()
    assert shorter.wait(LONG_S)
    assert (shorter.state, shorter.step) == ("done", done + 1)


def test_a_training_that_cannot_be_says_why(fresh_random_session, tmp_path):
    panel = panel_of(fresh_random_session, tmp_path / "none", tmp_path / "style.safetensors")
    panel.start()
    assert panel.wait(LONG_S)
    assert panel.state == "failed" and "no dataset at" in panel.error


def test_a_browser_says_no_more_than_start_and_cancel(fresh_random_session, dataset, tmp_path):
    panel = panel_of(fresh_random_session, dataset, tmp_path / "x.safetensors")
    panel._receive(panel, {"type": "start", "out": "/etc/passwd"}, [])
    assert "start has no 'out'" in panel.error and panel.state == "ready"


def test_a_long_training_has_few_points():
    losses = [{"video": 1.0, "audio": 2.0}] * 5000
    curves = curves_of(losses)
    assert len(curves["audio"]) == MOST_POINTS
    assert curves["audio"][0] == [1, 2.0] and curves["audio"][-1] == [5000, 2.0]
    assert curves_of([]) == {} and list(curves_of([{"audio": 1.0}])) == ["audio"]
