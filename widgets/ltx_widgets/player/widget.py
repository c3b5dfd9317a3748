"""Player: one clip or two in step, picture and sound over one time axis, and the steps of a run to scrub through.

What is drawn is prepared in `playable` and `step_preview`; here is what is chosen. Knows no model.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np
import traitlets
from PIL import Image

from ltx_nb.checks import choice, finite_number, items, keys, whole_number
from ltx_widgets.base import KitWidget
from ltx_widgets.player.playable import ClipSource, Playable, encoded, playable_of
from ltx_widgets.step_preview import StepPreview

SPEEDS = (0.25, 0.5, 1.0, 1.5, 2.0)
SIDES = ("a", "b")
SHOWN = ("both", *SIDES, "wipe", "difference")
_STILL_SIDE_PX = 480


class Player(KitWidget):
    """Plays a Clip, or a video or sound file; a second one runs in step with it, to compare.

    steps: what a run predicted step by step, from `step_preview.step_previews`, to scrub through.
    retake(start_s, end_s): called by the button beside the span to loop.

    Raises ValueError for a file that cannot be read, and for traits out of range.
    """

    _name = "player"

    clips = traitlets.List(traitlets.Dict()).tag(sync=True)
    """Length, rates and proportions of each clip, as plain data, with an id of its own; set by `show`."""

    steps = traitlets.List(traitlets.Dict()).tag(sync=True)
    """Stage, index and noise level of each step there is to see; set by `show`."""

    labels = traitlets.List(traitlets.Unicode(), ["A", "B"]).tag(sync=True)
    """What the two clips are called."""

    position_s = traitlets.Float(0.0).tag(sync=True)
    """Where the playhead stands, in seconds; while it runs, where it last stood."""

    span_s = traitlets.List(traitlets.Float(), []).tag(sync=True)
    """The span to loop, [start, end) in seconds; empty for the whole."""

    loop = traitlets.Bool(False).tag(sync=True)
    """Whether to begin again at the end."""

    speed = traitlets.Float(1.0).tag(sync=True)
    """0.25, 0.5, 1, 1.5 or 2 times as fast."""

    muted = traitlets.Bool(False).tag(sync=True)
    """Whether the sound is off."""

    shown = traitlets.Unicode("both").tag(sync=True)
    """Of two clips: "both", "a" or "b"; "wipe", B over A from the left; or the "difference" of their pictures."""

    heard = traitlets.Unicode("a").tag(sync=True)
    """Of two clips: "a" or "b"."""

    step = traitlets.Int(-1).tag(sync=True)
    """Which of `steps` is seen; -1 for the finished clip."""

    blank = traitlets.Dict().tag(sync=True)
    """What stands here before there is a clip, as an entry of `clips`; see `await_clip`."""

    can_retake = traitlets.Bool(False).tag(sync=True)
    """Whether there is a `retake`."""

    def __init__(
        self,
        clip: ClipSource | None = None,
        other: ClipSource | None = None,
        *,
        steps: Sequence[StepPreview] = (),
        retake: Callable[[float, float], Any] | None = None,
        **traits: Any,
    ) -> None:
        self._retake = retake
        self._sources: list[ClipSource] = []
        self._ids = count()
        self._playables: list[Playable] = []
        self._step_previews: list[StepPreview] = []
        super().__init__(can_retake=retake is not None)
        if clip is not None:
            self._hold(clip, other, steps)  # which a view asks for when it opens
        for name, value in traits.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        lengths = ", ".join(f"{facts['duration_s']:.2f} s" for facts in self.clips)
        return f"Player({lengths})"

    def show(
        self,
        clip: ClipSource,
        other: ClipSource | None = None,
        *,
        steps: Sequence[StepPreview] = (),
        keep_place: bool = False,
    ) -> None:
        """Play this clip, or two, in place of what is there.

        keep_place: at the moment and with the span that are there, as far as the new clip has them.
        """
        self._hold(clip, other, steps, keep_place)
        self._send_media()

    def _hold(
        self, clip: ClipSource, other: ClipSource | None, steps: Sequence[StepPreview], keep_place: bool = False
    ) -> None:
        sources = [clip] if other is None else [clip, other]
        playables = [playable_of(source) for source in sources]
        previews = list(items("steps", steps, StepPreview))
        duration_s = max(playable.facts["duration_s"] for playable in playables)
        place = (min(self.position_s, duration_s), self.span_s) if keep_place else (0.0, [])
        self._sources, self._playables, self._step_previews = sources, playables, previews
        with self.hold_sync():
            self.step, self.span_s, self.position_s, self.heard = -1, [], 0.0, "a"
            if other is None or not keep_place:
                self.shown = "both"
            self.steps = [preview.facts for preview in previews]
            self.clips = [{"id": next(self._ids)} | playable.facts for playable in playables]
            self.position_s = place[0]
            if place[1] and place[1][1] <= duration_s:
                self.span_s = place[1]

    def clear(self) -> None:
        """Play nothing any more; what stands here is `blank`."""
        self._sources, self._playables, self._step_previews = [], [], []
        with self.hold_sync():
            self.step, self.span_s, self.position_s = -1, [], 0.0
            self.steps, self.clips = [], []

    def await_clip(self, *, width: int, height: int, num_frames: int, frame_rate: float) -> None:
        """Leave room for a clip of this shape, so that nothing moves when it comes."""
        self.blank = {
            "id": -1,
            "duration_s": num_frames / frame_rate,
            "frame_rate": frame_rate,
            "num_frames": num_frames,
            "has_video": True,
            "has_audio": True,
            "aspect": width / height,
            "levels_columns": 0,
            "hz_ticks": [],
            "anew_s": {},
        }

    def show_preview(self, preview: StepPreview, frame_rate: float) -> None:
        """Show what a run in progress predicts, over what is there, until `end_preview` or the next clip."""
        self.send_bytes("live", preview.facts | {"frame_rate": frame_rate}, preview.pictures())

    def end_preview(self) -> None:
        self.send_bytes("live_end", {})

    @property
    def duration_s(self) -> float:
        """Length of the longer clip in s."""
        return max((facts["duration_s"] for facts in self.clips), default=0.0)

    @traitlets.validate("position_s")
    def _check_position(self, proposal: dict[str, Any]) -> float:
        return finite_number("position_s", proposal["value"], least=0, most=self.duration_s)

    @traitlets.validate("span_s")
    def _check_span(self, proposal: dict[str, Any]) -> list[float]:
        span_s = proposal["value"]
        if span_s and not (len(span_s) == 2 and 0 <= span_s[0] < span_s[1] <= self.duration_s + 1e-6):
            raise ValueError(
                f"span_s={span_s} is no span of a clip of {self.duration_s:.4g} s; give [start, end] or []"
            )
        return span_s

    @traitlets.validate("speed")
    def _check_speed(self, proposal: dict[str, Any]) -> float:
        if proposal["value"] not in SPEEDS:
            nearest = min(SPEEDS, key=lambda speed: abs(speed - proposal["value"]))
            raise ValueError(f"speed={proposal['value']:g} is none of {SPEEDS}; nearest: {nearest:g}")
        return proposal["value"]

    @traitlets.validate("shown")
    def _check_shown(self, proposal: dict[str, Any]) -> str:
        return choice("shown", proposal["value"], SHOWN)

    @traitlets.validate("heard")
    def _check_heard(self, proposal: dict[str, Any]) -> str:
        return choice("heard", proposal["value"], SIDES)

    @traitlets.validate("labels")
    def _check_labels(self, proposal: dict[str, Any]) -> list[str]:
        if len(proposal["value"]) != len(SIDES):
            raise ValueError(f"labels={proposal['value']} are {len(proposal['value'])}; give two, one for each clip")
        return proposal["value"]

    @traitlets.validate("step")
    def _check_step(self, proposal: dict[str, Any]) -> int:
        return whole_number("step", proposal["value"], least=-1, most=len(self._step_previews) - 1)

    def _on_ready(self) -> None:
        self._send_media()

    def _send_media(self) -> None:
        """Pictures of all clips before the files, so that something is seen at once; those of sound deflated."""
        for index, playable in enumerate(self._playables):
            arrays = (playable.peaks, playable.levels)
            sound = [b"" if array is None else zlib.compress(array.tobytes()) for array in arrays]
            first = b"" if playable.first is None else _picture(playable.first, "JPEG")
            self.send_bytes("pictures", {"id": self.clips[index]["id"]}, [first, *sound])
        for index, playable in enumerate(self._playables):
            self._send_file(index, playable.content, playable.media_type)

    def _send_file(self, index: int, content: bytes, media_type: str) -> None:
        self.send_bytes("file", {"id": self.clips[index]["id"], "media_type": media_type}, [content])

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind == "step":
            keys("step", content, ("type", "index"), required=("index",))
            index = whole_number("index", content["index"], least=0, most=len(self._step_previews) - 1)
            self.send_bytes("step", {"index": index}, self._step_previews[index].pictures())
        elif kind == "retake":
            keys("retake", content, ("type", "span_s"), required=("span_s",))
            if self._retake is None:
                raise ValueError("nobody takes a span to be made anew; give Player one with retake=...")
            self.span_s = content["span_s"]
            if self.span_s:
                self._retake(*self.span_s)
        elif kind == "unplayable":
            keys("unplayable", content, ("type", "id"), required=("id",))
            for index, facts in enumerate(self.clips):  # a clip that was replaced meanwhile is not among them
                if facts["id"] == content["id"]:
                    self._send_file(index, *encoded(self._sources[index], aac=False))
        else:
            super()._on_message(kind, content, buffers)

    def _still(self) -> bytes | None:
        """The pictures side by side; of sound alone its spectrogram."""
        stills = [playable.still for playable in self._playables if playable.still is not None]
        if stills:
            height = min(still.shape[0] for still in stills)
            images = [Image.fromarray(still) for still in stills]
            scaled = [np.asarray(image.resize((image.width * height // image.height, height))) for image in images]
            return _picture(_at_most(np.concatenate(scaled, axis=1)), "PNG")
        levels = [playable.levels for playable in self._playables if playable.levels is not None]
        return _picture(levels[0][::-1], "PNG") if levels else None


def _at_most(picture: np.ndarray) -> np.ndarray:
    factor = -(-picture.shape[1] // _STILL_SIDE_PX)
    return np.asarray(Image.fromarray(picture).reduce(max(factor, 1)))


def _picture(pixels: np.ndarray, file_format: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format)
    return file.getvalue()
