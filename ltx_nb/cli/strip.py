"""`ltx-nb strip`: a clip's file without what it tells of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ltx_nb.cli.commands import AsJson, app
from ltx_nb.cli.outcome import outcome_of_command


@app.command()
def strip(
    file: Annotated[Path, typer.Argument(help="A clip that holds its request and what it was given.")],
    out: Annotated[Path | None, typer.Option(help="File to write; the clip itself if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Leave picture and sound in a file as they are, and nothing else: no request, no given photo or voice."""
    with outcome_of_command(as_json) as outcome:
        from ltx_nb import media

        path = media.strip(file, file if out is None else out)
        outcome.data = {"path": str(path)}
        outcome.text = f"{path}: picture and sound, and nothing else"
