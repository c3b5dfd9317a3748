"""The studio in a real front end: from a prompt to a clip that plays and is retaken, and a cancelled run on the way."""

import re

import pytest
from playwright.sync_api import expect

STUDIO = """
import threading
from ltx_widgets import studio
may_go_on = threading.Event()
shot = studio(session, clip.request)
# The thread of a run waits here in its second step.
shot.run_panel.observe(lambda change: change["new"].get("step") == 2 and may_go_on.wait(60), "progress")
shot
"""
PROMPT = "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump."
GO_ON = "may_go_on.set()"
LOG = "[line['text'] for line in shot.run_panel.log]"
IS_PLAYING = "() => document.querySelector('.ltx-player video').currentTime > 0.3"


@pytest.fixture
def page(tiny_notebook):
    tiny_notebook.run(STUDIO)
    for name in ("prompt", "timeline", "run-panel", "player"):
        tiny_notebook.page.locator(f".ltx-{name}").wait_for()
    return tiny_notebook.page


def generate(notebook, page):
    text = page.locator(".ltx-prompt").get_by_label("Prompt", exact=True)
    text.fill(PROMPT)
    expect(text).to_have_value(PROMPT)
    notebook.wait_until("shot.run_panel.request and 'deep thump' in shot.run_panel.request.prompt")
    page.locator(".ltx-run-panel").get_by_role("button", name="Generate").click()


def test_cancelled_run_and_the_clip_after_it(tiny_notebook, page):
    generate(tiny_notebook, page)
    page.get_by_role("progressbar", name="Run").wait_for()
    page.get_by_role("img", name="What the run predicts of the picture").wait_for()
    page.locator(".ltx-run-panel").get_by_role("button", name="Cancel").click()
    tiny_notebook.wait_until("shot.run_panel.state == 'cancelling'")
    tiny_notebook.value("None", GO_ON)
    tiny_notebook.wait_until("shot.run_panel.state == 'idle'")
    assert "cancelled" in tiny_notebook.value(LOG)
    assert tiny_notebook.value("shot.clip is None")

    generate(tiny_notebook, page)
    tiny_notebook.wait_until("shot.clip is not None")
    page.get_by_role("button", name="Play (space)").click()
    tiny_notebook.wait_for(IS_PLAYING, "the clip to play")
    assert page.locator(".ltx-player video").evaluate("video => video.webkitAudioDecodedByteCount") > 0


def test_clip_is_retaken_and_explored_after_a_reload(tiny_notebook, page):
    tiny_notebook.value("None", GO_ON)
    generate(tiny_notebook, page)
    tiny_notebook.wait_until("shot.clip is not None")
    tiny_notebook.reload()
    page.get_by_role("button", name="Give: ").click()
    tiny_notebook.wait_until("len(shot.timeline.sources) == 1")
    page.locator(".ltx-timeline").get_by_role("button", name="Retake").click()
    tiny_notebook.wait_until("len(shot.run_panel.request.given) == 4")
    expect(page.get_by_role("button", name=re.compile("^audio generated"))).to_be_visible()
    page.get_by_text("Latents of the clip").click()
    page.locator(".ltx-latent-explorer .explorer-cards svg").first.wait_for()
    whole = page.locator(".jp-OutputArea-output").first
    tiny_notebook.screenshots(whole, "studio")
    tiny_notebook.value("None", "shot.layout.width = '480px'")
    tiny_notebook.screenshots(whole, "studio-480px")
