"""Player: picture and sound of one clip, or of two side by side."""

from ltx_widgets.player.widget import Player

__all__ = ["Player"]
