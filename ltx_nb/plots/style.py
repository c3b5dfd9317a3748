"""The one style of all figures: colours, sizes, time axes and strips of frames.

Figures have a light ground of their own, so that they read the same on a light and on a dark page. Colours are Okabe
and Ito's, maps viridis and PuOr: all tell apart with any colour vision. Knows arrays and seconds, no results.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from ltx_nb.checks import finite_number
from ltx_nb.inspect.inputs import listed

P = ParamSpec("P")
Size = tuple[float, float]

LANE_COLOURS = {"video": "#0072B2", "audio": "#D55E00"}
# Okabe and Ito, "Color Universal Design" (2008), without their yellow, which is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARK = "#D55E00"
QUIET = "#767676"
SEQUENTIAL = "viridis"
DIVERGING = "PuOr_r"
MOST_THUMBNAILS = 24
SIDES_IN = (2, 200)  # what a figure may measure: room for its labels, and no more pixels than can be drawn

_RC: dict[Any, Any] = {
    "axes.facecolor": "#ffffff",
    "axes.axisbelow": True,
    "axes.edgecolor": "#8c8c8c",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "figure.facecolor": "#ffffff",
    "figure.titlesize": 11,
    "font.size": 8.5,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "image.cmap": SEQUENTIAL,
    "legend.fontsize": 8,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "lines.linewidth": 1.4,
    "savefig.facecolor": "#ffffff",
    "text.color": "#1a1a1a",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}

# For figures made by hand: in the same colours, sharp where an inch is shown as 100 pixels, and without a grid, which
# would lie over pictures.
_RC_BY_HAND = _RC | {"axes.grid": False, "axes.prop_cycle": cycler(color=COLOURS), "figure.dpi": 100}

_LEGEND: dict[str, Any] = {"borderaxespad": 0, "framealpha": 0, "handlelength": 1.5, "columnspacing": 1.2}


class Plot(Figure):
    """A matplotlib Figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """The function with this style for all that it draws, and for nothing else."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(_RC):
            return draw(*args, **kwargs)

    return drawn


def use_style() -> None:
    """Give this style to all figures that are made from now on, by hand with matplotlib too."""
    matplotlib.rcParams.update(_RC_BY_HAND)


def check_results(kind: str, *results: Any, maker: str = "ltx_nb.inspect") -> None:
    """Raises ValueError for what is not a result of this class, such as the array that an inspector makes one of."""
    for result in results:
        if type(result).__name__ != kind:
            given = type(result).__name__
            raise ValueError(f"this draws {kind}, which {maker} gives, not {given}; inspect it first")


def figure(size_in: Size) -> Plot:
    """An empty figure that lays itself out. Raises ValueError unless its width and height are 2 to 200 inches."""
    least, most = SIDES_IN
    sides = [finite_number("size_in", side, least=least, most=most) for side in listed("size_in", size_in)]
    if len(sides) != 2:
        raise ValueError(f"size_in={size_in} has {len(sides)} numbers; give width and height in inches")
    return Plot(figsize=(sides[0], sides[1]), layout="constrained")


def time_axis(axes: Axes, edges_s: Sequence[float] | np.ndarray, label: bool = True) -> None:
    """The x axis from the first to the last of these seconds; without its label where one below has it."""
    axes.set_xlim(float(edges_s[0]), float(edges_s[-1]))
    if label:
        axes.set_xlabel("time (s)")
    else:
        axes.tick_params(labelbottom=False)


def curve(axes: Axes, x: np.ndarray, y: np.ndarray, **style: Any) -> None:
    """A line through the values; a dot for a single one, of which a line shows nothing."""
    axes.plot(x, y, marker="." if len(x) == 1 else None, clip_on=len(x) > 1, **style)


def steps(axes: Axes, edges_s: np.ndarray, values: np.ndarray, lane: str, label: str | None = None) -> None:
    """One value for each latent frame, as level lines from edge to edge."""
    axes.stairs(values, edges_s, baseline=None, color=LANE_COLOURS[lane], label=label or lane, linewidth=1.4)


def map_over_time(
    figure: Figure,
    axes: Axes,
    edges_s: np.ndarray,
    row_edges: np.ndarray,
    values: np.ndarray,
    unit: str,
    cmap: str = SEQUENTIAL,
    norm: Normalize | None = None,
) -> None:
    """values [rows, T] as colours over time, with a colour bar that says the unit."""
    mesh = axes.pcolormesh(edges_s, row_edges, values, cmap=cmap, norm=norm, rasterized=True)
    axes.grid(False)
    figure.colorbar(mesh, ax=axes, label=unit, pad=0.01, aspect=12)


def picture(axes: Axes, image: np.ndarray, title: str = "", **style: Any) -> Any:
    """An image without axes."""
    shown = axes.imshow(image, interpolation="nearest", **style)
    axes.set_axis_off()
    axes.set_title(title, fontsize=8.5, fontweight="normal")
    return shown


def from_zero(axes: Axes, *values: np.ndarray) -> None:
    """The y axis from 0 to a little over the largest of the values."""
    largest = max((float(one[np.isfinite(one)].max()) for one in values if np.isfinite(one).any()), default=0.0)
    axes.set_ylim(0, 1.08 * largest if largest > 0 else 1.0)


def legend(axes: Axes) -> None:
    """Above the axes on the right, where it hides no data; the title is on the left."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=4, **_LEGEND)


def figure_legend(fig: Figure, *axes: Axes) -> None:
    """The legend of these axes for the whole figure: once, above everything on the right."""
    named = [pair for one in axes for pair in zip(*one.get_legend_handles_labels(), strict=True)]
    handles, labels = zip(*named, strict=True)
    fig.legend(handles, labels, loc="outside upper right", ncols=len(labels), **_LEGEND)


def filmstrip(axes: Axes, frames: np.ndarray, edges_s: np.ndarray, height_in: float, width_share: float = 0.95) -> None:
    """Frames [F, H, W, 3] along a time axis, each picture the frame in the middle of the stretch that it stands on.

    There are so many that they fill the axis, which has width_share of the figure's width, at height_in at most.
    """
    width_in = width_share * axes.get_figure(root=True).get_figwidth()
    count = int(np.clip(np.ceil(width_in / height_in * frames.shape[1] / frames.shape[2]), 1, MOST_THUMBNAILS))
    bounds = np.linspace(edges_s[0], edges_s[-1], count + 1)
    for left, right in pairwise(bounds):
        index = min(int(np.searchsorted(edges_s, (left + right) / 2, side="right")) - 1, len(frames) - 1)
        gap = 0.01 * (right - left)
        axes.imshow(frames[index], extent=(left + gap, right - gap, 0, 1), aspect="auto", interpolation="nearest")
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.grid(False)
    axes.set_box_aspect(frames.shape[1] / frames.shape[2] / count)
    axes.spines[:].set_visible(False)


def remark(axes: Axes, text: str) -> None:
    """A line of text in the middle of axes that have nothing to draw."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET, wrap=True)
    axes.set_yticks([])
