"""The command `ltx-nb enhance`: a prompt written out by a chat model on this machine, and what was changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ltx_nb.cli.commands import AsJson, app
from ltx_nb.cli.outcome import outcome_of_command


@app.command()
def enhance(
    prompt: Annotated[str, typer.Argument(help="The prompt, in quotation marks.")],
    endpoint: Annotated[str | None, typer.Option(help="Its chat API: http://localhost:11434/v1 is Ollama's.")] = None,
    chat_model: Annotated[str | None, typer.Option(help="The chat model, by the endpoint's name for it.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="In place of an endpoint: a folder with a Gemma 3, in transformers' layout.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rewrite a prompt as the model's captions are, by a chat model of yours; print it below what was changed."""
    with outcome_of_command(as_json) as outcome:
        import ltx_nb

        if (endpoint is None) == (folder is None):
            raise ValueError("give a chat model: --endpoint with --chat-model, or --folder")
        by = ltx_nb.LocalChat(folder) if folder is not None else endpoint
        assert by is not None
        made = ltx_nb.enhance_prompt(prompt, by, chat_model)
        hints = list(map(str, made.hints))
        outcome.data = {"prompt": made.after, "written_prompt": made.before, "diff": made.diff, "hints": hints}
        outcome.text = "\n".join([made.diff, "", made.after, *hints])
