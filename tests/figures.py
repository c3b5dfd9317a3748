"""The figures that test_plots draws: each drawing function with results to draw, usual ones and awkward ones.

Each function here gives (what draws, what it is to draw), and is named after the first and what is awkward.
"""

import numpy as np
import torch

from ltx_nb import Clip, ClipRequest, Trace, inspect, planning, plots
from ltx_nb.inspect.attention_maps import MomentMap, ReferenceMap, TimeMap, WordMap
from ltx_nb.inspect.fidelity import RoundTrip, WorstPlace
from ltx_nb.inspect.footprint import AudioFootprint, CellFootprint
from ltx_nb.inspect.guidance import PASSES, GuidanceTerms, Term
from ltx_nb.inspect.precision import ClipError, DtypePrecision, LayerError, PrecisionReport
from ltx_nb.tiny.world import Scene
from ltx_nb.trace import StepEvent
from ltx_nb.training import TrainingLog

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


def latent_stats_with_many_odd_channels():
    odd = VIDEO.copy()
    odd[100:105] = 0
    odd[110:115] *= 20
    return plots.latent_stats, [inspect.latent_stats(odd), inspect.latent_stats(0 * AUDIO)]


def compression():
    return plots.compression, [inspect.compression(ClipRequest("a ball"))]


def pca_rgb():
    return plots.pca_rgb, [inspect.pca_rgb(VIDEO), inspect.pca_rgb(AUDIO)]


def pca_rgb_of_one_latent():
    return plots.pca_rgb, [inspect.pca_rgb(VIDEO[:, :1, :1, :1]), inspect.pca_rgb(AUDIO[:, :1])]


def preview_rgb():
    return plots.preview_rgb, [inspect.preview_rgb(noise(8, 7, 2, 2), SCENE.frames())]


def cell_footprint():
    y, x = np.mgrid[0:128, 0:128]
    blob = 30 * np.exp(-((y - 48) ** 2 + (x - 80) ** 2) / 600)
    change = blob[None] * np.exp(-((np.arange(49) - 20) ** 2) / 40)[:, None, None]
    return plots.cell_footprint, [CellFootprint((3, 1, 2), change, 0.62, (32, 64, 64, 96), (17 / 24, 25 / 24), 24.0)]


def cell_footprint_of_one_frame_that_does_not_change():
    nothing = np.zeros((1, 32, 32), np.float32)
    return plots.cell_footprint, [CellFootprint((0, 0, 0), nothing, 0.0, (0, 0, 32, 32), (0.0, 1 / 24), 24.0)]


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


def round_trip_of_one_frame():
    one = clip(SCENE.frames()[:1], SCENE.audio()[:, :2000])
    mel = noise(2, 1, 64)
    places = (WorstPlace(0, 0, 32, 24.0),)
    return plots.round_trip, [RoundTrip(one, one, np.array([30.0]), np.array([0.9]), places, mel, mel, np.array([3.0]))]


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


def audio_view_of_nothing_with_latents():
    return plots.audio_view, [inspect.audio_view(np.zeros((2, RATE), np.float32), RATE, 0 * AUDIO)]


def compare_audio():
    before = inspect.audio_view(SCENE.audio(), RATE)
    after = inspect.audio_view(np.ascontiguousarray(SCENE.audio()[:, ::3]), 16_000)
    return plots.compare_audio, [inspect.compare_audio(before, after)]


def av_sync():
    return plots.av_sync, [inspect.av_sync(clip(audio=SCENE.audio(0.15)))]


def av_sync_of_nothing():
    silence = np.zeros((2, 2000), np.float32)
    return plots.av_sync, [inspect.av_sync(clip(SCENE.frames()[:1], silence))]


def av_sync_of_three_frames():
    return plots.av_sync, [inspect.av_sync(clip(SCENE.frames()[:3], SCENE.audio()[:, :6000]))]


def time_map():
    edges = np.arange(8) * 0.3, np.arange(51) * 0.04
    near = np.exp(-((edges[1][:-1, None] - edges[0][None, :-1]) ** 2) / 0.05)
    matrix = near / near.sum(1, keepdims=True)
    return plots.time_map, [TimeMap("video_to_audio", "audio", "video", matrix, edges[1], edges[0], 0.41, 0.14)]


HEAT = np.abs(noise(7, 2, 2)) / 28
VIDEO_EDGES_S = np.append(0, (1 + 8 * np.arange(7)) / 24)


def moment_map():
    return plots.moment_map, [MomentMap("video_to_audio", 1.2, HEAT, VIDEO_EDGES_S), SCENE.frames()]


def moment_map_of_one_frame():
    moment = MomentMap("audio_to_video", 0.0, 0 * HEAT[:1], VIDEO_EDGES_S[:2])
    return plots.moment_map, [moment, SCENE.frames()[:1]]


def word_map():
    word = WordMap("red", HEAT, np.abs(noise(51)) / 64, VIDEO_EDGES_S, np.arange(52) * 0.04, 1 / 64)
    return plots.word_map, [word, SCENE.frames()]


def reference_map():
    return plots.reference_map, [ReferenceMap(HEAT, VIDEO_EDGES_S, 0.19, 0.62, 0.01), SCENE.frames()]


def guidance_terms():
    steps = np.arange(8)
    terms = {name: Term(np.abs(noise(8, seed=n)) * 0.2, np.tanh(noise(8, seed=n))) for n, name in enumerate(PASSES)}
    return plots.guidance_terms, [GuidanceTerms(1, steps, 1 - steps / 8, terms, terms)]


def guidance_terms_of_one_step():
    terms = {"cfg": Term(np.zeros(1), np.zeros(1))}
    return plots.guidance_terms, [GuidanceTerms(1, np.zeros(1, int), np.ones(1), terms, terms)]


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


def training_log():
    losses = [{"video": 0.2 + 0.1 / n, "audio": 0.4 + 0.3 / n} for n in range(1, 60)]
    return plots.training_log, [TrainingLog(losses)]


def training_log_of_one_step_of_sound():
    return plots.training_log, [TrainingLog([{"audio": 0.5}])]


def compare():
    other = clip(audio=SCENE.audio(0.2), frames=np.roll(SCENE.frames(), 3, axis=2))
    return plots.compare, [inspect.compare(clip(), other)]


def compare_sound_with_picture():
    sound, picture = Clip(audio=SCENE.audio(), sample_rate=RATE), Clip(frames=SCENE.frames(), frame_rate=24.0)
    return plots.compare, [inspect.compare(sound, picture)]


def plan_in_two_stages():
    return plots.plan, [planning.plan("tiny", "8gb", width=128, height=128, two_stage=True, task="image-to-video")]


def plans_of_presets():
    return plots.plans, [{name: planning.plan("tiny", name) for name in ("8gb", "80gb", "cpu")}]


CASES = [
    guidance_terms,
    guidance_terms_of_one_step,
    clips,
    precision_report,
    compare,
    compare_sound_with_picture,
    training_log,
    training_log_of_one_step_of_sound,
    plan_in_two_stages,
    plans_of_presets,
    time_map,
    moment_map,
    moment_map_of_one_frame,
    word_map,
    reference_map,
    latent_stats,
    latent_stats_of_one_latent,
    latent_stats_with_many_odd_channels,
    compression,
    pca_rgb,
    pca_rgb_of_one_latent,
    preview_rgb,
    cell_footprint,
    cell_footprint_of_one_frame_that_does_not_change,
    audio_cell_footprint,
    round_trip,
    round_trip_without_loss_or_sound,
    round_trip_of_one_frame,
    trajectory,
    audio_view,
    audio_view_of_silence,
    audio_view_of_nothing_with_latents,
    compare_audio,
    av_sync,
    av_sync_of_nothing,
    av_sync_of_three_frames,
]
