"""Checks of single values: each returns the value in its plain Python type or raises a ValueError that says what works.

Knows types, ranges and spellings; not what a value is for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from numbers import Integral, Real
from reprlib import repr as shown
from typing import Any


def whole_number(name: str, value: object, least: int | None = None, most: int | None = None) -> int:
    """`value` as an int (numpy integers too, never bool) in least..most, both inclusive."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(
            f"{name}={shown(value)} is a {type(value).__name__}, not a whole number{_hint(value, whole=True)}"
        )
    number = int(value)
    most_bits = max(63, (most or 0).bit_length())
    if number.bit_length() > most_bits:
        raise ValueError(f"{name} has more than {most_bits} bits; give an ordinary number")
    _in_range(name, number, least, most)
    return number


def finite_number(name: str, value: object, least: float | None = None, most: float | None = None) -> float:
    """`value` as a float (any real number, never bool) in least..most, both inclusive; NaN and infinity are refused."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name}={shown(value)} is a {type(value).__name__}, not a number{_hint(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name}={shown(value)} is not finite; give an ordinary number")
    _in_range(name, number, least, most)
    return number


def text(name: str, value: object) -> str:
    """`value` as a str that UTF-8 can hold; it may be empty."""
    if not isinstance(value, str):
        raise ValueError(f"{name}={shown(value)} is a {type(value).__name__}, not a str")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds half a character (a lone surrogate) at position {error.start}") from None
    return value


def flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name}={shown(value)} is a {type(value).__name__}; it must be True or False")
    return value


def choice(name: str, value: object, choices: Iterable[str]) -> str:
    """`value` if it is one of `choices`, else an error that names the closest."""
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={shown(value)} is not one of {', '.join(choices)}{_closest(value, choices)}")
    return value


def items(name: str, value: object, kind: type) -> tuple[Any, ...]:
    """`value`, a list or tuple with nothing but `kind` in it, as a tuple."""
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name}={shown(value)} is a {type(value).__name__}, not a list or tuple")
    for index, item in enumerate(value):
        if not isinstance(item, kind):
            raise ValueError(f"{name}[{index}]={shown(item)} is a {type(item).__name__}, not a {kind.__name__}")
    return tuple(value)


def keys(what: str, mapping: object, known: Iterable[str], required: Iterable[str] = ()) -> Mapping[str, Any]:
    """`mapping` if it is a mapping with `required` keys and no others than `known`."""
    if not isinstance(mapping, Mapping):
        raise ValueError(f"{what} is a {type(mapping).__name__}, not a mapping of names to values")
    known = tuple(known)
    for key in mapping:
        if key not in known:
            raise ValueError(f"{what} has no {shown(key)}{_closest(key, known) or '; it has ' + ', '.join(known)}")
    for key in required:
        if key not in mapping:
            raise ValueError(f"{what} needs {key!r}, which is missing")
    return mapping


def one_of_two(given: Mapping[str, Any], name: str, others: Iterable[str]) -> None:
    """Raises ValueError where `given` has `name` and one of `others`, which say the same."""
    for other in others:
        if name in given and other in given:
            raise ValueError(f"{name} and {other} are both given; give one of the two")


def _in_range(name: str, number: float, least: float | None, most: float | None) -> None:
    if least is not None and number < least:
        raise ValueError(f"{name}={shown(number)} is too small; the least is {least}")
    if most is not None and number > most:
        raise ValueError(f"{name}={shown(number)} is too large; the most is {most}")


def _closest(value: object, known: Iterable[str]) -> str:
    matches = get_close_matches(value, known, n=1) if isinstance(value, str) else []
    return f"; did you mean {matches[0]!r}?" if matches else ""


def _hint(value: object, whole: bool = False) -> str:
    if not isinstance(value, (str, float)):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    return f"; try {round(number) if whole or number == round(number) else number:g}"
