"""How a command ends: what it has to say, in words or as one JSON object, and its exit status.

Exit status: 0 done, 1 failed, 2 bad input, 3 does not fit; an error is one line on stderr. Knows no commands.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import typer

from ltx_nb.trace import Cancelled


class Status(IntEnum):
    FAILED = 1
    BAD_INPUT = 2
    DOES_NOT_FIT = 3


@dataclass
class Outcome:
    """The answer of a command: plain data for --json, and the same in words."""

    data: dict[str, Any] = field(default_factory=dict)
    text: str = ""


@contextmanager
def outcome_of_command(as_json: bool) -> Iterator[Outcome]:
    """Give a command its answer to fill; print it when the block ends well. An error becomes a line and a status."""
    outcome = Outcome()
    status = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries among each other
        try:
            yield outcome
        except (KeyboardInterrupt, Cancelled):
            status, outcome = Status.FAILED, Outcome({"error": "cancelled"})
        except Exception as error:
            status = _status_of(error)
            outcome = Outcome({"error": " ".join(str(error).split()) or type(error).__name__})
    messages = [str(warning.message) for warning in caught]
    for message in messages:
        print(f"ltx-nb: warning: {message}", file=sys.stderr)
    if status is not None:
        print(f"ltx-nb: error: {outcome.data['error']}", file=sys.stderr)
    if as_json:
        _tell(_as_json(outcome.data | {"warnings": messages}))
    elif outcome.text:
        _tell(outcome.text)
    if status is not None:
        raise typer.Exit(status)


def status_of_app(app: typer.Typer, arguments: list[str]) -> int:
    """Run a command and return its exit status, with --json having told one object whatever happened.

    A usage error, Ctrl-C, and a stdout that takes nothing end without a traceback.
    """
    as_json = "--json" in arguments
    try:
        try:
            return int(app(arguments, prog_name="ltx-nb", standalone_mode=False) or 0)
        except (KeyboardInterrupt, typer.Abort):
            status, told = int(Status.FAILED), "cancelled"
            print("ltx-nb: error: cancelled", file=sys.stderr)
        except Exception as error:
            # A usage error: Typer's own class for those is not public, what it can do is.
            if not (hasattr(error, "show") and hasattr(error, "format_message")):
                raise
            error.show()
            status, told = getattr(error, "exit_code", Status.BAD_INPUT), error.format_message()
        if as_json:
            _tell(_as_json({"error": " ".join(told.split()), "warnings": []}))
        return int(status)
    except _CannotTell as error:
        with suppress(OSError, ValueError):
            print(f"ltx-nb: error: cannot write to stdout: {error}", file=sys.stderr)
        return Status.FAILED


class _CannotTell(Exception):
    """Nobody reads stdout any more, or it is full."""


def _as_json(data: dict[str, Any]) -> str:
    # In ASCII, so that it is the same object whatever encoding stdout has.
    return json.dumps(data)


def _tell(text: str) -> None:
    try:
        print(text, flush=True)
    except UnicodeEncodeError:
        print(text.encode("ascii", "backslashreplace").decode(), flush=True)
    except (OSError, ValueError) as error:
        # Python would try again when it ends, and print a traceback.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise _CannotTell(getattr(error, "strerror", None) or error) from None


def _status_of(error: Exception) -> Status:
    from ltx_nb.planning import DoesNotFit  # only where something went wrong, so that help comes at once

    if isinstance(error, DoesNotFit):
        return Status.DOES_NOT_FIT
    bad = isinstance(error, (ValueError, TypeError, FileNotFoundError))  # a path to nothing is bad input
    return Status.BAD_INPUT if bad else Status.FAILED
