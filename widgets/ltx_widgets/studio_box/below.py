"""Storyboard, memory and latents below a studio's desk, each made when its tab is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from ltx_nb.clip import Clip
from ltx_nb.inspect.attention import KINDS, capture_attention
from ltx_nb.inspect.footprint import audio_cell_footprint, cell_footprint
from ltx_nb.pipeline.session import Session
from ltx_nb.request import ClipRequest
from ltx_widgets.latent_explorer import LatentExplorer
from ltx_widgets.preset_picker import PresetPicker
from ltx_widgets.studio_box.clip_tasks import EXTRA_S
from ltx_widgets.studio_box.desk import Desk
from ltx_widgets.studio_box.folds import Folds

_TABS = (
    {"name": "storyboard", "label": "Storyboard"},
    {"name": "memory", "label": "Memory, by preset"},
    {"name": "latents", "label": "Latents of the clip"},
)


class Below:
    """Tabs and what is behind each: `widget` holds both. update() after another clip was selected."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self._desk, self._session = desk, session
        self.explorer: LatentExplorer | None = None
        self._picker: PresetPicker | None = None
        self.folds = Folds(tabs=list(_TABS))
        self.boxes = {tab["name"]: ipywidgets.VBox(layout={"display": "none"}) for tab in _TABS}
        self.boxes["storyboard"].children = [desk.storyboard]
        self.widget = ipywidgets.VBox([self.folds, *self.boxes.values()])
        self.folds.observe(lambda _: self.folds._guard(self.update), "opened")

    def show_request(self, request: ClipRequest) -> None:
        """Plan the memory of another request, where that is open or was."""
        if self._picker is not None:
            self._picker.show(request)

    def update(self) -> None:
        """Make what is behind the tab that is open: plans take seconds, and explorers much memory."""
        for name, box in self.boxes.items():
            box.layout.display = "flex" if name == self.folds.opened else "none"
        if self.folds.opened == "storyboard" and not any(prompt.strip() for prompt, _ in self._desk.storyboard.shots):
            request = self._desk.request
            self._desk.storyboard.grid_s = 8 / request.frame_rate
            self._desk.storyboard.shots = [(request.prompt, request.duration_s), ("", EXTRA_S)]
        if self.folds.opened == "memory" and self._picker is None:
            self._picker = PresetPicker(self._session.model, self._desk.request, controls=False, has_files=True)
            self.boxes["memory"].children = [self._picker]
        if self.folds.opened == "memory":
            self._tell_pace()
        if self.folds.opened == "latents":
            self._explore(self.boxes["latents"])

    def _tell_pace(self) -> None:
        """How long the latest run took, instead of what the planner guesses."""
        timed = [result for result in self._desk.run_panel.timed if result.request is not None]
        if self._picker is not None and timed:
            self._picker.learn(timed[-1].request, timed[-1].took_s)

    def _explore(self, place: ipywidgets.Box) -> None:
        clip = self._desk.clip
        if clip is None or clip.latents is None:
            place.children = [
                ipywidgets.Label("Generate a clip first: one that was read from a file keeps no latents.")
            ]
            return
        if self.explorer is not None:
            self.explorer.close()
        self.explorer = explorer = LatentExplorer(
            clip,
            cell_footprint=lambda t, y, x: self._when_idle(cell_footprint, clip.latents, t, y, x),
            audio_footprint=lambda t: self._when_idle(audio_cell_footprint, clip.audio_latents, t),
            capture=None if clip.request is None else lambda: self._capture(explorer, clip.request),
        )
        place.children = [explorer]

    def _capture(self, explorer: LatentExplorer, request: ClipRequest) -> None:
        """Make the clip again and listen to its attention; it takes its turn among the runs."""
        maps = []

        def run(request: ClipRequest, on_step: Callable[[Any], None]) -> Clip:
            kinds = (*KINDS, "reference") if request.references else KINDS
            with capture_attention(self._session, kinds=kinds) as captured:
                maps.append(captured)
                return self._desk.run(request, on_step=on_step)

        self._desk.run_panel.make(request, run, lambda _: explorer.show_attention(maps[0]))

    def _when_idle(self, footprint: Callable[..., Any], *arguments: Any) -> Any:
        if self._desk.run_panel.state != "idle":
            raise ValueError("the model is busy with a run; look at the footprint when it is done")
        return footprint(self._session, *arguments)
