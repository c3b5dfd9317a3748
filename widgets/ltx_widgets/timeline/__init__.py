"""Timeline: a request's two lanes of time, edited by hand."""

from ltx_widgets.timeline.widget import Timeline

__all__ = ["Timeline"]
