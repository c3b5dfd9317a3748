"""The latent explorer: what it tells of a latent, by arrays that are worked out by hand, and what it refuses."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ltx_nb.clip import Clip
from ltx_nb.inspect.attention import AttentionMaps, TokenGrid
from ltx_nb.inspect.footprint import AudioFootprint, CellFootprint
from ltx_nb.media import Media
from ltx_nb.request import ClipRequest, Reference, Source
from ltx_nb.tiny.architecture import tokenizer
from ltx_nb.trace import StepEvent, Trace
from ltx_widgets.latent_explorer import LatentExplorer
from ltx_widgets.latent_explorer.details import cell_pictures, channel_spread, mel_picture

FRAMES, ROWS, COLUMNS, SOUNDS = 3, 2, 4, 18
CELLS = FRAMES * ROWS * COLUMNS
CELL = {"lane": "video", "t": 1, "y": 1, "x": 2}
SOUND = {"lane": "audio", "t": 5}
PROMPT = "a red ball bounces"


def numbered(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def traced():
    """Two steps at half the width and height, and two at the full size."""
    trace = Trace()
    for index, (stage, size) in enumerate([(1, 2), (1, 2), (2, 1), (2, 1)]):
        x0 = numbered(128, FRAMES, ROWS // size, COLUMNS // size) + index
        sound = numbered(8, SOUNDS, 16) + index
        trace.steps.append(StepEvent(index % 2, 2, stage, 1 - index / 4, x0, sound, x0, sound))
    return trace


def made_clip(**changes):
    made = {
        "frames": np.zeros((17, 64, 128, 3), np.uint8),
        "frame_rate": 24.0,
        "request": ClipRequest(PROMPT, width=128, height=64, num_frames=17),
        "latents": numbered(128, FRAMES, ROWS, COLUMNS),
        "audio_latents": numbered(8, SOUNDS, 16),
        "trace": traced(),
    }
    return Clip(**made | changes)


def captured(video_shape=(FRAMES, ROWS, COLUMNS), steps=1):
    """Rows that are even, but for one pair of latents and for one word."""
    kinds = ("video_to_audio", "audio_to_video", "text")
    maps = AttentionMaps((0,), kinds, tokenizer(), steps=steps, text_positions=64)
    maps.grid = TokenGrid(video_shape, np.arange(video_shape[0] + 1), np.arange(SOUNDS + 1))
    cell = (CELL["t"] * ROWS + CELL["y"]) * COLUMNS + CELL["x"]
    even = {
        "audio_to_video": (CELLS, SOUNDS),
        "video_to_audio": (SOUNDS, CELLS + 8),  # an appended keyframe has 8 cells of its own
        "video_text": (CELLS, 257),
        "audio_text": (SOUNDS, 257),
    }
    for name, shape in even.items():
        maps.sums[name, 0] = np.full(shape, 1 / shape[1], np.float32)
    maps.sums["audio_to_video", 0][cell, SOUND["t"]] = 0.5
    maps.sums["video_to_audio", 0][SOUND["t"], cell] = 0.25
    maps.sums["video_text", 0][cell] = 0
    maps.sums["video_text", 0][cell, 2] = 0.75  # after <bos> and "a": "red"
    return maps


@pytest.fixture
def sent(monkeypatch):
    """What the widget sends to the browser, by type: contents and buffers of the last message."""
    messages = {}
    send = lambda self, content, buffers=None: messages.update({content["type"]: (content, buffers)})  # noqa: E731
    monkeypatch.setattr(LatentExplorer, "send", send)
    return messages


def from_browser(explorer, **message):
    explorer._receive(explorer, message, [])


def floats(buffer):
    return np.frombuffer(buffer, "<f4")


def test_a_cell_is_told_by_its_channels(sent):
    clip = made_clip()
    LatentExplorer(clip).picked = CELL
    content, buffers = sent["details"]
    assert content["picked"] == CELL
    np.testing.assert_array_equal(floats(buffers[0]), clip.latents[:, 1, 1, 2])


def test_an_audio_latent_is_told_by_its_packed_channels(sent):
    clip = made_clip()
    LatentExplorer(clip).picked = SOUND
    np.testing.assert_array_equal(floats(sent["details"][1][0]), clip.audio_latents[:, 5].ravel())


def test_history_follows_the_same_place_through_a_smaller_first_stage(sent):
    clip = made_clip()
    LatentExplorer(clip).picked = CELL
    content, buffers = sent["details"]
    history = floats(buffers[1]).reshape(4, 128)
    steps = clip.trace.steps
    np.testing.assert_array_equal(history[1], steps[1].x0[:, 1, 0, 1])
    np.testing.assert_array_equal(history[3], steps[3].x0[:, 1, 1, 2])
    assert [(step["stage"], step["index"]) for step in content["steps"]] == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_steps_whose_tensors_had_no_room_are_left_out(sent):
    trace = traced()
    trace.steps[0] = StepEvent(0, 2, 1, 1.0, None, None, None, None)
    LatentExplorer(made_clip(trace=trace)).picked = SOUND
    assert len(sent["details"][0]["steps"]) == 3


def test_without_a_trace_there_is_no_history(sent):
    LatentExplorer(made_clip(trace=None)).picked = SOUND
    content, buffers = sent["details"]
    assert content["steps"] == [] and buffers[1] == b""


def test_attention_of_a_cell_is_over_audio_latents_in_times_chance(sent):
    LatentExplorer(made_clip(), attention=captured()).picked = CELL
    content, buffers = sent["details"]
    looks_at, seen_by = (floats(buffer) for buffer in buffers[2:])
    assert content["attention"] == ["looks_at", "seen_by"]
    assert looks_at.shape == seen_by.shape == (SOUNDS,)
    assert looks_at[5] == pytest.approx(0.5 * SOUNDS) and looks_at[4] == pytest.approx(1)
    assert seen_by[5] == pytest.approx(0.25 * (CELLS + 8)) and seen_by[4] == pytest.approx(1)


def test_attention_of_an_audio_latent_is_over_the_clips_own_cells(sent):
    LatentExplorer(made_clip(), attention=captured()).picked = SOUND
    looks_at, seen_by = (floats(buffer) for buffer in sent["details"][1][2:])
    assert looks_at.shape == seen_by.shape == (CELLS,)
    assert looks_at.argmax() == seen_by.argmax() == 14


def test_words_are_told_by_how_much_they_are_looked_at(sent):
    LatentExplorer(made_clip(), attention=captured()).picked = CELL
    assert sent["details"][0]["words"][0] == ("red", pytest.approx(0.75 * 64))


def captured_with_reference():
    """A clip that was made after a video of two latent frames at half the size, and its attention."""
    frames = np.zeros((9, 32, 64, 3), np.uint8)
    frames[5:] = 200
    reference = Reference(Source.from_media(Media(frames=frames, frame_rate=24.0)), num_frames=9)
    request = ClipRequest(
        PROMPT, width=128, height=64, num_frames=17, references=(reference,), reference_downscale_factor=2
    )
    maps = captured()
    corners = np.array([[[t, t + 1], [0, 64], [64 * x, 64 * x + 64]] for t in (0, 1) for x in (0, 1)], float)
    maps.kinds = (*maps.kinds, "reference")
    maps.grid = replace(maps.grid, appended=corners.transpose(1, 0, 2))
    maps.sums["video_reference", 0] = np.full((CELLS, 4), 0.01, np.float32)
    cell = (CELL["t"] * ROWS + CELL["y"]) * COLUMNS + CELL["x"]
    maps.sums["video_reference", 0][cell, 3] = 0.5
    maps.sums["video_to_audio", 0] = np.full((SOUNDS, CELLS + 4), 1 / (CELLS + 4), np.float32)
    return made_clip(request=request), maps


def test_attention_to_a_reference_is_over_its_own_cells_in_times_chance(sent):
    clip, maps = captured_with_reference()
    explorer = LatentExplorer(clip, attention=maps)
    explorer.picked = CELL
    content, buffers = sent["details"]
    assert content["references"] == [pytest.approx(0.53)]
    np.testing.assert_allclose(floats(buffers[-1]), (CELLS + 4) * np.array([0.01, 0.01, 0.01, 0.5]), rtol=1e-5)
    explorer.picked = SOUND
    content, buffers = sent["details"]
    assert content["references"] == [pytest.approx(4 / (CELLS + 4))]
    np.testing.assert_allclose(floats(buffers[-1]), np.ones(4), rtol=1e-5)


def test_the_reference_is_shown_as_its_own_pictures(sent):
    clip, maps = captured_with_reference()
    explorer = LatentExplorer(clip, attention=maps)
    assert (explorer.can["references"], explorer.grid["references"]) == (1, 1)
    from_browser(explorer, type="ready")
    content, pictures = sent["reference"]
    assert (content["index"], content["shape"]) == (0, [2, 1, 2])
    shown = [Image.open(io.BytesIO(data)) for data in pictures]
    assert [picture.size for picture in shown] == [(128, 64)] * 2
    assert [np.asarray(picture).mean().round() for picture in shown] == [0, 200]


def test_attention_without_that_to_references_offers_none(sent):
    clip, _ = captured_with_reference()
    explorer = LatentExplorer(clip, attention=captured())
    from_browser(explorer, type="ready")
    assert (explorer.can["references"], "reference" in sent, sent["details"][0]["references"]) == (0, False, [])


def test_a_view_that_opens_is_sent_colours_frames_and_the_picked_latent(sent):
    explorer = LatentExplorer(made_clip())
    from_browser(explorer, type="ready")
    assert explorer.error == ""
    content, (colours, spread) = sent["colours"]
    assert content["shape"] == (SOUNDS, 16, 3) and len(colours) == SOUNDS * 16 * 3
    assert floats(spread).shape == (256,)
    pictures = [Image.open(io.BytesIO(data)) for data in sent["pictures"][1]]
    assert [picture.size for picture in pictures] == [(128, 64)] * FRAMES
    assert sent["details"][0]["picked"] == explorer.picked


def test_sound_alone_has_no_pictures(sent):
    explorer = LatentExplorer(made_clip(frames=None, audio=np.zeros((2, 9), np.float32), sample_rate=48_000))
    from_browser(explorer, type="ready")
    assert (explorer.error, "pictures" in sent, explorer.can["pictures"]) == ("", False, False)
    assert explorer._still() is None


def test_the_browser_picks_a_latent():
    explorer = LatentExplorer(made_clip())
    from_browser(explorer, type="pick", picked=SOUND)
    assert (explorer.error, explorer.picked) == ("", SOUND)


def test_footprints_are_asked_of_the_caller_and_sent_small(sent):
    change = np.zeros((17, 64, 128), np.float32)
    change[9:17, 32:, 64:96] = 7
    asked = []

    def cell_footprint(t, y, x):
        asked.append((t, y, x))
        return CellFootprint((t, y, x), change, 0.5, (32, 64, 64, 96), (0.1, 0.2), 24.0)

    explorer = LatentExplorer(made_clip(), cell_footprint=cell_footprint)
    from_browser(explorer, type="footprint", picked=CELL)
    content, (levels,) = sent["footprint"]
    assert asked == [(1, 1, 2)] and explorer.error == ""
    assert (content["shape"], content["most"], content["own_share"]) == ((FRAMES, 64, 128), 7, 0.5)
    shown = np.frombuffer(levels, np.uint8).reshape(content["shape"])
    np.testing.assert_array_equal(np.argwhere(shown.any((1, 2))), [[2]])


def test_a_footprint_of_sound_is_its_mel_change(sent):
    found = AudioFootprint(5, np.full((69, 64), 3.0), np.zeros(9), 48_000, 0.25, (0.2, 0.24))
    explorer = LatentExplorer(made_clip(), audio_footprint=lambda t: found)
    from_browser(explorer, type="footprint", picked=SOUND)
    content, (levels,) = sent["footprint"]
    assert (content["shape"], content["most"], set(levels)) == ((69, 64), 3, {255})


def test_what_a_footprint_raises_is_shown():
    def fails(t):
        raise RuntimeError("out of memory")

    explorer = LatentExplorer(made_clip(), audio_footprint=fails)
    from_browser(explorer, type="footprint", picked=SOUND)
    assert explorer.error == "RuntimeError: out of memory"


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ({"lane": "video", "t": 3, "y": 0, "x": 0}, "t=3 is too large; the most is 2"),
        ({"lane": "video", "t": 0, "y": 0, "x": -1}, "x=-1 is too small"),
        ({"lane": "video", "t": 0, "y": 0}, "picked of video needs 'x'"),
        ({"lane": "audio", "t": 18}, "t=18 is too large; the most is 17"),
        ({"lane": "audio", "t": 1, "x": 0}, "picked of audio has no 'x'"),
        ({"lane": "sound", "t": 1}, "lane='sound' is not one of video, audio"),
        ({"t": 1}, "picked needs 'lane'"),
        ({"lane": "audio", "t": 1.0}, "t=1.0 is a float, not a whole number"),
    ],
)
def test_a_latent_that_is_not_there_is_refused(place, rule):
    explorer = LatentExplorer(made_clip())
    before = explorer.picked
    with pytest.raises(ValueError, match=rule):
        explorer.picked = place
    for kind in ("pick", "footprint"):
        from_browser(explorer, type=kind, picked=place)
        assert re.search(rule, explorer.error)
    assert explorer.picked == before


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ({"type": "footprint", "picked": SOUND}, "no footprint without the model; give audio_footprint="),
        ({"type": "footprint", "picked": CELL}, "no footprint without the model; give cell_footprint="),
        ({"type": "pick"}, "pick needs 'picked', which is missing"),
        ({"type": "move"}, "LatentExplorer knows no message 'move'"),
    ],
)
def test_other_messages_are_refused(message, rule):
    explorer = LatentExplorer(made_clip())
    from_browser(explorer, **message)
    assert rule in explorer.error


def test_a_clip_without_latents_is_refused():
    with pytest.raises(ValueError, match="this clip keeps no latents"):
        LatentExplorer(made_clip(latents=None))


def test_only_a_clip_is_a_clip():
    with pytest.raises(ValueError, match=r"clip is a str; give a Clip, such as session\.run"):
        LatentExplorer("ball.mp4")


def test_attention_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"attention is of \[3, 2, 2\] cells, the clip has \[3, 2, 4\]"):
        LatentExplorer(made_clip(), attention=captured((FRAMES, ROWS, 2)))


def test_attention_that_holds_nothing_is_refused():
    with pytest.raises(ValueError, match="attention holds nothing yet; run the session inside the with block"):
        LatentExplorer(made_clip(), attention=AttentionMaps((0,), ("text",), None))


def test_a_misspelt_trait_is_a_type_error():
    with pytest.raises(TypeError, match="LatentExplorer has no 'pickd'; did you mean 'picked'"):
        LatentExplorer(made_clip(), pickd=CELL)


def test_a_repr_names_sizes_and_the_picked_latent():
    explorer = LatentExplorer(made_clip(), picked=CELL)
    assert repr(explorer) == "LatentExplorer(3 x 2 x 4 video latents, 18 audio latents; video latent t 1, y 1, x 2)"


def test_the_still_shows_the_grid_and_the_cell():
    still = Image.open(io.BytesIO(LatentExplorer(made_clip(), picked=CELL)._still())).convert("RGB")
    assert still.size == (384, 192)
    assert still.getpixel((96, 48)) == (140, 140, 140)
    assert still.getpixel((192, 150)) == (255, 212, 0)


def test_channels_are_spread_over_the_whole_clip():
    latents = np.random.default_rng(0).normal(3, 2, (8, 40, 16)).astype(np.float32)
    mean, std = channel_spread(latents)
    assert mean.shape == std.shape == (128,)
    assert mean[17] == pytest.approx(latents[1, :, 1].mean(), rel=1e-5)
    assert std[17] == pytest.approx(latents[1, :, 1].std(), rel=1e-5)


def test_a_large_footprint_is_averaged_over_frames_and_pixels():
    change = np.ones((9, 300, 600), np.float32)
    change[0] = 4
    levels, most = cell_pictures(change, 2)
    assert levels.shape == (2, 100, 200)
    assert (most, int(levels[0].min()), int(levels[1].max())) == (4, 255, 64)


def test_no_change_is_no_heat():
    levels, _ = mel_picture(np.zeros((5, 64)))
    assert levels.max() == 0
