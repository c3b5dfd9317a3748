"""The command `ltx-nb enhance`: a prompt written out by a chat model on this machine, and what was changed."""

from __future__ import annotations

from typing import Annotated

import typer

from ltx_nb.cli.commands import AsJson, app
from ltx_nb.cli.outcome import outcome_of_command


@app.command()
def enhance(
    prompt: Annotated[str, typer.Argument(help="The prompt, in quotation marks.")],
    endpoint: Annotated[str, typer.Option(help="Its chat API: http://localhost:11434/v1 is Ollama's.")],
    chat_model: Annotated[str, typer.Option(help="The chat model, by the endpoint's name for it.")],
    as_json: AsJson = False,
) -> None:
    """Rewrite a prompt as the model's captions are, by a chat model of yours; print it below what was changed."""
    with outcome_of_command(as_json) as outcome:
        from ltx_nb.remote import enhance_prompt

        made = enhance_prompt(prompt, endpoint, chat_model)
        hints = list(map(str, made.hints))
        outcome.data = {"prompt": made.after, "written_prompt": made.before, "diff": made.diff, "hints": hints}
        outcome.text = "\n".join([made.diff, "", made.after, *hints])
