"""The command `ltx-nb`: its commands in `commands` and `train_lora`, how they end in `outcome`."""

from ltx_nb.cli import train_lora  # noqa: F401, it adds its command
from ltx_nb.cli.commands import app, main

__all__ = ["app", "main"]
