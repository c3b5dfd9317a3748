"""The command `ltx-nb`: a module for one or some of its commands each; how they end is in `outcome`.

Nothing is imported before `main` runs, so that Ctrl-C in a command's first second ends it as later.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ltx_nb.cli.commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command of this process and end it with its status."""
    try:
        run = _commands().main
    except KeyboardInterrupt:
        print("ltx-nb: error: cancelled", file=sys.stderr)
        if "--json" in sys.argv:
            print('{"error": "cancelled", "warnings": []}')
        sys.exit(1)
    run()


def _commands() -> Any:
    from ltx_nb.cli import commands, enhance, export_web, lab, lint, run, strip, sweep, train_lora  # noqa: F401, they add their commands

    return commands


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _commands().app
