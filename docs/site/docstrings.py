"""Docstrings as this kit writes them, plain text with `names`, for Sphinx, which expects reStructuredText."""

from __future__ import annotations

import re
from typing import Any

SPECIAL = re.compile(r"[*|\\]|(?<=\w)_(?!\w)")
NAMED = re.compile(r"^(?=[\w*])([\w*]+(?:, [\w*]+)*(?:\([^)]*\))?): ")


def restructured(docstring: str) -> list[str]:
    """Lines of reStructuredText: parameters as a list, indented paragraphs as code, everything else as it is."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", docstring.strip("\n")):
        rows = paragraph.splitlines()
        if all(row.startswith("    ") for row in rows):
            lines += ["::", "", *rows]
        elif any(row.startswith(" ") for row in rows):
            for row in rows:
                text = _escaped(row.strip())
                if row.startswith(" ") and lines and lines[-1].startswith(("* ", "  ")):
                    lines.append(f"  {text}")
                else:
                    lines.append(f"* {NAMED.sub(lambda found: f'**{found[1]}**: ', text)}")
        else:
            lines += _escaped("\n".join(rows)).splitlines()
        lines.append("")
    return lines


def _escaped(text: str) -> str:
    """Text without marks of reStructuredText but for `names`."""
    if text.count("`") % 2:
        return SPECIAL.sub(r"\\\g<0>", text).replace("`", "\\`")
    parts = text.split("`")
    for index in range(0, len(parts), 2):
        joint = "\\ " if index and parts[index][:1].isalnum() else ""  # `name`s: the mark must not touch a letter
        parts[index] = joint + SPECIAL.sub(r"\\\g<0>", parts[index])
    return "`".join(parts)


def process(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Sphinx's event autodoc-process-docstring, which takes the lines in place."""
    lines[:] = restructured("\n".join(lines))
