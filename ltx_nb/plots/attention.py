"""Figures of attention: time against time, a moment, a word and a reference over the frames. Computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ltx_nb.arrays import check_frames
from ltx_nb.plots.style import (
    MARK,
    QUIET,
    SEQUENTIAL,
    Size,
    check_results,
    figure,
    from_zero,
    legend,
    steps,
    styled,
    time_axis,
)
from ltx_nb.shapes import VIDEO_TEMPORAL_COMPRESSION

if TYPE_CHECKING:
    from ltx_nb.inspect.attention_maps import MomentMap, ReferenceMap, TimeMap, WordMap

NUM_PICTURES = 6
HEAT_ALPHA = 0.5


@styled
def time_map(result: TimeMap, size_in: Size = (7.5, 6)) -> Figure:
    """Who looks when: key time across, query time upwards; the dashed diagonal is the same moment."""
    check_results("TimeMap", result)
    fig = figure(size_in)
    axes = fig.subplots()
    mesh = axes.pcolormesh(result.key_edges_s, result.query_edges_s, result.matrix, cmap=SEQUENTIAL, rasterized=True)
    mesh.set_clim(0, float(result.matrix.max()) or 1.0)
    fig.colorbar(mesh, ax=axes, label="share of attention")
    end_s = min(result.key_edges_s[-1], result.query_edges_s[-1])
    axes.plot([0, end_s], [0, end_s], "--", color="white", linewidth=1.6)
    axes.plot([0, end_s], [0, end_s], "--", color=MARK, linewidth=0.9)
    axes.grid(False)
    axes.set_title(
        f"{result.query_lane.capitalize()} looks at {result.key_lane}: {result.sync_share:.0%} at its own time "
        f"(by chance {result.chance:.0%})"
    )
    axes.set_xlabel(f"{result.key_lane} time (s), looked at")
    axes.set_ylabel(f"{result.query_lane} time (s), looking")
    axes.set_xlim(result.key_edges_s[0], result.key_edges_s[-1])
    axes.set_ylim(result.query_edges_s[0], result.query_edges_s[-1])
    return fig


@styled
def moment_map(result: MomentMap, frames: np.ndarray, size_in: Size = (10, 3.8)) -> Figure:
    """Attention between one moment of sound and the picture: over frames, uint8 [F, H, W, 3], and over time."""
    check_results("MomentMap", result)
    fig = figure(size_in)
    course = _over_frames(fig, result.heat, frames, result.edges_s)
    steps(course, result.edges_s, result.heat.sum((1, 2)), "video", label="sum over the frame")
    course.axvline(result.time_s, color=MARK, label=f"sound at {result.time_s:.2f} s")
    from_zero(course, result.heat.sum((1, 2)))
    legend(course)
    asks = "Sound looks at picture" if result.kind == "video_to_audio" else "Picture looks at sound"
    course.set(title=asks, ylabel="attention")
    time_axis(course, result.edges_s)
    return fig


@styled
def word_map(result: WordMap, frames: np.ndarray, size_in: Size = (10, 4.2)) -> Figure:
    """A word over frames, uint8 [F, H, W, 3], and along the time of both lanes."""
    check_results("WordMap", result)
    fig = figure(size_in)
    course = _over_frames(fig, result.video, frames, result.video_edges_s)
    steps(course, result.video_edges_s, result.video.mean((1, 2)), "video")
    steps(course, result.audio_edges_s, result.audio, "audio")
    course.axhline(result.chance, color=QUIET, linestyle=":", linewidth=1, label="by chance")
    from_zero(course, result.video.mean((1, 2)), result.audio, np.array([result.chance]))
    legend(course)
    course.set(title=f"Attention to {result.word!r}", ylabel="share of attention")
    time_axis(course, [0, max(result.video_edges_s[-1], result.audio_edges_s[-1])])
    return fig


@styled
def reference_map(result: ReferenceMap, frames: np.ndarray, size_in: Size = (10, 3.8)) -> Figure:
    """Attention that a reference gets from the clip: over its own frames, uint8 [F, H, W, 3], and over its time."""
    check_results("ReferenceMap", result)
    fig = figure(size_in)
    course = _over_frames(fig, result.heat, frames, result.edges_s)
    steps(course, result.edges_s, result.heat.sum((1, 2)), "video")  # the sum over the frame
    from_zero(course, result.heat.sum((1, 2)))
    course.set(
        title=f"{result.share:.0%} of the picture's attention is on the reference, spread over its frames",
        ylabel="share of attention",
    )
    time_axis(course, result.edges_s)
    return fig


def _over_frames(fig: Figure, heat: np.ndarray, frames: np.ndarray, edges_s: np.ndarray):
    """Up to 6 frames with their heat on one scale above one pair of axes over time, which are given back."""
    frames = check_frames(frames)
    num_frames = VIDEO_TEMPORAL_COMPRESSION * (len(heat) - 1) + 1
    if len(frames) != num_frames:
        raise ValueError(f"there are {len(frames)} frames; maps of {len(heat)} latent frames go with {num_frames}")
    chosen = np.unique(np.linspace(0, len(heat) - 1, NUM_PICTURES).round().astype(int))
    grid = fig.add_gridspec(2, len(chosen), height_ratios=(1.3, 1))
    norm = Normalize(0, float(heat.max()) or 1.0)
    pictures = []
    for column, index in enumerate(chosen):
        axes = fig.add_subplot(grid[0, column])
        frame = frames[max(VIDEO_TEMPORAL_COMPRESSION * index - VIDEO_TEMPORAL_COMPRESSION // 2, 0)]
        extent = (0, frame.shape[1], frame.shape[0], 0)
        axes.imshow(frame.mean(-1), extent=extent, cmap="gray", vmin=0, vmax=255)
        shown = axes.imshow(
            heat[index], extent=extent, cmap=SEQUENTIAL, norm=norm, alpha=HEAT_ALPHA, interpolation="bilinear"
        )
        axes.set_axis_off()
        axes.set_title(f"{(edges_s[index] + edges_s[index + 1]) / 2:.2f} s", fontsize=8.5, fontweight="normal")
        pictures.append(axes)
    fig.colorbar(shown, ax=pictures, label="attention", pad=0.01, aspect=12, panchor=False)
    return fig.add_subplot(grid[1, :])
