"""What holds for the studio as a whole: nothing that axe finds, room for fingers, one screen, Generate in sight."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from browser.desk import IS_IDLE, IS_LOADED, PROMPT
from browser.notebook_page import SCREENSHOTS, VIEWPORT

STUDIO = """
from ltx_nb import ClipRequest
from ltx_widgets import studio
shot = studio(session, ClipRequest("", width=128, height=128, num_frames=25, seed=12))
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


@pytest.fixture
def page(tiny_notebook):
    tiny_notebook.run(STUDIO)
    for name in ("prompt", "timeline", "run-panel", "player"):
        tiny_notebook.page.locator(f".ltx-{name}").wait_for()
    return tiny_notebook.page


def make_clips(notebook, count):
    notebook.value("None", f"shot.request = shot.request.replace(prompt={PROMPT!r})")
    notebook.value("None", f"shot.run_panel.generate(seeds={count}); shot.run_panel.wait()", 240)
    notebook.wait_for(IS_LOADED, "the clip to be loaded")


def test_axe_finds_nothing_on_the_desk(tiny_notebook, page):
    make_clips(tiny_notebook, 2)
    options = {"resultTypes": ["violations"]}

    def violations():
        found = Axe().run(page, context={"include": [[".ltx-desk"]]}, options=options)
        return [f"{one['id']}: {node['html'][:160]}" for one in found.response["violations"] for node in one["nodes"]]

    for theme in ("dark", "light"):
        tiny_notebook.set_theme(theme)
        assert violations() == [], theme
    tiny_notebook.value("None", "shot.run_panel.compared = 0; shot._folds.opened = 'memory'")
    page.locator(".ltx-preset-picker").wait_for()
    assert violations() == [], "two clips, memory"
    page.get_by_role("button", name="More: #1").click()
    assert violations() == [], "a menu"


def test_contrast_of_ones_own_keeps_all_that_is_told(tiny_notebook, page):
    """Forced colours take tints away: what is chosen, given and running still has a line or a colour of its own."""
    make_clips(tiny_notebook, 2)
    tiny_notebook.value("None", "shot.player.span_s = [0.2, 0.6]; shot._retake_span(0.2, 0.6)")
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
    tiny_notebook.value("None", "shot._retake_span(0.2, 0.6)")
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
        tiny_notebook.value("None", "shot._folds.opened = 'latents'")
        page.locator(".ltx-latent-explorer .explorer-cards svg").first.wait_for()
        page.locator(".ltx-latent-explorer").evaluate("one => one.scrollIntoView({ block: 'end' })")
        expect(afloat).to_be_in_viewport()
        afloat.get_by_role("button", name="Generate").click()
        tiny_notebook.wait_until(f"len(shot.run_panel.results) == 2 and {IS_IDLE}")
        page.locator(".ltx-prompt").scroll_into_view_if_needed()
        expect(afloat).to_be_hidden()
    finally:
        page.set_viewport_size(VIEWPORT)
