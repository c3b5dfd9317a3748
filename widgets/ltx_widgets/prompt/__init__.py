"""Prompt: the words, the size and the sampling of a request."""

from ltx_widgets.prompt.widget import Prompt

__all__ = ["Prompt"]
