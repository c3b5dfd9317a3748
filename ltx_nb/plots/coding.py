"""Figures of what the VAEs do: where a latent shows, and what a round trip loses. Draws results, computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ltx_nb.plots.style import (
    LANE_COLOURS,
    MARK,
    QUIET,
    SEQUENTIAL,
    Size,
    check_results,
    curve,
    figure,
    from_zero,
    map_over_time,
    picture,
    remark,
    styled,
    time_axis,
)

if TYPE_CHECKING:
    from ltx_nb.inspect.fidelity import RoundTrip
    from ltx_nb.inspect.footprint import AudioFootprint, CellFootprint

MEL_STEP_S = 0.01


@styled
def cell_footprint(result: CellFootprint, size_in: Size = (9, 3.6)) -> Figure:
    """Where a video latent shows: the sum over time as a picture, the sum over the picture as a curve over time."""
    check_results("CellFootprint", result)
    fig = figure(size_in)
    place, course = fig.subplots(1, 2, width_ratios=(1, 1.6))
    over_time = result.change.max(0)
    shown = place.imshow(over_time, cmap=SEQUENTIAL, vmin=0, interpolation="nearest")
    fig.colorbar(shown, ax=place, label="largest change (of 255 levels)", location="bottom")
    top, left, bottom, right = result.own_px
    place.add_patch(Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=MARK, lw=1.5))
    place.grid(False)
    place.set(title=f"Cell {result.cell}, framed", xlabel="x (px)", ylabel="y (px)")
    times = np.arange(len(result.change) + 1) / result.frame_rate
    course.stairs(result.change.mean((1, 2)), times, color=LANE_COLOURS["video"], baseline=None, linewidth=1.4)
    course.axvspan(*result.own_s, color=MARK, alpha=0.15, linewidth=0, label="its own frames")
    course.set(title=f"{result.own_share:.0%} falls in its own place", ylabel="mean change (of 255 levels)")
    from_zero(course, result.change.mean((1, 2)))
    course.legend(loc="upper right")
    time_axis(course, times)
    return fig


@styled
def audio_cell_footprint(result: AudioFootprint, size_in: Size = (9, 4.2)) -> Figure:
    """Where an audio latent is heard: over mel bins and time, and in the waveform."""
    check_results("AudioFootprint", result)
    fig = figure(size_in)
    mel, wave = fig.subplots(2, sharex=True)
    mel_edges = MEL_STEP_S * np.arange(len(result.mel_change_db) + 1)
    bins = np.arange(result.mel_change_db.shape[1] + 1)
    map_over_time(fig, mel, mel_edges, bins, result.mel_change_db.T, "change (dB)")
    mel.set(title=f"Audio latent {result.latent}: change of the decoded mel picture", ylabel="mel bin")
    times = np.arange(len(result.sample_change)) / result.sample_rate
    wave.plot(times, result.sample_change, color=LANE_COLOURS["audio"], linewidth=0.6)
    wave.set(title=f"Change of the waveform, {result.own_share:.0%} of it in its own time", ylabel="amplitude")
    from_zero(wave, result.sample_change)
    for axes in (mel, wave):
        axes.axvspan(*result.own_s, facecolor="none", edgecolor=MARK, linewidth=1.2)
    time_axis(mel, [0, max(mel_edges[-1], times[-1])], label=False)
    time_axis(wave, [0, max(mel_edges[-1], times[-1])])
    return fig


@styled
def round_trip(result: RoundTrip, size_in: Size = (10, 7.5)) -> Figure:
    """Quality over time on both lanes, and the worst places: before, after, and difference."""
    check_results("RoundTrip", result)
    fig = figure(size_in)
    curves, worst = fig.subfigures(2, 1, height_ratios=(1, 1.2), squeeze=False)[:, 0]
    upper, lower = curves.subplots(2, sharex=True)
    duration_s = result.clip.duration_s
    upper.set(title="Picture", ylabel="dB")
    if result.psnr_db is None:
        remark(upper, "no picture")
    else:
        times = np.arange(len(result.psnr_db)) / result.clip.frame_rate
        finite = np.isfinite(result.psnr_db)
        curve(upper, times[finite], result.psnr_db[finite], color=LANE_COLOURS["video"])
        upper.set_title(f"Picture: PSNR {result.mean_psnr_db:.1f} dB, SSIM {result.ssim.mean():.3f} (dashed)")
        right = upper.twinx()
        curve(right, times, result.ssim, linestyle="--", color=QUIET, linewidth=1)
        right.set_ylabel("SSIM")
        right.grid(False)
    lower.set(title="Sound", ylabel="dB")
    if result.mel_distance_db is None:
        remark(lower, "no sound")
    else:
        times = MEL_STEP_S * np.arange(len(result.mel_distance_db))
        curve(lower, times, result.mel_distance_db, color=LANE_COLOURS["audio"])
        lower.set_title(f"Sound: mel distance {result.mel_distance_db.mean():.1f} dB, worst at {result.worst_s:.2f} s")
        from_zero(lower, result.mel_distance_db)
    time_axis(upper, [0, duration_s], label=False)
    time_axis(lower, [0, duration_s])
    _worst(worst, result)
    return fig


def _worst(part, result: RoundTrip) -> None:
    columns = list(result.worst_places[:4])
    if not columns:
        axes = part.subplots()
        axes.set_axis_off()
        remark(axes, "no place differs" if result.psnr_db is not None else "no picture to compare")
        return
    part.suptitle("Worst places, 32 x 32 px framed", x=0.02, ha="left", fontsize=9.5, fontweight="bold")
    rows = part.subplots(3, len(columns), squeeze=False)
    for column, place in zip(rows.T, columns, strict=True):
        before, after = result.clip.frames[place.frame], result.back.frames[place.frame]
        time_s = place.frame / result.clip.frame_rate
        picture(column[0], before, f"{time_s:.2f} s: {place.psnr_db:.1f} dB")
        picture(column[1], after)
        picture(column[2], result.difference(place.frame), cmap=SEQUENTIAL, vmin=0)
        for axes in column:
            axes.add_patch(Rectangle((place.x_px - 0.5, place.y_px - 0.5), 32, 32, fill=False, edgecolor=MARK, lw=1.5))
    for axes, name in zip(rows[:, 0], ("before", "after", "difference"), strict=True):
        axes.text(-0.06, 0.5, name, transform=axes.transAxes, rotation=90, va="center", ha="right")
