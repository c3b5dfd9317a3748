"""Figure of what is seen against what is heard, on one time axis. Draws a result, computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from ltx_nb.plots.style import (
    COLOURS,
    LANE_COLOURS,
    QUIET,
    Size,
    check_results,
    curve,
    figure,
    from_zero,
    legend,
    remark,
    styled,
    time_axis,
)

if TYPE_CHECKING:
    from ltx_nb.inspect.sync import AvSync


@styled
def av_sync(result: AvSync, size_in: Size = (10, 4.5)) -> Figure:
    """Change of motion above, onset strength below; a line joins each visible event with its sound."""
    check_results("AvSync", result)
    fig = figure(size_in)
    seen, between, heard = fig.subplots(3, sharex=True, height_ratios=(1, 0.45, 1))
    if len(result.motion_change):
        curve(seen, result.motion_s, result.motion, color=QUIET, linewidth=0.8, label="motion")
        style = {"color": LANE_COLOURS["video"], "label": "change of motion"}
        curve(seen, result.motion_change_s, result.motion_change, **style)
        legend(seen)
        from_zero(seen, result.motion, result.motion_change)
    else:
        remark(seen, "fewer than three frames: no motion")
    seen.set_title(f"Seen: {len(result.visible_s)} events")
    seen.set_ylabel("RMS (of 255 levels)")
    curve(heard, result.onset_s, result.onset_db, color=LANE_COLOURS["audio"])
    heard.set(title=f"Heard: {len(result.sounds_s)} sounds", ylabel="rise of a band (dB)")
    from_zero(heard, result.onset_db)
    for time_s in result.visible_s:
        seen.axvline(time_s, color=LANE_COLOURS["video"], linestyle=":", linewidth=1)
    for time_s in result.sounds_s:
        heard.axvline(time_s, color=LANE_COLOURS["audio"], linestyle=":", linewidth=1)
    for event in result.events:
        between.plot([event.visible_s, event.sound_s], [1, 0], color=COLOURS[2], linewidth=1.6)
        middle_s = (event.visible_s + event.sound_s) / 2
        side = "right" if middle_s > 0.9 * result.duration_s else "left"  # where there is room
        between.text(middle_s, 0.5, f"  {event.lag_ms:+.0f} ms  ", ha=side, va="center", fontsize=8, clip_on=True)
    between.set_ylim(0, 1)
    between.set_axis_off()
    if not result.events:
        remark(between, "nothing goes together")
    text = str(result)
    fig.suptitle(text[0].upper() + text[1:], x=0.01, ha="left", fontweight="bold")
    for axes in (seen, between):
        time_axis(axes, [0, result.duration_s], label=False)
    time_axis(heard, [0, result.duration_s])
    return fig
