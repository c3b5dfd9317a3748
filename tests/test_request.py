"""Requests: legal or refused with what would work, round trips, and masks that cover exactly what is generated."""

import json
import random
import re
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ltx_nb import shapes
from ltx_nb.applied_lora import AppliedLora
from ltx_nb.media import Media, write_video
from ltx_nb.request import ClipRequest, Given, Reference, ReferenceSound, Sampling, Source, TimedPrompt

IMAGE = Source.from_bytes(b"an image", "image/png")
CLIP = Source(sha256="ab" * 32, path="takes/ball.mp4")

FRAME_RATES = [8.0, 12.5, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0]


@st.composite
def timelines(draw, num_frames, frame_rate):
    """Given items without overlaps: on each lane some of the pieces between cuts, at token edges and anywhere."""
    duration_s = num_frames / frame_rate
    items = []
    for lane in ("video", "audio"):
        token = shapes.video_token_interval_s if lane == "video" else lambda i, _: shapes.audio_token_interval_s(i)
        edge_s = st.integers(0, 6).map(lambda i: token(i, frame_rate)[0])  # noqa: B023 - drawn at once
        cuts_s = draw(st.lists(edge_s | st.floats(0, duration_s), max_size=4))
        edges_s = sorted({0.0, duration_s, *cuts_s})
        chosen = draw(st.integers(0, 2 ** len(edges_s) - 1))
        for index, (start_s, end_s) in enumerate(pairwise(edges_s)):
            if chosen >> index & 1 and end_s - start_s > 2 * shapes.TIME_TOLERANCE_S and end_s <= duration_s:
                items.append(Given(lane, CLIP if index else IMAGE, start_s, end_s))
    return items


@st.composite
def requests(draw):
    frame_rate = draw(st.sampled_from(FRAME_RATES))
    num_frames = 8 * draw(st.integers(1, 6)) + 1
    two_stage, has_negative, sound_only = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    return ClipRequest(
        draw(st.text('ab é☂😀"\\\n\0', max_size=8)),
        width=draw(st.sampled_from([64, 128])),
        height=64,
        num_frames=num_frames,
        frame_rate=frame_rate,
        seed=draw(st.integers(0, 2**53 - 1)),
        negative_prompt="blurry" if has_negative else None,
        sampling=Sampling(guidance_scale=draw(st.none() | st.floats(0, 20))),
        given=draw(timelines(num_frames, frame_rate)),
        two_stage=two_stage,
        outputs=("audio",) if sound_only else ("video", "audio"),
        crop_width=30 if sound_only else None,
    )


@settings(deadline=None, max_examples=60, derandomize=True)
@given(requests())
def test_a_request_survives_json(request):
    read = ClipRequest.from_json(request.to_json())
    assert read == request
    assert hash(read) == hash(request)
    assert read.to_json() == request.to_json()


@settings(deadline=None, max_examples=60, derandomize=True)
@given(requests())
def test_masks_cover_exactly_the_tokens_that_meet_what_is_generated(request):
    """By hand: a moment is generated when no given span holds it; a token, when it holds such moments."""
    video = request.video_mask().reshape(-1, request.video_latent_shape.tokens_per_frame)  # [latent frames, tokens]
    assert (video == video[:, :1]).all()
    lanes = {
        "video": (video[:, 0], shapes.video_intervals_s(len(video), request.frame_rate)),
        "audio": (request.audio_mask(), shapes.audio_intervals_s(request.audio_tokens)),
    }
    for lane, (mask, intervals_s) in lanes.items():
        spans_s = sorted((item.start_s, item.end_s) for item in request.given if item.lane == lane)
        for kept, (start_s, end_s) in zip(mask == 0, intervals_s, strict=True):
            given_s = sum(max(min(end_s, b) - max(start_s, a), 0) for a, b in spans_s)
            generated_s = end_s - start_s - given_s
            assume(not 1e-9 < generated_s < 1e-5)  # leave out what is neither clearly rounding nor clearly a gap
            assert kept == (generated_s <= 1e-9)


def test_nothing_given_generates_everything():
    request = ClipRequest("a ball", width=64, height=96, num_frames=49)
    assert request.video_mask().shape == (request.video_tokens,) == (7 * 3 * 2,)
    assert request.audio_mask().shape == (request.audio_tokens,) == (51,)
    assert request.video_mask().dtype == request.audio_mask().dtype == np.float32
    assert request.video_mask().all()
    assert request.audio_mask().all()
    assert request.frozen_lanes == ()


@pytest.mark.parametrize("frame_rate", FRAME_RATES)
def test_a_lane_given_whole_is_frozen(frame_rate):
    request = ClipRequest("a ball", num_frames=49, frame_rate=frame_rate)
    for lane in ("video", "audio"):
        whole = request.replace(given=(Given(lane, CLIP, 0, request.duration_s),))
        assert whole.frozen_lanes == (lane,)


def test_the_first_image_fills_the_first_latent_frame_by_its_strength():
    request = ClipRequest("a ball", width=64, height=64, num_frames=17, given=[Given("video", IMAGE, strength=0.75)])
    assert request.video_mask().tolist() == [0.25] * 4 + [1.0] * 8
    assert request.keyframes == ()


def test_later_images_are_keyframes_and_not_in_the_mask():
    image = Given("video", IMAGE, start_s=16 / 24)
    request = ClipRequest("a ball", num_frames=17, given=[image])
    assert request.keyframes == ((16, image),)
    assert request.video_mask().all()


def test_a_retake_generates_the_tokens_that_meet_it():
    """Frames 9..16 are latent frame 2; seconds 0.375..0.7083 at 24 frames/s meet audio latents 10..18."""
    given = [Given(lane, CLIP, *span) for lane in ("video", "audio") for span in ((0, 9 / 24), (17 / 24, 49 / 24))]
    request = ClipRequest("a ball", width=32, height=32, num_frames=49, given=given)
    assert np.flatnonzero(request.video_mask()).tolist() == [2]
    assert np.flatnonzero(request.audio_mask()).tolist() == [*range(10, 19)]
    assert request.generated_spans_s("audio") == [(9 / 24, 17 / 24)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": None}, "prompt=None is a NoneType, not a str"),
        ({"negative_prompt": 3}, "negative_prompt=3 is a int, not a str"),
        ({"model": b"tiny"}, "model=b'tiny' is a bytes, not a str"),
        ({"width": 100}, "width=100 is not a multiple of 32 from 32 to 4096; nearest: 96, 128"),
        ({"width": "768"}, "width='768' is a str, not a whole number; try 768"),
        (
            {"height": 1080, "two_stage": True},
            "height=1080 is not a multiple of 64 from 64 to 4096; nearest: 1024, 1088",
        ),
        ({"height": 0}, "height=0 is not a multiple of 32 from 32 to 4096; nearest: 32"),
        ({"num_frames": 120}, "num_frames=120 is not 8k + 1; nearest: 113, 121"),
        ({"num_frames": 121.0}, "num_frames=121.0 is a float, not a whole number; try 121"),
        ({"num_frames": 601}, "is 25.0417 s; one pass makes at most 20 s; nearest: 481, or a storyboard of several"),
        ({"num_frames": 1, "frame_rate": 60}, "num_frames=1 at 60 frames/s is too short for one audio latent"),
        ({"frame_rate": 0}, "frame_rate=0.0 is too small; the least is 1"),
        ({"frame_rate": 240}, "frame_rate=240.0 is too large; the most is 120"),
        ({"frame_rate": float("nan")}, "frame_rate=nan is not finite"),
        ({"seed": -2}, "seed=-2 is too small; the least is 0"),
        ({"seed": 2**64}, "seed has more than 64 bits; give an ordinary number"),
        ({"seed": True}, "seed=True is a bool, not a whole number"),
        ({"sampling": {}}, "sampling is a dict; give Sampling(...)"),
        ({"given": IMAGE}, "is a Source, not a list or tuple"),
        ({"given": [IMAGE]}, "is a Source, not a Given"),
        ({"given": [Given("audio", CLIP, 0, 9)]}, "given[0] (audio, 0 to 9 s) is past the end of the clip, 5.041666"),
        ({"two_stage": 1}, "two_stage=1 is a int; it must be True or False"),
        ({"outputs": "audio"}, "outputs='audio' is a str, not a list or tuple"),
        ({"outputs": ["sound"]}, "outputs='sound' is not one of video, audio"),
        ({"outputs": []}, "outputs is empty; want at least one of video, audio"),
        ({"crop_width": 770}, "crop_width=770 is not an even number from 2 to width=768; nearest: 768"),
        ({"crop_height": 511}, "crop_height=511 is not an even number from 2 to height=512; nearest: 510"),
    ],
)
def test_a_refused_request_says_why(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ClipRequest(**{"prompt": "a ball"} | settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 100},
        {"height": 5000},
        {"num_frames": 120},
        {"num_frames": 601},
        {"num_frames": 483},
        {"crop_width": 1},
    ],
)
def test_the_nearest_that_an_error_names_does_work(settings):
    with pytest.raises(ValueError, match="nearest: ") as caught:
        ClipRequest("a ball", **settings)
    for nearest in re.findall(r"\d+", str(caught.value).split("nearest: ")[1]):
        ClipRequest("a ball", **{name: int(nearest) for name in settings})


def test_equal_values_make_equal_requests():
    a = ClipRequest(
        "a ball", frame_rate=24, width=np.int64(768), given=[Given("video", IMAGE)], outputs=["audio", "video"]
    )
    b = ClipRequest("a ball", given=(Given("video", IMAGE, 0),))
    assert a == b
    assert hash(a) == hash(b)
    assert a != b.replace(seed=1)


def test_replace_checks_again():
    with pytest.raises(ValueError, match=r"given\[0\] .* is past the end of the clip"):
        ClipRequest("a ball", given=[Given("audio", CLIP, 0, 5)]).replace(num_frames=25)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"seconds": 2}, {"num_frames": 49}),
        ({"seconds": 2, "frame_rate": 30}, {"num_frames": 57, "frame_rate": 30.0}),
        ({"num_frames": 120, "width": 700, "height": 500}, {"num_frames": 121, "width": 704, "height": 512}),
        ({"width": 700, "two_stage": True}, {"width": 704, "two_stage": True}),
        (
            {"width": 700, "height": 500, "two_stage": True, "upscaler": "spatial-x1.5"},
            {"width": 672, "height": 480, "two_stage": True, "upscaler": "spatial-x1.5"},
        ),
        (
            {"seconds": 2, "frame_rate": 48, "two_stage": True, "upscaler": "temporal-x2"},
            {"num_frames": 97, "frame_rate": 48.0, "two_stage": True, "upscaler": "temporal-x2"},
        ),
        ({"size": "1080p"}, {"width": 1920, "height": 1088, "crop_width": 1920, "crop_height": 1080}),
        ({"size": "portrait"}, {"width": 1088, "height": 1920, "crop_width": 1080, "crop_height": 1920}),
        ({"size": "720p"}, {"width": 1280, "height": 704}),
        ({}, {}),
    ],
)
def test_snapped_gives_the_nearest_legal_request(asked, expected):
    assert ClipRequest.snapped("a ball", **asked) == ClipRequest("a ball", **expected)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"seconds": 2, "num_frames": 49}, "seconds and num_frames are both given; give one of the two"),
        ({"size": "720p", "width": 64}, "size and width are both given; give one of the two"),
        ({"size": "720"}, "size='720' is not one of 1080p, "),
        ({"seconds": 25}, "num_frames=601 at 24 frames/s is 25.0417 s; one pass makes at most 20 s"),
        ({"seconds": -1}, "seconds=-1.0 is too small; the least is 0"),
        ({"seconds": "2"}, "seconds='2' is a str, not a number; try 2"),
    ],
)
def test_snapped_refuses_what_it_cannot_place(asked, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ClipRequest.snapped("a ball", **asked)


def test_media_in_memory_are_encoded_into_the_json():
    frames = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    source = Source.from_media(Media(frames=frames, frame_rate=24))
    request = ClipRequest("a ball", num_frames=17, given=[Given("video", source, 0, 9 / 24)])
    read = ClipRequest.from_json(request.to_json())
    assert read == request
    assert read.given[0].source.data


def test_large_media_in_memory_need_a_file():
    frames = np.random.default_rng(0).integers(0, 256, (1, 768, 768, 3), dtype=np.uint8)
    request = ClipRequest("a ball", given=[Given("video", Source.from_media(Media(frames=frames)))])
    with pytest.raises(ValueError, match="at most 1000000 are embedded; write them to a file"):
        request.to_json()


def test_a_request_is_read_back_from_the_mp4_it_is_stored_in(tmp_path):
    request = ClipRequest("a ball ☂", num_frames=9, given=[Given("video", IMAGE)])
    frames, audio = np.zeros((9, 64, 64, 3), np.uint8), np.zeros((2, 18_000), np.float32)
    write_video(tmp_path / "ball.mp4", frames, 24.0, audio, 48_000, request_json=request.to_json())
    assert ClipRequest.from_file(tmp_path / "ball.mp4") == request


def test_an_mp4_without_a_request_is_refused(tmp_path):
    write_video(tmp_path / "other.mp4", np.zeros((9, 64, 64, 3), np.uint8), 24.0, None, None)
    with pytest.raises(ValueError, match=r"other.mp4' holds no request; only clips that one request made do"):
        ClipRequest.from_file(tmp_path / "other.mp4")


VALID = ClipRequest("a ball", given=[Given("video", IMAGE)]).to_dict()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"promt": "a ball"}, "request has no 'promt'; did you mean 'prompt'"),
        ({"format": "ltx-nb/2"}, "format='ltx-nb/2' is not 'ltx-nb/1'"),
        ({"format": ["ltx-nb/1"]}, "format=['ltx-nb/1'] is not 'ltx-nb/1'"),
        ({"sampling": {"stg_scales": 1}}, "sampling has no 'stg_scales'; did you mean 'stg_scale'"),
        ({"given": {}}, "given={} is a dict, not a list or tuple"),
        ({"given": ["a"]}, "given[0]='a' is a str, not a dict"),
        ({"given": [{"lane": "video"}]}, "given needs 'source', which is missing"),
        ({"given": [{"lane": "video", "source": {}}]}, "source needs 'sha256', which is missing"),
    ],
)
def test_refused_json_says_why(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ClipRequest.from_dict(VALID | changes)


@pytest.mark.parametrize("name", ["format", "prompt"])
def test_json_needs_format_and_prompt(name):
    with pytest.raises(ValueError, match=f"request needs '{name}', which is missing"):
        ClipRequest.from_dict({key: value for key, value in VALID.items() if key != name})


@pytest.mark.parametrize("source", ["", "{", "__import__('os')", "[" * 100_000, b"\xff", None])
def test_what_is_not_json_is_refused(source):
    with pytest.raises(ValueError, match="the request is not JSON"):
        ClipRequest.from_json(source)


def test_json_of_something_else_is_refused():
    with pytest.raises(ValueError, match="request is a list, not a mapping"):
        ClipRequest.from_json("[1]")


def test_nan_in_json_is_refused():
    with pytest.raises(ValueError, match="frame_rate=nan is not finite"):
        ClipRequest.from_json(json.dumps(VALID | {"frame_rate": float("nan")}))


def test_first_stage_needs_two_stages():
    with pytest.raises(ValueError, match="first_stage stands in for the first of two stages; nearest: two_stage=True"):
        ClipRequest("", first_stage=CLIP)


def test_first_stage_survives_json():
    request = ClipRequest("", two_stage=True, first_stage=CLIP)
    assert ClipRequest.from_json(request.to_json()).first_stage == CLIP


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"upscaler": "spatial-x1.5"}, "upscaler='spatial-x1.5' goes between two stages; nearest: two_stage=True"),
        ({"upscaler": "x3", "two_stage": True}, "upscaler='x3' is not one of spatial-x2, spatial-x1.5, temporal-x2"),
        (
            {"upscaler": "spatial-x1.5", "two_stage": True, "height": 544},
            "height=544 is not a multiple of 96 from 96 to 4032; nearest: 480, 576",
        ),
        (
            {"upscaler": "temporal-x2", "two_stage": True, "frame_rate": 48, "num_frames": 121},
            "num_frames=121 is not 16k + 1; nearest: 113, 129",
        ),
    ],
)
def test_an_upscaler_has_sizes_and_lengths_of_its_own(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ClipRequest("a ball", **settings)


def test_an_upscaler_survives_json():
    temporal = {"two_stage": True, "upscaler": "temporal-x2", "frame_rate": 48, "num_frames": 129}
    spatial = {"two_stage": True, "upscaler": "spatial-x1.5", "width": 1152, "height": 768}
    for request in (ClipRequest("a ball", **temporal), ClipRequest("a ball", **spatial)):
        assert ClipRequest.from_json(request.to_json()) == request


GOOD = {
    "prompt": ["", "a ball", "☂"],
    "width": [32, 128, 768],
    "height": [64, 512],
    "num_frames": [1, 9, 49, 121],
    "frame_rate": [24, 30.0],
    "seed": [0, 7],
    "negative_prompt": [None, "blurry"],
    "timed_prompts": [(), (), [TimedPrompt("a bell", 0.01, 0.03)]],
    "written_prompt": [None, "blurry"],
    "model": [None, "tiny"],
    "sampling": [Sampling(), Sampling(stg_scale=1)],
    "given": [(), [Given("video", IMAGE)], [Given("video", CLIP, 0, 1), Given("audio", CLIP, 0.5, 1.5)]],
    "references": [(), (), [Reference(IMAGE)], [Reference(CLIP, num_frames=9)]],
    "reference_downscale_factor": [None, None, 1, 2],
    "reference_sounds": [(), (), [ReferenceSound(CLIP, duration_s=0.5)]],
    "loras": [(), [AppliedLora("bells.safetensors", 0.8, "0" * 64)]],
    "two_stage": [True, False],
    "upscaler": ["spatial-x2"],
    "first_stage": [None, None, CLIP],
    "outputs": [("video", "audio"), ["audio"]],
    "crop_width": [None, 32],
    "crop_height": [None, 50],
}
BAD_PLAIN = [
    *(None, True, -1, 0, 1, 2, 7, 33, 481, 10**30, -(10**400), 0.5, 24.0, 1e308, -0.0, float("nan"), float("inf")),
    *("", "49", "nan", "x" * 10_000, "\ud800", [], [None], {}, {"a": 1}, [float("nan")], ["video", "video"], ["vidio"]),
]
BAD = [
    *BAD_PLAIN,
    *(1j, b"bytes", (), set(), object(), int, len, range(3), Sampling, IMAGE, [IMAGE]),
    *(np.zeros(3), np.array(5), np.float32("nan"), np.int16(64)),
    *(Given("audio", CLIP, 0, 20), [Given("video", CLIP, 19, 20)], [Given("video", IMAGE), Given("video", IMAGE)]),
]


def test_random_requests_are_made_or_refused_as_values():
    """3,000 random keyword sets with up to three wrong values, to either way of making a request."""
    assert set(GOOD) == {field.name for field in fields(ClipRequest)}
    rng = random.Random(0)
    made = 0
    for _ in range(3_000):
        keywords = {name: rng.choice(values) for name, values in GOOD.items() if name == "prompt" or rng.random() < 0.5}
        keywords |= {name: rng.choice(BAD) for name in rng.sample([*GOOD, "size", "seconds"], rng.randrange(4))}
        snapped = bool({"size", "seconds"} & keywords.keys()) or rng.random() < 0.3
        try:
            request = ClipRequest.snapped(**keywords) if snapped else ClipRequest(**keywords)
        except ValueError:
            continue
        made += 1
        assert request.audio_mask().shape == (request.audio_tokens,)
    assert 300 < made < 2_700


def test_random_json_is_read_or_refused_as_values():
    """2,000 dictionaries with up to three wrong values, at the top, in a given item or in its source."""
    rng = random.Random(0)
    made = 0
    for _ in range(2_000):
        values = json.loads(json.dumps(VALID))
        part = rng.choice([values, values["given"][0], values["given"][0]["source"], values["sampling"]])
        part |= {rng.choice([*part, "extra"]): rng.choice(BAD_PLAIN) for _ in range(rng.randrange(4))}
        try:
            made += isinstance(ClipRequest.from_dict(values), ClipRequest)
        except ValueError:
            continue
    assert 200 < made < 1_800
