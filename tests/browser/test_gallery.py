"""Every part that the widgets share, in every state, on one page, in three contrasts; look at its pictures.

outputs/screenshots/gallery-*.png
"""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from browser.notebook_page import SCREENSHOTS, VIEWPORT
from browser.page import GALLERY, gallery_html
from ltx_widgets.assets import STATIC

MAKES_ELEMENTS = re.compile(r"\b[hs]\(")


def test_no_part_is_missing():
    shown = set(re.findall(r'/static/lib/(\w+)\.mjs"', GALLERY.read_text("utf-8")))
    parts = {path.stem for path in (STATIC / "lib").glob("*.mjs") if MAKES_ELEMENTS.search(path.read_text("utf-8"))}
    assert parts <= shown


@pytest.mark.parametrize("contrast", ["light", "dark", "forced"])
def test_all_parts_stand_on_one_page(browser, contrast):
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size(VIEWPORT)
    page.emulate_media(forced_colors="active" if contrast == "forced" else "none")
    page.set_content(gallery_html("dark" if contrast == "dark" else "light"))
    page.wait_for_function("window.ltx !== undefined")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"gallery-{contrast}.png", full_page=True)
    found = Axe().run(page, context={"include": [[".ltx"]]}, options={"resultTypes": ["violations"]})
    page.close()
    assert errors == []
    assert [f"{one['id']}: {node['html'][:160]}" for one in found.response["violations"] for node in one["nodes"]] == []
