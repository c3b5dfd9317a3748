"""Figures of a training: its loss, lane by lane. Draws results, computes no more than a running mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ltx_nb.plots.style import LANE_COLOURS, Size, check_results, curve, figure, figure_legend, from_zero, styled

MEAN_OVER_STEPS = 20  # the loss of a step depends mostly on the noise that was drawn for it


@styled
def training_log(result: Any, size_in: Size = (9, 2.8)) -> Figure:
    """Loss of each step of a TrainingLog, lane by lane: faint as it is, and its mean over the last 20 steps."""
    check_results("TrainingLog", result, maker="ltx_nb.training")
    if not result.losses:
        raise ValueError("this TrainingLog has no steps yet; draw it after the first")
    fig = figure(size_in)
    lanes = [lane for lane in LANE_COLOURS if lane in result.losses[0]]
    all_axes = fig.subplots(1, len(lanes), squeeze=False)[0]
    done = np.arange(1, len(result.losses) + 1)
    for axes, lane in zip(all_axes, lanes, strict=True):
        losses = np.array([step[lane] for step in result.losses])
        sums = np.cumsum(np.concatenate([[0.0], losses]))
        first = np.maximum(done - MEAN_OVER_STEPS, 0)
        curve(axes, done, losses, color=LANE_COLOURS[lane], alpha=0.25, label="each step")
        mean = (sums[done] - sums[first]) / (done - first)
        curve(axes, done, mean, color=LANE_COLOURS[lane], label=f"mean of {MEAN_OVER_STEPS} steps")
        axes.set(title=f"{lane.capitalize()}: loss", xlabel="step (of AdamW)", ylabel="velocity error (mean square)")
        from_zero(axes, losses)
    figure_legend(fig, all_axes[0])
    return fig
