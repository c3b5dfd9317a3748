"""Every figure at two sizes: axes named with units, data in view, nothing cut off; and awkward results too."""

import matplotlib
import numpy as np
import pytest
from figures import CASES, SCENE, VIDEO, compression, latent_stats, word_map
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ltx_nb import Clip, ClipRequest, inspect, planning, plots


def all_axes(figure):
    """The axes that show data, without colour bars."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.axison]


def shown(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def in_view(axes):
    """Whether each line, image, mesh and bar of the axes has a part within its limits."""
    x_limits, y_limits = sorted(axes.get_xlim()), sorted(axes.get_ylim())

    def meets(low, high, limits):
        return high >= limits[0] and low <= limits[1]

    for line in axes.lines:
        if line.get_transform() != axes.transData:
            continue
        points = np.asarray(line.get_xydata(), float)
        points = points[np.isfinite(points).all(1)]
        if len(points):
            x, y = points.T
            inside = (x >= x_limits[0]) & (x <= x_limits[1]) & (y >= y_limits[0]) & (y <= y_limits[1])
            if inside.mean() < 0.5:
                return False
    for artist in (*axes.images, *axes.collections):
        box = artist.get_datalim(axes.transData) if hasattr(artist, "get_datalim") else None
        if hasattr(artist, "get_extent"):
            left, right, bottom, top = artist.get_extent()
        elif box is not None and np.isfinite(box.extents).all():
            left, bottom, right, top = box.extents
        else:
            continue
        if not (meets(*sorted((left, right)), x_limits) and meets(*sorted((bottom, top)), y_limits)):
            return False
    return all(axes.bbox.overlaps(patch.get_window_extent()) for patch in axes.patches)


# Labels of axes whose numbers count things, or are pure numbers; all others have a unit in brackets.
COUNTED = {"channel", "frames", "latent frame", "layer, worst first", "mel bin", "number", "part", "plan"}
PURE = {"SSIM", "amplitude", "attention", "relative error", "share of attention", "value"}
UNITS = {"Hz", "dB"}
LATENT = {
    "RMS",
    "mean square",
    "power",
    "of the RMS of x0",
    "of the final RMS",
    "cosine with the way to the end",
}


def without_unit(figure):
    """The labels, without a unit, of the axes that have numbers."""
    labels = []
    for axis in (axis for axes in figure.axes if axes.axison for axis in (axes.xaxis, axes.yaxis)):
        has_numbers = any(character.isdigit() for tick in axis.get_ticklabels() for character in tick.get_text())
        label = axis.get_label_text()
        if has_numbers and not label and any(one.get_xlabel() for one in below(axis)):
            continue
        if has_numbers and label not in COUNTED | PURE | UNITS | LATENT and "(" not in label:
            labels.append(label)
    return labels


def below(axis):
    """For an x axis, all axes that share it, one of which has its label."""
    return axis.axes.get_shared_x_axes().get_siblings(axis.axes) if axis.axis_name == "x" else []


def covered_titles(figure):
    """The titles of axes that some legend touches."""
    renderer = figure.canvas.get_renderer()
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    boxes = [legend.get_window_extent(renderer).padded(1) for legend in legends]
    titles = [text for axes in figure.axes for text in axes.findobj(Text) if text.get_text() == axes.get_title("left")]
    return [text.get_text() for text in titles if any(text.get_window_extent(renderer).overlaps(box) for box in boxes)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.__name__)
def drawing(request):
    return request.param()


@pytest.fixture(scope="module", params=[None, (6, 4.5)], ids=["own size", "small"])
def figure(request, drawing):
    """Drawn once for all that is asked of it."""
    draw, results = drawing
    figure = draw(*results) if request.param is None else draw(*results, size_in=request.param)
    shown(figure)
    return figure


def test_a_figure_has_the_size_that_is_asked_for(drawing):
    draw, results = drawing
    figure = draw(*results, size_in=(7, 5))
    assert isinstance(figure, Figure) and tuple(figure.get_size_inches()) == (7, 5)


def test_axes_say_what_they_show(figure):
    for axes in all_axes(figure):
        assert axes.get_title(loc="left") or axes.get_ylabel(), "axes with neither title nor label"
        siblings = axes.get_shared_x_axes().get_siblings(axes)
        assert any(other.get_xlabel() for other in siblings), f"no x label below {axes.get_title(loc='left')!r}"


def test_numbers_have_units(figure):
    assert without_unit(figure) == []


def test_data_are_in_view(figure):
    assert [axes.get_title(loc="left") for axes in all_axes(figure) if not in_view(axes)] == []


def test_nothing_is_cut_off(figure):
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert box.x0 > -0.1 and box.y0 > -0.1 and box.x1 < width + 0.1 and box.y1 < height + 0.1


def test_no_legend_touches_a_title(figure):
    assert covered_titles(figure) == []


def test_time_axes_of_both_lanes_are_one():
    draw, results = latent_stats()
    figure = draw(*results)
    over_time = [axes for axes in figure.axes if axes.get_xlabel() == "time (s)"]
    siblings = over_time[0].get_shared_x_axes().get_siblings(over_time[0])
    assert len(siblings) == 2
    assert over_time[0].get_xlim() == (0, pytest.approx(49 / 24, abs=0.05))


def test_a_figure_shows_itself_in_a_notebook_and_leaves_pyplot_alone():
    import sys

    import matplotlib

    before = dict(matplotlib.rcParams)
    png = plots.compression(inspect.compression(ClipRequest("a ball")))._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match="no stats are given"):
        plots.latent_stats()
    with pytest.raises(ValueError, match="no results are given"):
        plots.pca_rgb()
    for nothing in ({}, [], None):
        with pytest.raises(ValueError, match="no clips are given; give a dict of name to Clip"):
            plots.clips(nothing)


def test_sounds_of_clips_below_each_other_are_on_one_scale():
    loud, quiet = (Clip(frame_rate=24.0, audio=level * SCENE.audio(), sample_rate=48_000) for level in (1, 0.01))
    figure = plots.clips({"loud": loud, "quiet": quiet, "no sound": Clip(frames=SCENE.frames(), frame_rate=24.0)})
    scales = [axes.get_ylim() for axes in figure.axes if axes.get_ylabel() == "amplitude"]
    assert scales == [scales[0]] * 2
    assert scales[0][1] == pytest.approx(1.05 * np.abs(loud.audio).max())


def test_figures_made_by_hand_take_the_style():
    with matplotlib.rc_context():
        plots.use_style()
        figure = Figure()
        (line,) = figure.subplots().plot([0, 1])
    assert line.get_color() == plots.style.COLOURS[0] and figure.dpi == 100
    assert not figure.axes[0].spines["top"].get_visible()


@pytest.mark.parametrize(
    "name", sorted(set(plots.__all__) - {"clips", "contact_sheet", "plan", "plans", "training_log", "use_style"})
)
def test_what_was_not_inspected_is_refused(name):
    frames = [SCENE.frames()] if name in ("moment_map", "reference_map", "word_map") else []
    with pytest.raises(ValueError, match=r"this draws \w+, which ltx_nb.inspect gives, not ndarray; inspect it first"):
        getattr(plots, name)(VIDEO, *frames)


@pytest.mark.parametrize("draw, given", [(plots.plan, VIDEO), (plots.plans, {"8gb": VIDEO})])
def test_what_is_no_plan_is_refused(draw, given):
    with pytest.raises(ValueError, match=r"this draws Plan, which ltx_nb.planning gives, not ndarray"):
        draw(given)


def test_a_part_that_a_plan_has_not_is_refused():
    made = planning.plan("tiny", "8gb")
    with pytest.raises(ValueError, match="part='stage 2' is not one of text, stage 1, decode, audio"):
        plots.plans({"8gb": made}, part="stage 2")


def test_bars_of_a_plan_are_as_long_as_its_sums():
    made = planning.plan("tiny", "8gb")
    (axes,) = plots.plan(made).axes
    ends = [max(bar.get_x() + bar.get_width() for bar in bars) for bars in axes.containers]
    assert ends == pytest.approx([part.gb for part in made.parts])


def test_clips_that_are_none_are_refused():
    with pytest.raises(ValueError, match="clip is a str; give a Clip"):
        plots.clips({"a": "clip.mp4"})


@pytest.mark.parametrize(
    ("size_in", "message"),
    [
        (0, "size_in=0 is a int; give a list"),
        ((0, 4), r"size_in=0\.0 is too small; the least is 2"),
        ((6, float("nan")), "size_in=nan is not finite"),
        ((6,), r"size_in=\(6,\) has 1 numbers; give width and height in inches"),
    ],
)
def test_a_size_that_is_none_is_refused(size_in, message):
    draw, results = compression()
    with pytest.raises(ValueError, match=message):
        draw(*results, size_in=size_in)


def test_frames_of_another_clip_are_refused():
    draw, (word, frames) = word_map()
    with pytest.raises(ValueError, match="there are 41 frames; maps of 7 latent frames go with 49"):
        draw(word, frames[:41])
