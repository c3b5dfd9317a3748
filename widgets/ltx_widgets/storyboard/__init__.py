"""Storyboard: shots one after the other, each with a prompt and a length."""

from ltx_widgets.storyboard.widget import Storyboard

__all__ = ["Storyboard"]
