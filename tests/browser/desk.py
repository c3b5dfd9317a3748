"""The studio as a person finds it: what its parts are called, and the keys that lead from one to the next."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page

from browser.notebook_page import NotebookPage

PROMPT = "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump."
IS_IDLE = "shot.run_panel.state == 'idle' and not shot.run_panel.queue"
IS_LOADED = "() => document.querySelector('.ltx-player video')?.readyState >= 2"
MOST_TABS = 200
FOCUSED = """() => {
    const one = document.activeElement;
    const isOurs = one.closest(".ltx");
    const labels = [...(one.labels ?? [])].map((label) => label.innerText).join();
    return isOurs ? (one.ariaLabel || labels || one.innerText || "").trim() : "";
}"""


def opened(notebook: NotebookPage, code: str) -> Page:
    """The page of a notebook after a cell that shows a studio, once all its panels are there."""
    notebook.run(code)
    for name in ("prompt", "timeline", "run-panel", "player"):
        notebook.page.locator(f".ltx-{name}").wait_for()
    return notebook.page


def words(page: Page) -> Locator:
    return page.locator(".ltx-prompt").get_by_label("Prompt", exact=True)


def button(page: Page, name: str | re.Pattern[str], **options: bool) -> Locator:
    return page.locator(".ltx-desk").get_by_role("button", name=name, **options)


def card(page: Page, number: str) -> Locator:
    return page.locator(".run-panel-show").filter(has_text=number)


def reach(page: Page, name: str, *, back: bool = False) -> None:
    """Press Tab, or Shift + Tab, until the control whose name begins so has the focus."""
    met = []
    for _ in range(MOST_TABS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        met.append(page.evaluate(FOCUSED))
        if met[-1].startswith(name):
            return
    raise AssertionError(f"no Tab leads to {name!r}; met: {list(dict.fromkeys(met))}")
