"""The player in a real front end: picture and sound run, two clips in step, and the steps of a run can be seen."""

import pytest
from playwright.sync_api import expect

PLAYER = """
from ltx_nb.pipeline.preview import Preview
from ltx_widgets import Player
from ltx_widgets.step_preview import step_previews
player = Player(clip, steps=step_previews(Preview(session.pipe), clip.trace))
player
"""
IS_LOADED = "() => document.querySelector('.ltx-player video')?.readyState >= 2"
ARE_LOADED = """() => {
    const videos = [...document.querySelectorAll('.ltx-player video')];
    return videos.length === 2 && videos.every((video) => video.readyState >= 2);
}"""
HAS_GONE_BACK = """() => {
    const { currentTime } = document.querySelector('.ltx-player video');
    const hasGoneBack = currentTime < (window.latestTime ?? 0) - 0.1;
    window.latestTime = currentTime;
    return hasGoneBack;
}"""
IN_STEP = """() => {
    const videos = [...document.querySelectorAll('.ltx-player video')];
    const [first_s, second_s] = videos.map((video) => video.currentTime);
    return videos.every((video) => !video.paused) && first_s > 0.5 && Math.abs(first_s - second_s) < 0.05;
}"""

IS_BEFORE = "(time_s) => document.querySelector('.ltx-player video').currentTime < time_s"
MEAN_OF_PICTURE = """async (url) => {
    const picture = await createImageBitmap(await (await fetch(url)).blob());
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const { data } = context.getImageData(0, 0, picture.width, picture.height);
    return [0, 1, 2].map((channel) => {
        let sum = 0;
        for (let place = channel; place < data.length; place += 4) sum += data[place];
        return sum / (data.length / 4);
    });
}"""


@pytest.fixture
def player(tiny_notebook):
    tiny_notebook.run(PLAYER)
    tiny_notebook.wait_for(IS_LOADED, "the clip to be loaded")
    return tiny_notebook.page.locator(".ltx-player")


def test_plays_with_sound_and_remembers_where_it_stopped(tiny_notebook, player):
    tiny_notebook.value("None", "player.speed = 0.25")  # so that it is still running when it is to stop
    expect(player.get_by_label("Speed")).to_have_value("0.25")
    player.get_by_role("button", name="Play (space)").click()
    tiny_notebook.wait_for("() => document.querySelector('.ltx-player video').currentTime > 0.3", "the clip to play")
    assert player.locator("video").evaluate("video => video.webkitAudioDecodedByteCount") > 0
    player.get_by_role("button", name="Pause (space)").click()
    tiny_notebook.wait_until("player.position_s > 0.3")


def test_arrow_key_steps_by_one_frame(tiny_notebook, player):
    player.get_by_role("slider", name="Playhead").press("ArrowRight")
    tiny_notebook.wait_until("0 < player.position_s <= 1.5 / 24")


def test_the_frame_that_is_named_is_the_frame_that_is_shown(tiny_notebook, player):
    """Before anything is played it is the first, which is called 0 as on every ruler."""
    expect(player.locator(".player-place")).to_contain_text("frame 0 · latent 0 · audio latent 0")
    poster = player.locator("video").get_attribute("poster")
    shown = tiny_notebook.page.evaluate(MEAN_OF_PICTURE, poster)
    expected = tiny_notebook.value("clip.frames[0].reshape(-1, 3).mean(0).tolist()")
    assert shown == pytest.approx(expected, abs=3)


def test_shuttle_keys_play_faster_backwards_and_stop(tiny_notebook, player):
    playhead = player.get_by_role("slider", name="Playhead")
    tiny_notebook.value("None", "player.position_s = 1.0")
    expect(playhead).to_have_attribute("aria-valuenow", "1.000")
    playhead.press("j")
    tiny_notebook.wait_for(IS_BEFORE, "the clip to run backwards", 0.9)
    playhead.press("k")
    tiny_notebook.wait_until("0 < player.position_s < 0.95 or player.position_s == 0")
    playhead.press("l")
    playhead.press("l")
    tiny_notebook.wait_for("() => document.querySelector('.ltx-player video').playbackRate === 1.5", "a faster shuttle")
    playhead.press("k")
    tiny_notebook.wait_for("() => document.querySelector('.ltx-player video').paused", "the clip to stop")


def test_dragged_span_is_looped(tiny_notebook, player):
    mouse, box = tiny_notebook.page.mouse, player.locator(".player-ruler").bounding_box()
    y_px = box["y"] + box["height"] / 2
    mouse.move(box["x"] + 0.25 * box["width"], y_px)
    mouse.down()
    mouse.move(box["x"] + 0.5 * box["width"], y_px, steps=5)
    mouse.up()
    tiny_notebook.wait_until("player.loop and len(player.span_s) == 2")
    start_s, end_s = tiny_notebook.value("player.span_s")
    assert end_s - start_s == pytest.approx(tiny_notebook.value("player.duration_s") / 4, rel=0.05)
    player.get_by_role("button", name="Play (space)").click()
    tiny_notebook.wait_for(HAS_GONE_BACK, "the span to begin again")
    assert player.locator("video").evaluate("video => video.currentTime") >= start_s - 0.05


def test_chosen_speed_is_the_kernels(tiny_notebook, player):
    player.get_by_label("Speed").select_option("1.5")
    tiny_notebook.wait_until("player.speed == 1.5")
    assert player.locator("video").evaluate("video => video.playbackRate") == 1.5


def test_letter_key_is_the_players_and_not_the_notebooks(tiny_notebook, player):
    player.get_by_role("slider", name="Playhead").press("m")  # in a notebook, M makes Markdown of the cell
    tiny_notebook.wait_until("player.muted")
    assert tiny_notebook.cell_types() == ["code"]


def test_steps_of_the_run_are_seen(tiny_notebook, player):
    slider = player.get_by_role("slider", name="Step of the run")
    slider.press("Home")
    tiny_notebook.wait_until("player.step == 0")
    picture = player.locator("canvas.player-overlay")
    picture.wait_for()
    assert picture.evaluate("canvas => canvas.width > 1 && canvas.height > 1")
    slider.press("End")
    tiny_notebook.wait_until("player.step == -1")
    expect(picture).to_be_hidden()


def test_two_clips_run_in_step(tiny_notebook, player):
    tiny_notebook.value("None", "player.show(clip, clip); player.loop = True")
    tiny_notebook.wait_for(ARE_LOADED, "both clips to be loaded")
    player.get_by_role("button", name="Play (space)").click()
    tiny_notebook.wait_for(IN_STEP, "both clips to run in step")


def test_reload_finds_position_and_step(tiny_notebook, player):
    tiny_notebook.value("None", code="player.position_s, player.step = 1.0, 3")
    tiny_notebook.reload()
    tiny_notebook.wait_for(IS_LOADED, "the clip to be loaded again")
    expect(player.get_by_role("slider", name="Playhead")).to_have_attribute("aria-valuenow", "1.000")
    expect(player.get_by_role("slider", name="Step of the run")).to_have_value("3")


def test_looks(tiny_notebook, player):
    tiny_notebook.value("None", code="player.position_s = 1.0")
    expect(player.get_by_role("slider", name="Playhead")).to_have_attribute("aria-valuenow", "1.000")
    tiny_notebook.screenshots(player, "player")
