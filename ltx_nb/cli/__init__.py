"""The command `ltx-nb`: a module for one or some of its commands each; how they end is in `outcome`."""

from ltx_nb.cli import run, strip, sweep, train_lora  # noqa: F401, they add their commands
from ltx_nb.cli.commands import app, main

__all__ = ["app", "main"]
