"""What holds for all widgets in a real front end: they fit, have names for screen readers, leave nothing behind."""

import pytest
from axe_playwright_python.sync_playwright import Axe

MAKE = """
import ipywidgets
from IPython.display import display
from ltx_widgets import LatentExplorer, Player, PresetPicker, Prompt, RunPanel, Timeline
panel = RunPanel(lambda request, on_step: clip, request=clip.request)
panel.generate()
panel.wait()
editors = [Prompt(clip.request), Timeline(clip.request, media=[clip]), PresetPicker("tiny")]
widgets = [*editors, Player(clip), panel, LatentExplorer(clip)]
"""
SHOW = "for widget in widgets: display(widget)"
VIEWS = 6
ALL_SHOWN = "count => document.querySelectorAll('.ltx').length === count"

UNNAMED = """() => {
    const kinds = "button, input, select, textarea, summary, [tabindex='0']";
    const labelsOf = (control) => [...(control.labels ?? [])].map((label) => label.innerText).join();
    const ownText = (control) => control.matches("button, summary, [role=button]") && control.innerText;
    const nameOf = (control) => control.ariaLabel || control.title || labelsOf(control) || ownText(control);
    const isShown = (control) => control.checkVisibility() && !control.closest("[aria-hidden=true]");
    const unnamed = [...document.querySelectorAll(`.ltx :is(${kinds})`)].filter((one) => isShown(one) && !nameOf(one));
    return unnamed.map((control) => control.outerHTML.slice(0, 200));
}"""

SHOW_PLAIN = "plain = ipywidgets.Label('plain')\nfor _ in widgets: display(plain)"
PLAIN_SHOWN = "count => document.querySelectorAll('.widget-label').length === count"
ARE_FILLED = """(count) => {
    if (document.querySelectorAll(".ltx").length !== count) return false;
    const video = document.querySelector(".ltx-player video");
    const thumbnail = document.querySelector(".run-panel-show img");
    return video?.readyState >= 2 && thumbnail?.naturalWidth > 0 && !!document.querySelector(".explorer-cards svg");
}"""

TOO_WIDE = """() => [...document.querySelectorAll(".ltx")]
    .filter((root) => root.scrollWidth > root.clientWidth + 1)
    .map((root) => `${root.className}: ${root.scrollWidth} > ${root.clientWidth} px`)"""


@pytest.fixture
def all_widgets(tiny_notebook):
    tiny_notebook.run(MAKE, SHOW)
    wait_for_views(tiny_notebook)
    return tiny_notebook


def wait_for_views(notebook):
    notebook.wait_for(ALL_SHOWN, f"{VIEWS} views", VIEWS)


def test_every_control_has_a_name(all_widgets):
    assert all_widgets.page.evaluate(UNNAMED) == []


def test_axe_finds_nothing(all_widgets):
    """The checks of axe-core on every widget, in both themes."""
    for theme in ("light", "dark"):
        all_widgets.set_theme(theme)
        found = Axe().run(all_widgets.page, context={"include": [[".ltx"]]}, options={"resultTypes": ["violations"]})
        told = [f"{one['id']}: {node['html'][:160]}" for one in found.response["violations"] for node in one["nodes"]]
        assert told == [], theme


def test_480_px_are_enough(all_widgets):
    all_widgets.run("ipywidgets.VBox(widgets, layout={'width': '480px'})")
    wait_for_views(all_widgets)
    assert all_widgets.page.evaluate(TOO_WIDE) == []
    for name in ("prompt", "timeline", "preset-picker", "player", "run-panel", "latent-explorer"):
        all_widgets.screenshots(all_widgets.page.locator(f".ltx-{name}"), f"{name.replace('-', '_')}-480px")


def test_50_views_leave_nothing_behind(walk_in_lab, all_widgets):
    def growth(is_shown, what):
        def open_and_close(times):
            for _ in range(times):
                all_widgets.run_again()
                all_widgets.wait_for(is_shown, what, VIEWS)
            return all_widgets.held()

        before, after = open_and_close(5), open_and_close(50)
        return {name: after[name] - before[name] for name in before}

    all_widgets.run(SHOW_PLAIN)
    by_front_end = growth(PLAIN_SHOWN, f"{VIEWS} plain views")
    all_widgets.run(SHOW)
    grown = growth(ARE_FILLED, f"{VIEWS} views with their media")
    assert grown["object_urls"] == 0
    # One thing left by every view of one widget would be 50.
    assert all(grown[name] - by_front_end[name] < 50 for name in grown), (grown, by_front_end)
