"""The latent explorer in a real front end: a latent is picked on the picture and on the sound, and told about."""

import pytest
from playwright.sync_api import expect

EXPLORER = """
from ltx_nb import inspect
from ltx_widgets import LatentExplorer
explorer = LatentExplorer(
    clip,
    attention=attention,
    cell_footprint=lambda t, y, x: inspect.cell_footprint(session, clip.latents, t, y, x),
    audio_footprint=lambda t: inspect.audio_cell_footprint(session, clip.audio_latents, t),
)
explorer
"""


@pytest.fixture
def explorer(tiny_notebook):
    tiny_notebook.run(EXPLORER)
    widget = tiny_notebook.page.locator(".ltx-latent-explorer")
    widget.locator(".explorer-cards svg, .explorer-cards canvas").first.wait_for()
    return widget


def test_clicked_cell_is_picked(tiny_notebook, explorer):
    picture = explorer.get_by_role("application", name="Video latents")
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] * 0.9, "y": box["height"] * 0.1})
    tiny_notebook.wait_until("[explorer.picked[axis] for axis in 'yx'] == [0, 3]")
    expect(explorer.locator(".explorer-where")).to_contain_text("row 0, column 3")


def test_keys_move_through_time(tiny_notebook, explorer):
    t = tiny_notebook.value("explorer.picked['t']")
    explorer.get_by_role("application", name="Video latents").press("PageDown")
    tiny_notebook.wait_until(f"explorer.picked['t'] == {t + 1}")


def test_clicked_sound_is_picked(tiny_notebook, explorer):
    strip = explorer.get_by_role("application", name="Audio latents")
    strip.click(position={"x": strip.bounding_box()["width"] - 8, "y": 10})
    last = tiny_notebook.value("explorer.grid['sounds'] - 1")
    tiny_notebook.wait_until(f"explorer.picked == {{'lane': 'audio', 't': {last}}}")
    expect(explorer.locator(".explorer-where")).to_contain_text(f"Audio latent {last}:")


def test_footprint_is_shown_when_asked_for(tiny_notebook, explorer):
    explorer.get_by_role("button", name="Footprint").click()
    explorer.get_by_text("of the change falls within its own frames").wait_for()


FOLLOWING = """
from ltx_nb import Sampling
from ltx_nb.inspect import capture_attention
from ltx_nb.media import Media
from ltx_nb.tiny.world import Scene
from ltx_widgets import LatentExplorer
silhouette = Media(frames=Scene(num_frames=17).silhouette(), frame_rate=24.0)
few = Sampling(num_inference_steps=2)
with capture_attention(session, kinds=["video_to_audio", "reference"]) as seen:
    after = session.text_to_video("A red ball bounces.", references=[silhouette], num_frames=17, sampling=few)
following = LatentExplorer(after, attention=seen)
following
"""


def test_a_clip_made_after_a_reference_shows_where_it_looks_there(tiny_notebook):
    tiny_notebook.run(FOLLOWING)
    explorer = tiny_notebook.page.locator(".ltx-latent-explorer")
    explorer.get_by_role("button", name="Reference").click()
    told = explorer.get_by_text("of its attention to the picture is on the reference")
    before = told.inner_text()
    explorer.get_by_role("application", name="Video latents").press("Home")
    explorer.get_by_role("application", name="Video latents").press("ArrowUp")
    tiny_notebook.wait_until("following.picked['t'] == 0")
    expect(told).not_to_have_text(before)
    tiny_notebook.screenshots(explorer, "latent_explorer_reference")


def test_reload_finds_the_latent(tiny_notebook, explorer):
    explorer.get_by_role("application", name="Audio latents").press("Home")
    tiny_notebook.wait_until("explorer.picked == {'lane': 'audio', 't': 0}")
    tiny_notebook.reload()
    expect(explorer.locator(".explorer-where")).to_contain_text("Audio latent 0:")


def test_looks(tiny_notebook, explorer):
    explorer.get_by_role("button", name="Attention").click()
    expect(explorer.get_by_role("button", name="Attention")).to_have_attribute("aria-pressed", "true")
    tiny_notebook.screenshots(explorer, "latent_explorer")
