"""Measured values next to their goals: metrics, their table, and the model card that shows it.

Knows no clip and no model.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ltx_nb.whole_files import whole_file

TITLES = {"second": "second draw", "rendered": "as rendered"}  # of the columns that stand beside the value


@dataclass(frozen=True)
class Metric:
    """One number: `value` in `unit` over `count` of `counted`, None where there was nothing to measure.

    `goal` is what it should reach, at most where `smaller_is_better`, else at least; None where it is for information.
    `second` is the same on another draw of cases, `rendered` what the detectors say of scenes that are as they should
    be; None where there is no such number.
    """

    name: str
    value: float | None
    unit: str
    count: int
    counted: str
    goal: float | None = None
    smaller_is_better: bool = False
    second: float | None = None
    rendered: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        if self.value is None:
            return False
        return self.value <= self.goal if self.smaller_is_better else self.value >= self.goal

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"reached": self.reached}


def share(name: str, right: Sequence[bool], counted: str, goal: float | None = None) -> Metric:
    """Per cent of `right` that is true."""
    return Metric(name, 100 * float(np.mean(right)) if len(right) else None, "%", len(right), counted, goal)


def mean(name: str, values: Sequence[float] | np.ndarray, unit: str, counted: str, goal: float | None = None) -> Metric:
    """The mean of values that should be large."""
    return Metric(name, float(np.mean(values)) if len(values) else None, unit, len(values), counted, goal)


def median(
    name: str, values: Sequence[float] | np.ndarray, unit: str, counted: str, goal: float | None = None
) -> Metric:
    """The middle one of values that should be small."""
    middle = float(np.median(values)) if len(values) else None
    return Metric(name, middle, unit, len(values), counted, goal, smaller_is_better=True)


def middle(
    name: str, values: Sequence[float] | np.ndarray, unit: str, counted: str, goal: float | None = None
) -> Metric:
    """The middle one of values that should be large."""
    return replace(median(name, values, unit, counted, goal), smaller_is_better=False)


def largest_share(
    name: str, values: Sequence[float] | np.ndarray, percent: float, unit: str, counted: str, goal: float | None = None
) -> Metric:
    """The value that so many per cent of values that should be small are below."""
    value = float(np.percentile(values, percent)) if len(values) else None
    return Metric(name, value, unit, len(values), counted, goal, smaller_is_better=True)


def as_result(
    measured_on: str, metrics: Sequence[Metric], failures: list[dict[str, Any]], began: float
) -> dict[str, Any]:
    """Plain data of an evaluation, as `to_markdown` takes it. began: by `time.perf_counter`."""
    return {
        "measured_on": measured_on,
        "metrics": [metric.as_dict() for metric in metrics],
        "failures": failures,
        "seconds": round(time.perf_counter() - began, 1),
    }


def to_markdown(result: dict[str, Any]) -> str:
    """A result of `evaluate` or `evaluate_tasks` as a table of all its metrics under its one-line description."""
    metrics = result["metrics"]
    beside = [field for field in TITLES if any(metric[field] is not None for metric in metrics)]
    titles = ["measured", "value", *(TITLES[field] for field in beside), "goal", "on"]
    lines = [result["measured_on"], "", _row(titles), _row(["---", *["---:"] * (len(titles) - 2), "---"], space="")]
    for metric in metrics:
        goal = (
            "" if metric["goal"] is None else f"{'≤' if metric['smaller_is_better'] else '≥'} {_amount(metric, 'goal')}"
        )
        value = _amount(metric, "value") + ("" if metric["reached"] is not False else " (missed)")
        others = ["" if metric[field] is None else _amount(metric, field) for field in beside]
        lines.append(_row([metric["name"], value, *others, goal, f"{metric['count']} {metric['counted']}"]))
    return "\n".join(lines)


def _row(cells: Sequence[str], space: str = " ") -> str:
    return "|" + "|".join(f"{space}{cell}{space}" for cell in cells) + "|"


def card_marks(card: str) -> tuple[str, str]:
    """The lines between which a file holds a card: "tiny-card", "tiny-tasks", "tiny-attention" or "tiny-reach"."""
    return f"<!-- {card}:start -->", f"<!-- {card}:end -->"


def write_card(path: Path, markdown: str, card: str = "tiny-card") -> None:
    """Put `markdown` between the two marks of a card in the file, which is replaced whole.

    Raises:
        ValueError: the file does not hold each mark once, the start before the end.
    """
    text = path.read_text(encoding="utf-8")
    card_start, card_end = card_marks(card)
    before, start, rest = text.partition(card_start)
    _, end, after = rest.partition(card_end)
    if not start or not end or card_start in rest or card_end in before + after:
        raise ValueError(f"{path} must hold {card_start} and, after it, {card_end}, each once")
    with whole_file(path) as part:
        part.write_text(f"{before}{start}\n{markdown}\n{end}{after}", encoding="utf-8")


def _amount(metric: dict[str, Any], field: str) -> str:
    value = metric[field]
    if value is None:
        return "nothing to measure"
    return f"{value:.0f} {metric['unit']}" if abs(value) >= 100 else f"{value:.3g} {metric['unit']}".rstrip()
