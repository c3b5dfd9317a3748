"""One Chromium, and in each front end one Jupyter server and one notebook for all browser tests."""

import os
import re

import pytest
from playwright.sync_api import expect, sync_playwright
from xdist.scheduler import LoadScopeScheduling

from browser import chromium
from browser.notebook_page import LONG_S, PATHS, TIMEOUT_S, VIEWPORT, NotebookPage
from browser.server import running_server

CLOSE_WIDGETS = "import ipywidgets; ipywidgets.Widget.close_all()"
RUN_TINY = """
if "clip" not in globals():
    import ltx_nb
    from ltx_nb.inspect import capture_attention
    session = ltx_nb.load("tiny")
    with capture_attention(session) as attention:
        prompt = "A red ball bounces on the floor in front of a navy background."
        clip = session.text_to_video(prompt, seconds=2, seed=12, trace=True)
"""


class OneProcessAFrontEnd(LoadScopeScheduling):
    """Hands all tests of one front end, with its server and its notebook, to one process, and others by their file."""

    def _split_scope(self, nodeid):
        of_frontend = re.search(rf"[\[-]({'|'.join(PATHS)})[\]-]", nodeid)
        return of_frontend[1] if of_frontend else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    return OneProcessAFrontEnd(config, log)


# Package scope, since Playwright's event loop must not outlive these tests: the others run loops of their own.
@pytest.fixture(scope="package", params=PATHS)
def frontend(request):
    return request.param


@pytest.fixture
def walk_in_lab(frontend):
    """Long walks are taken in one front end; LTX_NB_WALKS=1 takes them in both."""
    _walk(frontend, "lab")


@pytest.fixture
def walk_in_notebook(frontend):
    _walk(frontend, "notebook")


def _walk(frontend, wanted):
    if frontend != wanted and "LTX_NB_WALKS" not in os.environ:
        pytest.skip(f"a long walk, taken in {wanted} alone; LTX_NB_WALKS=1 takes it in both")


# Not one server for both: it remembers where a file is by its name alone, and both front ends have the same fonts.
@pytest.fixture(scope="package")
def server(frontend, tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture(scope="package")
def browser():
    path = chromium.find()
    if path is None:
        pytest.fail(chromium.ADVICE, pytrace=False)
    options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    expect.set_options(timeout=TIMEOUT_S * 1000)
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=path, args=options)
        yield chrome.new_context(viewport=VIEWPORT)
        chrome.close()


@pytest.fixture(scope="package")
def tab(frontend, server, browser):
    opened = NotebookPage(browser, server, frontend)
    yield opened
    opened.page.close()


@pytest.fixture
def notebook(request, tab):
    """The open notebook of either front end, without widgets. Fails the test if the browser's console had an error."""
    failed_before = request.session.testsfailed
    tab.value("None", code=CLOSE_WIDGETS)
    yield tab
    errors, tab.errors = tab.errors, []
    if errors or request.session.testsfailed > failed_before:
        tab.start()  # what a failed test left behind must not fail the next
    assert errors == []


@pytest.fixture
def tiny_notebook(notebook):
    """The same; its kernel has the tiny model as `session`, a `clip` of it with trace, and its `attention`."""
    notebook.value("None", RUN_TINY, LONG_S)
    return notebook
