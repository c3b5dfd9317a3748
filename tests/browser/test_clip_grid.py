"""A sweep's grid on a plain page: every clip plays in step, one is heard, a click and keys take a request."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from browser.notebook_page import SCREENSHOTS
from browser.page import page_html, state_of
from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_nb.tiny.world import COLOURS, Scene
from ltx_widgets import ClipGrid

TOO_WIDE = "() => { const root = document.querySelector('.ltx'); return root.scrollWidth - root.clientWidth; }"
# Answers every wish for a file, as Python does.
ANSWER = """(files) => {
    const { model } = window.ltx;
    const bytes = (text) => new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
    const answer = ({ type, id }) => {
        if (type !== "want") return;
        model.receive({ type: "file", id, media_type: "video/mp4" }, [bytes(files[id])]);
    };
    const send = model.send.bind(model);
    model.send = (content, ...rest) => { send(content, ...rest); answer(content); };
    model.sent.map(({ content }) => content).forEach(answer);
}"""
TIMES = "() => [...document.querySelectorAll('.ltx video')].map((video) => video.currentTime)"
# Of all clips but the short one, which ends before.
APART = f"() => {{ const [a, b, c, d, _, f] = ({TIMES})(); return Math.max(a, b, c, d, f) - Math.min(a, b, c, d, f); }}"
HEARD = "() => [...document.querySelectorAll('.ltx video')].map((video) => !video.muted)"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of two prompts by three seeds; one of them is a shorter clip."""
    folder = tmp_path_factory.mktemp("sweep")
    for index in range(6):
        colour = list(COLOURS)[index]
        scene = Scene(colour=colour, num_frames=25 if index == 4 else 49, start=index / 6)
        request = ClipRequest(("a ball", "one more ball " * 20)[index // 3], width=128, height=128, seed=index % 3)
        clip = Clip(frames=scene.frames(), audio=scene.audio(), frame_rate=24, sample_rate=48_000, request=request)
        clip.save(folder / f"{index}.mp4")
    return folder


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_clips_play_in_step_and_a_click_takes_a_request(browser, made, theme):
    import base64

    widget = ClipGrid(made)
    widget.takes_requests = True
    pictures = [[{"type": "picture", "id": n}, [cell.picture()]] for n, cell in enumerate(widget._cells)]
    files = [base64.b64encode(cell.content()).decode() for cell in widget._cells]
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": 504, "height": 800})
    page.set_content(page_html("clip_grid", state_of(widget), pictures, theme))
    page.wait_for_function("window.ltx !== undefined")
    play = page.get_by_role("button", name="Play all in step")
    expect(play).to_be_disabled()
    page.evaluate(ANSWER, files)
    expect(play).to_be_enabled()
    assert page.evaluate(HEARD) == [False] * 6

    cells = page.locator(".clip-grid-open")
    cells.nth(0).click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    taken = [one["content"] for one in page.evaluate("() => window.ltx.model.sent")]
    assert [one["index"] for one in taken if one["type"] == "take"] == [0, 4]
    page.evaluate("() => window.ltx.model.receiveState('selected', 4)")
    expect(cells.nth(4)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("status")).to_have_text("Loaded the request of seed 1, " + "one more ball " * 20)
    assert page.evaluate(HEARD) == [n == 4 for n in range(6)]

    page.keyboard.press("k")
    page.wait_for_function(f"() => ({TIMES})()[0] > 0.2")
    assert page.evaluate(APART) < 0.25
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function(f"() => ({APART})() < 0.001")  # the very same moment, to compare

    moment = page.get_by_role("slider", name="Moment")
    moment.fill("1.5")
    page.wait_for_function(
        f"() => {{ const t = ({TIMES})(); return t[0] === 1.5 && Math.abs(t[4] - 25 / 24) < 0.05; }}"
    )

    assert page.evaluate(TOO_WIDE) <= 1
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"clip_grid-{theme}-480px.png", full_page=True)
    page.set_viewport_size({"width": 1304, "height": 800})
    page.screenshot(path=SCREENSHOTS / f"clip_grid-{theme}-1280px.png", full_page=True)
    found = Axe().run(page, context={"include": [[".ltx"]]}, options={"resultTypes": ["violations"]})
    told = [f"{one['id']}: {node['html'][:160]}" for one in found.response["violations"] for node in one["nodes"]]
    page.evaluate("() => window.ltx.close()")
    assert page.evaluate("() => document.querySelectorAll('.ltx').length + window.ltx.model.listenerCount") == 0
    page.close()
    assert told == [] and errors == []
