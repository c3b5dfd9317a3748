"""The tiny model in a web page, on WASM in headless Chromium: its clips are the kit's, and its form makes them."""

import base64

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from exported_model import page
from playwright.sync_api import expect

from browser import chromium
from browser.notebook_page import LONG_S, SCREENSHOTS
from browser.try_page import make, served, start
from ltx_nb import ClipRequest
from ltx_nb.pipeline.prepare import pack_audio, pack_video
from ltx_nb.tiny.evaluate import draw_cases
from ltx_nb.tiny.scores import Outcome

PROMPT = "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump."
JUDGED = [case for case in draw_cases(32, 60_000) if (case.scene.width, case.scene.num_frames) == (128, 49)]
SOUNDING, SILENT = (next(case for case in JUDGED if case.is_silent == silent) for silent in (False, True))
RETAKEN_S = (0.7, 1.4)
# Eight steps of a model in other rounding: far below what is seen or heard, far above any other clip's nearness.
LATENTS_APART = 0.05


BRIGHTEST = """() => {
  const { width, height } = document.getElementById("frames");
  const { data } = document.getElementById("frames").getContext("2d").getImageData(0, 0, width, height);
  return [0, 1].map((channel) => Math.max(...data.filter((_, i) => i % 4 === channel)));
}"""


LOADED = """async ([base, limit]) => {
  const { createSession } = await import(new URL("session.mjs", base));
  const { device, why } = await createSession({ cardLimitMs: limit }).load();
  return [device, why];
}"""
NO_ANSWER = "self.navigator.gpu.requestAdapter = () => new Promise(() => {});\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return page(tmp_path_factory.mktemp("site") / "try")


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def tab(browser, address):
    tab = browser.new_page()
    tab.goto(address)
    start(tab, address)
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def first(tab):
    return make(tab, SOUNDING.prompt, SOUNDING.seed, name="first")


@pytest.fixture
def opened(browser, address):
    """The page as a visitor finds it. Fails the test if its console had an error."""
    tab = browser.new_page()
    errors = []
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(address)
    expect(tab.get_by_role("button", name="Make the clip")).to_be_enabled()
    yield tab
    tab.close()
    assert errors == []


def made_by_form(tab, prompt=PROMPT, seed=7):
    tab.get_by_label("Prompt", exact=True).fill(prompt)
    tab.get_by_label("Seed", exact=True).fill(str(seed))
    tab.get_by_role("button", name="Make the clip").click()
    expect(tab.get_by_role("status")).to_contain_text("Made in", timeout=LONG_S * 1000)


def asked_of(tab):
    """Prompt, seed and what is given, of the request that the page tells."""
    with tab.expect_download() as download:
        tab.locator("#download").evaluate("(link) => link.click()")
    request = ClipRequest.from_json(download.value.path().read_text("utf-8"))
    return request.prompt, request.seed, list(request.given)


def test_the_same_seed_makes_the_kits_clip(first, session):
    own, theirs = session.text_to_video(SOUNDING.prompt, seed=SOUNDING.seed, progress=False), first
    assert np.abs(theirs["latents"]["video"] - pack_video(own.latents[None])[0].numpy()).max() < LATENTS_APART
    assert np.abs(theirs["latents"]["audio"] - pack_audio(own.audio_latents[None])[0].numpy()).max() < LATENTS_APART
    assert np.abs(theirs["clip"].frames.astype(int) - own.frames).mean() < 1
    assert np.abs(theirs["clip"].audio - own.audio).max() < 0.05


@pytest.mark.parametrize("case", [SOUNDING, SILENT], ids=["sounding", "silent"])
def test_a_clip_shows_and_sounds_as_its_prompt_says(tab, first, case):
    made = first if case is SOUNDING else make(tab, case.prompt, case.seed)
    assert Outcome.of(case, made["clip"]).wrongs() == []


def test_a_retake_changes_its_span_alone(tab, first):
    before = first["clip"]
    spans = {"video": [RETAKEN_S], "audio": [RETAKEN_S]}
    after = make(tab, PROMPT, 8, keeps="first", spans=spans)["clip"]
    inside = np.abs(after.frames.astype(int) - before.frames).max((1, 2, 3)) > 0
    assert not inside[:16].any() and inside[17:33].all() and not inside[34:].any()
    first, last = (round(moment_s * after.sample_rate) for moment_s in RETAKEN_S)
    changed = np.abs(after.audio - before.audio).max(0) > 0
    assert not changed[:first].any() and changed[first:last].mean() > 0.9 and not changed[last:].any()


def test_foley_keeps_the_picture_and_makes_another_sound(tab, first):
    before = first["clip"]
    after = make(tab, PROMPT, 9, keeps="first", spans={"video": []})["clip"]
    np.testing.assert_array_equal(after.frames, before.frames)
    assert np.abs(after.audio - before.audio).max() > 0.01


def test_a_picture_begins_the_clip(tab, session):
    first = session.text_to_video("A green square stands still in front of a black background.", seed=5).frames[0]
    picture = np.dstack([first, np.full((128, 128), 255, np.uint8)])
    image = base64.b64encode(picture.tobytes()).decode()
    clip = make(tab, "A green square slides from side to side.", 3, image=image)["clip"]
    assert np.abs(clip.frames[0].astype(int) - first).mean() < 6


def test_the_form_makes_a_clip_that_plays_and_a_part_of_it_again(opened):
    opened.get_by_label("Use the graphics card, if there is one").uncheck()
    made_by_form(opened)
    expect(opened.get_by_role("status")).to_contain_text("s on WASM.")
    opened.wait_for_function("document.getElementById('time').valueAsNumber > 0.2")
    opened.get_by_role("button", name="Pause").click()
    opened.screenshot(path=SCREENSHOTS / "try-clip.png", full_page=True)
    red, green = opened.evaluate(BRIGHTEST)
    assert red > 150 > green
    assert asked_of(opened) == (PROMPT, 7, [])

    opened.get_by_label("a part of this clip again").check()
    opened.get_by_role("button", name="All the sound (foley)").click()
    made_by_form(opened, seed=8)
    prompt, seed, given = asked_of(opened)
    assert (prompt, seed, [item.lane for item in given]) == (PROMPT, 8, ["video"])
    expect(opened.locator("#python")).to_contain_text("video=False")
    opened.locator("#step").fill("1")
    expect(opened.locator("#sigma")).to_have_text("1 of 8, σ 1.000")


def test_what_is_cancelled_says_so_be_it_loading_or_a_run(opened):
    status = opened.get_by_role("status")
    opened.get_by_role("button", name="Make the clip").click()
    opened.get_by_role("button", name="Cancel").click()
    expect(status).to_have_text("Cancelled.")
    opened.get_by_role("button", name="Make the clip").click()
    expect(status).to_contain_text("Step", timeout=LONG_S * 1000)
    opened.get_by_role("button", name="Cancel").click()
    expect(status).to_have_text("Cancelled.", timeout=LONG_S * 1000)
    expect(opened.get_by_role("button", name="Make the clip")).to_be_enabled()


def test_a_card_that_never_answers_is_given_up(browser, address, folder):
    tab = browser.new_page()
    never = NO_ANSWER + (folder / "worker.mjs").read_text("utf-8")
    tab.route("**/worker.mjs", lambda route: route.fulfill(body=never, content_type="text/javascript"))
    tab.goto(address)
    assert tab.evaluate(LOADED, [address, 200]) == ["WASM", "the graphics card did not answer within 0.2 s"]
    tab.close()


def test_a_card_in_software_is_not_used(browser, address):
    flags = ["--no-sandbox", "--enable-unsafe-webgpu", "--enable-features=Vulkan"]
    chrome = browser.browser.browser_type.launch(executable_path=chromium.find(), args=flags)
    tab = chrome.new_page()
    tab.goto(address)
    assert tab.evaluate("navigator.gpu.requestAdapter().then((card) => card.info.isFallbackAdapter)")
    assert tab.evaluate(LOADED, [address, LONG_S * 1000]) == ["WASM", ""]
    chrome.close()


@pytest.mark.parametrize("width_px", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_can_be_read_by_all(opened, width_px, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": width_px, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width_px
    opened.screenshot(path=SCREENSHOTS / f"try-{scheme}-{width_px}.png", full_page=True)
    found = Axe().run(opened)
    assert found.response["violations"] == [], found.generate_report()


def test_opened_from_a_file_it_says_why_it_does_not_run(browser, folder):
    tab = browser.new_page()
    tab.goto((folder / "index.html").as_uri())
    expect(tab.get_by_text("python -m http.server")).to_be_visible()
    tab.close()
