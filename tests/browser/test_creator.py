"""A creator's path through the studio, as a person takes it: from words to a file, in both front ends.

Pictures of every step, at three widths, are left in outputs/screenshots/ as creator-*.png: look at them after a change.
"""

import pytest
from playwright.sync_api import expect

from browser.desk import IS_IDLE, IS_LOADED, PROMPT, button, card, words
from browser.notebook_page import LONG_S, SCREENSHOTS, VIEWPORT
from ltx_nb import ClipRequest

STUDIO = """
from ltx_nb import ClipRequest
from ltx_widgets import studio
shot = studio(session, ClipRequest("", width=128, height=128, num_frames=25, seed=12))
shot
"""
WIDTHS_PX = (480, 900, 1480)
NAMES = "[result['name'] for result in shot.run_panel.results]"


@pytest.fixture
def page(tiny_notebook):
    page = tiny_notebook.page
    page.set_viewport_size({"width": 2000, "height": 2000})
    tiny_notebook.run(STUDIO)
    page.locator(".ltx-timeline").wait_for()
    yield page
    page.set_viewport_size(VIEWPORT)


def keep(notebook, step):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for width_px in WIDTHS_PX:
        notebook.value("None", f"shot.layout.width = '{width_px}px'")
        expect(notebook.page.locator(".ltx-desk")).to_have_css("width", f"{width_px}px")
        path = SCREENSHOTS / f"creator-{step}-{width_px}px-{notebook.frontend}.png"
        notebook.page.locator(".ltx-desk").screenshot(path=path)
    notebook.value("None", "shot.layout.width = '100%'")


def made(notebook, count):
    """Wait for so many clips, the last of them on the stage."""
    notebook.wait_until(f"len(shot.run_panel.results) == {count} or not ({IS_IDLE})")
    notebook.value("shot.run_panel.wait()", timeout_s=LONG_S)
    assert notebook.value("[len(shot.run_panel.results), shot.run_panel.error]") == [count, ""]
    notebook.wait_for(IS_LOADED, "the clip to be loaded")


def drag(page, box, from_share, to_share):
    y_px = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + from_share * box["width"], y_px)
    page.mouse.down()
    page.mouse.move(box["x"] + to_share * box["width"], y_px, steps=5)
    page.mouse.up()


@pytest.mark.usefixtures("walk_in_notebook")
def test_from_words_to_a_file(tiny_notebook, page, tmp_path):
    words(page).click()
    page.keyboard.type(PROMPT)
    keep(tiny_notebook, "1-prompt")
    words(page).press("Control+Enter")
    made(tiny_notebook, 1)

    button(page, "× 4 seeds").click()
    made(tiny_notebook, 5)
    names = tiny_notebook.value(NAMES)
    button(page, f"Star: {names[2]}").click()
    card(page, names[2]).click()
    tiny_notebook.wait_until("shot.run_panel.selected == 2 and shot.run_panel.results[2]['starred']")
    tiny_notebook.wait_for(IS_LOADED, "the clip to be loaded")
    keep(tiny_notebook, "2-seeds")

    drag(page, page.locator(".player-ruler").bounding_box(), 0.3, 0.7)
    tiny_notebook.wait_until("len(shot.player.span_s) == 2")
    button(page, "Retake this span").click()
    tiny_notebook.wait_until("len(shot.run_panel.request.given) == 4")
    keep(tiny_notebook, "3-retake")
    button(page, "Generate", exact=True).first.click()
    made(tiny_notebook, 6)

    button(page, f"Extend: {tiny_notebook.value(NAMES)[5]}").press("Enter")
    tiny_notebook.wait_until("shot.request.num_frames == 73")
    keep(tiny_notebook, "4-extend")
    words(page).press("Control+Enter")
    made(tiny_notebook, 7)

    button(page, "Storyboard").click()
    board = page.locator(".ltx-storyboard")
    board.get_by_label("Prompt of shot 1").fill("A red ball bounces on the floor in front of a navy background.")
    board.get_by_label("Prompt of shot 2").fill("A blue square slides to the right in front of a navy background.")
    edge = board.get_by_role("slider", name="Boundary between shots 1 and 2")
    for _ in range(3):
        board.get_by_role("slider", name="End of shot 2").press("ArrowLeft")
    tiny_notebook.wait_until("abs(shot.storyboard.shots[1][1] - 1) < 0.01")
    lengths_s = tiny_notebook.value("[seconds for _, seconds in shot.storyboard.shots]")
    box, lane = edge.bounding_box(), board.locator(".storyboard-lane").bounding_box()
    drag(page, box, 0.5, 0.5 - 0.35 * lane["width"] / box["width"])
    tiny_notebook.wait_until(f"shot.storyboard.shots[0][1] < {lengths_s[0]}")
    after_s = tiny_notebook.value("[seconds for _, seconds in shot.storyboard.shots]")
    assert sum(after_s) == pytest.approx(sum(lengths_s))
    board.get_by_role("button", name="Make all shots").click()
    made(tiny_notebook, 8)
    assert tiny_notebook.value("shot.clip.duration_s") == pytest.approx(sum(after_s), abs=0.5)
    board.get_by_role("button", name="Retake shot 2").click()
    tiny_notebook.wait_until("'blue square' in shot.request.prompt and len(shot.request.given) == 2")
    keep(tiny_notebook, "5-storyboard")

    names = tiny_notebook.value(NAMES)
    card(page, names[2]).click()
    button(page, f"Compare: {names[5]}").click()
    tiny_notebook.wait_until("len(shot.player.clips) == 2")
    page.get_by_role("slider", name="Playhead").press("x")
    tiny_notebook.wait_until("(shot.player.shown, shot.player.heard) == ('b', 'b')")
    button(page, "Wipe").click()
    keep(tiny_notebook, "6-compared")

    button(page, f"More: {names[5]}").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Save MP4").click()
    download.value.save_as(tmp_path / "saved.mp4")
    request = ClipRequest.from_file(tmp_path / "saved.mp4")
    assert request.prompt == PROMPT and len(request.given) == 4
