"""The training panel in a real front end: a LoRA is trained there, cancelled within a step, and gone on with."""

from playwright.sync_api import expect

TRAINING = """
import tempfile
from functools import partial
from pathlib import Path
from ltx_nb import Clip, ClipRequest, Sampling
from ltx_nb.tiny.world import Scene
from ltx_nb.training import train_lora
from ltx_widgets import TrainingPanel
folder = Path(tempfile.mkdtemp())
for name, colour in (("a", "red"), ("b", "blue")):
    scene = Scene(colour=colour, width=64, height=64, num_frames=9, phase=0.4)
    rates = {"frame_rate": 24.0, "sample_rate": 48_000}
    Clip(frames=scene.frames(), audio=scene.audio(), **rates).save(folder / f"{name}.mp4")
    (folder / f"{name}.txt").write_text(scene.caption())
size = {"width": 64, "height": 64, "num_frames": 9}
sample = ClipRequest("A red ball.", **size, sampling=Sampling(num_inference_steps=2))
settings = {"rank": 2, "lr": 1e-3, "samples": [sample], "sample_every": 1000, "progress": False} | size
panel = TrainingPanel(partial(train_lora, session, folder, folder / "x.safetensors", steps=30, **settings), steps=30)
panel
"""


def test_a_training_is_cancelled_within_a_step_and_goes_on(tiny_notebook):
    tiny_notebook.run(TRAINING)
    panel = tiny_notebook.page.locator(".ltx-training-panel")
    panel.get_by_role("button", name="Train").click()
    tiny_notebook.wait_until("panel.step >= 2")
    panel.get_by_role("button", name="Cancel").click()
    expect(panel.get_by_role("button", name="Go on")).to_be_enabled()
    expect(panel.get_by_role("status")).to_contain_text("cancelled")
    done = tiny_notebook.value("panel.step")
    losses = tiny_notebook.value("panel.training_log.losses")
    assert 2 <= done == len(losses) < 30
    assert not tiny_notebook.value("(folder / 'x.safetensors').exists()")
    panel.get_by_role("button", name="Go on").click()
    expect(panel.get_by_role("status")).to_have_text("done: 30 of 30 steps")
    assert tiny_notebook.value("panel.training_log.losses")[:done] == losses
    assert tiny_notebook.value("panel.result.name") == "x.safetensors"
    expect(panel.locator("video")).to_have_count(1)
    tiny_notebook.screenshots(panel, "training_panel")
