"""Each check passes what it should, in plain types, and refuses the rest with a hint."""

import re
from fractions import Fraction

import numpy as np
import pytest

from ltx_nb import checks


@pytest.mark.parametrize("value", [7, np.int64(7), np.uint8(7)])
def test_whole_numbers_become_int(value):
    assert type(checks.whole_number("seed", value)) is int


@pytest.mark.parametrize("value", [24, 24.0, np.float32(24), Fraction(24)])
def test_numbers_become_float(value):
    number = checks.finite_number("frame_rate", value)
    assert type(number) is float
    assert number == 24


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (checks.whole_number, "49", "n='49' is a str, not a whole number; try 49"),
        (checks.whole_number, 48.0, "n=48.0 is a float, not a whole number; try 48"),
        (checks.whole_number, True, "n=True is a bool, not a whole number"),
        (checks.whole_number, None, "n=None is a NoneType, not a whole number"),
        (checks.whole_number, 2**63, "n has more than 63 bits"),
        (checks.finite_number, "2.5", "n='2.5' is a str, not a number; try 2.5"),
        (checks.finite_number, float("nan"), "n=nan is not finite"),
        (checks.finite_number, float("-inf"), "n=-inf is not finite"),
        (checks.finite_number, 10**400, "is not finite"),
        (checks.finite_number, np.ones(3), "is a ndarray, not a number"),
        (checks.text, b"ball", "n=b'ball' is a bytes, not a str"),
        (checks.text, "ball\ud800", "n holds half a character (a lone surrogate) at position 4"),
        (checks.flag, 1, "n=1 is a int; it must be True or False"),
    ],
)
def test_wrong_values_are_refused(check, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check("n", value)


def test_ranges_include_their_ends():
    assert [checks.whole_number("n", n, least=1, most=3) for n in (1, 3)] == [1, 3]
    with pytest.raises(ValueError, match="n=0 is too small; the least is 1"):
        checks.whole_number("n", 0, least=1, most=3)
    with pytest.raises(ValueError, match=r"n=3\.5 is too large; the most is 3"):
        checks.finite_number("n", 3.5, least=1, most=3)


def test_a_misspelt_choice_is_told_the_closest():
    assert checks.choice("lane", "audio", ("video", "audio")) == "audio"
    with pytest.raises(ValueError, match="lane='vidio' is not one of video, audio; did you mean 'video'"):
        checks.choice("lane", "vidio", ("video", "audio"))


def test_a_misspelt_key_is_told_the_closest():
    with pytest.raises(ValueError, match="request has no 'promt'; did you mean 'prompt'"):
        checks.keys("request", {"promt": "a ball"}, ("prompt", "seed"))
    with pytest.raises(ValueError, match="request has no 'xyz'; it has prompt, seed"):
        checks.keys("request", {"xyz": 1}, ("prompt", "seed"))


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match="request needs 'prompt', which is missing"):
        checks.keys("request", {"seed": 1}, ("prompt", "seed"), required=("prompt",))


def test_items_are_checked_one_by_one():
    assert checks.items("outputs", ["video"], str) == ("video",)
    with pytest.raises(ValueError, match="outputs='video' is a str, not a list or tuple"):
        checks.items("outputs", "video", str)
    with pytest.raises(ValueError, match=r"outputs\[1\]=3 is a int, not a str"):
        checks.items("outputs", ["video", 3], str)
