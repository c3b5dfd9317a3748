"""Storyboard: shots one after the other, each with a prompt and a length, as `session.storyboard` takes and notes them.

Knows prompts and seconds, and neither requests nor a session: what makes the shots is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import traitlets

from ltx_nb.checks import finite_number, items, keys, text, whole_number
from ltx_nb.clip import Clip
from ltx_nb.shapes import MAX_SECONDS
from ltx_widgets.base import KitWidget

MOST_SHOTS = 40
SECONDS = 2.0  # of a shot that does not say
_NOTE = re.compile(r"(?P<begin_s>\d[\d.e+-]*) s, seed \d+: (?P<prompt>.*)", re.DOTALL)

Shot = tuple[str, float]


class Storyboard(KitWidget):
    """A lane of shots whose boundaries are dragged.

    shots: prompts, or (prompt, seconds) each. make(shots): called with all of them, as (prompt, seconds).
    retake(index, shot): called to make one anew, where it is in the clip that is there.

    Raises ValueError for what is no shot, for none, and for more than MOST_SHOTS.
    """

    _name = "storyboard"

    value = traitlets.List(traitlets.Dict()).tag(sync=True)
    """{prompt, seconds} of each shot."""

    grid_s = traitlets.Float(1 / 3).tag(sync=True)
    """Boundaries are dragged by this much: a latent of the clip's rate."""

    can_make = traitlets.Bool(False).tag(sync=True)
    """Whether there is a `make`."""

    can_retake = traitlets.Bool(False).tag(sync=True)
    """Whether there is a `retake`."""

    def __init__(
        self,
        shots: Sequence[str | Shot] = ("", ""),
        *,
        make: Callable[[list[Shot]], Any] | None = None,
        retake: Callable[[int, Shot], Any] | None = None,
        **traits: Any,
    ) -> None:
        self._make, self._retake = make, retake
        super().__init__(can_make=make is not None, can_retake=retake is not None, **traits)
        self.shots = list(shots)

    def __repr__(self) -> str:
        return f"Storyboard({len(self.value)} shots, {sum(seconds for _, seconds in self.shots):.4g} s)"

    @property
    def shots(self) -> list[Shot]:
        """(prompt, seconds) of each, as `session.storyboard` takes them. Assign prompts, or such pairs."""
        return [(shot["prompt"], shot["seconds"]) for shot in self.value]

    @shots.setter
    def shots(self, shots: Sequence[str | Shot]) -> None:
        pairs = [(shot, SECONDS) if isinstance(shot, str) else tuple(shot) for shot in items_of(shots)]
        self.value = [{"prompt": prompt, "seconds": seconds} for prompt, seconds in pairs]

    def begin_s(self, index: int) -> float:
        """When a shot begins, in s."""
        return float(sum(seconds for _, seconds in self.shots[:index]))

    @traitlets.validate("value")
    def _checked_value(self, proposal: Any) -> list[dict[str, Any]]:
        shots = items("value", proposal["value"], dict)
        if not 1 <= len(shots) <= MOST_SHOTS:
            raise ValueError(f"{len(shots)} shots; give 1 to {MOST_SHOTS}")
        checked = []
        for index, shot in enumerate(shots):
            keys(f"shot {index + 1}", shot, ("prompt", "seconds"), required=("prompt", "seconds"))
            seconds = finite_number(f"the seconds of shot {index + 1}", shot["seconds"], least=0.1, most=MAX_SECONDS)
            checked.append({"prompt": text(f"the prompt of shot {index + 1}", shot["prompt"]), "seconds": seconds})
        return checked

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind == "edit":
            keys(kind, content, ("type", "id", "value"), required=("id", "value"))
            try:
                self.value = content["value"]
            finally:
                # A view keeps what was typed over `value` until this comes, lest an answer to an earlier edit undo it.
                self.send_bytes("edited", {"id": text("id", content["id"])})
        elif kind == "make":
            keys(kind, content, ("type",))
            self._start()
        elif kind == "retake":
            index = keys(kind, content, ("type", "index"), required=("index",))["index"]
            index = whole_number("index", index, least=0, most=len(self.value) - 1)
            if self._retake is None:
                raise ValueError("nobody takes a shot to be made anew; give Storyboard one with retake=...")
            self._retake(index, self.shots[index])
        else:
            super()._on_message(kind, content, buffers)

    def _start(self) -> None:
        if self._make is None:
            raise ValueError("nobody takes these shots; give Storyboard one with make=...")
        for index, (prompt, _) in enumerate(self.shots):
            if not prompt.strip():
                raise ValueError(f"shot {index + 1} has no prompt; describe it, or remove the shot")
        self._make(self.shots)


def items_of(shots: Any) -> Sequence[Any]:
    """Raises ValueError for what is no list of prompts or of (prompt, seconds)."""
    pairs = isinstance(shots, (list, tuple)) and all(
        isinstance(shot, str) or (isinstance(shot, (list, tuple)) and len(shot) == 2) for shot in shots
    )
    if not pairs:
        raise ValueError(f"shots={shots!r} is no list of prompts, or of (prompt, seconds)")
    return list(shots)


def shots_of(clip: Clip) -> list[Shot]:
    """(prompt, seconds) of each shot that a clip of `session.storyboard` notes; [] where it notes none."""
    found = [match for match in map(_NOTE.fullmatch, clip.notes) if match]
    begins_s = [float(match["begin_s"]) for match in found]
    lengths_s = [end - begin for begin, end in zip(begins_s, [*begins_s[1:], clip.duration_s], strict=False)]
    return [(match["prompt"], length_s) for match, length_s in zip(found, lengths_s, strict=True)]
