"""The studio in a real front end: what a person does in it, from a prompt to a clip that is retaken, and what must not
surprise them on the way."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from browser.desk import IS_LOADED, PROMPT, card, opened, words
from browser.notebook_page import LONG_S, SCREENSHOTS, VIEWPORT

STUDIO = """
import threading
from ltx_widgets import studio
may_go_on = threading.Event()
shot = studio(session, clip.request.replace(prompt=""))
# The thread of a run waits here in its second step.
shot.run_panel.observe(lambda change: change["new"].get("step") == 2 and may_go_on.wait(60), "progress")
shot
"""
GO_ON = "may_go_on.set()"
LOG = "[line['text'] for line in shot.run_panel.log]"
IS_PLAYING = "() => document.querySelector('.ltx-player video').currentTime > 0.3"
IS_IDLE = "shot.run_panel.state == 'idle'"


@pytest.fixture
def page(tiny_notebook):
    return opened(tiny_notebook, STUDIO)


def button(page, name, **options):
    return page.get_by_role("button", name=name, **options)


def generate(notebook, page):
    words(page).fill(PROMPT)
    words(page).press("Control+Enter")


def make_clip(notebook, page, count=1):
    notebook.value("None", GO_ON)
    generate(notebook, page)
    notebook.wait_until(f"len(shot.run_panel.results) == {count} and {IS_IDLE}")
    notebook.wait_for(IS_LOADED, "the clip to be loaded")


def tops(page):
    """Where each panel begins and ends on the page, from the top of the desk."""
    boxes = {
        name: page.locator(f".ltx-{name}").bounding_box() for name in ("player", "prompt", "run-panel", "timeline")
    }
    top = min(box["y"] for box in boxes.values())
    return {name: (round(box["y"] - top), round(box["height"])) for name, box in boxes.items()}


def test_nothing_moves_while_it_runs_and_the_stage_shows_the_newest(tiny_notebook, page):
    empty = tops(page)
    generate(tiny_notebook, page)
    live = page.get_by_role("img", name="What the run predicts of the picture")
    live.wait_for()
    assert tops(page) == empty
    stage = page.locator(".player-stage").bounding_box()
    assert live.bounding_box()["height"] == pytest.approx(stage["height"], abs=1)

    tiny_notebook.wait_until("shot.run_panel.progress.get('step') == 2")  # where it waits; else it may end meanwhile
    cancel = button(page, "Cancel")
    cancel.focus()
    page.keyboard.press("Enter")
    tiny_notebook.wait_until("shot.run_panel.state == 'cancelling'")
    tiny_notebook.value("None", GO_ON)
    tiny_notebook.wait_until(IS_IDLE)
    assert "cancelled" in tiny_notebook.value(LOG)
    assert tiny_notebook.value("shot.clip is None")
    expect(cancel).to_be_focused()
    expect(live).to_be_hidden()
    assert tops(page) == empty

    make_clip(tiny_notebook, page)
    assert tops(page) == empty
    page.locator(".player-screens").click()
    tiny_notebook.wait_for(IS_PLAYING, "the clip to play")
    assert page.locator(".ltx-player video").evaluate("video => video.webkitAudioDecodedByteCount") > 0


def test_what_cannot_be_is_not_run(tiny_notebook, page):
    """A refused field turns Generate off and says why; nothing that is not seen is ever run."""
    words(page).fill(PROMPT)
    seed = page.get_by_label("Seed", exact=True)
    seed.fill("-5")
    seed.press("Control+Enter")
    expect(seed).to_have_attribute("aria-invalid", "true")
    run = page.locator(".ltx-run-panel").get_by_role("button", name="Generate")
    expect(run).to_have_attribute("aria-disabled", "true")
    expect(page.locator(".ltx-run-panel").get_by_role("status")).to_contain_text("seed=-5 is too small")
    run.click(force=True)
    seed.fill("12")
    seed.press("Tab")
    expect(run).to_have_attribute("aria-disabled", "false")
    assert tiny_notebook.value("[len(shot.run_panel.results), shot.run_panel.state]") == [0, "idle"]


def test_clip_is_retaken_extended_compared_and_explored(tiny_notebook, page):
    make_clip(tiny_notebook, page)
    tiny_notebook.value("None", "shot.player.position_s = 1.0")
    button(page, "× 4 seeds").click()
    tiny_notebook.wait_until(f"len(shot.run_panel.results) == 5 and {IS_IDLE}")
    assert tiny_notebook.value("[clip.request.seed for clip in shot.run_panel.clips]") == [12, 12, 13, 14, 15]

    # Another clip, and one beside it, at the same moment.
    card(page, "#2").click()
    tiny_notebook.wait_until("shot.run_panel.selected == 2 and shot.player.position_s == 1.0")
    button(page, "Compare: #1").click()
    tiny_notebook.wait_until("len(shot.player.clips) == 2 and shot.player.position_s == 1.0")
    page.get_by_role("slider", name="Playhead").press("x")
    tiny_notebook.wait_until("(shot.player.shown, shot.player.heard) == ('b', 'b')")
    button(page, "Difference").click()
    tiny_notebook.wait_until("shot.player.shown == 'difference'")
    card(page, "#2").click()
    tiny_notebook.wait_until("len(shot.player.clips) == 1")

    # The span in the player, by mouse; the timeline has the same playhead and span.
    ruler, mouse = page.locator(".player-ruler").bounding_box(), page.mouse
    y_px = ruler["y"] + ruler["height"] / 2
    mouse.move(ruler["x"] + 0.25 * ruler["width"], y_px)
    mouse.down()
    mouse.move(ruler["x"] + 0.5 * ruler["width"], y_px, steps=5)
    mouse.up()
    tiny_notebook.wait_until("len(shot.timeline.span_s) == 2 and shot.timeline.span_s == shot.player.span_s")
    expect(page.locator(".ltx-timeline-chosen")).to_be_visible()
    button(page, "Retake this span").click()
    tiny_notebook.wait_until("len(shot.run_panel.request.given) == 4")
    start_s, end_s = tiny_notebook.value("shot.player.span_s")
    [[from_s, to_s]] = tiny_notebook.value("[list(span) for span in shot.request.generated_spans_s('video')]")
    assert (from_s, to_s) == (pytest.approx(start_s, abs=0.03), pytest.approx(end_s, abs=0.03))
    assert {source["name"] for source in tiny_notebook.value("shot.timeline.sources")} == {"#2 · seed 13"}
    page.get_by_role("slider", name="Cursor").press("Home")
    page.get_by_role("slider", name="Cursor").press("PageUp")
    tiny_notebook.wait_until("abs(shot.player.position_s - 8 / 24) < 0.001")

    # An unrun prompt outlives Load.
    words(page).fill("A green triangle hums.")
    tiny_notebook.wait_until("'triangle' in shot.request.prompt")
    button(page, "More: #1").click()
    page.get_by_role("menuitem", name="Load its request").click()
    expect(words(page)).to_have_value(PROMPT)
    button(page, "Bring back the prompt").click()
    expect(words(page)).to_have_value("A green triangle hums.")

    button(page, "Extend: #2").click()
    tiny_notebook.wait_until("shot.request.num_frames == 97")
    button(page, "Latents of the clip").click()
    page.locator(".ltx-latent-explorer .explorer-cards svg").first.wait_for()
    button(page, "Capture attention").click()
    tiny_notebook.wait_until("shot._below.explorer.can['attention']")
    expect(page.get_by_text("where it looks")).to_be_visible()


def test_a_reload_finds_everything_and_a_restart_says_what_to_do(tiny_notebook, page):
    empty = len(page.evaluate(STILL))
    make_clip(tiny_notebook, page)
    tiny_notebook.wait_for(f"(empty) => ({STILL})().length > 2 * empty", "a still of the clip in the notebook", empty)
    tiny_notebook.reload()
    button(page, "Retake: #0").wait_for()
    page.evaluate(RESTART)
    banner = page.locator(".ltx-banner").first
    banner.wait_for(state="attached")
    expect(page.locator(".ltx-desk").get_by_role("alert").filter(has_text="Run this cell again")).to_be_visible()
    expect(page.locator(".run-panel-bar")).to_have_js_property("inert", True)
    tiny_notebook.start()
    tiny_notebook.errors.clear()  # what a front end itself reports of a kernel that went away


STILL = """() => {
    const { model } = window.jupyterapp.shell.currentWidget.content;
    const outputs = [...model.cells].flatMap((cell) => cell.outputs.toJSON());
    return outputs.map((output) => output.data?.["image/png"] ?? "").join("");
}"""
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"


@pytest.fixture
def wide_page(tiny_notebook):
    """A page on which the widest desk, and the longest, are seen whole."""
    tiny_notebook.page.set_viewport_size({"width": 2400, "height": 1800})
    yield tiny_notebook.page
    tiny_notebook.set_theme("light")
    tiny_notebook.page.set_viewport_size(VIEWPORT)


def test_looks(tiny_notebook, wide_page):
    """Four widths, each in both themes: pictures to look at, and none of them a third of which is empty."""
    tiny_notebook.run("from ltx_widgets import studio\nlooks = studio(session, clip.request)\nlooks")
    tiny_notebook.value("None", "looks.run_panel.generate(seeds=3); looks.run_panel.wait()", LONG_S)
    tiny_notebook.value("None", "looks.player.span_s = [0.4, 1.2]")
    wide_page.locator(".ltx-timeline-chosen").wait_for()
    tiny_notebook.wait_for(IS_LOADED, "the clip to be loaded")
    desk = wide_page.locator(".ltx-desk")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for theme in ("dark", "light"):
        tiny_notebook.set_theme(theme)
        for width_px in (480, 760, 1280, 1900):
            tiny_notebook.value("None", f"looks.layout.width = '{width_px}px'")
            expect(desk).to_have_css("width", f"{width_px}px")
            path = SCREENSHOTS / f"studio-{width_px}px-{theme}-{tiny_notebook.frontend}.png"
            desk.screenshot(path=path)
            ground = wide_page.locator(".ltx-prompt").evaluate("one => getComputedStyle(one).backgroundColor")
            assert empty_share(path, [int(level) for level in re.findall(r"\d+", ground)[:3]]) < 1 / 3, path.name
            lines = words(wide_page).evaluate("one => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight)")
            assert lines < 7, path.name


def empty_share(path, ground):
    """Share of a picture, in squares of 24 px, in which nothing but the panels' own ground is seen."""
    side_px = 24
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    rows, columns = pixels.shape[0] // side_px, pixels.shape[1] // side_px
    squares = pixels[: rows * side_px, : columns * side_px].reshape(rows, side_px, columns, side_px, 3)
    return float((abs(squares - ground) <= 2).all(axis=(1, 3, 4)).mean())
