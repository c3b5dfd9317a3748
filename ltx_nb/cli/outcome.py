"""How a command ends: what it has to say, in words or as one JSON object, and its exit status.

Exit status: 0 done, 1 failed, 2 bad input, 3 does not fit; an error is one line on stderr. Knows no commands.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import typer


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
        try:
            yield outcome
        except Exception as error:
            status = _status_of(error)
            outcome = Outcome({"error": " ".join(str(error).split()) or type(error).__name__})
    messages = [str(warning.message) for warning in caught]
    for message in messages:
        print(f"ltx-nb: warning: {message}", file=sys.stderr)
    if status is not None:
        print(f"ltx-nb: error: {outcome.data['error']}", file=sys.stderr)
    if as_json:
        print(json.dumps(outcome.data | {"warnings": messages}, ensure_ascii=False))
    elif outcome.text:
        print(outcome.text)
    if status is not None:
        raise typer.Exit(status)


def _status_of(error: Exception) -> Status:
    from ltx_nb.planning import DoesNotFit  # only where something went wrong, so that help comes at once

    if isinstance(error, DoesNotFit):
        return Status.DOES_NOT_FIT
    return Status.BAD_INPUT if isinstance(error, ValueError) else Status.FAILED
