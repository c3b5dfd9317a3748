"""The command `ltx-nb export-web`: the tiny model as ONNX parts, for a web page to run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ltx_nb.cli.commands import AsJson, app
from ltx_nb.cli.outcome import outcome_of_command


@app.command("export-web")
def export_web(
    folder: Annotated[Path, typer.Argument(help="Folder to write, which is not there yet.")],
    as_json: AsJson = False,
) -> None:
    """Write the tiny model as ONNX parts with weights in bf16, and model.json, for a web page; needs ltx-nb[web]."""
    with outcome_of_command(as_json) as outcome:
        import ltx_nb
        from ltx_nb.tiny.export_web import export_web

        described = export_web(ltx_nb.load("tiny"), folder)
        parts = described["parts"]
        outcome.data = {"folder": str(folder), "parts": parts}
        total_mb = sum(part["bytes"] for part in parts.values()) / 1e6
        outcome.text = f"wrote {', '.join(part['file'] for part in parts.values())}: {total_mb:.1f} MB, to {folder}"
