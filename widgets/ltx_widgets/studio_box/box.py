"""studio: every widget of the kit in one cell, wired to one session. The only module that knows both.

The request is one: what the prompt or the timeline changes, the others take over. What a run makes is played, and its
latents can be explored.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ipywidgets

from ltx_nb.clip import Clip
from ltx_nb.inspect.attention import capture_attention
from ltx_nb.inspect.footprint import audio_cell_footprint, cell_footprint
from ltx_nb.loading import found_loras, lora_notes, use_loras
from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.preview import Preview
from ltx_nb.pipeline.session import Session
from ltx_nb.request import ClipRequest, Source
from ltx_widgets.base import error_text, with_still
from ltx_widgets.latent_explorer import LatentExplorer
from ltx_widgets.player import Player
from ltx_widgets.preset_picker import PresetPicker
from ltx_widgets.prompt import Prompt
from ltx_widgets.run_panel import RunPanel
from ltx_widgets.step_preview import step_preview, step_previews
from ltx_widgets.storyboard import Storyboard
from ltx_widgets.storyboard.widget import Shot, shots_of
from ltx_widgets.studio_box.folds import Folds
from ltx_widgets.studio_box.still import StillKeeper, still_png
from ltx_widgets.timeline import Timeline

TRACE_BUDGET_MB = 128  # of each clip that is in memory
EXTRA_S = 2.0  # that Extend adds
_TABS = (
    {"name": "storyboard", "label": "Storyboard"},
    {"name": "memory", "label": "Memory, by preset"},
    {"name": "latents", "label": "Latents of the clip"},
)


def studio(
    session: Session,
    request: ClipRequest | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    loras: Sequence[str | os.PathLike[str]] = (),
) -> Studio:
    """All widgets in one cell.

    request: what to start from; by default an empty prompt at the model's own size. folder: where every clip is kept as
    an MP4 that holds its request; the clips in it are there again in the next sitting. loras: files to choose from in
    the prompt, beside those for the model that lie in the folders which LTX_NB_MODELS names. Raises ValueError for a
    folder that cannot be one, and for a file that is no LoRA of the model.
    """
    return Studio(session, request, folder=folder, loras=loras)


class Studio(ipywidgets.VBox):
    """prompt, timeline, run_panel, player and storyboard are the widgets; request and clip what they show.

    A page that is loaded again finds everything as it was, while the kernel lives.
    """

    def __init__(
        self,
        session: Session,
        request: ClipRequest | None = None,
        *,
        folder: str | os.PathLike[str] | None = None,
        loras: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        model = session.model
        if request is None:
            request = ClipRequest("", width=model.width, height=model.height, num_frames=model.num_frames)
        self._session = session
        self._preview = Preview(session.pipe)  # fitted now, and not in the first run
        self._is_taking = False
        self._taking = threading.RLock()  # a cell may change one widget while a message of the browser changes another
        self._explorer: LatentExplorer | None = None
        self._picker: PresetPicker | None = None
        self._stills = StillKeeper(self)
        self.timeline = Timeline(request)
        self.player = Player(retake=self._retake_span)
        self.run_panel = RunPanel(
            partial(self._run, trace=True, trace_budget_mb=TRACE_BUDGET_MB),
            session.cancel,
            preview=partial(step_preview, self._preview),
            show=self.player.show_preview,
            give=self.timeline.give,
            retake=self._retake,
            extend=self._extend,
            folder=folder,
        )
        offered = {
            notes.path: notes for notes in [*(lora_notes(session, path) for path in loras), *found_loras(session)]
        }
        self._used_loras: list[tuple[str, float]] = []
        self.prompt = Prompt(
            request,
            model=model,
            tokenizer=session.tokens,
            generate=self.run_panel.start,
            loras=[dataclasses.asdict(notes) for notes in offered.values()],
        )
        self.storyboard = Storyboard(make=self._make_shots, retake=self._retake_shot)
        self._folds = Folds(tabs=list(_TABS))
        self._below = {tab["name"]: ipywidgets.VBox(layout={"display": "none"}) for tab in _TABS}
        self._below["storyboard"].children = [self.storyboard]
        more = ipywidgets.VBox([self._folds, *self._below.values()])
        places = {
            "prompt": self.prompt,
            "run": self.run_panel,
            "stage": self.player,
            "timeline": self.timeline,
            "more": more,
        }
        for place, widget in places.items():
            widget.add_class(f"ltx-in-{place}")
        grid = ipywidgets.Box(list(places.values()))
        grid.add_class("ltx-desk-grid")
        super().__init__([grid])
        self.add_class("ltx-desk")
        self._wire()
        self._take(lambda: request)
        if self.run_panel.results:
            self.run_panel.selected = self.run_panel.results[-1]["id"]

    def _wire(self) -> None:
        self.prompt.observe(lambda _: self._take(lambda: self.prompt.request, of=self.prompt), ["value", "invalid"])
        self.timeline.observe(lambda _: self._take(lambda: self.timeline.request), "value")
        self.run_panel.observe(lambda _: self._take(lambda: self.run_panel.request), "request")
        self.run_panel.observe(self._after_state, "state")
        self.run_panel.observe(lambda _: self.run_panel._guard(self._show_clip), ["selected", "compared"])
        self.player.observe(lambda change: self._show_span(change["new"]), "span_s")
        self._folds.observe(lambda _: self._folds._guard(self._unfold), "opened")

    def _after_state(self, change: dict[str, Any]) -> None:
        if change["new"] == "running":
            self.prompt.remember()
        elif change["new"] == "idle":
            self.player.end_preview()
            self.run_panel._guard(self._stills.renew)

    def __repr__(self) -> str:
        return f"Studio({self._session.model.name})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), self._still())

    def _ipython_display_(self, **kwargs: Any) -> None:
        if hasattr(super(), "_ipython_display_"):  # of ipywidgets 7, which shows a box in a way of its own
            super()._ipython_display_(**kwargs)
        else:
            self._stills.display(super()._repr_mimebundle_())

    def _still(self) -> bytes:
        """A PNG of what is played, the strip of clips and the timeline, one below the other."""
        return still_png([widget._still() for widget in (self.player, self.run_panel, self.timeline)])

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

    def _take(self, changed: Callable[[], ClipRequest | None], of: Any = None) -> None:
        """Show a request that one of the widgets has changed in all of them.

        of: that widget; the prompt keeps what was typed there and refused.
        """
        with self._taking:
            if self._is_taking:
                return
            self._is_taking = True
            try:
                request = changed()
                if request is None:
                    return
                if of is not self.prompt:
                    self.prompt.request = request
                self.timeline.request = request
                reasons = "; ".join(self.prompt.invalid.values())
                self.run_panel.blocked = f"not generated: {reasons}" if reasons else ""
                self.run_panel.request = request if request.prompt.strip() else None
                self._await_clip(request)
                if self._picker is not None:
                    self._picker.show(request)
            except ValueError as error:
                self.run_panel.blocked = error_text(error)
            finally:
                self._is_taking = False

    def _run(self, request: ClipRequest, **options: Any) -> Clip:
        self._use_chosen_loras()
        return self._session.run(request, progress=False, **options)

    def _use_chosen_loras(self) -> None:
        """Have the session use the LoRAs that are on now: before a run, in whose turn nothing else uses the model."""
        chosen = self.prompt.chosen_loras
        if chosen != self._used_loras:
            use_loras(self._session, chosen)
            self._used_loras = chosen

    def _await_clip(self, request: ClipRequest) -> None:
        width, height = request.crop_width or request.width, request.crop_height or request.height
        self.player.await_clip(width=width, height=height, num_frames=request.num_frames, frame_rate=request.frame_rate)

    def _show_clip(self) -> None:
        """Play what is selected, at the moment that is played, and offer it to the timeline."""
        clip, other = self.run_panel.clip, self.run_panel.other_clip
        if clip is None:
            self.player.clear()
        else:
            kept = clip.trace is not None and any(event.x0 is not None for event in clip.trace.steps)
            self.player.labels = [self.run_panel.clip_name or "A", self.run_panel.other_name or "B"]
            steps = step_previews(self._preview, clip.trace) if kept else ()
            self.player.show(clip, other, steps=steps, keep_place=True)
            self.timeline.offer(clip, self.run_panel.clip_name)
        self._unfold()

    def _show_span(self, span_s: list[float]) -> None:
        self.timeline.span_s = span_s

    def _retake_span(self, start_s: float, end_s: float) -> None:
        clip = self.clip
        if clip is None:
            raise ValueError("no clip is played, so that there is nothing to retake")
        self._begin(clip, self.run_panel.clip_name, partial(tasks.retake, start=start_s, end=end_s))

    def _retake(self, clip: Clip, name: str) -> None:
        """The span in the player made anew, or else the middle third, at the edges of latents."""
        span_s = [edge_s for edge_s in self.player.span_s if edge_s <= clip.duration_s]
        latents = range(1, clip.num_frames, 8)
        third_s = [min(latents, key=lambda frame: abs(frame - part * clip.num_frames / 3)) for part in (1, 2)]
        start_s, end_s = span_s if len(span_s) == 2 else (frame / clip.frame_rate for frame in third_s)
        self._begin(clip, name, partial(tasks.retake, start=start_s, end=end_s))

    def _extend(self, clip: Clip, name: str) -> None:
        self._begin(clip, name, partial(tasks.extend, seconds=EXTRA_S))

    def _make_shots(self, shots: list[Shot]) -> None:
        """All shots as one clip, at the size, rate, seed and sampling that stand in the prompt; in its turn."""
        now = self.request
        options: dict[str, Any] = {
            name: getattr(now, name)
            for name in ("width", "height", "frame_rate", "sampling", "negative_prompt", "seed")
        }

        def run(request: ClipRequest, on_step: Callable[[Any], None]) -> Clip:
            self._use_chosen_loras()
            return self._session.storyboard(shots, on_step=on_step, progress=False, **options)

        self.run_panel.make(now.replace(prompt=shots[0][0], given=()), run)

    def _retake_shot(self, index: int, shot: Shot) -> None:
        """One shot of the clip that is played, where the clip notes it, else where it stands on the board."""
        clip = self.clip
        if clip is None:
            raise ValueError("no clip is played, so that there is no shot to retake; make all shots first")
        noted = shots_of(clip) or self.storyboard.shots
        start_s = sum(seconds for _, seconds in noted[:index])
        if index >= len(noted) or start_s >= clip.duration_s:
            raise ValueError(f"the clip that is played has no shot {index + 1}; select the one that was made of these")
        end_s = min(start_s + noted[index][1], clip.duration_s)
        task = partial(tasks.retake, start=start_s, end=end_s)
        self._begin(clip, self.run_panel.clip_name, task, shot[0])

    def _begin(self, clip: Clip, name: str, task: Callable[..., ClipRequest], prompt: str = "") -> None:
        """Show a task on a clip, with the words given or else those in the prompt, and another seed than its own."""
        now = self.request
        of_clip = clip.request
        seed = now.seed + 1 if of_clip is not None and of_clip.seed == now.seed else now.seed
        prompt = prompt or (now.prompt if now.prompt.strip() or of_clip is None else of_clip.prompt)
        request = task(
            self._session.model,
            clip,
            prompt=prompt,
            seed=seed,
            sampling=now.sampling,
            negative_prompt=now.negative_prompt,
        )
        # Verbs split a clip into its lanes; here it stays one source, by the name of its card.
        sha256 = self.timeline.give(clip, name)
        whole = next(source for source in [Source.of(clip)] if source.sha256 == sha256)
        given = tuple(dataclasses.replace(item, source=whole) for item in request.given)
        self.request = request.replace(given=given)

    def _unfold(self) -> None:
        """Make what is behind the tab that is open: plans take seconds, and explorers much memory."""
        for name, box in self._below.items():
            box.layout.display = "flex" if name == self._folds.opened else "none"
        if self._folds.opened == "storyboard" and not any(prompt.strip() for prompt, _ in self.storyboard.shots):
            self.storyboard.grid_s = 8 / self.request.frame_rate
            self.storyboard.shots = [(self.request.prompt, self.request.duration_s), ("", EXTRA_S)]
        if self._folds.opened == "memory" and self._picker is None:
            self._picker = PresetPicker(self._session.model, self.request, controls=False, has_files=True)
            self._below["memory"].children = [self._picker]
        if self._folds.opened == "memory":
            self._tell_pace()
        if self._folds.opened == "latents":
            self._explore(self._below["latents"])

    def _tell_pace(self) -> None:
        """How long the latest run took, instead of what the planner guesses."""
        timed = [result for result in self.run_panel.timed if result.request is not None]
        if self._picker is not None and timed:
            self._picker.learn(timed[-1].request, timed[-1].took_s)

    def _explore(self, place: ipywidgets.Box) -> None:
        clip = self.clip
        if clip is None or clip.latents is None:
            place.children = [
                ipywidgets.Label("Generate a clip first: one that was read from a file keeps no latents.")
            ]
            return
        if self._explorer is not None:
            self._explorer.close()
        self._explorer = explorer = LatentExplorer(
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
            with capture_attention(self._session) as captured:
                maps.append(captured)
                return self._run(request, on_step=on_step)

        self.run_panel.make(request, run, lambda _: explorer.show_attention(maps[0]))

    def _when_idle(self, footprint: Callable[..., Any], *arguments: Any) -> Any:
        if self.run_panel.state != "idle":
            raise ValueError("the model is busy with a run; look at the footprint when it is done")
        return footprint(self._session, *arguments)
