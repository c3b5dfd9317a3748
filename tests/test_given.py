"""Given items, alone and together on the timelines of a clip of 49 frames at 24 frames/s (2.0417 s)."""

import re

import numpy as np
import pytest

from ltx_nb.given import Given, check_timelines, generated_spans_s, keyframes
from ltx_nb.media import Media
from ltx_nb.source import Source

IMAGE = Source.from_bytes(b"an image", "image/png")
SOUND = Source.from_bytes(b"a sound", "audio/wav")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lane": "vidio"}, "lane='vidio' is not one of video, audio; did you mean 'video'"),
        ({"lane": None}, "lane=None is not one of video, audio"),
        ({"source": "ball.png"}, "source is a str; make one with Source.from_path(file)"),
        ({"start_s": -0.1}, "start_s=-0.1 is too small; the least is 0"),
        ({"start_s": float("nan")}, "start_s=nan is not finite"),
        ({"start_s": "1"}, "start_s='1' is a str, not a number; try 1"),
        ({"source_start_s": -1}, "source_start_s=-1.0 is too small"),
        ({"start_s": 1.0, "end_s": 1.0}, "end_s=1 is not after start_s=1; a given span has a length"),
        ({"start_s": 1.0, "end_s": 0.5}, "end_s=0.5 is not after start_s=1"),
        ({"end_s": float("inf")}, "end_s=inf is not finite"),
        ({"strength": 1.5}, "strength=1.5 is too large; the most is 1"),
        ({"strength": -0.5}, "strength=-0.5 is too small; the least is 0"),
        ({"is_appended": 1}, "is_appended=1 is not True or False"),
        ({"is_appended": True, "end_s": 1.0}, "is_appended=True is for images; a span stands in its own place"),
        ({"strength": 0.5, "end_s": 1.0}, "strength=0.5 is for images; a span is kept exactly: strength=1"),
        ({"fit": "zoom"}, "fit='zoom' is not one of crop, pad, stretch"),
        ({"lane": "audio"}, "end_s=None is for images; a sound is given as a span"),
    ],
)
def test_a_refused_item_says_why(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Given(**{"lane": "video", "source": IMAGE} | fields)


def test_a_lane_needs_a_source_that_has_it():
    silent = Source.from_media(Media(frames=np.zeros((9, 4, 4, 3), np.uint8), frame_rate=24))
    blind = Source.from_media(Media(audio=np.zeros((2, 99), np.float32), sample_rate=16_000))
    with pytest.raises(ValueError, match="lane='audio' is given a source that has picture and no sound"):
        Given("audio", silent, 0, 1)
    with pytest.raises(ValueError, match="lane='video' is given a source that has sound and no picture"):
        Given("video", blind, 0, 1)


def test_an_unknown_key_is_told_the_closest():
    values = Given("video", IMAGE).to_dict()
    with pytest.raises(ValueError, match="given has no 'strenght'; did you mean 'strength'"):
        Given.from_dict(values | {"strenght": 1})


def test_an_image_takes_up_the_nearest_frame():
    assert Given("video", IMAGE, start_s=0.99).frame_index(24.0) == 24
    assert Given("video", IMAGE, start_s=0.99).span_s(24.0) == (1.0, 25 / 24)


@pytest.mark.parametrize(
    "given",
    [
        (Given("video", IMAGE, 0, 1), Given("video", IMAGE, 1, 49 / 24)),
        (Given("video", IMAGE, 0, 1), Given("audio", SOUND, 0.5, 2)),
        (Given("video", IMAGE, 0, 1), Given("video", IMAGE, 1.0)),
        (Given("video", IMAGE), Given("video", IMAGE, 1 / 24)),
        (Given("video", IMAGE, 48 / 24),),
    ],
    ids=["touching", "two lanes", "image after a span", "two images", "last frame"],
)
def test_items_that_share_no_time_fit(given):
    check_timelines(given, 49, 24.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            (Given("video", IMAGE, 0, 1), Given("video", IMAGE, 0.9, 2)),
            "given[1] (video, 0.9 to 2 s) overlaps given[0] (video, 0 to 1 s); give 0.9 to 1 s to one of them",
        ),
        (
            (Given("audio", SOUND, 0, 2), Given("audio", SOUND, 1, 1.5)),
            "given[1] (audio, 1 to 1.5 s) overlaps given[0]",
        ),
        ((Given("video", IMAGE), Given("video", IMAGE, 0.01)), "given[1] (video, at 0.01 s) overlaps given[0]"),
        ((Given("video", IMAGE, 0, 1), Given("video", IMAGE, 0.5)), "given[1] (video, at 0.5 s) overlaps given[0]"),
        (
            (Given("audio", SOUND, 1, 2.1),),
            "given[0] (audio, 1 to 2.1 s) is past the end of the clip, 2.0416666666666665 s; end it there",
        ),
        ((Given("video", IMAGE, 1e308),), "given[0] (video, at 1e+308 s) is past the end of the clip"),
        (
            (Given("video", IMAGE, 49 / 24),),
            "given[0] (video, at 2.04167 s) is past the end of the clip, 2.0416666666666665 s; its last frame",
        ),
    ],
)
def test_items_that_collide_or_stick_out_are_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_timelines(given, 49, 24.0)


def test_what_is_generated_is_the_rest_of_the_lane():
    given = (Given("video", IMAGE, 1, 1.5), Given("video", IMAGE, 0.25, 0.5), Given("audio", SOUND, 0, 2))
    assert generated_spans_s(given, "video", 2.0) == [(0.0, 0.25), (0.5, 1.0), (1.5, 2.0)]
    assert generated_spans_s(given, "audio", 2.0) == []


def test_keyframes_are_the_images_after_the_first_frame():
    first, late, early = (Given("video", IMAGE, start_s) for start_s in (0.0, 1.5, 0.5))
    span = Given("video", IMAGE, 1.0, 1.25)
    assert keyframes((first, late, span, early), 24.0) == ((12, early), (36, late))
