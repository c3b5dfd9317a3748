"""studio: every widget of the kit in one cell, wired to one session. The only module that knows both.

The request is one: what the prompt or the timeline changes, the others take over. What a run makes is played, and its
latents can be explored.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import ipywidgets
from PIL import Image

from ltx_nb.clip import Clip
from ltx_nb.inspect.footprint import audio_cell_footprint, cell_footprint
from ltx_nb.pipeline.preview import Preview
from ltx_nb.pipeline.session import Session
from ltx_nb.request import ClipRequest
from ltx_widgets.base import error_text, with_still
from ltx_widgets.latent_explorer import LatentExplorer
from ltx_widgets.player import Player
from ltx_widgets.preset_picker import PresetPicker
from ltx_widgets.prompt import Prompt
from ltx_widgets.run_panel import RunPanel
from ltx_widgets.step_preview import StepPreview, step_preview, step_previews
from ltx_widgets.timeline import Timeline
from ltx_widgets.timeline.still import WIDTH_PX

TRACE_BUDGET_MB = 128  # of each clip in the strip
_LEAST_COLUMN_PX = 420
_STILL_GAP_PX = 16
_FOLDED = ("Memory: what this takes, by preset", "Latents of the clip")


def studio(session: Session, request: ClipRequest | None = None) -> Studio:
    """All widgets in one cell. request: what to start from; by default an empty prompt at the model's own size."""
    return Studio(session, request)


class Studio(ipywidgets.VBox):
    """prompt, timeline, run_panel and player are the widgets; request and clip what they show.

    A page that is loaded again finds everything as it was, while the kernel lives.
    """

    def __init__(self, session: Session, request: ClipRequest | None = None) -> None:
        model = session.model
        if request is None:
            request = ClipRequest("", width=model.width, height=model.height, num_frames=model.num_frames)
        self._session = session
        self._is_taking = False
        self._taking = threading.RLock()  # a cell may change one widget while a message of the browser changes another
        self._explorer: LatentExplorer | None = None
        self._picker: PresetPicker | None = None
        self.prompt = Prompt(request, model=model, tokenizer=session.tokens)
        self.timeline = Timeline(request)
        self.player = Player()
        self.run_panel = RunPanel(
            partial(session.run, progress=False, trace=True, trace_budget_mb=TRACE_BUDGET_MB),
            session.cancel,
            preview=self._preview_step,
            give=self.timeline.add_source,
        )
        self._folds = ipywidgets.Accordion([ipywidgets.VBox(), ipywidgets.VBox()], selected_index=None)
        for index, title in enumerate(_FOLDED):
            self._folds.set_title(index, title)
        columns = _grid(
            [_grid([self.prompt, self.run_panel]), self.player],
            f"repeat(auto-fit, minmax(min(100%, {_LEAST_COLUMN_PX}px), 1fr))",
        )
        super().__init__([_grid([columns, self.timeline, self._folds])])
        self.prompt.observe(lambda _: self._take(lambda: self.prompt.request), ["value", "invalid"])
        self.timeline.observe(lambda _: self._take(lambda: self.timeline.request), "value")
        self.run_panel.observe(lambda _: self._take(lambda: self.run_panel.request), "request")
        self.run_panel.observe(self._remember_prompt, "state")
        self.run_panel.observe(lambda _: self.run_panel._guard(self._show_clip), ["selected", "compared"])
        self._folds.observe(lambda _: self._unfold(), "selected_index")
        self._take(lambda: request)

    def _remember_prompt(self, change) -> None:
        if change["new"] == "running":
            self.prompt.remember()

    def __repr__(self) -> str:
        return f"Studio({self._session.model.name})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), self._still())

    def _still(self) -> bytes:
        """A PNG of what is played, the strip of clips and the timeline, one below the other, at twice their size."""
        stills = [widget._still() for widget in (self.player, self.run_panel, self.timeline)]
        images = [_enlarged(Image.open(io.BytesIO(still))) for still in stills if still is not None]
        height = sum(image.height for image in images) + _STILL_GAP_PX * (len(images) - 1)
        picture = Image.new("RGB", (WIDTH_PX, height), "#ffffff")
        top = 0
        for image in images:
            picture.paste(image, (0, top))
            top += image.height + _STILL_GAP_PX
        file = io.BytesIO()
        picture.save(file, "PNG", optimize=True)
        return file.getvalue()

    @property
    def request(self) -> ClipRequest:
        """The request as edited so far. Assign one to show it everywhere."""
        return self.timeline.request

    @request.setter
    def request(self, request: ClipRequest) -> None:
        self.timeline.request = request
        self._take(lambda: request)

    @property
    def clip(self) -> Clip | None:
        """The clip that is played."""
        return self.run_panel.clip

    def _take(self, changed: Callable[[], ClipRequest | None]) -> None:
        """Show a request that one of the widgets has changed in all of them."""
        with self._taking:
            if self._is_taking:
                return
            self._is_taking = True
            try:
                request = changed()
                if request is None:
                    return
                self.prompt.request = request
                self.timeline.request = request
                self.run_panel.request = request if request.prompt.strip() and not self.prompt.invalid else None
                if self._picker is not None:
                    self._picker.show(request)
            except ValueError as error:
                self.run_panel.request, self.run_panel.error = None, error_text(error)
            finally:
                self._is_taking = False

    @cached_property
    def _preview(self) -> Preview:
        return Preview(self._session.pipe)

    def _preview_step(self, event: Any) -> StepPreview:
        return step_preview(self._preview, event)

    def _show_clip(self) -> None:
        clip, other = self.run_panel.clip, self.run_panel.other_clip
        if clip is None:
            return
        kept = clip.trace is not None and any(event.x0 is not None for event in clip.trace.steps)
        self.player.show(clip, other, steps=step_previews(self._preview, clip.trace) if kept else ())
        self._unfold()

    def _unfold(self) -> None:
        """Make what is behind the fold that is open: plans take seconds, and explorers much memory."""
        memory, latents = self._folds.children
        if self._folds.selected_index == 0 and self._picker is None:
            self._picker = PresetPicker(self._session.model, self.request, controls=False, has_files=True)
            memory.children = [self._picker]
        if self._folds.selected_index == 1:
            self._explore(latents)

    def _explore(self, place: ipywidgets.Box) -> None:
        clip = self.clip
        if clip is None or clip.latents is None:
            place.children = [ipywidgets.Label("Generate a clip first.")]
            return
        if self._explorer is not None:
            self._explorer.close()
        self._explorer = LatentExplorer(
            clip,
            cell_footprint=lambda t, y, x: self._when_idle(cell_footprint, clip.latents, t, y, x),
            audio_footprint=lambda t: self._when_idle(audio_cell_footprint, clip.audio_latents, t),
        )
        place.children = [self._explorer]

    def _when_idle(self, footprint: Callable[..., Any], *arguments: Any) -> Any:
        if self.run_panel.state != "idle":
            raise ValueError("the model is busy with a run; look at the footprint when it is done")
        return footprint(self._session, *arguments)


def _enlarged(image: Image.Image) -> Image.Image:
    """Twice the size, as far as there is room."""
    scale = min(2, WIDTH_PX / image.width)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)


def _grid(children: list[ipywidgets.Widget], columns: str = "minmax(0, 1fr)") -> ipywidgets.Box:
    """Widgets with gaps between them, one below the other or in columns."""
    layout = ipywidgets.Layout(
        display="grid", grid_template_columns=columns, grid_gap="8px", align_items="flex-start", overflow="visible"
    )
    return ipywidgets.Box(children, layout=layout)
