"""The run panel in a real front end: a run is watched, cancelled within a step, and the next one works."""

import re

import pytest
from playwright.sync_api import expect

PANEL = """
import threading
from ltx_nb import ClipRequest
from ltx_nb.pipeline.preview import Preview
from ltx_widgets import RunPanel
from ltx_widgets.step_preview import step_preview

steps, steps_at_cancel, failure = [], [], None
may_go_on = threading.Event()
fitted = Preview(session.pipe)

def run(request, on_step):
    if failure:
        raise failure
    def stop_after_first_step(event):
        steps.append(event.index)
        on_step(event)
        may_go_on.wait()
    return session.run(request, on_step=stop_after_first_step, progress=False)

def cancel():
    steps_at_cancel.append(len(steps))
    session.cancel()

request = ClipRequest("A red ball bounces on the floor.", width=128, height=128, num_frames=25)
panel = RunPanel(run, cancel, preview=lambda event: step_preview(fitted, event), request=request)
panel
"""
GO_ON = "may_go_on.set()"


@pytest.fixture
def panel(tiny_notebook):
    """A run panel whose runs stop after their first step until GO_ON."""
    tiny_notebook.run(PANEL)
    widget = tiny_notebook.page.locator(".ltx-run-panel")
    widget.wait_for()
    yield widget
    tiny_notebook.value("None", code=GO_ON)


def test_run_is_watched_to_its_end(tiny_notebook, panel):
    panel.get_by_role("button", name="Generate").click()
    expect(panel.get_by_role("progressbar")).to_have_attribute("aria-valuetext", re.compile("preparing|step 1"))
    panel.get_by_role("img", name="What the run predicts of the picture").wait_for()
    tiny_notebook.screenshots(panel, "run_panel-running")
    tiny_notebook.value("None", code=GO_ON)
    panel.get_by_role("button", name="More: ").wait_for()
    tiny_notebook.wait_until("panel.state == 'idle'")
    assert tiny_notebook.value("[len(panel.clips), len(steps), panel.error]") == [1, 8, ""]
    tiny_notebook.screenshots(panel, "run_panel-finished")


def test_cancel_ends_within_a_step_and_the_next_run_works(tiny_notebook, panel):
    panel.get_by_role("button", name="Generate").click()
    tiny_notebook.wait_until("len(steps) == 1")
    panel.get_by_role("button", name="Cancel").click()
    tiny_notebook.wait_until("steps_at_cancel == [1]")
    tiny_notebook.value("None", code=GO_ON)
    tiny_notebook.wait_until("panel.state == 'idle'")
    in_all, clips = tiny_notebook.value("[len(steps), len(panel.clips)]")
    assert in_all <= 2
    assert clips == 0
    panel.get_by_role("button", name="Generate").click()
    tiny_notebook.wait_until("len(panel.clips) == 1")


def test_run_that_waits_is_removed(tiny_notebook, panel):
    panel.get_by_role("button", name="Generate").click()
    tiny_notebook.wait_until("len(steps) == 1")
    panel.get_by_role("button", name="Add to queue").click()
    tiny_notebook.wait_until("len(panel.queue) == 1")
    panel.get_by_role("button", name="Remove ").click()
    tiny_notebook.wait_until("panel.queue == []")
    tiny_notebook.value("None", code=GO_ON)
    tiny_notebook.wait_until("panel.state == 'idle'")
    assert tiny_notebook.value("len(panel.clips)") == 1


LEFT = """
import tempfile
from pathlib import Path
from ltx_widgets.run_panel.waiting_files import WaitingFiles
folder = Path(tempfile.mkdtemp())
for seed in (21, 22):
    WaitingFiles(folder).add(request.replace(seed=seed))
panel = RunPanel(run, cancel, request=request, folder=folder)
panel
"""


def test_requests_that_a_kernel_has_left_are_offered_and_run_when_taken(tiny_notebook, panel):
    tiny_notebook.run(LEFT)
    again = tiny_notebook.page.locator(".ltx-run-panel").last
    taken = again.get_by_role("button", name=re.compile("Run #.* seed 22, which was left waiting"))
    taken.wait_for()
    assert tiny_notebook.value("[len(steps), panel.state]") == [0, "idle"]
    tiny_notebook.screenshots(again, "run_panel-left")
    tiny_notebook.value("None", code=GO_ON)
    taken.click()
    tiny_notebook.wait_until("[clip.request.seed for clip in panel.clips] == [22]")
    again.get_by_role("button", name=re.compile("Remove #.* seed 21")).click()
    tiny_notebook.wait_until("panel.queue == [] and not list(folder.glob('waiting*'))")


def test_clip_brings_its_request_back(tiny_notebook, panel):
    tiny_notebook.value("None", code=GO_ON)
    panel.get_by_role("button", name="Generate").click()
    panel.get_by_role("button", name="More: ").wait_for()
    tiny_notebook.value("None", code="panel.request = request.replace(seed=request.seed + 1)")
    panel.get_by_role("button", name="More: ").click()
    panel.get_by_role("menuitem", name="Load its request").click()
    tiny_notebook.wait_until("panel.request == request")


def test_error_of_a_run_is_shown(tiny_notebook, panel):
    tiny_notebook.value("None", code="failure = RuntimeError('the card is on fire')")
    panel.get_by_role("button", name="Generate").click()
    panel.get_by_role("alert").filter(has_text="the card is on fire").wait_for()


def test_reload_finds_the_clips(tiny_notebook, panel):
    tiny_notebook.value("None", code=GO_ON)
    panel.get_by_role("button", name="Generate").click()
    panel.get_by_role("button", name="More: ").wait_for()
    tiny_notebook.reload()
    panel.get_by_role("button", name="More: ").wait_for()
