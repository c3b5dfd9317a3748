"""Figures of what runs take of an accelerator: one plan part by part, or one part of several plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ltx_nb.plots.style import QUIET, Size, check_results, figure, styled

if TYPE_CHECKING:
    from ltx_nb.planning import Plan
    from ltx_nb.planning.plans import Line, Part

COLOURS = {"blocks that stay": "#009E73", "everything else": QUIET, "activations": "#CC79A7"}


@styled
def plan(result: Plan, size_in: Size = (9, 2.8)) -> Figure:
    """Accelerator memory of each part of a run, in its order, against what can be used."""
    _check(result)
    return _bars("part", "Memory of each part", [(part.name, part, result.limit_gb) for part in result.parts], size_in)


@styled
def plans(results: Mapping[str, Plan], part: str = "stage 1", size_in: Size = (9, 3.2)) -> Figure:
    """Accelerator memory of one part of several plans, by name, each against what can be used there.

    part: the name of one that every plan has. Raises ValueError where one has not.
    """
    _check(*results.values())
    return _bars(
        "plan", f"Memory of {part}", [(name, it.part(part), it.limit_gb) for name, it in results.items()], size_in
    )


def _check(*plans: Plan) -> None:
    check_results("Plan", *plans, maker="ltx_nb.planning")


def _bars(label: str, title: str, rows: Sequence[tuple[str, Part, float]], size_in: Size) -> Figure:
    """A bar for each (name, part, GB that can be used)."""
    fig = figure(size_in)
    axes = fig.subplots()
    for row, (_, part, limit_gb) in enumerate(rows):
        sums = [sum(line.gb for line in part.lines if _kind_of(line) == kind) for kind in COLOURS]
        axes.barh(row, sums, left=np.cumsum([0, *sums[:-1]]), color=list(COLOURS.values()), height=0.7)
        axes.plot([limit_gb] * 2, [row - 0.45, row + 0.45], color="black", linewidth=2)
    axes.set(title=title, yticks=range(len(rows)), yticklabels=[name for name, *_ in rows])
    axes.set(xlabel="memory (GB); black: what can be used", ylabel=label)
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
    patches = [Patch(color=colour, label=kind) for kind, colour in COLOURS.items()]
    fig.legend(handles=patches, loc="outside upper right", ncols=len(patches), frameon=False)
    return fig


def _kind_of(line: Line) -> str:
    if line.what.endswith(" blocks") and " of " in line.what:
        return "blocks that stay"
    return "activations" if line.what.endswith(("activations", "tile")) else "everything else"
