"""The command `ltx-nb`: its commands in `commands`, `train_lora` and `sweep`, how they end in `outcome`."""

from ltx_nb.cli import sweep, train_lora  # noqa: F401, they add their commands
from ltx_nb.cli.commands import app, main

__all__ = ["app", "main"]
