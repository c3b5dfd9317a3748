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
from ltx_nb.loading import found_loras, lora_notes, use_loras
from ltx_nb.pipeline.preview import Preview
from ltx_nb.pipeline.session import Session
from ltx_nb.request import ClipRequest
from ltx_widgets.base import error_text, with_still
from ltx_widgets.player import Player
from ltx_widgets.prompt import Prompt
from ltx_widgets.run_panel import RunPanel
from ltx_widgets.step_preview import step_preview, step_previews
from ltx_widgets.storyboard import Storyboard
from ltx_widgets.studio_box.below import Below
from ltx_widgets.studio_box.clip_tasks import ClipTasks
from ltx_widgets.studio_box.still import StillKeeper, still_png
from ltx_widgets.timeline import Timeline

TRACE_BUDGET_MB = 128  # of each clip that is in memory


def studio(
    session: Session,
    request: ClipRequest | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    loras: Sequence[str | os.PathLike[str]] = (),
    enhance: Callable[[str], Any] | None = None,
) -> Studio:
    """All widgets in one cell.

    request: what to start from; by default an empty prompt at the model's own size. folder: where every clip is kept as
    an MP4 that holds its request; the clips in it are there again in the next sitting. loras: files to choose from in
    the prompt, beside those for the model that lie in the folders which LTX_NB_MODELS names. enhance(prompt): writes a
    prompt out when its button is pressed, as a function of `ltx_nb.enhance_prompt` does. Raises ValueError for a folder
    that cannot be one, and for a file that is no LoRA of the model.
    """
    return Studio(session, request, folder=folder, loras=loras, enhance=enhance)


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
        enhance: Callable[[str], Any] | None = None,
    ) -> None:
        model = session.model
        if request is None:
            request = ClipRequest("", width=model.width, height=model.height, num_frames=model.num_frames)
        self._session = session
        self._preview = Preview(session.pipe)  # fitted now, and not in the first run
        self._is_taking = False
        self._spans_s: dict[int, list[float]] = {}  # of each clip that was looked at, by its id
        self._taking = threading.RLock()  # a cell may change one widget while a message of the browser changes another
        self._stills = StillKeeper(self)
        self._tasks = ClipTasks(self, session)
        self.timeline = Timeline(request)
        self.player = Player(retake=self._tasks.retake_span)
        self.run_panel = RunPanel(
            partial(self.run, trace=True, trace_budget_mb=TRACE_BUDGET_MB),
            session.cancel,
            preview=partial(step_preview, self._preview),
            show=self.player.show_preview,
            give=self.timeline.give,
            retake=self._tasks.retake,
            extend=self._tasks.extend,
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
            enhance=enhance,
            generate=self.run_panel.start,
            loras=[dataclasses.asdict(notes) for notes in offered.values()],
        )
        self.storyboard = Storyboard(make=self._tasks.make_shots, retake=self._tasks.retake_shot)
        self._below = Below(self, session)
        places = {
            "prompt": self.prompt,
            "run": self.run_panel,
            "stage": self.player,
            "timeline": self.timeline,
            "more": self._below.widget,
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
                self._below.show_request(request)
            except ValueError as error:
                self.run_panel.blocked = error_text(error)
            finally:
                self._is_taking = False

    def run(self, request: ClipRequest, **options: Any) -> Clip:
        """Run a request with the LoRAs that are on, whatever it was made with; options as those of `session.run`."""
        self.use_chosen_loras()
        return self._session.run(request.replace(loras=()), progress=False, **options)

    def use_chosen_loras(self) -> None:
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
            span_s = self._span_of(clip)
            self.player.labels = [self.run_panel.clip_name or "A", self.run_panel.other_name or "B"]
            steps = step_previews(self._preview, clip.trace) if kept else ()
            self.player.show(clip, other, steps=steps, keep_place=True)
            self.player.span_s = span_s
            self.timeline.offer(clip, self.run_panel.clip_name)
        self._below.update()

    def _show_span(self, span_s: list[float]) -> None:
        self.timeline.span_s = span_s
        self._spans_s[self.run_panel.selected] = span_s

    def _span_of(self, clip: Clip) -> list[float]:
        """The span that was drawn on the clip; a retake begins with the one that it made anew."""
        span_s = self.player.span_s
        if self.run_panel.selected not in self._spans_s and span_s and clip.request is not None and clip.request.given:
            made_s = clip.request.generated_spans_s("video")
            return span_s if any(start_s <= sum(span_s) / 2 < end_s for start_s, end_s in made_s) else []
        return self._spans_s.get(self.run_panel.selected, [])
