"""Stretches of a lane and where each comes from: given, generated, or both blended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ltx_nb.checks import choice, finite_number

ORIGINS = ("source", "blended", "generated")

Span = tuple[float, float, str]


def checked_span(span: Any) -> Span:
    """(start_s, end_s, origin). Raises ValueError for anything else."""
    try:
        start_s, end_s, origin = span
    except (TypeError, ValueError):
        raise ValueError(f"provenance has the span {span!r}; give (start_s, end_s, origin)") from None
    start_s, end_s = finite_number("start_s", start_s, least=0), finite_number("end_s", end_s)
    if end_s <= start_s:
        raise ValueError(f"the provenance span [{start_s:g}, {end_s:g}) s is empty; end it after it starts")
    return start_s, end_s, choice("origin", origin, ORIGINS)


def cut_spans(spans: Mapping[str, Sequence[Span]], start_s: float, end_s: float) -> dict[str, list[Span]]:
    """Parts of each lane's spans that lie in [start_s, end_s), counted from there."""
    return {
        lane: [
            (max(begin_s, start_s) - start_s, min(stop_s, end_s) - start_s, origin)
            for begin_s, stop_s, origin in mine
            if begin_s < end_s and stop_s > start_s
        ]
        for lane, mine in spans.items()
    }
