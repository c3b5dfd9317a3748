"""Figures of guidance: its terms over the steps, and clips under different guidance. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ltx_nb.inspect.inputs import check_clip
from ltx_nb.plots.sound import waveform
from ltx_nb.plots.style import (
    COLOURS,
    QUIET,
    Size,
    check_results,
    figure,
    figure_legend,
    filmstrip,
    from_zero,
    remark,
    styled,
    time_axis,
)

if TYPE_CHECKING:
    from ltx_nb.clip import Clip
    from ltx_nb.inspect.guidance import GuidanceTerms

_TERM_COLOURS = dict(zip(("cfg", "stg", "modality"), (COLOURS[2], COLOURS[4], COLOURS[3]), strict=True))


@styled
def guidance_terms(result: GuidanceTerms, size_in: Size = (10, 5.6)) -> Figure:
    """Size and direction of each term per step, video on the left, audio on the right."""
    check_results("GuidanceTerms", result)
    fig = figure(size_in)
    sizes, directions = fig.subplots(2, 2, sharex=True, sharey="row")
    ticks = np.arange(len(result.steps))
    everything = []
    for column, (lane, terms) in enumerate((("video", result.video), ("audio", result.audio))):
        for name, term in terms.items():
            style = {"color": _TERM_COLOURS[name], "marker": "o", "markersize": 3, "label": name}
            sizes[column].plot(ticks, term.size, **style)
            directions[column].plot(ticks, term.direction, **style)
            everything.append(term.size)
        sizes[column].set_title(f"{lane.capitalize()}: size of each term")
        directions[column].set_title(f"{lane.capitalize()}: direction")
        directions[column].axhline(0, color=QUIET, linewidth=0.8)
        directions[column].set_ylim(-1.05, 1.05)
        directions[column].set_xlabel("step (sigma at its start)")
    sizes[0].set_ylabel("of the RMS of x0")
    directions[0].set_ylabel("cosine with the way to the end")
    from_zero(sizes[0], *everything)
    figure_legend(fig, sizes[0])
    every = -(-len(ticks) // 10)
    labels = [f"{step}\n{sigma:.2f}" for step, sigma in zip(result.steps, result.sigmas, strict=True)]
    sizes[0].set_xticks(ticks[::every], labels[::every])
    sizes[0].set_xlim(-0.4, ticks[-1] + 0.4)
    return fig


@styled
def clips(named: Mapping[str, Clip], size_in: Size | None = None) -> Figure:
    """Clips below each other, the picture on the left and the sound on the right, on one time axis and one scale."""
    if not isinstance(named, Mapping) or not named:
        raise ValueError("no clips are given; give a dict of name to Clip, such as without_terms gives")
    for clip in named.values():
        check_clip(clip)
    size_in = size_in or (11, 0.6 + 1.3 * len(named))
    fig = figure(size_in)
    rows = fig.subplots(len(named), 2, sharex="col", squeeze=False, width_ratios=(1.8, 1))
    longest_s = max(clip.duration_s for clip in named.values())
    for index, (name, clip) in enumerate(named.items()):
        strip, wave = rows[index]
        strip.set_title(name)
        if clip.frames is not None:
            edges = np.arange(clip.num_frames + 1) / clip.frame_rate
            filmstrip(strip, clip.frames, edges, 0.6 * size_in[1] / len(named), width_share=0.62)
        else:
            remark(strip, "no picture")
        if clip.audio is not None:
            waveform(wave, clip.audio, clip.sample_rate)
        else:
            remark(wave, "no sound")
        strip.set_ylabel("frames")
        if index == 0 or clip.audio is None:
            wave.set_title("sound")
        for axes in (strip, wave):
            time_axis(axes, [0, longest_s], label=index == len(named) - 1)
    waves = [row[1] for row, clip in zip(rows, named.values(), strict=True) if clip.audio is not None]
    if waves:
        loudest = max(wave.get_ylim()[1] for wave in waves)
        for wave in waves:
            wave.set_ylim(-loudest, loudest)
        figure_legend(fig, waves[0])
    return fig
