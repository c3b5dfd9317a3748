"""References, LoRAs and a training, each on a plain page: named, 480 px wide, in both themes."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from browser.notebook_page import SCREENSHOTS
from browser.page import page_html
from ltx_nb.catalogue.models import TINY
from ltx_nb.media import Media
from ltx_nb.request import ClipRequest, Reference, Source
from ltx_nb.timed import TimedPrompt
from ltx_nb.tiny.world import Scene
from ltx_widgets import Prompt, Timeline, TrainingPanel
from ltx_widgets.training_panel.widget import curves_of

TOO_WIDE = "() => { const root = document.querySelector('.ltx'); return root.scrollWidth - root.clientWidth; }"
LOSSES = [{"video": 0.1 + 0.3 / (1 + n / 9), "audio": 0.3 + 0.6 / (1 + n / 4)} for n in range(60)]


def with_references():
    moving = Source.from_media(Media(frames=Scene(num_frames=25).silhouette(), frame_rate=24.0))
    still = Source.from_media(Media(frames=Scene(num_frames=1).frames()))
    references = (Reference(moving, num_frames=25), Reference(still, strength=0.5))
    return Timeline(ClipRequest("a ball", num_frames=49, references=references)), []


def with_words():
    timed = TimedPrompt("a blue ball", 25 / 24, 33 / 24)
    return Timeline(ClipRequest("a red ball", num_frames=49, timed_prompts=[timed])), []


def with_loras():
    loras = [
        {"path": "bells.safetensors", "trigger": "RINGING"},
        {"path": "edges.safetensors", "follows_reference": True},
    ]
    return Prompt(ClipRequest("a ball"), model=TINY, loras=loras), []


def in_training():
    panel = TrainingPanel(lambda on_step: None, steps=150)
    panel.state, panel.step, panel.curves = "running", len(LOSSES), curves_of(LOSSES)
    return panel, []


@pytest.fixture(params=["light", "dark"])
def shown(request, browser):
    """show(make): a widget of Python's state on a page of its own, 480 px wide."""
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": 504, "height": 800})

    def show(make):
        widget, messages = make()
        state = {name: value for name, value in widget.get_state().items() if not name.startswith("_")}
        page.set_content(page_html(widget._name, state, messages, request.param))
        page.wait_for_function("window.ltx !== undefined")
        return page

    def check(name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}-{request.param}.png")
        assert page.evaluate(TOO_WIDE) <= 1
        found = Axe().run(page, context={"include": [[".ltx"]]}, options={"resultTypes": ["violations"]})
        assert [
            f"{it['id']}: {node['html'][:160]}" for it in found.response["violations"] for node in it["nodes"]
        ] == []

    yield show, check
    page.close()
    assert errors == []


def sent(page):
    return [one["content"] for one in page.evaluate("() => window.ltx.model.sent")]


def test_references_stand_in_a_row_of_their_own(shown):
    show, check = shown
    page = show(with_references)
    row = page.get_by_role("group", name="references")
    expect(row.get_by_role("slider")).to_have_count(2)
    check("references")
    row.get_by_role("button", name="Take the reference away").first.click()
    assert [it["strength"] for it in sent(page)[-1]["value"]["references"]] == [0.5]


def test_words_stand_in_a_row_of_their_own_and_are_dragged_and_edited(shown):
    show, check = shown
    page = show(with_words)

    def words():
        """Prompt, first and end frame of each span of words in the latest edit."""
        timed = next(one["value"] for one in reversed(sent(page)) if one["type"] == "edit")["timed_prompts"]
        return [(one["prompt"], round(one["start_s"] * 24), round(one["end_s"] * 24)) for one in timed]

    row = page.get_by_role("group", name="words lane")
    part = row.get_by_role("button", name="words, 1.04 s to 1.38 s: a blue ball")
    box = part.bounding_box()
    latent_px = box["width"]  # it is 8 frames long
    y_px = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + latent_px - 2, y_px)
    page.mouse.down()
    page.mouse.move(box["x"] + 1.6 * latent_px, y_px, steps=4)
    page.mouse.up()
    assert words() == [("a blue ball", 25, 41)]
    page.keyboard.press("ArrowLeft")
    assert words() == [("a blue ball", 17, 33)]
    fields = page.get_by_role("group", name="Selected part")
    expect(fields.get_by_label("from")).to_have_value("0.708")  # fields are drawn anew with the next picture
    fields.get_by_role("textbox", name="Words").fill("a green ball")
    page.keyboard.press("Enter")
    assert words() == [("a green ball", 17, 33)]
    check("words")
    page.get_by_role("button", name="Add words").click()
    assert words() == [("a green ball", 17, 33), ("a red ball", 0, 17)]
    expect(page.get_by_role("textbox", name="Words")).to_be_focused()
    row.get_by_role("button", name="a green ball").press("Delete")
    assert words() == [("a red ball", 0, 17)]


def test_loras_stand_in_a_list_of_their_own(shown):
    show, check = shown
    page = show(with_loras)
    page.get_by_role("button", name="LoRAs").click()
    page.get_by_label("Use bells.safetensors").check()
    assert sent(page)[-1] == {"type": "lora", "index": 0, "strength": 1}
    check("loras")


def test_a_training_shows_both_lanes_and_can_be_cancelled(shown):
    show, check = shown
    page = show(in_training)
    expect(page.get_by_role("status")).to_have_text("running: 60 of 150 steps")
    expect(page.get_by_role("img", name="Loss of")).to_have_count(2)
    check("training")
    page.get_by_role("button", name="Cancel").click()
    assert sent(page)[-1] == {"type": "cancel"}
