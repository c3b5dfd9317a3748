"""Rows of a sweep as a table: a column a setting that differs, and one a measure of the clips. pandas is optional."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_nb.sweep.run import Row
from ltx_nb.whole_files import whole_file

Measure = Callable[[Clip], Any]


def to_frame(rows: Iterable[Row], **measures: Measure) -> Any:
    """Return the rows as a pandas DataFrame, a column a setting that differs; as a list of dicts without pandas.

    measures: a column each, by name: a function of the clip, which is read from its file; None where none was made.
    """
    table = _table(rows, measures)
    try:
        import pandas
    except ImportError:
        return table
    return pandas.DataFrame(table)


def to_csv(rows: Iterable[Row], path: str | os.PathLike[str], **measures: Measure) -> Path:
    """Write the table of `to_frame` as a CSV file, whole or not at all, without pandas; return its path."""
    table = _table(rows, measures)
    if not table:
        raise ValueError("no rows are given; give those that sweep() returned")
    with whole_file(path) as unfinished, open(unfinished, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return Path(path)


def _table(rows: Iterable[Row], measures: dict[str, Measure]) -> list[dict[str, Any]]:
    rows = list(rows)
    plain = [_plain(row.request) for row in rows]
    names = {name for settings in plain for name in settings}
    differing = [name for name in sorted(names) if len({repr(settings.get(name)) for settings in plain}) > 1]
    return [
        {name: settings.get(name) for name in differing}
        | _measured(row, measures)
        | {"seconds": row.seconds, "error": row.error, "path": str(row.path)}
        for settings, row in zip(plain, rows, strict=True)
    ]


def _measured(row: Row, measures: dict[str, Measure]) -> dict[str, Any]:
    if not measures or row.error is not None:
        return dict.fromkeys(measures)
    clip = Clip.load(row.path)
    return {name: measure(clip) for name, measure in measures.items()}


def _plain(request: ClipRequest) -> dict[str, Any]:
    settings = json.loads(request.to_json())
    return {name: value for name, value in settings.items() if name != "sampling"} | settings.get("sampling", {})
