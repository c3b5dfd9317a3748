"""The site that `make docs` builds: its links, its weight, its looks, and that clips and recorded widgets play."""

import subprocess
import sys
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from browser.notebook_page import LONG_S

ROOT = Path(__file__).parents[2]
KINDS = ("index", "gallery", "course/01_first_clip", "tiny_card", "benchmarks", "api/ltx_nb")
LIMIT_BYTES = 3_000_000
LOADED = {
    "script": "src",
    "img": "src",
    "video": "src",
    "audio": "src",
    "source": "src",
    "iframe": "src",
    "link": "href",
}
TRANSFERRED = """() => performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
    .reduce((sum, entry) => sum + entry.transferSize, 0)"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
PLAYED = "video => video.currentTime > 0.3"
HEARD = "video => video.webkitAudioDecodedByteCount > 0"


class Page(HTMLParser):
    """What a page has: ids, links, and what the browser loads for it."""

    def __init__(self, html):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given.get("id"), given.get("name") if tag == "a" else None} - {None}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if given.get(LOADED.get(tag)) and given.get("rel") not in ("canonical", "next", "prev", "index", "search"):
            self.loaded.append(given[LOADED[tag]])
        if tag == "video" and given.get("poster"):
            self.loaded.append(given["poster"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, with the clips of one notebook recorded."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "docs/site/build.py", "--out", str(folder), "--notebooks", "01_first_clip"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html") if "try" not in path.parts}


@pytest.fixture(scope="module")
def address(site):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def tab(browser):
    """An empty page. Fails the test if the browser's console had an error."""
    page, errors = browser.new_page(), []
    page.set_default_timeout(LONG_S * 1000)
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def test_every_link_and_anchor_leads_somewhere(pages):
    dead = []
    for path, page in pages.items():
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].ids if target in pages else {parts.fragment}
            if not target.is_file() or (parts.fragment and parts.fragment not in anchors):
                dead.append(f"{path.name}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(pages):
    away = [f"{path.name}: {link}" for path, page in pages.items() for link in page.loaded if urlsplit(link).netloc]
    assert away == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_weighs_little_before_the_first_click(tab, address, kind):
    tab.goto(f"{address}/{kind}.html", wait_until="networkidle")
    show_widgets(tab)
    tab.wait_for_load_state("networkidle")
    assert tab.evaluate(TRANSFERRED) <= LIMIT_BYTES


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(tab, address, kind):
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        tab.goto(f"{address}/{kind}.html")
        show_widgets(tab)
        found = Axe().run(tab, options={"resultTypes": ["violations"]})
        told = [f"{one['id']}: {node['html'][:160]}" for one in found.response["violations"] for node in one["nodes"]]
        assert told == [], scheme


@pytest.mark.parametrize("kind", KINDS)
def test_360_px_are_enough(tab, address, kind):
    tab.set_viewport_size({"width": 360, "height": 740})
    tab.goto(f"{address}/{kind}.html")
    show_widgets(tab)
    assert tab.evaluate(TOO_WIDE) <= 0


def test_a_figure_is_scrolled_on_a_phone_and_not_shrunk(tab, address):
    tab.set_viewport_size({"width": 360, "height": 740})
    tab.goto(f"{address}/course/07_guidance.html")
    figure = tab.locator(".ltx-figure[tabindex]").first
    assert figure.locator("img").evaluate("(img) => img.width") == 640
    assert tab.evaluate(TOO_WIDE) <= 0


@pytest.mark.parametrize("kind", ["index", "course/01_first_clip"])
def test_a_clip_plays_with_sound(tab, address, kind):
    tab.goto(f"{address}/{kind}.html")
    clip = tab.locator("video.ltx-clip").first
    clip.focus()
    tab.keyboard.press("Space")
    tab.wait_for_function(PLAYED, arg=clip.element_handle())
    assert clip.evaluate(HEARD)


@pytest.mark.parametrize("opened", ["served", "folder"])
def test_a_recorded_player_plays_and_shows_the_steps(tab, site, address, opened):
    tab.goto(f"{address}/index.html" if opened == "served" else (site / "index.html").as_uri())
    player = tab.locator(".ltx-player")
    show_widgets(tab)
    player.get_by_role("button", name="Play").click()
    tab.wait_for_function(PLAYED, arg=player.locator("video").element_handle())
    player.get_by_role("slider", name="Step of the run").press("Home")
    expect(player.locator(".player-overlay")).to_be_visible()


def test_a_recorded_explorer_tells_of_the_latent_that_is_picked(tab, address):
    tab.goto(f"{address}/index.html")
    show_widgets(tab)
    explorer = tab.locator(".ltx-latent-explorer")
    before = explorer.locator(".explorer-cards").inner_html()
    box = explorer.locator("canvas").first.bounding_box()
    explorer.locator("canvas").first.click(position={"x": box["width"] * 0.1, "y": box["height"] * 0.1})
    expect(explorer.locator(".explorer-where")).to_contain_text("row 0, column 0")
    tab.wait_for_function("before => document.querySelector('.explorer-cards').innerHTML !== before", arg=before)


def test_a_recorded_timeline_can_be_edited(tab, address):
    tab.goto(f"{address}/index.html")
    show_widgets(tab)
    timeline = tab.locator(".ltx-timeline")
    timeline.get_by_role("button", name="Retake").click()
    expect(timeline).to_contain_text("The model keeps 5 of 7 video and 33 of 51 audio latents")


def show_widgets(tab):
    """Scroll to each recorded widget, as they open when they come into view, and wait until all are there."""
    for place in tab.locator(".ltx-replay").all():
        place.scroll_into_view_if_needed()
        expect(place.locator(".ltx")).to_be_visible()
