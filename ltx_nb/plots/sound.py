"""Figures of sound: every view of one on one time axis, and two sounds beside each other. Computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import CenteredNorm, Normalize
from matplotlib.figure import Figure

from ltx_nb.plots.style import (
    COLOURS,
    DIVERGING,
    LANE_COLOURS,
    Size,
    check_results,
    figure,
    figure_legend,
    from_zero,
    legend,
    map_over_time,
    styled,
    time_axis,
)

if TYPE_CHECKING:
    from ltx_nb.inspect.audio import AudioComparison, AudioView

MODEL_MEL_STEP_S = 0.01
RANGE_DB = 80
MOST_POINTS = 4000  # of a drawn waveform: more than a screen has
SIDE_COLOURS = {"left": LANE_COLOURS["audio"], "right": COLOURS[4]}  # two shades of sound: blue is for the picture
HZ_TICKS = (100, 1000, 10_000)
QUIETEST_TOP_DB = -20.0  # so that silence is drawn dark


@styled
def audio_view(view: AudioView, size_in: Size = (10, 13)) -> Figure:
    """Waveform, spectrograms, the model's mel, latents if there are any, and what is heard, on one time axis."""
    check_results("AudioView", view)
    fig = figure(size_in)
    rows = 7 + (view.latent_grid is not None)
    all_axes = list(
        fig.subplots(rows, sharex=True, height_ratios=[1, 1.4, 1.4, 1.4, *[1.2] * (rows - 7), 0.9, 0.9, 0.9])
    )
    waveform(all_axes[0], view.audio, view.sample_rate)
    legend(all_axes[0])
    all_axes[0].set_title(f"Waveform: {_loudness(view)}, peak {view.peak_db:.1f} dB")
    spectrogram(fig, all_axes[1], view)
    _mel(fig, all_axes[2], view)
    _model_mel(fig, all_axes[3], view)
    if view.latent_grid is not None:
        _latents(fig, all_axes[4], view)
    onset, position, pitch = all_axes[-3:]
    onset.plot(view.times_s, view.onset_db, color=LANE_COLOURS["audio"])
    onset.set(title="Onset strength", ylabel="dB")
    from_zero(onset, view.onset_db)
    position.plot(view.times_s, view.position, color=COLOURS[2])
    position.set(title="Stereo position", ylim=(-1.1, 1.1))
    position.set_yticks([-1, 0, 1], ["left", "centre", "right"])
    position.set_ylabel("position")
    pitch.plot(view.times_s, view.centroid_hz, color=COLOURS[5], label="centroid")
    pitch.plot(view.times_s, view.pitch_hz, ".", markersize=3, color=COLOURS[6], label="pitch")
    pitch.set(title="Pitch, spectral centroid", ylabel="Hz", yscale="log", ylim=(50, view.sample_rate / 2))
    _hz_ticks(pitch, view.sample_rate / 2)
    legend(pitch)
    if np.isnan(view.centroid_hz).all():
        position.text(0.5, 0.5, "nothing is heard", transform=position.transAxes, ha="center", va="center")
    for axes in all_axes:
        time_axis(axes, [0, _end_s(view)], label=axes is pitch)
    return fig


@styled
def compare_audio(result: AudioComparison, size_in: Size = (11, 8)) -> Figure:
    """Two sounds beside each other: waveforms and spectrograms on one scale; then average spectra and mel distance."""
    check_results("AudioComparison", result)
    fig = figure(size_in)
    grid = fig.add_gridspec(3, 2, height_ratios=(1, 1.8, 1.6))
    views = (result.before, result.after)
    most_hz = max(view.sample_rate for view in views) / 2
    top_db = max(view.spectrogram_db.max() for view in views)
    peak = max(np.abs(view.audio).max() for view in views)
    for column, (name, view) in enumerate(zip(result.names, views, strict=True)):
        upper = fig.add_subplot(grid[0, column])
        waveform(upper, view.audio, view.sample_rate)
        upper.set_ylim(-1.05 * max(peak, 0.01), 1.05 * max(peak, 0.01))
        upper.set_title(f"{name.capitalize()}: {_loudness(view)}")
        time_axis(upper, [0, _end_s(view)], label=False)
        lower = fig.add_subplot(grid[1, column], sharex=upper)
        spectrogram(fig, lower, view, top_db)
        lower.set_ylim(0, most_hz)
        time_axis(lower, [0, _end_s(view)])
    figure_legend(fig, upper)
    average = fig.add_subplot(grid[2, 0])
    for name, view, colour in zip(result.names, views, COLOURS[2:], strict=False):  # not those of left and right
        average.plot(view.frequencies_hz, view.average_db, color=colour, label=name, linewidth=1)
    average.set(xlabel="frequency (Hz)", ylabel="dB")
    average.set_title("Average spectrum", pad=18)  # points: room for the legend below it, in a narrow figure too
    average.set_xlim(0, most_hz)
    legend(average)
    distance = fig.add_subplot(grid[2, 1])
    times = MODEL_MEL_STEP_S * np.arange(len(result.mel_distance_db))
    distance.plot(times, result.mel_distance_db, color=LANE_COLOURS["audio"])
    distance.set(title=f"Mel distance: mean {result.mel_distance_db.mean():.1f} dB", ylabel="dB")
    from_zero(distance, result.mel_distance_db)
    time_axis(distance, [0, max(times[-1], 0.01)])
    return fig


def waveform(axes, audio: np.ndarray, sample_rate: int) -> None:
    """Left and right of [2, N], as the span of samples behind each drawn point."""
    step = -(-audio.shape[1] // MOST_POINTS)
    starts = np.arange(0, audio.shape[1], step)
    times = starts / sample_rate
    for (name, colour), side in zip(SIDE_COLOURS.items(), audio, strict=True):
        low, high = np.minimum.reduceat(side, starts), np.maximum.reduceat(side, starts)
        axes.fill_between(times, low, high, color=colour, alpha=0.55, linewidth=0.4, label=name)
    axes.set_ylabel("amplitude")
    peak = max(float(np.abs(audio).max()), 0.01)
    axes.set_ylim(-1.05 * peak, 1.05 * peak)


def spectrogram(fig: Figure, axes, view: AudioView, top_db: float | None = None) -> None:
    """Linear frequency over time, 80 dB from the loudest (or from top_db) down."""
    top_db = max(view.spectrogram_db.max() if top_db is None else top_db, QUIETEST_TOP_DB)
    half = view.frequencies_hz[1] / 2
    edges = np.append(view.frequencies_hz - half, view.frequencies_hz[-1] + half)
    norm = Normalize(top_db - RANGE_DB, top_db)
    map_over_time(fig, axes, _edges(view.times_s), edges, view.spectrogram_db, "dB", norm=norm)
    axes.set(title="Spectrogram", ylabel="Hz")
    axes.set_ylim(0, view.sample_rate / 2)


def _mel(fig: Figure, axes, view: AudioView) -> None:
    top_db = max(view.mel_db.max(), QUIETEST_TOP_DB)
    edges = np.concatenate([view.mel_hz[:1], (view.mel_hz[1:] + view.mel_hz[:-1]) / 2, view.mel_hz[-1:]])
    norm = Normalize(top_db - RANGE_DB, top_db)
    map_over_time(fig, axes, _edges(view.times_s), edges, view.mel_db, "dB", norm=norm)
    axes.set_yscale("symlog", linthresh=1000, linscale=1)  # linear up to 1 kHz, then logarithmic, as the mel scale
    axes.set(title="Mel spectrogram", ylabel="Hz")
    axes.set_ylim(0, view.sample_rate / 2)
    axes.set_yticks([tick for tick in (0, 1000, 4000, 16_000) if tick <= view.sample_rate / 2])
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()


def _model_mel(fig: Figure, axes, view: AudioView) -> None:
    both = np.concatenate(list(view.model_mel.transpose(0, 2, 1)))
    edges = MODEL_MEL_STEP_S * (np.arange(both.shape[1] + 1) - 0.5)
    bins = view.model_mel.shape[2]
    map_over_time(
        fig, axes, edges, np.arange(len(both) + 1), both, "ln(mel)", norm=Normalize(both.min(), max(both.max(), 0))
    )
    axes.set(title="Mel as the model sees it: left below, right above", ylabel="mel bin")
    axes.set_yticks([0, bins / 2, bins, 1.5 * bins], ["0", f"{bins // 2}", "0", f"{bins // 2}"])
    axes.axhline(bins, color="white", linewidth=1)


def _latents(fig: Figure, axes, view: AudioView) -> None:
    grid, edges = view.latent_grid, view.latent_edges_s
    map_over_time(fig, axes, edges, np.arange(len(grid) + 1), grid, "value", DIVERGING, CenteredNorm())
    axes.set(title="Audio latents: 8 channels of 16 mel bins", ylabel="channel")
    axes.set_yticks(np.arange(0, len(grid), 32), [f"{row // 16}" for row in range(0, len(grid), 32)])


def _edges(times_s: np.ndarray) -> np.ndarray:
    half = (times_s[1] - times_s[0]) / 2 if len(times_s) > 1 else 0.005
    return np.append(times_s - half, times_s[-1] + half)


def _hz_ticks(axes, most_hz: float) -> None:
    ticks = [tick for tick in HZ_TICKS if tick <= most_hz]
    axes.set_yticks(ticks, [f"{tick}" for tick in ticks])
    axes.minorticks_off()


def _end_s(view: AudioView) -> float:
    """End of the sound, or of the silence that a very short one was analysed with."""
    return max(view.duration_s, float(view.times_s[-1]))


def _loudness(view: AudioView) -> str:
    if view.loudness_lufs is None:
        return "under 0.4 s"
    return "silent" if np.isneginf(view.loudness_lufs) else f"{view.loudness_lufs:.1f} LUFS"
