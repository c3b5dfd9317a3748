"""Retake, extend and storyboard in a studio: tasks on its clips, as requests that it shows and runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from ltx_nb.clip import Clip
from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.session import Session
from ltx_nb.request import ClipRequest, Source
from ltx_widgets.storyboard.widget import Shot, shots_of
from ltx_widgets.studio_box.desk import Desk

EXTRA_S = 2.0  # that Extend adds


class ClipTasks:
    """Tasks on the clips of a studio, of a session that it runs. Raises ValueError where there is no clip for one."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self._desk, self._session = desk, session

    def retake_span(self, start_s: float, end_s: float) -> None:
        """A span of the clip that is played, made anew."""
        clip = self._desk.clip
        if clip is None:
            raise ValueError("no clip is played, so that there is nothing to retake")
        self._begin(clip, self._desk.run_panel.clip_name, partial(tasks.retake, start=start_s, end=end_s))

    def retake(self, clip: Clip, name: str) -> None:
        """The span in the player made anew, or else the middle third, at the edges of latents."""
        span_s = [edge_s for edge_s in self._desk.player.span_s if edge_s <= clip.duration_s]
        latents = range(1, clip.num_frames, 8)
        third_s = [min(latents, key=lambda frame: abs(frame - part * clip.num_frames / 3)) for part in (1, 2)]
        start_s, end_s = span_s if len(span_s) == 2 else (frame / clip.frame_rate for frame in third_s)
        self._begin(clip, name, partial(tasks.retake, start=start_s, end=end_s))

    def extend(self, clip: Clip, name: str) -> None:
        """EXTRA_S seconds more, from the end of the clip on."""
        self._begin(clip, name, partial(tasks.extend, seconds=EXTRA_S))

    def make_shots(self, shots: list[Shot]) -> None:
        """All shots as one clip, at the size, rate, seed and sampling that stand in the prompt; in its turn."""
        now = self._desk.request
        options: dict[str, Any] = {
            name: getattr(now, name)
            for name in ("width", "height", "frame_rate", "sampling", "negative_prompt", "seed")
        }

        def run(request: ClipRequest, on_step: Callable[[Any], None]) -> Clip:
            self._desk.use_chosen_loras()
            return self._session.storyboard(shots, on_step=on_step, progress=False, **options)

        self._desk.run_panel.make(now.replace(prompt=shots[0][0], given=()), run)

    def retake_shot(self, index: int, shot: Shot) -> None:
        """One shot of the clip that is played, where the clip notes it, else where it stands on the board."""
        clip = self._desk.clip
        if clip is None:
            raise ValueError("no clip is played, so that there is no shot to retake; make all shots first")
        noted = shots_of(clip) or self._desk.storyboard.shots
        start_s = sum(seconds for _, seconds in noted[:index])
        if index >= len(noted) or start_s >= clip.duration_s:
            raise ValueError(f"the clip that is played has no shot {index + 1}; select the one that was made of these")
        end_s = min(start_s + noted[index][1], clip.duration_s)
        task = partial(tasks.retake, start=start_s, end=end_s)
        self._begin(clip, self._desk.run_panel.clip_name, task, shot[0])

    def _begin(self, clip: Clip, name: str, task: Callable[..., ClipRequest], prompt: str = "") -> None:
        """Show a task on a clip, with the words given or else those in the prompt, and another seed than its own."""
        now = self._desk.request
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
        sha256 = self._desk.timeline.give(clip, name)
        whole = next(source for source in [Source.of(clip)] if source.sha256 == sha256)
        given = tuple(dataclasses.replace(item, source=whole) for item in request.given)
        self._desk.request = request.replace(given=given)
