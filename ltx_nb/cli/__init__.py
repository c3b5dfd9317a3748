"""The command `ltx-nb`: its commands in `commands`, how they end in `outcome`."""

from ltx_nb.cli.commands import app, main

__all__ = ["app", "main"]
