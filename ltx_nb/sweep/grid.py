"""Requests for every combination of values. Knows requests; makes no clips."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from itertools import product
from typing import Any

from ltx_nb.checks import keys
from ltx_nb.request import ClipRequest
from ltx_nb.sampling import Sampling

_SAMPLING = tuple(field.name for field in fields(Sampling))
_REQUEST = tuple(field.name for field in fields(ClipRequest))
# A value that is one thing, though it can be iterated over.
_WHOLE = (str, bytes, tuple)


def grid(**values: Any) -> list[ClipRequest]:
    """Return a request for every combination of the values, the last name running fastest.

    values: a list (or a range) for what varies, one value for what does not, by the names of `ClipRequest` and
    `Sampling`; also `seconds` and `size`, as in `ClipRequest.snapped`. A tuple is one value, as sigmas are.

    Raises ValueError for an unknown name, an empty list, and what no request can have.
    """
    known = keys("grid", values, (*_REQUEST, *_SAMPLING, "seconds", "size"), ["prompt"])
    axes = {
        name: list(value) if isinstance(value, Iterable) and not isinstance(value, _WHOLE) else [value]
        for name, value in known.items()
    }
    for name, axis in axes.items():
        if not axis:
            raise ValueError(f"{name} is an empty list; give it a value, or leave it out")
    return [_request(dict(zip(axes, combination, strict=True))) for combination in product(*axes.values())]


def _request(settings: dict[str, Any]) -> ClipRequest:
    sampling = {name: settings.pop(name) for name in _SAMPLING if name in settings}
    if sampling and "sampling" in settings:
        raise ValueError(f"sampling is given, and so is {', '.join(sampling)}; give one of the two")
    if sampling:
        settings["sampling"] = Sampling(**sampling)
    return ClipRequest.snapped(settings.pop("prompt"), **settings)
