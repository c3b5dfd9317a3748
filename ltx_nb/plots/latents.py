"""Figures of latents: statistics, compression, principal colours, previews. Draws results, computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ltx_nb.plots.style import (
    COLOURS,
    LANE_COLOURS,
    QUIET,
    Size,
    check_results,
    figure,
    figure_legend,
    filmstrip,
    from_zero,
    legend,
    remark,
    steps,
    styled,
    time_axis,
)

if TYPE_CHECKING:
    from ltx_nb.inspect.colour import PcaRgb, PreviewRgb
    from ltx_nb.inspect.latents import LatentStats
    from ltx_nb.inspect.sizes import Compression


@styled
def latent_stats(*stats: LatentStats, size_in: Size = (10, 8)) -> Figure:
    """Statistics of one lane, or of both beside each other: channels, time and spectra."""
    if not stats:
        raise ValueError("no stats are given; give latent_stats of video, of audio, or of both")
    check_results("LatentStats", *stats)
    fig = figure(size_in)
    grid = fig.add_gridspec(len(stats) + 2, 2)
    for row, one in enumerate(stats):
        _channels(fig.add_subplot(grid[row, :]), one)
    longest = max((one.edges_s for one in stats), key=lambda edges: edges[-1])
    energy = fig.add_subplot(grid[-2, 0])
    change = fig.add_subplot(grid[-2, 1], sharex=energy)
    for one in stats:
        steps(energy, one.edges_s, one.energy, one.lane)
        if len(one.change):
            steps(change, one.edges_s[1:], one.change, one.lane)
    energy.set(title="Energy over time", ylabel="mean square")
    change.set(title="Change from latent to latent", ylabel="RMS")
    if not any(len(one.change) for one in stats):
        remark(change, "one latent frame: nothing changes")
    from_zero(energy, *(one.energy for one in stats))
    from_zero(change, *(one.change for one in stats))
    figure_legend(fig, energy)
    time_axis(energy, longest)
    time_axis(change, longest)
    _spectrum(fig.add_subplot(grid[-1, 0]), stats, "spatial")
    _spectrum(fig.add_subplot(grid[-1, 1]), stats, "temporal")
    return fig


def _channels(axes, one: LatentStats) -> None:
    index = np.arange(len(one.mean))
    axes.bar(index, one.std, width=0.8, color=LANE_COLOURS[one.lane], label="std")
    axes.plot(index, one.mean, ".", color=COLOURS[6], markersize=3, label="mean")
    for names, marker, text in ((one.dead, "x", "dead"), (one.outliers, "v", "outlier")):
        if names:
            top = np.maximum(one.std, one.mean)[list(names)]
            label = f"{text}: {', '.join(map(str, names[:2]))}{' ...' if len(names) > 2 else ''}"
            axes.plot(names, top + 0.06 * one.std.max(), marker, color=COLOURS[3], markersize=5, label=label)
    axes.margins(x=0.01)
    axes.set(title=f"{one.lane.capitalize()} channels", xlabel="channel", ylabel="value")
    legend(axes)


def _spectrum(axes, stats: tuple[LatentStats, ...], kind: str) -> None:
    drawn = False
    for one in stats:
        frequency = one.spatial_frequency if kind == "spatial" else one.temporal_hz
        power = one.spatial_power if kind == "spatial" else one.temporal_power
        if len(frequency) and power.max() > 0:
            axes.semilogy(frequency, power, ".-", markersize=3, color=LANE_COLOURS[one.lane])
            drawn = True
    axes.axhline(1, color=QUIET, linewidth=0.8, linestyle=":")
    axes.set(title=f"{kind.capitalize()} power (noise: 1)", ylabel="power")
    axes.set_xlabel("frequency (cycles/latent)" if kind == "spatial" else "frequency (Hz)")
    if drawn:
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.1), max(high, 10))
    else:
        remark(axes, "nothing varies")


@styled
def compression(table: Compression, size_in: Size = (8, 2.6)) -> Figure:
    """Values, latents and tokens of each lane, as bars over powers of ten."""
    check_results("Compression", table)
    fig = figure(size_in)
    axes = fig.subplots()
    names = ("raw values", "latent values", "tokens")
    for row, lane in enumerate(table.rows):
        for part, count in enumerate((lane.raw_values, lane.latent_values, lane.tokens)):
            y = row * 4 + part
            axes.barh(y, count, color=LANE_COLOURS[lane.lane], alpha=(1, 0.7, 0.45)[part])
            axes.text(count * 1.15, y, f"{count:,}", va="center", fontsize=8)
    ticks = [row * 4 + part for row in range(len(table.rows)) for part in range(3)]
    axes.set_yticks(ticks, [f"{lane.lane}: {name}" for lane in table.rows for name in names])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(10, max(lane.raw_values for lane in table.rows) * 30)
    ratios = ", ".join(f"{lane.lane} {lane.value_ratio:.0f} : 1" for lane in table.rows)
    axes.set(title=f"Values a latent stands for: {ratios}", xlabel="number", ylabel="")
    axes.grid(axis="y", visible=False)
    return fig


@styled
def pca_rgb(*results: PcaRgb, size_in: Size = (10, 3.4)) -> Figure:
    """Latents in three colours over one time axis, of one lane or both: frames of video, mel bins of audio."""
    if not results:
        raise ValueError("no results are given; give pca_rgb of video, of audio, or of both")
    check_results("PcaRgb", *results)
    fig = figure(size_in)
    all_axes = fig.subplots(len(results), sharex=True, squeeze=False)[:, 0]
    longest = max((one.edges_s for one in results), key=lambda edges: edges[-1])
    for axes, one in zip(all_axes, results, strict=True):
        if one.lane == "video":
            filmstrip(axes, one.rgb, one.edges_s, 0.6 * size_in[1] / len(results))
            axes.set_ylabel("latent frames")
        else:
            rows = np.arange(one.rgb.shape[1] + 1) - 0.5
            axes.pcolormesh(one.edges_s, rows, one.rgb.transpose(1, 0, 2), rasterized=True)
            axes.set_ylabel("mel bin")
            axes.grid(False)
        shares = ", ".join(
            f"{name} {share:.0%}" for name, share in zip(("red", "green", "blue"), one.explained, strict=True)
        )
        axes.set_title(f"{one.lane.capitalize()} latents: share of variance in {shares}")
        time_axis(axes, longest, label=axes is all_axes[-1])
    return fig


@styled
def preview_rgb(result: PreviewRgb, size_in: Size = (10, 3.2)) -> Figure:
    """The linear preview above what the decoder makes of the same latents, a pixel a cell."""
    check_results("PreviewRgb", result)
    fig = figure(size_in)
    edges = np.arange(len(result.preview) + 1)
    upper, lower = fig.subplots(2, sharex=True)
    for axes, frames in ((upper, result.preview), (lower, result.decoded)):
        filmstrip(axes, frames, edges, 0.3 * size_in[1])
    upper.set(title=f"Linear preview: off by {result.error:.1f} of 255 levels RMS", ylabel="preview")
    lower.set(title=f"Decoder, averaged over cells: spread {result.baseline:.1f} levels", ylabel="decoded")
    lower.set_xlabel("latent frame")
    lower.set_xlim(0, edges[-1])
    upper.tick_params(labelbottom=False)
    return fig
