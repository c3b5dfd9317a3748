"""RunPanel: runs of a request, one after the other, and their clips."""

from ltx_widgets.run_panel.widget import RunPanel

__all__ = ["RunPanel"]
