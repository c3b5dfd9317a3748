"""Measurements in JSON as Markdown tables: numbers by name, rows of one kind, and sections of those."""

from __future__ import annotations

from typing import Any


def measurement(value: Any, level: int) -> str:
    """Tables of what a file of benchmarks/ holds, with headings of this level and below."""
    if isinstance(value, list):
        return _rows([(str(row.get("what", number)), row) for number, row in enumerate(value, 1)])
    plain = {name: one for name, one in value.items() if not isinstance(one, (dict, list))}
    nested = {name: one for name, one in value.items() if name not in plain and one}
    parts = [_table(["what", "measured"], [[name, one] for name, one in plain.items()])] if plain else []
    if nested and all(isinstance(one, dict) and _is_flat(one) for one in nested.values()):
        parts.append(_rows(list(nested.items())))
    else:
        parts += [f"{'#' * level} {name}\n\n{measurement(one, level + 1)}" for name, one in nested.items()]
    return "\n\n".join(parts)


def _rows(named: list[tuple[str, dict[str, Any]]]) -> str:
    """One table of rows, a column for each name; tables inside a row are left to the file."""
    columns = list(
        dict.fromkeys(name for _, row in named for name, one in row.items() if name != "what" and not _is_table(one))
    )
    return _table(["what", *columns], [[name, *(row.get(column, "") for column in columns)] for name, row in named])


def _table(head: list[str], rows: list[list[Any]]) -> str:
    numbers = [all(isinstance(one, (int, float)) for one in column) for column in zip(*rows, strict=True)]
    marks = ["---:" if is_number else "---" for is_number in numbers]
    lines = [head, marks, *([_cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _is_flat(row: dict[str, Any]) -> bool:
    return not any(isinstance(one, (dict, list)) for one in row.values())


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return "" if value is None else f"{value}".replace("|", "\\|").replace("\n", " ")
