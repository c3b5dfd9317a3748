"""Where each clip of a sweep stands in a grid: a column a seed, a row all else. Knows requests; no files, no widget."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ltx_nb.request import ClipRequest

_PLAIN = (str, int, float, bool, type(None))


class Made(Protocol):
    """Row of a sweep, as `ltx_nb.sweep.sweep` returns it. error: None where the request's clip is at `path`."""

    @property
    def request(self) -> ClipRequest: ...

    @property
    def path(self) -> Path: ...

    @property
    def error(self) -> str | None: ...


class Places(NamedTuple):
    """labels: of each row. columns: how many. at: (row, column) of each request."""

    labels: list[str]
    columns: int
    at: list[tuple[int, int]]


def places_of(requests: Sequence[ClipRequest]) -> Places:
    """Return a place for each request: a row for what is alike but for the seed, a column for each seed.

    Where most of such places would be empty, as of clips whose seeds were drawn, each row is filled from its left.
    """
    alike: list[ClipRequest] = []
    seeds = sorted({request.seed or 0 for request in requests})
    rows = []
    for request in requests:
        like = request.replace(seed=0)
        if like not in alike:
            alike.append(like)
        rows.append(alike.index(like))
    by_seed = [(row, seeds.index(request.seed or 0)) for row, request in zip(rows, requests, strict=True)]
    is_full = len(set(by_seed)) == len(by_seed) and len(alike) * len(seeds) <= 2 * len(requests)
    at = by_seed if is_full else [(row, rows[:index].count(row)) for index, row in enumerate(rows)]
    return Places(_labels(alike), 1 + max(column for _, column in at), at)


def _labels(requests: Sequence[ClipRequest]) -> list[str]:
    """Return what tells each of the requests from the others, the prompt always among it."""
    settings = [_settings(request) for request in requests]
    differing = [name for name in settings[0] if name != "prompt" and len({repr(one[name]) for one in settings}) > 1]
    kinds = {name: list(dict.fromkeys(repr(one[name]) for one in settings)) for name in differing}

    def said(name: str, value: Any) -> str:
        # What is no number and no word, such as what is given, goes by which of them it is.
        return f"{name} {value}" if isinstance(value, _PLAIN) else f"{name} #{kinds[name].index(repr(value)) + 1}"

    return [" · ".join([one["prompt"], *(said(name, one[name]) for name in differing)]) for one in settings]


def _settings(request: ClipRequest) -> dict[str, Any]:
    named = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    sampling = named.pop("sampling")
    named.pop("written_prompt", None)  # the prompt as it was before; no setting
    return named | {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
