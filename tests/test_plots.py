"""Every figure at two sizes: axes named with units, data in view, nothing cut off; and awkward results too."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ltx_nb import Clip, ClipRequest, Trace, inspect, plots
from ltx_nb.inspect.attention_maps import MomentMap, TimeMap, WordMap
from ltx_nb.inspect.fidelity import RoundTrip, WorstPlace
from ltx_nb.inspect.footprint import AudioFootprint, CellFootprint
from ltx_nb.inspect.guidance import PASSES, GuidanceTerms, Term
from ltx_nb.inspect.precision import ClipError, DtypePrecision, LayerError, PrecisionReport
from ltx_nb.tiny.world import Scene
from ltx_nb.trace import StepEvent

RATE = 48_000


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


VIDEO, AUDIO = noise(128, 7, 4, 4), noise(8, 51, 16)
SCENE = Scene(width=64, height=64, energy=0.2)


def clip(frames=None, audio=None):
    frames = SCENE.frames() if frames is None else frames
    audio = SCENE.audio() if audio is None else audio
    return Clip(frames=frames, audio=audio, frame_rate=24.0, sample_rate=RATE)


def latent_stats():
    return plots.latent_stats, [inspect.latent_stats(VIDEO), inspect.latent_stats(AUDIO)]


def latent_stats_of_one_latent():
    return plots.latent_stats, [inspect.latent_stats(VIDEO[:, :1, :1, :1])]


def compression():
    return plots.compression, [inspect.compression(ClipRequest("a ball"))]


def pca_rgb():
    return plots.pca_rgb, [inspect.pca_rgb(VIDEO), inspect.pca_rgb(AUDIO)]


def preview_rgb():
    return plots.preview_rgb, [inspect.preview_rgb(noise(8, 7, 2, 2), SCENE.frames())]


def cell_footprint():
    y, x = np.mgrid[0:128, 0:128]
    blob = 30 * np.exp(-((y - 48) ** 2 + (x - 80) ** 2) / 600)
    change = blob[None] * np.exp(-((np.arange(49) - 20) ** 2) / 40)[:, None, None]
    return plots.cell_footprint, [CellFootprint((3, 1, 2), change, 0.62, (32, 64, 64, 96), (17 / 24, 25 / 24), 24.0)]


def audio_cell_footprint():
    mel = np.zeros((201, 64))
    mel[77:100] = 6 * np.abs(noise(23, 64))
    samples = np.zeros(96_000)
    samples[37_000:48_000] = 0.1 * np.abs(noise(11_000))
    return plots.audio_cell_footprint, [AudioFootprint(20, mel, samples, RATE, 0.4, (0.77, 0.81))]


def round_trip():
    before = clip()
    frames = np.clip(before.frames + 12.0 * noise(*before.frames.shape), 0, 255).astype(np.uint8)
    places = tuple(WorstPlace(8 * n + 3, 0, 32, 24.0 + n) for n in range(4))
    psnr, ssim = 26 + noise(49), 0.9 + 0.01 * noise(49)
    mel = noise(2, 201, 64)
    return plots.round_trip, [RoundTrip(before, clip(frames), psnr, ssim, places, mel, mel, 3 + 0.2 * noise(201))]


def round_trip_without_loss_or_sound():
    still = Clip(frames=SCENE.frames()[:9], frame_rate=24.0)
    same = np.full(9, np.inf)
    return plots.round_trip, [RoundTrip(still, still, same, np.ones(9), (), None, None, None)]


def trajectory():
    trace = Trace()
    for n in range(8):
        tensors = [torch.from_numpy(value * (n + 1) / 8) for value in (VIDEO, AUDIO)]
        trace.record(StepEvent(n, 8, 1, 1 - n / 8, *tensors, *tensors))
    return plots.trajectory, [inspect.trajectory(trace)]


def audio_view():
    return plots.audio_view, [inspect.audio_view(SCENE.audio(), RATE, AUDIO)]


def audio_view_of_silence():
    return plots.audio_view, [inspect.audio_view(np.zeros((2, 200), np.float32), RATE)]


def compare_audio():
    before = inspect.audio_view(SCENE.audio(), RATE)
    after = inspect.audio_view(np.ascontiguousarray(SCENE.audio()[:, ::3]), 16_000)
    return plots.compare_audio, [inspect.compare_audio(before, after)]


def av_sync():
    return plots.av_sync, [inspect.av_sync(clip(audio=SCENE.audio(0.15)))]


def av_sync_of_nothing():
    silence = np.zeros((2, 2000), np.float32)
    return plots.av_sync, [inspect.av_sync(clip(SCENE.frames()[:1], silence))]


def time_map():
    edges = np.arange(8) * 0.3, np.arange(51) * 0.04
    near = np.exp(-((edges[1][:-1, None] - edges[0][None, :-1]) ** 2) / 0.05)
    matrix = near / near.sum(1, keepdims=True)
    return plots.time_map, [TimeMap("video_to_audio", "audio", "video", matrix, edges[1], edges[0], 0.41, 0.14)]


HEAT = np.abs(noise(7, 2, 2)) / 28
VIDEO_EDGES_S = np.append(0, (1 + 8 * np.arange(7)) / 24)


def moment_map():
    return plots.moment_map, [MomentMap("video_to_audio", 1.2, HEAT, VIDEO_EDGES_S), SCENE.frames()]


def word_map():
    word = WordMap("red", HEAT, np.abs(noise(51)) / 64, VIDEO_EDGES_S, np.arange(52) * 0.04, 1 / 64)
    return plots.word_map, [word, SCENE.frames()]


def guidance_terms():
    steps = np.arange(8)
    terms = {name: Term(np.abs(noise(8, seed=n)) * 0.2, np.tanh(noise(8, seed=n))) for n, name in enumerate(PASSES)}
    return plots.guidance_terms, [GuidanceTerms(1, steps, 1 - steps / 8, terms, terms)]


def clips():
    sound = Clip(audio=SCENE.audio(), sample_rate=RATE)
    picture = Clip(frames=SCENE.frames(), frame_rate=24.0)
    return plots.clips, [
        {
            "all terms": clip(),
            "without cfg": clip(audio=SCENE.audio(0.2)),
            "sound alone": sound,
            "picture alone": picture,
        }
    ]


def precision_report():
    rows = []
    for dtype, error, megabytes in (
        ("bf16", 0.0017, 40),
        ("fp8", 0.033, 20),
        ("int8-row", 0.009, 20.3),
        ("nf4", 0.09, 11),
    ):
        errors = error * np.sort(1 + np.abs(noise(60)))[::-1]
        layers = tuple(LayerError(f"transformer_blocks.{n}.attn1.to_q", float(e), 1) for n, e in enumerate(errors))
        clip_error = ClipError(error, error, 30.0, 0.9, 2.0) if dtype == "fp8" else None
        rows.append(DtypePrecision(dtype, layers, error, int(megabytes * 1e6), clip_error))
    return plots.precision_report, [PrecisionReport(tuple(rows))]


CASES = [
    guidance_terms,
    clips,
    precision_report,
    time_map,
    moment_map,
    word_map,
    latent_stats,
    latent_stats_of_one_latent,
    compression,
    pca_rgb,
    preview_rgb,
    cell_footprint,
    audio_cell_footprint,
    round_trip,
    round_trip_without_loss_or_sound,
    trajectory,
    audio_view,
    audio_view_of_silence,
    compare_audio,
    av_sync,
    av_sync_of_nothing,
]


def all_axes(figure):
    """The axes that show data, without colour bars."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.axison]


def shown(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def in_view(axes):
    """Whether each line, image and mesh of the axes has a part within its limits."""
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
    return True


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.__name__)
def drawing(request):
    return request.param()


@pytest.mark.parametrize("size_in", [None, (6, 4.5)], ids=["own size", "small"])
def test_a_figure_says_what_it_shows(drawing, size_in):
    draw, results = drawing
    figure = draw(*results) if size_in is None else draw(*results, size_in=size_in)
    renderer = shown(figure)
    assert isinstance(figure, Figure)
    if size_in is not None:
        assert tuple(figure.get_size_inches()) == size_in
    for axes in all_axes(figure):
        assert axes.get_title(loc="left") or axes.get_ylabel(), "axes with neither title nor label"
        shared = [other for other in axes.get_shared_x_axes().get_siblings(axes)]
        assert any(other.get_xlabel() for other in shared), f"no x label below {axes.get_title(loc='left')!r}"
        assert in_view(axes), f"data out of view in {axes.get_title(loc='left')!r}"
    box = figure.get_tightbbox(renderer)
    width, height = figure.get_size_inches()
    assert box.x0 > -0.3 and box.y0 > -0.3 and box.x1 < width + 0.3 and box.y1 < height + 0.3, "something is cut off"


def covered_titles(figure):
    """The titles of axes that some legend overlaps."""
    renderer = shown(figure)
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    boxes = [legend.get_window_extent(renderer) for legend in legends]
    titles = [text for axes in figure.axes for text in axes.findobj(Text) if text.get_text() == axes.get_title("left")]
    return [text.get_text() for text in titles if any(text.get_window_extent(renderer).overlaps(box) for box in boxes)]


def test_no_legend_covers_a_title(drawing):
    draw, results = drawing
    assert covered_titles(draw(*results)) == []


@pytest.mark.parametrize("case", [guidance_terms, clips, compare_audio], ids=lambda case: case.__name__)
def test_one_legend_for_the_figure_covers_no_title_of_a_small_one(case):
    draw, results = case()
    assert covered_titles(draw(*results, size_in=(6, 4.5))) == []


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


def test_frames_of_another_clip_are_refused():
    draw, (word, frames) = word_map()
    with pytest.raises(ValueError, match="there are 41 frames; maps of 7 latent frames go with 49"):
        draw(word, frames[:41])
