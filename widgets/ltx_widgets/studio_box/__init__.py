"""Studio: every widget in one cell, wired to one session."""

from ltx_widgets.studio_box.box import studio

__all__ = ["studio"]
