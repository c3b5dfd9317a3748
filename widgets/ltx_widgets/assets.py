"""The browser side of a widget as one ES module and one style sheet, joined from the files in static/.

A module's named imports of its neighbours are replaced by their text, so that `node --test` imports the same files that
the browser gets in one piece. Does not know what the modules do, nor any widget.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
SHARED_STYLES = ("lib/tokens.css", "lib/parts.css")

_IMPORT = re.compile(r'^import\s*\{[^}]*\}\s*from\s*"(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)


@cache
def joined_module(name: str) -> str:
    """static/<name>.mjs, preceded by every module that it imports, directly or not; each once.

    Imports are written `import { a, b } from "./lib/time.mjs";`, without renaming; top-level names are unique over all
    modules of one widget.
    """
    ordered: dict[Path, str] = {}
    _add_module(STATIC / f"{name}.mjs", ordered)
    return "\n".join(ordered.values())


@cache
def joined_style(name: str) -> str:
    """Style of a widget: what all share, static/lib/tokens.css and parts.css, then static/<name>.css."""
    return "\n".join((STATIC / file).read_text("utf-8") for file in (*SHARED_STYLES, f"{name}.css"))


def _add_module(path: Path, ordered: dict[Path, str]) -> None:
    if path in ordered:
        return
    source = path.read_text("utf-8")
    for imported in _IMPORT.findall(source):
        _add_module((path.parent / imported).resolve(), ordered)
    ordered[path] = _EXPORT.sub("", _IMPORT.sub("", source))
