"""Figures of how a clip came about, step by step. Draws results, computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ltx_nb.inspect.paths import BANDS
from ltx_nb.plots.style import COLOURS, LANE_COLOURS, Size, check_results, figure, figure_legend, from_zero, styled

if TYPE_CHECKING:
    from ltx_nb.inspect.paths import LaneTrajectory, Trajectory

_BAND_STYLES = dict(zip(BANDS, (COLOURS[2], COLOURS[4], COLOURS[3]), strict=True))


@styled
def trajectory(result: Trajectory, size_in: Size = (10, 6.5)) -> Figure:
    """Movement of the predicted clean latents per step, what is left to go, and energy by band of frequency.

    A dot marks the step from which a band is settled.
    """
    check_results("Trajectory", result)
    fig = figure(size_in)
    (moved, left), bands = fig.subplots(2, 2, sharex=True)
    ticks = np.arange(len(result.steps))
    for lane in (result.video, result.audio):
        style = {"color": LANE_COLOURS[lane.lane], "marker": "o", "markersize": 3, "label": lane.lane}
        moved.plot(ticks, lane.travelled, **style)
        left.plot(ticks, lane.remaining, **style)
    moved.set(title="Distance travelled in a step", ylabel="of the final RMS")
    left.set(title="Distance to the final x0", ylabel="of the final RMS")
    for axes, lane in zip(bands, (result.video, result.audio), strict=True):
        _bands(axes, lane)
        axes.set_xlabel("step (sigma at its start)")
    figure_legend(fig, moved, bands[0])
    from_zero(moved, result.video.travelled, result.audio.travelled)
    from_zero(left, result.video.remaining, result.audio.remaining)
    every = -(-len(ticks) // 10)
    labels = [f"{step}\n{sigma:.2f}" for step, sigma in zip(result.steps, result.sigmas, strict=True)]
    moved.set_xticks(ticks[::every], labels[::every])
    moved.set_xlim(-0.4, ticks[-1] + 0.4)
    return fig


def _bands(axes, lane: LaneTrajectory) -> None:
    for name, energy in zip(BANDS, lane.band_energy, strict=True):
        settled = lane.settled[name]
        axes.plot(energy, color=_BAND_STYLES[name], label=name)
        if settled is not None:
            axes.plot(settled, energy[settled], "o", color=_BAND_STYLES[name], markersize=6)
    axes.set(title=f"{lane.lane.capitalize()}: energy by frequency", ylabel="mean square (dot: settled)")
    from_zero(axes, lane.band_energy)
