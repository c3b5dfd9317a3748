"""What holds for the studio as a whole: all of it by keys, nothing that axe finds, room for fingers, one screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from browser.desk import IS_IDLE, IS_LOADED, PROMPT, opened, reach, words
from browser.notebook_page import SCREENSHOTS, VIEWPORT

STUDIO = """
import threading
from ltx_nb import ClipRequest
from ltx_widgets import studio
may_go_on = threading.Event()
may_go_on.set()
shot = studio(session, ClipRequest("", width=128, height=128, num_frames=25, seed=12))
# The thread of a run waits here in its second step, unless it may go on.
shot.run_panel.observe(lambda change: change["new"].get("step") == 2 and may_go_on.wait(60), "progress")
shot
"""
LEAST_PX = 24
TOO_SMALL = """(least_px) => {
    const kinds = "button, input, select, textarea, [tabindex='0']";
    return [...document.querySelectorAll(`.ltx-desk :is(${kinds})`)]
        .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest("[aria-hidden=true]"))
        .map((one) => [one, (one.closest("label") ?? one).getBoundingClientRect()])
        .filter(([, { width, height }]) => width < least_px || height < least_px)
        .map(([one, { width, height }]) => `${one.ariaLabel ?? one.outerHTML.slice(0, 120)}: ${width} x ${height} px`);
}"""
# Where player and timeline stand, and the part of the page in which the notebook is seen.
PLACES = """() => {
    const box = (selector) => document.querySelector(selector).getBoundingClientRect();
    const scroller = document.querySelector(".jp-WindowedPanel-outer") ?? document.documentElement;
    const { top, bottom } = scroller.getBoundingClientRect();
    return { room: bottom - top, desk: box(".ltx-timeline").bottom - box(".ltx-player").top };
}"""
IS_FULL = "() => document.fullscreenElement !== null"


@pytest.fixture
def page(tiny_notebook):
    return opened(tiny_notebook, STUDIO)


def make_clips(notebook, count):
    notebook.value("None", f"shot.request = shot.request.replace(prompt={PROMPT!r})")
    notebook.value("None", f"shot.run_panel.generate(seeds={count}); shot.run_panel.wait()", 240)
    notebook.wait_for(IS_LOADED, "the clip to be loaded")


@pytest.mark.usefixtures("walk_in_lab")
def test_keys_are_enough(tiny_notebook, page):
    """Every action of the studio, with nothing but keys from the prompt on."""
    wait, press = tiny_notebook.wait_until, page.keyboard.press
    words(page).focus()
    page.keyboard.type(PROMPT)

    # Generate, and cancel.
    tiny_notebook.value("None", "may_go_on.clear()")
    press("Control+Enter")
    wait("shot.run_panel.progress.get('step') == 2")  # where it waits; else it may end meanwhile
    reach(page, "Cancel")
    expect(page.locator(".run-panel-buttons").get_by_role("button", name="Cancel")).to_be_enabled()
    press("Enter")
    wait("shot.run_panel.state == 'cancelling'")
    tiny_notebook.value("None", "may_go_on.set()")
    wait(IS_IDLE)
    reach(page, "Generate", back=True)
    press("Enter")
    wait(f"len(shot.run_panel.results) == 1 and {IS_IDLE}")
    reach(page, "New seed")
    press("Enter")
    wait(f"len(shot.run_panel.results) == 2 and {IS_IDLE}")
    first, second = tiny_notebook.value("[result['name'] for result in shot.run_panel.results]")

    # A card: star, name, file, select, compare.
    reach(page, f"Star: {first}")
    press("Space")
    wait("[result['starred'] for result in shot.run_panel.results] == [True, False]")
    reach(page, f"More: {first}")
    press("Enter")
    expect(page.locator(".run-panel-cards [role=menuitem]").first).to_be_focused()
    press("ArrowDown")
    press("Enter")
    page.keyboard.type("the best")
    press("Enter")
    wait("shot.run_panel.results[0]['name'] == 'the best'")
    reach(page, "More: the best")
    press("Enter")
    expect(page.locator(".run-panel-cards [role=menuitem]").first).to_be_focused()
    for _ in range(2):
        press("ArrowDown")
    with page.expect_download() as download:
        press("Enter")
    assert download.value.suggested_filename == "the-best.mp4"
    reach(page, "Compare: the best", back=True)
    press("Enter")
    wait("len(shot.player.clips) == 2")
    reach(page, "Wipe")
    press("Enter")
    wait("shot.player.shown == 'wipe'")
    reach(page, "Playhead")
    press("x")
    wait("(shot.player.shown, shot.player.heard) == ('b', 'b')")
    reach(page, "Compare: the best", back=True)
    press("Enter")
    wait("len(shot.player.clips) == 1")
    tiny_notebook.wait_for(IS_LOADED, "the clip to be loaded")

    # The player: play, step, mute, loop, speed, full screen, steps of the run, a span, and the span made anew.
    reach(page, "Playhead")
    press("m")
    wait("shot.player.muted")
    press("Space")
    press("Space")
    press("Home")
    for _ in range(2):
        press("Shift+ArrowRight")
    press("i")
    press("Shift+ArrowLeft")
    press("o")
    wait("len(shot.player.span_s) == 2")
    press("Escape")
    wait("shot.player.span_s == []")
    press("Home")
    press("Shift+ArrowRight")
    press("i")
    press("ArrowRight")
    press("Shift+ArrowRight")
    press("o")
    wait("len(shot.player.span_s) == 2 and shot.player.span_s[1] < 1")
    press("r")
    wait("not shot.player.loop")
    press("f")
    tiny_notebook.wait_for(IS_FULL, "the stage on the full screen")
    press("f")
    tiny_notebook.wait_for(f"() => !({IS_FULL})()", "the stage back in its place")
    reach(page, "Step of the run")
    press("Home")
    wait("shot.player.step == 0")
    press("End")
    reach(page, "Speed", back=True)
    press("ArrowDown")
    wait("shot.player.speed == 1.5")
    reach(page, "Retake this span", back=True)
    press("Enter")
    wait("len(shot.request.given) == 4")

    # The timeline: cursor, parts, undo, split, zoom, length, source.
    reach(page, "video generated")
    before = tiny_notebook.value("[item.start_s for item in shot.request.given]")
    press("Shift+ArrowRight")
    wait(f"[item.start_s for item in shot.request.given] != {before}")
    press("Control+z")
    wait(f"[item.start_s for item in shot.request.given] == {before}")
    reach(page, "Cursor", back=True)
    press("Home")
    press("PageUp")
    press("+")
    press("0")
    reach(page, "Clip length")
    press("ArrowRight")
    wait("shot.request.num_frames == 33")
    reach(page, "Insert at cursor")
    press("Enter")
    reach(page, "Clear")
    press("Enter")
    wait("shot.request.given == ()")
    reach(page, f"Extend: {second}", back=True)
    press("Enter")
    wait("shot.request.num_frames == 73")
    seed = page.locator(".ltx-prompt").get_by_label("Seed", exact=True)
    expect(page.get_by_role("slider", name="Clip length")).to_have_attribute("aria-valuenow", "73")
    expect(seed).to_have_value(str(tiny_notebook.value("shot.request.seed")))

    # The prompt's own: seed, size, sampling.
    reach(page, "Seed", back=True)
    press("Control+a")
    page.keyboard.type("77")
    press("Enter")
    wait("shot.request.seed == 77")
    reach(page, "Roll the seed")
    press("Enter")
    wait("shot.request.seed != 77")
    reach(page, "Sampling")
    press("Enter")
    reach(page, "Number of steps")
    page.keyboard.type("4")
    press("Enter")
    wait("shot.request.sampling.num_inference_steps == 4")
    press("Escape")

    # Below the desk: shots and their boundary, latents; and a clip that goes.
    reach(page, "Storyboard")
    press("Enter")
    reach(page, "Prompt of shot 2")
    page.keyboard.type("A blue square slides.")
    reach(page, "Boundary between shots 1 and 2", back=True)
    before_s = tiny_notebook.value("shot.storyboard.shots[0][1]")
    press("ArrowLeft")
    wait(f"shot.storyboard.shots[0][1] < {before_s} and 'square' in shot.storyboard.shots[1][0]")
    reach(page, "Latents of the clip")
    press("Enter")
    page.locator(".ltx-latent-explorer .explorer-cards svg").first.wait_for()
    press("Enter")
    reach(page, "More: the best", back=True)
    press("Enter")
    expect(page.locator(".run-panel-cards [role=menuitem]").first).to_be_focused()
    press("ArrowUp")
    press("Enter")
    wait("len(shot.run_panel.results) == 1")


def test_axe_finds_nothing_on_the_desk(tiny_notebook, page):
    make_clips(tiny_notebook, 2)
    options = {"resultTypes": ["violations"]}

    def violations():
        found = Axe().run(page, context={"include": [[".ltx-desk"]]}, options=options)
        return [f"{one['id']}: {node['html'][:160]}" for one in found.response["violations"] for node in one["nodes"]]

    for theme in ("dark", "light"):
        tiny_notebook.set_theme(theme)
        assert violations() == [], theme
    tiny_notebook.value("None", "shot.run_panel.compared = 0; shot._below.folds.opened = 'memory'")
    page.locator(".ltx-preset-picker").wait_for()
    assert violations() == [], "two clips, memory"
    page.get_by_role("button", name="More: #1").click()
    assert violations() == [], "a menu"


def test_contrast_of_ones_own_keeps_all_that_is_told(tiny_notebook, page):
    """Forced colours take tints away: what is chosen, given and running still has a line or a colour of its own."""
    make_clips(tiny_notebook, 2)
    tiny_notebook.value("None", "shot.player.span_s = [0.2, 0.6]; shot._tasks.retake_span(0.2, 0.6)")
    page.locator(".ltx-timeline-part[data-kind=span]").first.wait_for()
    page.emulate_media(forced_colors="active")
    try:
        look = "one => getComputedStyle(one).backgroundColor + getComputedStyle(one).color"
        for chosen, other in (
            (
                page.locator(".run-panel-show[aria-pressed=true]"),
                page.locator(".run-panel-show[aria-pressed=false]").first,
            ),
            (page.get_by_role("button", name="Text", exact=True), page.get_by_role("button", name="Parts", exact=True)),
        ):
            assert chosen.evaluate(look) != other.evaluate(look)
        ground, ink = page.locator(".run-panel-buttons > .ltx-primary").evaluate(
            "one => [getComputedStyle(one).backgroundColor, getComputedStyle(one).color]"
        )
        assert ground != ink
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.locator(".ltx-desk").screenshot(path=SCREENSHOTS / f"studio-forced-{tiny_notebook.frontend}.png")
    finally:
        page.emulate_media(forced_colors="none")


def test_fingers_find_room(tiny_notebook, page):
    make_clips(tiny_notebook, 2)
    tiny_notebook.value("None", "shot._tasks.retake_span(0.2, 0.6)")
    page.locator(".ltx-timeline-part[data-kind=span]").first.wait_for()
    assert page.evaluate(TOO_SMALL, LEAST_PX) == []


def test_player_and_timeline_fit_one_screen(tiny_notebook, page):
    make_clips(tiny_notebook, 1)
    page.set_viewport_size({"width": 1280, "height": 800})
    try:
        places = page.evaluate(PLACES)
        assert places["desk"] <= places["room"], places
    finally:
        page.set_viewport_size(VIEWPORT)


def test_generate_stays_in_sight(tiny_notebook, page):
    """Below what is opened under the desk, it floats at the lower edge, and does the same."""
    make_clips(tiny_notebook, 1)
    page.set_viewport_size({"width": 1280, "height": 800})
    try:
        afloat = page.get_by_role("group", name="Run, while its panel is out of sight")
        expect(afloat).to_be_hidden()
        tiny_notebook.value("None", "shot._below.folds.opened = 'latents'")
        page.locator(".ltx-latent-explorer .explorer-cards svg").first.wait_for()
        page.locator(".ltx-latent-explorer").evaluate("one => one.scrollIntoView({ block: 'end' })")
        expect(afloat).to_be_in_viewport()
        afloat.get_by_role("button", name="Generate").click()
        tiny_notebook.wait_until(f"len(shot.run_panel.results) == 2 and {IS_IDLE}")
        page.locator(".ltx-prompt").scroll_into_view_if_needed()
        expect(afloat).to_be_hidden()
    finally:
        page.set_viewport_size(VIEWPORT)
