"""The command `ltx-nb lint`: what of a prompt is not as the model's captions were."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ltx_nb.cli.commands import AsJson, app
from ltx_nb.cli.outcome import outcome_of_command


@app.command()
def lint(
    prompt: Annotated[str, typer.Argument(help="The prompt, in quotation marks.")],
    as_json: AsJson = False,
) -> None:
    """Say what of a prompt the model was not trained on, and what to write instead; loads nothing."""
    with outcome_of_command(as_json) as outcome:
        from ltx_nb.catalogue.prompting import lint_prompt

        hints = lint_prompt(prompt)
        outcome.data = {"hints": [asdict(hint) for hint in hints]}
        outcome.text = "\n".join(map(str, hints)) or "no hints"
