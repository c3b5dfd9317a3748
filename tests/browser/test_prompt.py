"""The prompt in a real front end: what is typed reaches the kernel's request, what is refused is said."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def prompt(notebook):
    notebook.run("from ltx_widgets import Prompt\nprompt = Prompt()\nprompt")
    widget = notebook.page.locator(".ltx-prompt")
    widget.wait_for()
    return widget


def test_typed_prompt_reaches_the_request(notebook, prompt):
    prompt.get_by_label("Prompt", exact=True).fill("a red ball bounces")
    notebook.wait_until("prompt.request.prompt == 'a red ball bounces'")


def test_request_from_the_kernel_is_shown(notebook, prompt):
    notebook.value("None", code="prompt.request = prompt.request.replace(prompt='a blue square slides', seed=11)")
    expect(prompt.get_by_label("Prompt", exact=True)).to_have_value("a blue square slides")
    expect(prompt.get_by_label("Seed", exact=True)).to_have_value("11")


def test_request_from_the_kernel_leaves_what_is_being_typed(notebook, prompt):
    seed = prompt.get_by_label("Seed", exact=True)
    seed.press("Control+a")
    seed.press_sequentially("77")  # and neither Enter nor Tab
    notebook.value("None", code="prompt.request = prompt.request.replace(prompt='a blue square slides', seed=11)")
    expect(prompt.get_by_label("Prompt", exact=True)).to_have_value("a blue square slides")
    expect(seed).to_have_value("77")
    seed.press("Tab")
    notebook.wait_until("prompt.request.seed == 77")


def test_refused_value_is_said_and_changes_nothing(notebook, prompt):
    before = notebook.value("prompt.request.to_json()")
    seed = prompt.get_by_label("Seed", exact=True)
    seed.fill("-1")
    seed.press("Tab")
    prompt.get_by_role("alert").filter(has_text="seed").wait_for()
    assert notebook.value("prompt.request.to_json()") == before


def test_reload_finds_the_prompt(notebook, prompt):
    prompt.get_by_label("Prompt", exact=True).fill("a green triangle hums")
    notebook.wait_until("prompt.request.prompt == 'a green triangle hums'")
    notebook.reload()
    expect(prompt.get_by_label("Prompt", exact=True)).to_have_value("a green triangle hums")


def test_looks(notebook, prompt):
    prompt.get_by_label("Prompt", exact=True).fill("a red ball bounces in a dark room, with a low thump each time")
    notebook.screenshots(prompt, "prompt")
