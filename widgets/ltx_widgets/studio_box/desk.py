"""Desk: the widgets of a studio and what they show, as far as its parts have to know of each other."""

from __future__ import annotations

from typing import Any, Protocol

from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_widgets.player import Player
from ltx_widgets.run_panel import RunPanel
from ltx_widgets.storyboard import Storyboard
from ltx_widgets.timeline import Timeline


class Desk(Protocol):
    player: Player
    run_panel: RunPanel
    storyboard: Storyboard
    timeline: Timeline
    request: ClipRequest
    """What is edited; one that is assigned is shown in every widget."""

    @property
    def clip(self) -> Clip | None:
        """The clip that is played."""

    def run(self, request: ClipRequest, **options: Any) -> Clip:
        """Run a request with the LoRAs that are on; options as those of `session.run`."""

    def use_chosen_loras(self) -> None:
        """Have the session use the LoRAs that are on now."""
