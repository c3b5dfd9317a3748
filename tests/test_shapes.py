"""Shape arithmetic against diffusers' own and against its definition."""

import inspect
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2AudioVideoRotaryPosEmbed, LTX2VideoTransformer3DModel
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_nb import shapes

FRAME_RATES = [1.0, 8.0, 12.5, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0, 120.0]


@pytest.fixture(scope="module")
def rope():
    """diffusers' position embeddings of both modalities, with the transformer's own default scale factors."""
    default = {name: p.default for name, p in inspect.signature(LTX2VideoTransformer3DModel).parameters.items()}
    shared = {"dim": 64, "causal_offset": default["causal_offset"]}
    return {
        "video": LTX2AudioVideoRotaryPosEmbed(modality="video", scale_factors=default["vae_scale_factors"], **shared),
        "audio": LTX2AudioVideoRotaryPosEmbed(
            modality="audio",
            scale_factors=(default["audio_scale_factor"],),
            sampling_rate=default["audio_sampling_rate"],
            hop_length=default["audio_hop_length"],
            **shared,
        ),
    }


@pytest.mark.parametrize("frame_rate", FRAME_RATES)
def test_video_intervals_are_those_of_diffusers(rope, frame_rate):
    coords = rope["video"].prepare_video_coords(1, 61, 1, 1, torch.device("cpu"), fps=frame_rate)  # [1, 3, 61, 2]
    ours = np.array(shapes.video_intervals_s(61, frame_rate), dtype=np.float32)
    np.testing.assert_array_max_ulp(ours, coords[0, 0].numpy(), maxulp=1)


def test_audio_intervals_are_those_of_diffusers(rope):
    coords = rope["audio"].prepare_audio_coords(1, 501, torch.device("cpu"))  # [1, 1, 501, 2]
    ours = np.array(shapes.audio_intervals_s(501), dtype=np.float32)
    np.testing.assert_array_max_ulp(ours, coords[0, 0].numpy(), maxulp=1)


@pytest.mark.parametrize("frame_rate", FRAME_RATES)
def test_audio_length_is_that_of_diffusers(rope, frame_rate):
    for num_frames in range(1, shapes.max_num_frames(frame_rate) + 1, 8):
        duration_s = num_frames / frame_rate  # as LTX2Pipeline.__call__
        expected = round(duration_s * rope["audio"].audio_latents_per_second)
        assert shapes.audio_num_latents(duration_s) == expected


def test_audio_length_rounds_halves_to_even():
    assert [shapes.audio_num_latents(n / 50) for n in (1, 3, 5, 7)] == [0, 2, 2, 4]


@pytest.mark.parametrize(
    ("pixel", "latent", "tokens", "audio_tokens"),
    [((121, 512, 768), (16, 16, 24), 6144, 126), ((121, 1088, 1920), (16, 34, 60), 32640, 126)],
)
def test_known_shapes(pixel, latent, tokens, audio_tokens):
    shape = shapes.VideoShape(*pixel)
    assert shape.latent == shapes.VideoLatentShape(*latent)
    assert shape.latent.tokens == tokens
    assert shape.latent.pixel == shape
    assert shapes.AudioLatentShape(shapes.audio_num_latents(121 / 24)).tokens == audio_tokens


def test_mel_frames_of_the_causal_decoder():
    assert [shapes.AudioLatentShape(n).mel_frames for n in (1, 2, 51)] == [1, 5, 201]


def test_tokens_tile_the_clip_without_gaps_or_overlaps():
    for intervals_s in (shapes.video_intervals_s(16, 24.0), shapes.audio_intervals_s(126)):
        assert intervals_s[0][0] == 0
        assert all(end == start for (_, end), (start, _) in pairwise(intervals_s))


@pytest.mark.parametrize(
    ("start_s", "end_s", "tokens"),
    [
        (0.0, 0.01, [0]),  # the first audio latent holds one mel frame
        (0.01, 0.05, [1]),
        (0.005, 0.051, [0, 1, 2]),
        (0.05, 0.05, []),
        (0.05 - 1e-9, 0.09 + 1e-9, [2]),  # rounding at the edges adds no token
    ],
)
def test_a_token_meets_a_span_when_they_share_time(start_s, end_s, tokens):
    assert shapes.tokens_meeting(shapes.audio_intervals_s(5), start_s, end_s) == tokens


@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)).map(sorted).map(tuple), max_size=4),
    st.floats(0.1, 10),
    st.floats(0, 9.99),
)
def test_gaps_are_what_spans_leave(spans_s, duration_s, moment_s):
    spans_s = [(start, min(end, duration_s)) for start, end in spans_s if start < duration_s]
    edges = [edge for span in [*spans_s, (0, duration_s)] for edge in span]
    if min(abs(moment_s - edge) for edge in edges) <= shapes.TIME_TOLERANCE_S:
        return
    in_gap = any(start <= moment_s < end for start, end in shapes.gaps_s(spans_s, duration_s))
    covered = any(start <= moment_s < end for start, end in spans_s)
    assert in_gap == (moment_s < duration_s and not covered)


@pytest.mark.parametrize(("asked", "snapped"), [(-3, 1), (0, 1), (1, 1), (4.9, 1), (5, 9), (117, 121), (120, 121)])
def test_snap_num_frames(asked, snapped):
    assert shapes.snap_num_frames(asked) == snapped


@pytest.mark.parametrize(
    ("asked", "multiple", "snapped"), [(1080, 32, 1088), (0, 32, 32), (720, 64, 704), (719, 32, 704), (720, 32, 736)]
)
def test_snap_side(asked, multiple, snapped):
    assert shapes.snap_side(asked, multiple) == snapped


@pytest.mark.parametrize("frame_rate", FRAME_RATES)
def test_twenty_seconds_always_fit_in_one_pass(frame_rate):
    shapes.check_num_frames(shapes.snap_num_frames(20 * frame_rate), frame_rate)
    with pytest.raises(ValueError, match="one pass makes at most 20 s; nearest"):
        shapes.check_num_frames(shapes.max_num_frames(frame_rate) + 8, frame_rate)


@pytest.mark.parametrize(
    ("num_frames", "message"),
    [
        (120, "num_frames=120 is not 8k + 1; nearest: 113, 121"),
        (0, "num_frames=0 is not 8k + 1; nearest: 1"),
        (483, "num_frames=483 is not 8k + 1; nearest: 481"),
        (601, "num_frames=601 at 24 frames/s is 25.0417 s; one pass makes at most 20 s; nearest: 481"),
    ],
)
def test_refused_lengths_name_the_nearest(num_frames, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        shapes.check_num_frames(num_frames, 24.0)


@pytest.mark.parametrize(
    ("side", "multiple", "nearest"),
    [(1080, 32, "1056, 1088"), (1080, 64, "1024, 1088"), (-1, 32, "32"), (5000, 32, "4096")],
)
def test_refused_sides_name_the_nearest(side, multiple, nearest):
    with pytest.raises(ValueError, match=rf"height={side} is not a multiple of {multiple} .*nearest: {nearest}$"):
        shapes.check_side("height", side, multiple)


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        (1, "crop_height=1 is not an even number from 2 to height=64; nearest: 2"),
        (63, "crop_height=63 is not .* nearest: 62"),
        (66, "crop_height=66 is not .* nearest: 64"),
    ],
)
def test_a_crop_is_even_and_within_its_side(crop, message):
    with pytest.raises(ValueError, match=message):
        shapes.check_crop("height", crop, 64)


def test_a_shape_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="height=500 is not a multiple of 32"):
        shapes.VideoShape(121, 500, 768)


@pytest.mark.parametrize("name", shapes.NAMED_SIZES)
def test_named_sizes_are_legal_for_two_stages(name):
    size = shapes.named_size(name)
    shapes.check_side("width", size.width, 64)
    shapes.check_side("height", size.height, 64)


def test_1080p_is_cropped_from_1088():
    assert shapes.named_size("1080p") == shapes.Size(1920, 1088, crop_width=1920, crop_height=1080)
    assert shapes.named_size("portrait") == shapes.named_size("1080p-portrait")


def test_an_unknown_size_is_named_with_the_closest():
    with pytest.raises(ValueError, match=r"size='1080' is not one of 1080p, .*did you mean '1080p'"):
        shapes.named_size("1080")
