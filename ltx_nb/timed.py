"""Timed prompts: texts for spans of a clip's time, each in place of the prompt there.

Knows times and texts; not how a text reaches the tokens of its time (`ltx_nb.pipeline.timed_text`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ltx_nb.checks import finite_number, keys, text
from ltx_nb.shapes import TIME_TOLERANCE_S, gaps_s

Span = tuple[float, float]


@dataclass(frozen=True)
class TimedPrompt:
    """Text of [start_s, end_s) of a clip, for both lanes. Raises ValueError for a span without a length."""

    prompt: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        text("prompt", self.prompt)
        for name in ("start_s", "end_s"):
            object.__setattr__(self, name, finite_number(name, getattr(self, name), least=0))
        if self.end_s <= self.start_s + TIME_TOLERANCE_S:
            raise ValueError(
                f"end_s={self.end_s:.6g} is not after start_s={self.start_s:.6g}; a timed prompt has a length"
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> TimedPrompt:
        names = [f.name for f in fields(cls)]
        return cls(**keys("timed prompt", values, names, required=names))


def timed_prompts_of(wanted: object) -> tuple[TimedPrompt, ...]:
    """Timed prompts of (prompt, start_s, end_s) each, or of those that are some already."""
    if not isinstance(wanted, (list, tuple)):
        raise ValueError(
            f"timed_prompts is a {type(wanted).__name__}; give a list of (prompt, start_s, end_s), "
            "such as [('A blue ball bounces.', 1.0, 2.0)]"
        )
    found = []
    for index, item in enumerate(wanted):
        if isinstance(item, (list, tuple)) and len(item) == 3:
            item = TimedPrompt(*item)
        if not isinstance(item, TimedPrompt):
            raise ValueError(f"timed_prompts[{index}]={item!r} is no (prompt, start_s, end_s)")
        found.append(item)
    return tuple(found)


def check_timed_prompts(timed: Sequence[TimedPrompt], duration_s: float) -> None:
    """Raises ValueError for what lies past the end of a clip of duration_s, or overlaps."""
    for index, item in enumerate(timed):
        if item.end_s > duration_s + TIME_TOLERANCE_S:
            raise ValueError(
                f"timed_prompts[{index}] ({item.start_s:.6g} to {item.end_s:.6g} s) is past the end of the clip, "
                f"{duration_s!r} s; end it there, or ask for a longer clip"
            )
        for other_index, other in enumerate(timed[:index]):
            start_s, end_s = max(item.start_s, other.start_s), min(item.end_s, other.end_s)
            if end_s > start_s + TIME_TOLERANCE_S:
                raise ValueError(
                    f"timed_prompts[{index}] and timed_prompts[{other_index}] overlap; give {start_s:.6g} to "
                    f"{end_s:.6g} s to one of them"
                )


def texts_over_time(prompt: str, timed: Sequence[TimedPrompt], duration_s: float) -> dict[str, list[Span]]:
    """Seconds [start, end) that each text is for: the prompt for what no timed one covers. None of them is empty."""
    gaps = gaps_s([(item.start_s, item.end_s) for item in timed], duration_s)
    texts = {prompt: gaps} if gaps else {}
    for item in timed:
        texts.setdefault(item.prompt, []).append((item.start_s, item.end_s))
    return texts
