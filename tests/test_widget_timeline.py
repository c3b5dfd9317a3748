"""The timeline: requests in and out unchanged, what the browser sends checked, sources known by their digest."""

import io
import os
import random
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from node_scripts import run_script
from PIL import Image

from ltx_nb import media, shapes
from ltx_nb.clip import Clip
from ltx_nb.media import Media
from ltx_nb.request import ClipRequest, Given, Reference, Source
from ltx_nb.timed import TimedPrompt
from ltx_widgets import Timeline
from ltx_widgets.timeline.source_preview import MOST_THUMBNAILS, THUMBNAIL_HEIGHT_PX, facts_of, preview_of
from ltx_widgets.timeline.still import WIDTH_PX
from ltx_widgets.timeline.widget import plain_value
from ltx_widgets.uploads import upload_folder

LENGTHS_S = {"a" * 64: 30.0, "b" * 64: 1.5, "c" * 64: 0.7}
SOURCES = [Source(sha256=sha256, path="takes/ball.mp4") for sha256 in LENGTHS_S]
FRAME_RATES = (8.0, 12.5, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0)
CASES = 300


def random_request(draw):
    """A legal request: on each lane some of the stretches between cuts, at token edges and anywhere, and images."""
    frame_rate = draw.choice(FRAME_RATES)
    num_frames = 8 * draw.randint(1, 12) + 1
    duration_s = num_frames / frame_rate
    given = []
    for lane in ("video", "audio"):
        token = shapes.video_token_interval_s if lane == "video" else lambda i, _: shapes.audio_token_interval_s(i)
        cuts_s = [token(draw.randint(0, 9), frame_rate)[0] for _ in range(draw.randint(0, 3))]
        cuts_s += [draw.uniform(0, duration_s) for _ in range(draw.randint(0, 2))]
        edges_s = sorted({0.0, duration_s, *(cut_s for cut_s in cuts_s if cut_s < duration_s)})
        for start_s, end_s in pairwise(edges_s):
            source_start_s = draw.choice((0.0, start_s, draw.uniform(0, 20)))
            kind = draw.randrange(3)
            if kind == 1 and end_s - start_s > 0.01:
                given.append(
                    Given(lane, draw.choice(SOURCES), start_s, end_s, source_start_s, fit=draw.choice(("crop", "pad")))
                )
            elif kind == 2 and lane == "video" and end_s - start_s > 3 / frame_rate:
                at_s = (round(start_s * frame_rate) + 1) / frame_rate
                given.append(Given(lane, draw.choice(SOURCES), at_s, strength=draw.choice((1.0, 0.5, 0.125))))
    draw.shuffle(given)
    if draw.random() < 0.3 and not any(
        item.lane == "video" and item.span_s(frame_rate)[0] < 1 / frame_rate for item in given
    ):
        given.append(Given("video", SOURCES[0], strength=0.75))
    references = [
        Reference(draw.choice(SOURCES), 8 * draw.randint(0, num_frames // 8) + 1, strength=draw.choice((1.0, 0.5)))
        for _ in range(draw.choice((0, 0, 1, 2)))
    ]
    words_s = draw.choice(((), (0.0, 0.5), (0.25, 0.5, 1.0)))
    timed = [TimedPrompt(f"ball {at:g}", at * duration_s, end * duration_s) for at, end in pairwise(words_s)]
    return ClipRequest(
        "a ball",
        width=64,
        height=64,
        num_frames=num_frames,
        frame_rate=frame_rate,
        given=given,
        references=references,
        timed_prompts=timed,
        seed=7,
    )


@pytest.fixture
def clip():
    time_s = np.arange(98_000) / 48_000
    tone = (0.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    frames = np.zeros((49, 64, 96, 3), np.uint8)
    frames[:24] = 255
    return Clip(frames=frames, frame_rate=24.0, audio=np.stack([tone, 0 * tone]), sample_rate=48_000)


@pytest.fixture
def sent(monkeypatch):
    """Messages to the browser, as (content, buffers)."""
    messages = []
    monkeypatch.setattr(Timeline, "send", lambda self, content, buffers=None: messages.append((content, buffers)))
    return messages


def edit(timeline, **value):
    timeline._receive(None, {"type": "edit", "id": "1", "value": value}, [])
    return timeline.error


def test_random_requests_come_back_from_both_sides_unchanged():
    """Request to value to browser to value to request; and the browser's masks are the request's own."""
    draw = random.Random(0)
    requests = [random_request(draw) for _ in range(CASES)]
    opened = run_script("timeline_round_trip.mjs", {"values": [*map(plain_value, requests)], "lengths_s": LENGTHS_S})
    assert sum(len(request.given) for request in requests) > 2 * CASES
    timeline = Timeline()
    for source in SOURCES:
        timeline._know(source)
    for request, result in zip(requests, opened, strict=True):
        timeline.request = request
        assert timeline.request == request
        edit(timeline, **plain_value(ClipRequest("another")))
        assert edit(timeline, **result["undone"]) == ""
        assert timeline.request == request
        mask = request.video_mask()[:: request.video_latent_shape.tokens_per_frame]
        assert np.allclose(result["masks"]["video"], mask, atol=1e-7)
        assert result["masks"]["audio"] == request.audio_mask().tolist()


def test_random_edits_in_the_browser_are_legal_requests():
    draw = random.Random(1)
    requests = [random_request(draw) for _ in range(CASES)]
    opened = run_script("timeline_round_trip.mjs", {"values": [*map(plain_value, requests)], "lengths_s": LENGTHS_S})
    assert sum(len(result["edited"]) for result in opened) > 3 * CASES
    timeline = Timeline()
    for source in SOURCES:
        timeline._know(source)
    for request, result in zip(requests, opened, strict=True):
        timeline.request = request
        for value in result["edited"]:
            assert edit(timeline, **value) == ""
            assert timeline.value == value


def test_starts_are_the_verbs_requests(clip):
    """Extend, retake, foley and audio to video on a clip give what ltx_nb's own verbs would."""
    from ltx_nb.catalogue.models import TINY
    from ltx_nb.pipeline import tasks

    source = Source.of(clip)
    blank = ClipRequest("a ball", width=128, height=128, num_frames=25)
    case = {"draft": plain_value(blank), "source": facts_of(source) | {"sha256": source.sha256}}
    (drafts,) = run_script("timeline_starts.mjs", [case])
    before, after, *_ = drafts["retake"]["given"]
    hole = before["end_s"], after["start_s"]
    requests = {
        "extend": tasks.extend(TINY, clip, 2, prompt="a ball"),
        "extend-before": tasks.extend(TINY, clip, 2, "before", prompt="a ball"),
        "retake": tasks.retake(TINY, clip, *hole, prompt="a ball"),
        "foley": tasks.video_to_audio(TINY, clip, prompt="a ball"),
        "audio-to-video": tasks.audio_to_video(TINY, "a ball", clip, width=128, height=128, frame_rate=24),
    }
    assert 0 < hole[0] < hole[1] < requests["retake"].duration_s
    for name, request in requests.items():
        expected = plain_value(request)
        for item in expected["given"]:
            item["source"] = source.sha256  # the verbs split a clip in memory into its lanes
        assert drafts[name] == expected, name
    assert drafts["clear"] == plain_value(blank)


def test_a_refused_edit_says_why_and_changes_nothing(sent):
    timeline = Timeline(ClipRequest("a ball", num_frames=49))
    before = timeline.request
    assert edit(timeline, num_frames=50) == "num_frames=50 is not 8k + 1; nearest: 49, 57"
    assert timeline.request == before
    assert sent[-1][0] == {"type": "edited", "id": "1"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"prompt": "x"}, "value has no 'prompt'"),
        ({"given": {}}, "given={} is a dict, not a list or tuple"),
        ({"given": ["x"]}, "given[0]='x' is a str, not a dict"),
        ({"given": [{"lane": "video"}]}, "given needs 'source', which is missing"),
        ({"given": [{"lane": "video", "source": "00"}]}, "source '00' is not known here; add it with add_source(...)"),
        ({"given": [{"lane": "video", "source": 3}]}, "source=3 is a int, not a str"),
        ({"given": [{"lane": "smell", "source": "a" * 64}]}, "lane='smell' is not one of video, audio"),
        ({"given": [{"lane": "video", "source": "a" * 64, "path": "/etc"}]}, "given has no 'path'"),
        ({"given": [{"lane": "audio", "source": "a" * 64, "end_s": 9}]}, "is past the end of the clip"),
        ({"references": [{"source": "00"}]}, "source '00' is not known here; add it with add_source(...)"),
        ({"references": [{"source": "a" * 64, "lane": "video"}]}, "references has no 'lane'"),
        ({"references": [{"source": "a" * 64, "num_frames": 57}]}, "references[0] has 57 frames and the clip 49"),
        ({"references": [{"source": "a" * 64, "strength": 2}]}, "strength=2"),
    ],
)
def test_an_untrusted_value_is_refused(value, message, sent):
    timeline = Timeline(ClipRequest("a ball", num_frames=49))
    timeline._know(SOURCES[0])
    assert message in edit(timeline, **value)
    assert timeline.request == ClipRequest("a ball", num_frames=49)


@pytest.mark.parametrize(
    "content", [{}, {"id": 3, "value": {}}, {"id": "1", "value": []}, {"id": "1", "value": {}, "x": 1}]
)
def test_a_malformed_edit_is_refused(content):
    timeline = Timeline()
    timeline._receive(None, {"type": "edit", **content}, [])
    assert timeline.error


def test_setting_the_request_sets_the_value_and_keeps_the_rest(clip):
    request = ClipRequest("a ball", seed=3, num_frames=49, given=[Given("video", Source.of(clip), 0, 1)])
    timeline = Timeline()
    timeline.request = request
    assert timeline.value["num_frames"] == 49
    edit(timeline, num_frames=57)
    assert timeline.request == request.replace(num_frames=57)


def test_what_is_no_request_is_refused():
    with pytest.raises(ValueError, match=r"request is a dict; give a ClipRequest, such as clip\.request"):
        Timeline().request = {}


def test_a_value_set_in_python_is_checked():
    with pytest.raises(ValueError, match="num_frames=50 is not 8k"):
        Timeline().value = {"num_frames": 50}


def test_the_browser_gets_no_media_but_small_previews(clip, sent):
    source = Source.of(clip)
    timeline = Timeline(ClipRequest("a ball", num_frames=49, given=[Given("video", source, 0, 1)]))
    assert timeline.sources == [{"sha256": source.sha256, "name": "clip 1"} | facts_of(source)]
    assert sent == []
    timeline._receive(None, {"type": "ready"}, [])
    ((content, (strip, peaks)),) = sent
    assert content == {"type": "preview", "sha256": source.sha256, "thumbnails": 32}
    assert len(strip) < 100_000
    assert len(peaks) < 3000


def test_pictures_of_media_on_offer_are_sent_once_they_are_used(clip, sent):
    timeline = Timeline()
    timeline._receive(None, {"type": "ready"}, [])
    sha256 = timeline.offer(clip, "#0")
    timeline._receive(None, {"type": "ready"}, [])
    assert sent == []
    timeline.request = timeline.request.replace(given=[Given("video", Source.of(clip), 0, 1)])
    assert [content["sha256"] for content, _ in sent] == [sha256]
    timeline.offer(clip, "#0")
    assert len(sent) == 1


def test_media_added_while_a_view_is_open_are_sent_once(clip, sent):
    timeline = Timeline()
    timeline._receive(None, {"type": "ready"}, [])
    first = timeline.add_source(clip, "ball")
    assert timeline.add_source(clip) == first
    assert [content["sha256"] for content, _ in sent] == [first]
    assert [source["name"] for source in timeline.sources] == ["ball"]


def test_media_are_named_after_their_file_or_what_they_are(clip, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    Image.new("RGB", (8, 9)).save(tmp_path / "dog.png")
    sound = Source.from_media(Media(audio=clip.audio, sample_rate=48_000))
    timeline = Timeline(media=[clip, sound])
    timeline.add_source(tmp_path / "cat.png", "cat")
    timeline.add_source(tmp_path / "dog.png")
    assert [source["name"] for source in timeline.sources] == ["clip 1", "sound 2", "cat", "dog.png"]


def test_a_source_that_is_gone_is_shown_with_its_reason(sent):
    timeline = Timeline(ClipRequest("a ball", given=[Given("video", SOURCES[0], 0, 1)]))
    (entry,) = timeline.sources
    assert entry["name"] == "ball.mp4"
    assert entry["error"] == "cannot read the given file 'takes/ball.mp4': No such file or directory; put it back"
    timeline._receive(None, {"type": "ready"}, [])
    assert sent == []


@pytest.mark.parametrize("given", [3, b"bytes"])
def test_what_holds_no_media_is_refused(given):
    with pytest.raises(ValueError, match=r"give a Clip, a file's path or a Source"):
        Timeline(media=[given])


def upload(timeline, name, data):
    detail = {"start": "foley", "view": "v"}
    message = {"type": "chunk", "id": "u", "name": name, "detail": detail}
    size = 2**20
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    for index, part in enumerate(parts):
        timeline._receive(None, message | {"index": index, "count": len(parts)}, [part])
    return detail


def test_a_small_file_from_the_browser_becomes_an_embedded_source(sent):
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    timeline = Timeline()
    detail = upload(timeline, "../cat.png", file.getvalue())
    assert timeline.error == ""
    (entry,) = timeline.sources
    assert entry["name"] == "cat.png"
    assert sent[-1][0] == {"type": "uploaded", "sha256": entry["sha256"], "detail": detail}
    image = {"lane": "video", "source": entry["sha256"], "end_s": None}
    assert edit(timeline, given=[image]) == ""
    assert ClipRequest.from_json(timeline.request.to_json()).given[0].source.data == file.getvalue()


def test_a_large_file_from_the_browser_is_kept_in_a_file(sent, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    upload_folder.cache_clear()
    killed = tmp_path / upload_folder().name.replace(f"-{os.getpid()}-", "-4194305-")  # more than any process has
    killed.mkdir()
    upload_folder.cache_clear()
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 150_000)).astype(np.float32)
    media.write_audio(tmp_path / "noise.wav", noise, 48_000)
    timeline = Timeline()
    upload(timeline, "../../noise.wav", (tmp_path / "noise.wav").read_bytes())
    assert timeline.error == ""
    (source,) = timeline._known.values()
    path = Path(source.path)
    assert re.fullmatch(r"[0-9a-f]{16}\.wav", path.name)
    assert (path.parent, path.parent.stat().st_mode & 0o777) == (upload_folder(), 0o700)
    assert not killed.exists()
    upload_folder.cache_clear()
    with source.open() as file:
        assert file.read() == (tmp_path / "noise.wav").read_bytes()


def test_a_file_that_holds_no_media_is_refused(sent):
    timeline = Timeline()
    upload(timeline, "notes.txt", b"nothing to see")
    assert "it is damaged, or not MP4" in timeline.error
    assert timeline.sources == []


def test_a_preview_has_the_moments_and_the_outline(clip):
    preview = preview_of(Source.of(clip))
    strip = np.asarray(Image.open(io.BytesIO(preview.strip)).convert("L"))
    assert strip.shape == (THUMBNAIL_HEIGHT_PX, 168 * MOST_THUMBNAILS)
    shown = strip.reshape(THUMBNAIL_HEIGHT_PX, MOST_THUMBNAILS, 168).mean((0, 2))
    assert np.flatnonzero(shown > 127).tolist() == [*range(16)]
    assert abs(int(preview.peaks.max()) - 64) <= 1
    assert abs(int(preview.peaks.min()) + 64) <= 1


def test_a_file_is_previewed_as_the_clip_in_memory(clip, tmp_path):
    clip.save(tmp_path / "ball.mp4")
    source = Source.of(tmp_path / "ball.mp4")
    assert facts_of(source) == pytest.approx(facts_of(Source.of(clip)), abs=1e-3)
    preview = preview_of(source)
    assert preview.thumbnails == MOST_THUMBNAILS
    shown = np.asarray(Image.open(io.BytesIO(preview.strip)).convert("L"))
    assert shown[:, :168].mean() > 200 > 50 > shown[:, -168:].mean()


def test_the_still_shows_both_lanes(clip):
    request = ClipRequest("a ball", num_frames=49, given=[Given("video", Source.of(clip), 0, 1)])
    data, _ = Timeline(request)._repr_mimebundle_()
    assert data["text/plain"] == "Timeline(49 frames at 24/s, 2.04 s; video given 1, audio given 0)"
    still = Image.open(io.BytesIO(Timeline(request)._still()))
    assert still.width == WIDTH_PX
    colours = {colour for _, colour in still.convert("RGB").getcolors()}
    assert {(0, 114, 178), (213, 94, 0)} <= colours
