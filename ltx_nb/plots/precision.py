"""Figure of what rounding weights costs. Draws a result, computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ltx_nb.plots.style import COLOURS, Size, check_results, figure, styled

if TYPE_CHECKING:
    from ltx_nb.inspect.precision import PrecisionReport

_LEAST_ERROR = 1e-6  # where an error of 0 is drawn on the logarithmic axis


@styled
def precision_report(result: PrecisionReport, size_in: Size = (10, 4.6)) -> Figure:
    """Error of every layer by format, the worst first and named, beside error against bytes of all of them."""
    check_results("PrecisionReport", result)
    fig = figure(size_in)
    layers, whole = fig.subplots(1, 2, width_ratios=(1.7, 1))
    for row, colour in zip(result.rows, COLOURS, strict=False):
        errors = np.maximum([layer.error for layer in row.layers], _LEAST_ERROR)
        layers.semilogy(np.arange(1, len(errors) + 1), errors, color=colour, label=f"{row.dtype}: {row.layers[0].name}")
        layers.plot(1, errors[0], "o", color=colour, markersize=4)
        error = max(row.error, _LEAST_ERROR)
        whole.semilogy(row.num_bytes / 1e6, error, "o", color=colour, markersize=7)
        told = row.dtype if row.clip is None else f"{row.dtype}\n{row.clip.psnr_db:.0f} dB PSNR"
        whole.annotate(told, (row.num_bytes / 1e6, error), (6, 4), textcoords="offset points", fontsize=8)
    layers.set(title="Weight error of each layer", xlabel="layer, worst first", ylabel="relative error")
    layers.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), title="format: its worst layer", alignment="left")
    whole.set(title="All layers", xlabel="weights (MB)", ylabel="relative error")
    most_mb = max(row.num_bytes for row in result.rows) / 1e6
    whole.set_xlim(0, 1.25 * most_mb)
    whole.margins(y=0.2)
    return fig
