"""The studio in a real front end: from a prompt to a clip that plays and is retaken, and a cancelled run on the way."""

import re

import pytest
from playwright.sync_api import expect

STUDIO = """
from ltx_widgets import studio
shot = studio(session)
shot
"""
LONGEST = "shot.request = shot.request.replace(num_frames=241)"
USUAL = "shot.request = shot.request.replace(num_frames=49)"
LOG = "[line['text'] for line in shot.run_panel.log]"


@pytest.fixture
def page(tiny_notebook):
    tiny_notebook.run(STUDIO)
    for name in ("prompt", "timeline", "run-panel", "player"):
        tiny_notebook.page.locator(f".ltx-{name}").wait_for()
    return tiny_notebook.page


def generate(notebook, page):
    page.locator(".ltx-prompt").get_by_label("Prompt", exact=True).fill("a red ball bounces on the floor")
    notebook.wait_until("shot.run_panel.request and 'red ball' in shot.run_panel.request.prompt")
    page.get_by_role("button", name="Generate").click()


def test_cancelled_run_and_the_clip_after_it(tiny_notebook, page):
    tiny_notebook.value("None", code=LONGEST)
    generate(tiny_notebook, page)
    page.get_by_role("progressbar", name="Run").wait_for()
    page.get_by_role("img", name="What the run predicts of the picture").wait_for()
    page.get_by_role("button", name="Cancel").click()
    tiny_notebook.wait_until("shot.run_panel.state == 'idle'")
    assert "cancelled" in tiny_notebook.value(LOG)
    assert tiny_notebook.value("shot.clip is None")

    tiny_notebook.value("None", code=USUAL)
    generate(tiny_notebook, page)
    tiny_notebook.wait_until("shot.clip is not None and shot.clip.num_frames == 49")
    page.get_by_role("button", name="Play (space)").click()
    tiny_notebook.wait_for("() => document.querySelector('.ltx-player video').currentTime > 0.3", "the clip to play")
    assert page.locator(".ltx-player video").evaluate("video => video.webkitAudioDecodedByteCount") > 0


def test_clip_is_retaken_and_explored_after_a_reload(tiny_notebook, page):
    generate(tiny_notebook, page)
    tiny_notebook.wait_until("shot.clip is not None")
    tiny_notebook.reload()
    page.get_by_role("button", name="Give: ").click()
    tiny_notebook.wait_until("len(shot.timeline.sources) == 1")
    page.locator(".ltx-timeline").get_by_role("button", name="Retake").click()
    tiny_notebook.wait_until("len(shot.run_panel.request.given) == 4")
    expect(page.get_by_role("button", name=re.compile("^audio generated"))).to_be_visible()
    page.get_by_text("Latents of the clip").click()
    page.locator(".ltx-latent_explorer").wait_for()
    tiny_notebook.screenshots(page.locator(".jp-OutputArea-output").first, "studio")
