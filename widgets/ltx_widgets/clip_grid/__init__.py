"""ClipGrid: the clips of a sweep, played in step."""

from ltx_widgets.clip_grid.widget import ClipGrid

__all__ = ["ClipGrid"]
