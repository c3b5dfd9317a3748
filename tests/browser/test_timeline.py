"""The timeline in a real front end: what is dragged, typed and clicked becomes the kernel's request, on release."""

import hashlib
import re
import wave

import pytest
from PIL import Image
from playwright.sync_api import expect

LATENT_S = 8 / 24
TRACK_PX = "() => document.querySelector('.ltx-timeline-track').clientWidth"
GIVE_IMAGE = """
import io
from PIL import Image
from ltx_nb.request import Given
from ltx_nb.source import Source
png = io.BytesIO()
Image.new("RGB", (64, 64), "orange").save(png, "PNG")
image = Given("video", Source.from_bytes(png.getvalue(), "image/png"))
timeline.request = timeline.request.replace(given=(image,))
"""
GENERATED = "[list(span) for span in timeline.request.generated_spans_s({!r})]"


@pytest.fixture
def timeline(tiny_notebook):
    """A timeline with the middle third of a clip of 49 frames to be retaken, on both lanes."""
    tiny_notebook.run("from ltx_widgets import Timeline\ntimeline = Timeline(media=[clip])\ntimeline")
    widget = tiny_notebook.page.locator(".ltx-timeline")
    widget.get_by_role("button", name="Retake").click()
    tiny_notebook.wait_until("len(timeline.request.given) == 4")
    return widget


def generated(widget, lane):
    return widget.get_by_role("button", name=re.compile(f"^{lane} generated"))


def given(widget, lane):
    return widget.get_by_role("button", name=re.compile(f"^{lane} given"))


def spans_s(notebook, lane):
    return notebook.value(GENERATED.format(lane))


def px_per_s(notebook, widget):
    [[start_s, end_s]] = spans_s(notebook, "video")
    return generated(widget, "video").bounding_box()["width"] / (end_s - start_s)


def test_dragged_retake_region_is_the_requests(tiny_notebook, timeline):
    mouse = tiny_notebook.page.mouse
    [[start_s, end_s]] = before = spans_s(tiny_notebook, "video")
    box = generated(timeline, "video").bounding_box()
    x_px, y_px = box["x"] + 2, box["y"] + box["height"] / 2
    latent_px = LATENT_S * px_per_s(tiny_notebook, timeline)
    mouse.move(x_px, y_px)
    mouse.down()
    label = generated(timeline, "video").get_attribute("aria-label")
    mouse.move(x_px - latent_px, y_px, steps=10)
    expect(generated(timeline, "video")).not_to_have_attribute("aria-label", label)
    assert spans_s(tiny_notebook, "video") == before  # nothing crosses the wire in a drag
    mouse.up()
    tiny_notebook.wait_until(f"{GENERATED.format('video')} != {before}")
    for lane in ("video", "audio"):
        assert spans_s(tiny_notebook, lane) == [
            [pytest.approx(start_s - LATENT_S, abs=0.03), pytest.approx(end_s, abs=0.03)]
        ]


def test_a_source_goes_in_as_one_unit_with_a_ghost_before(tiny_notebook, timeline):
    """Picture and sound begin at the same sample, over what is given, and what is cut is said."""
    hole = generated(timeline, "video")
    box = hole.bounding_box()
    tiny_notebook.page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    expect(hole).to_have_css("cursor", "ew-resize")
    cursor = timeline.get_by_role("slider", name="Cursor")
    cursor.press("Home")
    for _ in range(3):
        cursor.press("PageUp")
    insert = timeline.get_by_role("button", name="Insert at cursor")
    insert.hover()
    expect(timeline.locator(".ltx-timeline-ghost")).to_have_count(2)
    told = timeline.get_by_role("status")
    expect(told).to_contain_text(re.compile(r"lands at 1\.042 s on both lanes; cuts .* of picture and .* of sound"))
    insert.click()
    tiny_notebook.wait_until("len({item.start_s for item in timeline.request.given if item.source_start_s == 0}) == 2")
    starts = "sorted({item.start_s for item in timeline.request.given if item.source_start_s == 0})"
    assert tiny_notebook.value(starts) == [0, pytest.approx(25 / 24)]
    expect(told).to_contain_text("lands at 1.042 s")
    expect(timeline.locator(".ltx-timeline-ghost").first).to_be_hidden()


def test_keys_move_the_region_and_undo_it(tiny_notebook, timeline):
    [[start_s, end_s]] = before = spans_s(tiny_notebook, "video")
    generated(timeline, "video").press("ArrowRight")
    tiny_notebook.wait_until(f"{GENERATED.format('video')} != {before}")
    assert spans_s(tiny_notebook, "video") == [[pytest.approx(start_s + LATENT_S), pytest.approx(end_s + LATENT_S)]]
    generated(timeline, "video").press("Control+z")
    tiny_notebook.wait_until(f"{GENERATED.format('video')} == {before}")


def test_keys_split_a_span_at_the_cursor_and_delete_a_half(tiny_notebook, timeline):
    given(timeline, "video").first.focus()
    cursor = timeline.get_by_role("slider", name="Cursor")
    cursor.press("PageUp")  # by 8 frames, next to the edge of a latent
    cursor.press("s")
    tiny_notebook.wait_until("len(timeline.request.given) == 6")
    given(timeline, "video").first.press("Delete")
    tiny_notebook.wait_until("len(timeline.request.given) == 4")
    for lane in ("video", "audio"):
        assert spans_s(tiny_notebook, lane)[0] == [0, pytest.approx(9 / 24, abs=0.03)]


def test_keys_at_its_end_make_the_clip_longer(tiny_notebook, timeline):
    timeline.get_by_role("slider", name="Clip length").press("ArrowRight")
    tiny_notebook.wait_until("timeline.request.num_frames == 57")


def test_key_weakens_an_image(tiny_notebook, timeline):
    tiny_notebook.value("None", code=GIVE_IMAGE)
    timeline.get_by_role("button", name=re.compile("^image given")).press("ArrowDown")
    tiny_notebook.wait_until("[item.strength for item in timeline.request.given] == [0.95]")


def test_keys_zoom_in_and_fit(tiny_notebook, timeline):
    before_px = tiny_notebook.page.evaluate(TRACK_PX)
    cursor = timeline.get_by_role("slider", name="Cursor")
    cursor.press("+")
    tiny_notebook.wait_for(f"(before_px) => ({TRACK_PX})() > 1.4 * before_px", "a longer axis", before_px)
    cursor.press("0")
    tiny_notebook.wait_for(f"(before_px) => ({TRACK_PX})() === before_px", "the axis to fit again", before_px)


def test_request_from_the_kernel_is_drawn(tiny_notebook, timeline):
    tiny_notebook.value("None", code="timeline.request = timeline.request.replace(given=())")
    expect(timeline.locator("[data-lane=video] .ltx-timeline-part")).to_have_count(1)


def test_uploaded_picture_is_given(tiny_notebook, timeline, tmp_path):
    Image.new("RGB", (640, 480), "orange").save(tmp_path / "orange.png")
    timeline.get_by_role("button", name="Clear", exact=True).click()
    tiny_notebook.wait_until("timeline.request.given == ()")
    with tiny_notebook.page.expect_file_chooser() as chooser:
        timeline.get_by_role("button", name="Add file…").click()
    chooser.value.set_files(tmp_path / "orange.png")
    tiny_notebook.wait_until("[item.is_image for item in timeline.request.given] == [True]")


def test_file_larger_than_a_message_arrives_whole(tiny_notebook, timeline, tmp_path):
    with wave.open(str(tmp_path / "long.wav"), "wb") as sound:
        sound.setparams((2, 2, 48_000, 0, "NONE", ""))
        sound.writeframes(bytes(12 * 2**20))  # Jupyter loses a message of 10 MiB
    with tiny_notebook.page.expect_file_chooser() as chooser:
        timeline.get_by_role("button", name="Add file…").click()
    chooser.value.set_files(tmp_path / "long.wav")
    digest = hashlib.sha256((tmp_path / "long.wav").read_bytes()).hexdigest()
    tiny_notebook.wait_until(f"{digest!r} in [source['sha256'] for source in timeline.sources]")


def test_reload_finds_the_draft(tiny_notebook, timeline):
    label = generated(timeline, "video").get_attribute("aria-label")
    tiny_notebook.reload()
    expect(generated(tiny_notebook.page.locator(".ltx-timeline"), "video")).to_have_attribute("aria-label", label)


def test_looks(tiny_notebook, timeline):
    tiny_notebook.screenshots(timeline, "timeline")


def test_a_reference_is_looked_at_with_its_strength_and_can_go(tiny_notebook):
    """A third row, there while it holds something; no span of the clip is given."""
    tiny_notebook.run("from ltx_widgets import Timeline\ntimeline = Timeline(media=[clip])\ntimeline")
    widget = tiny_notebook.page.locator(".ltx-timeline")
    row = widget.get_by_role("group", name="references")
    expect(row).to_be_hidden()
    widget.get_by_role("button", name="As reference").click()
    asked = "[(it.num_frames, it.strength) for it in timeline.request.references]"
    tiny_notebook.wait_until(f"{asked} == [(49, 1.0)]")
    row.get_by_role("slider").fill("0.5")
    tiny_notebook.wait_until(f"{asked} == [(49, 0.5)]")
    expect(widget.get_by_role("status").first).to_contain_text("looks at 1 reference")
    assert tiny_notebook.value("len(timeline.request.given)") == 0
    track, gutter = widget.locator(".ltx-timeline-track"), widget.locator(".ltx-timeline-gutter")
    assert row.bounding_box()["y"] == pytest.approx(gutter.get_by_text("Reference").bounding_box()["y"], abs=2)
    assert track.bounding_box()["height"] == pytest.approx(gutter.bounding_box()["height"], abs=2)
    tiny_notebook.screenshots(widget, "timeline_reference")
    row.get_by_role("button", name="Take the reference away").click()
    tiny_notebook.wait_until(f"{asked} == []")
    expect(row).to_be_hidden()
