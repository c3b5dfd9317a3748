"""Figures of clips beside each other: two that are compared, and a contact sheet of many. Computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ltx_nb import media
from ltx_nb.plots.style import (
    LANE_COLOURS,
    Size,
    check_results,
    curve,
    figure,
    filmstrip,
    from_zero,
    remark,
    styled,
    time_axis,
)

if TYPE_CHECKING:
    from ltx_nb.inspect.comparison import Comparison

MEL_STEP_S = 0.01
COLUMNS, LETTERS = 6, 24


@styled
def compare(result: Comparison, size_in: Size = (10, 5.6)) -> Figure:
    """Frames of both clips below each other, then how far they are apart over time, on both lanes."""
    check_results("Comparison", result)
    fig = figure(size_in)
    strips = fig.subplots(4, 1, sharex=True)
    longest_s = max(result.a.duration_s, result.b.duration_s)
    for axes, name, clip in zip(strips, ("first", "second"), (result.a, result.b), strict=False):
        axes.set(title=name.capitalize(), ylabel="frames")
        if clip.frames is None:
            remark(axes, "no picture")
        else:
            edges = np.arange(clip.num_frames + 1) / clip.frame_rate
            filmstrip(axes, clip.frames, edges, 0.2 * size_in[1])
        time_axis(axes, [0, longest_s], label=False)
    upper, lower = strips[2:]
    upper.set(title="Picture: how far apart", ylabel="1 - SSIM (of 1)")
    if result.ssim is None:
        remark(upper, "no pictures to compare")
    else:
        times = np.arange(len(result.ssim)) / result.a.frame_rate
        curve(upper, times, 1 - result.ssim, color=LANE_COLOURS["video"])
        from_zero(upper, 1 - result.ssim)
    lower.set(title="Sound: how far apart", ylabel="dB")
    if result.mel_distance_db is None:
        remark(lower, "no sounds to compare")
    else:
        times = MEL_STEP_S * np.arange(len(result.mel_distance_db))
        curve(lower, times, result.mel_distance_db, color=LANE_COLOURS["audio"])
        from_zero(lower, result.mel_distance_db)
    time_axis(upper, [0, longest_s], label=False)
    time_axis(lower, [0, longest_s])
    return fig


@styled
def contact_sheet(rows: Sequence[Any], size_in: Size | None = None) -> Figure:
    """The middle frame of each row of a sweep, with its seed and the beginning of its prompt; of a failed one, why.

    rows: as `ltx_nb.sweep.sweep` returns them, whose files are read here.
    """
    check_results("Row", *rows, maker="ltx_nb.sweep")
    if not rows:
        raise ValueError("no rows are given; give what sweep(...) returned")
    columns = min(len(rows), COLUMNS)
    lines = -(-len(rows) // columns)
    fig = figure(size_in or (max(1.7 * columns, 3), max(2.0 * lines, 2)))
    for axes in (grid := fig.subplots(lines, columns, squeeze=False)).flat:
        axes.set_axis_off()
    for axes, row in zip(grid.flat, rows, strict=False):
        _draw(axes, row)
    return fig


def _draw(axes: Any, row: Any) -> None:
    caption = f"{shorten(row.request.prompt, LETTERS, placeholder=' ...')}\nseed {row.request.seed}"
    axes.set_title(caption, fontsize=7, fontweight="normal")
    if row.error is not None:
        remark(axes, shorten(row.error, 60, placeholder=" ..."))
        return
    info = media.probe(row.path)
    if not info.has_video:
        remark(axes, "sound alone")
        return
    (frame,) = media.read_frames_at(row.path, np.array([info.duration_s / 2]))
    axes.imshow(frame, interpolation="nearest")
