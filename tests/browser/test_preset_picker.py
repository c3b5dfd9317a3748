"""The preset picker in a real front end: a preset is picked, and a longer clip needs more memory."""

import pytest
from playwright.sync_api import expect

PICKER = """
from ltx_widgets import PresetPicker
picker = PresetPicker()
picker
"""
# Of all parts together: the peak may be in one that the clip's length does not change, such as that of the text.
PARTS_GB = "sum(line['gb'] for plan in picker.plans for part in plan['parts'] for line in part['lines'])"


@pytest.fixture
def picker(notebook):
    notebook.run(PICKER)
    widget = notebook.page.locator(".ltx-preset-picker")
    widget.wait_for()
    return widget


def test_picked_preset_is_the_kernels(notebook, picker):
    name = notebook.value("picker.plans[-1]['preset']")
    picker.locator(f"input[value='{name}']").check()
    notebook.wait_until(f"picker.preset == {name!r}")
    expect(picker.locator(f"input[value='{name}']")).to_be_checked()


def test_longer_clip_needs_more_memory(notebook, picker):
    before_gb = notebook.value(PARTS_GB)
    seconds = picker.get_by_label("Length in seconds")
    seconds.fill("10")
    seconds.press("Tab")
    notebook.wait_until(f"{PARTS_GB} > {before_gb}")


def test_preset_that_is_too_small_says_what_would_fit(notebook, picker):
    notebook.value("None", code="picker.job = {'width': 1920, 'height': 1088, 'num_frames': 481}")
    name = notebook.value("next(plan['preset'] for plan in picker.plans if plan['would_fit'])")
    picker.locator(f"input[value='{name}']").check()
    picker.get_by_role("status").filter(has_text="It does not fit").wait_for()
    expect(picker).to_contain_text("What would fit:")


def test_reload_finds_the_preset(notebook, picker):
    name = notebook.value("picker.plans[-1]['preset']")
    picker.locator(f"input[value='{name}']").check()
    notebook.wait_until(f"picker.preset == {name!r}")
    notebook.reload()
    expect(picker.locator(f"input[value='{name}']")).to_be_checked()


def test_looks(notebook, picker):
    notebook.screenshots(picker, "preset_picker")
