"""Latents by numbers, colours and edits, against planted and by-hand answers."""

import numpy as np
import pytest
import torch

from ltx_nb import ClipRequest, Trace
from ltx_nb.inspect import (
    compression,
    interpolate,
    latent_stats,
    noise_to,
    pca_rgb,
    preview_rgb,
    shift_time,
    swap,
    trajectory,
    zero_channel,
)
from ltx_nb.inspect.quality import mel_distance_db, psnr_db, ssim
from ltx_nb.trace import StepEvent


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


VIDEO = noise(128, 5, 6, 8)
AUDIO = noise(8, 40, 16, seed=1)


def test_moments_are_those_of_scipy():
    from scipy.stats import kurtosis

    stats = latent_stats(VIDEO)
    flat = VIDEO.reshape(128, -1).astype(np.float64)
    np.testing.assert_allclose(stats.mean, flat.mean(1), atol=1e-6)
    np.testing.assert_allclose(stats.std, flat.std(1), rtol=1e-5)
    np.testing.assert_allclose(stats.kurtosis, kurtosis(flat, axis=1), atol=1e-4)


def test_planted_channels_are_found():
    latents = VIDEO.copy()
    latents[7] = 0.3
    latents[20] *= 30
    latents[41] += 25
    stats = latent_stats(latents)
    assert stats.dead == (7,)
    assert stats.outliers == (20, 41)


def test_channels_of_audio_are_the_packed_ones():
    latents = AUDIO.copy()
    latents[2, :, 5] = 0
    stats = latent_stats(latents)
    assert stats.mean.shape == (128,)
    assert stats.dead == (2 * 16 + 5,)


def test_energy_and_change_are_of_latent_frames():
    latents = np.zeros((4, 3, 2, 2), np.float32)
    latents[:, 1] = 2
    stats = latent_stats(latents, frame_rate=8)
    np.testing.assert_allclose(stats.energy, [0, 4, 0])
    np.testing.assert_allclose(stats.change, [2, 2])
    np.testing.assert_allclose(stats.edges_s, [0, 1 / 8, 9 / 8, 17 / 8])


def test_white_noise_has_power_one_at_every_frequency():
    for latents in (noise(64, 16, 12, 12), noise(64, 60, 16)):
        stats = latent_stats(latents)
        np.testing.assert_allclose(stats.spatial_power, 1, atol=0.15)
        np.testing.assert_allclose(stats.temporal_power, 1, atol=0.15)


def test_a_wave_shows_at_its_frequency():
    wave = np.cos(2 * np.pi * 0.25 * np.arange(16))
    latents = np.broadcast_to(wave, (3, 4, 16, 16)).astype(np.float32)
    stats = latent_stats(latents)
    assert stats.spatial_frequency[stats.spatial_power.argmax()] == pytest.approx(0.25)
    beat = np.broadcast_to(np.cos(2 * np.pi * 5 * np.arange(100) / 25)[None, :, None], (8, 100, 16))
    stats = latent_stats(beat.astype(np.float32))
    assert stats.temporal_hz[stats.temporal_power.argmax()] == pytest.approx(5)


def test_one_latent_is_enough():
    stats = latent_stats(np.ones((128, 1, 1, 1), np.float32))
    assert len(stats.change) == len(stats.spatial_power) == len(stats.temporal_power) == 0
    assert stats.dead == ()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (VIDEO[None], r"inspect one clip at a time: latents\[0\]"),
        (noise(1, 6, 128), "not packed tokens"),
        (VIDEO[0, 0], "give video"),
        (VIDEO[:, :0], "holds no value"),
        ([1.0], "is a list; give a tensor or a numpy array"),
        (np.full((8, 2, 16), np.nan, np.float32), "256 of 256 latents are NaN or infinite"),
        (np.full((8, 2, 16), -1e20, np.float32), r"latents reach 1.0e\+20, where 1 is usual"),
        (np.full((8, 2, 16), 1j), "latents are complex128, not real numbers"),
        (np.full((8, 2, 16), "a"), "latents are <U1, not real numbers"),
        (torch.zeros(8, 2, 16, dtype=torch.bool), "latents are bool, not real numbers"),
    ],
)
def test_what_are_no_latents_is_said(bad, message):
    edits = (lambda one: noise_to(one, 0.5), lambda one: zero_channel(one, 0), lambda one: shift_time(one, 0))
    for inspect in (latent_stats, pca_rgb, *edits):
        with pytest.raises(ValueError, match=message):
            inspect(bad)


@pytest.mark.parametrize("inspect", [latent_stats, pca_rgb])
@pytest.mark.parametrize("latents", [VIDEO, AUDIO], ids=["video", "audio"])
def test_a_frame_rate_that_is_none_is_said(inspect, latents):
    for frame_rate, message in (
        (0, "too small; the least is 0.1"),
        (float("nan"), "not finite"),
        ("24", "not a number"),
    ):
        with pytest.raises(ValueError, match=f"frame_rate=.* is .*{message}"):
            inspect(latents, frame_rate)


def test_components_are_those_of_numpy():
    latents = VIDEO * np.linspace(3, 0.1, 128, dtype=np.float32)[:, None, None, None]
    result = pca_rgb(torch.from_numpy(latents).to(torch.float16))
    flat = latents.astype(np.float16).astype(np.float64).reshape(128, -1)
    flat -= flat.mean(1, keepdims=True)
    vectors, values, _ = np.linalg.svd(flat, full_matrices=False)
    assert np.abs(np.sum(result.components * vectors[:, :3].T, axis=1)) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(result.explained, values[:3] ** 2 / (values**2).sum(), rtol=1e-3)
    assert result.rgb.shape == (5, 6, 8, 3)
    assert 0 <= result.rgb.min() < result.rgb.max() <= 1


def test_colours_mean_the_same_in_every_frame():
    still = np.repeat(VIDEO[:, :1], 5, axis=1)
    rgb = pca_rgb(still).rgb
    assert (rgb == rgb[:1]).all()


def test_a_basis_is_used_again():
    first = pca_rgb(VIDEO)
    again = pca_rgb(VIDEO[:, :2], basis=first)
    np.testing.assert_allclose(again.rgb, first.rgb[:2], atol=1e-5)
    with pytest.raises(ValueError, match="basis is of 128 video channels, latents have 8 of audio"):
        pca_rgb(AUDIO, basis=first)
    with pytest.raises(ValueError, match="basis is a ndarray; give what pca_rgb returned"):
        pca_rgb(VIDEO, basis=first.components)


def test_constant_latents_are_grey():
    assert (pca_rgb(np.ones((8, 4, 16), np.float32)).rgb == 0.5).all()


def test_a_linear_decoder_is_found():
    rng = np.random.default_rng(0)
    latents = noise(128, 9, 6, 6)
    weights = rng.standard_normal((128, 3)) * 3
    colours = np.clip(np.einsum("cfhw,ck->fhwk", latents, weights) + 128, 0, 255)
    frames = np.repeat(colours, [1] + [8] * 8, axis=0).repeat(32, 1).repeat(32, 2).round().astype(np.uint8)
    result = preview_rgb(latents, frames)
    assert result.error < 5 < result.baseline / 4
    with pytest.raises(ValueError, match=r"frames are \[64, 192, 192\], but these latents decode to \[65, 192, 192\]"):
        preview_rgb(latents, frames[:-1])
    with pytest.raises(ValueError, match="which is audio; give video latents"):
        preview_rgb(AUDIO, frames)


def test_compression_counts_both_lanes():
    table = compression(ClipRequest("a ball", width=768, height=512, num_frames=121))
    video, audio = table.rows
    assert (video.tokens, video.latent_shape) == (6144, (128, 16, 16, 24))
    assert (audio.tokens, audio.latent_shape) == (126, (8, 126, 16))
    assert video.value_ratio == pytest.approx(121 * 512 * 768 * 3 / (128 * 6144))
    assert "6,144" in str(table)
    assert "<td>126</td>" in table._repr_html_()


def test_compression_of_no_request_is_refused():
    with pytest.raises(ValueError, match="request is a str; give a ClipRequest"):
        compression("a ball")


def test_edits_change_what_they_say():
    a, b = VIDEO, noise(*VIDEO.shape, seed=3)
    np.testing.assert_allclose(interpolate(a, b, 0.25), 0.75 * a + 0.25 * b, rtol=1e-5, atol=1e-6)
    a_new, b_new = swap(a, b, 1, 2)
    assert (a_new[:, 1:3] == b[:, 1:3]).all() and (b_new[:, 1:3] == a[:, 1:3]).all()
    assert (a_new[:, 3:] == a[:, 3:]).all() and (b_new[:, 0] == b[:, 0]).all()
    assert (zero_channel(a, 3)[3] == 0).all() and (zero_channel(a, 3)[4] == a[4]).all()
    later = shift_time(AUDIO, 3)
    assert (later[:, 3:] == AUDIO[:, :-3]).all() and (later[:, :3] == AUDIO[:, :1]).all()
    assert (shift_time(AUDIO, -3)[:, :-3] == AUDIO[:, 3:]).all()


def test_noise_is_added_as_flow_matching_does():
    assert (noise_to(VIDEO, 0) == VIDEO).all()
    half = noise_to(VIDEO, 0.5, seed=4)
    drawn = (half - 0.5 * VIDEO) / 0.5
    assert abs(drawn.std() - 1) < 0.02 and abs(np.corrcoef(drawn.ravel(), VIDEO.ravel())[0, 1]) < 0.03


def test_edits_refuse_what_is_not_there():
    with pytest.raises(ValueError, match="same lane and size"):
        interpolate(VIDEO, AUDIO, 0.5)
    with pytest.raises(ValueError, match="channel=128 is too large; the most is 127"):
        zero_channel(VIDEO, 128)
    with pytest.raises(ValueError, match="steps=5 is too large; the most is 4"):
        shift_time(VIDEO, 5)


def traced(*x0s, audio_x0s=None):
    trace = Trace()
    for index, x0 in enumerate(x0s):
        audio = AUDIO if audio_x0s is None else audio_x0s[index]
        tensors = [torch.from_numpy(value) for value in (x0, audio, x0, audio)]
        trace.record(StepEvent(index, len(x0s), 1, 1 - index / len(x0s), *tensors))
    return trace


def test_a_path_is_measured_in_its_final_size():
    final = np.ones((4, 3, 6, 6), np.float32)
    result = trajectory(traced(0 * final, 0.5 * final, final, final))
    np.testing.assert_allclose(result.video.travelled[1:], [0.5, 0.5, 0], atol=1e-3)
    np.testing.assert_allclose(result.video.remaining, [1, 0.5, 0, 0], atol=1e-3)
    assert result.video.settled == {"coarse": 2, "middle": None, "fine": None}
    assert result.audio.settled == dict.fromkeys(("coarse", "middle", "fine"), 0)
    np.testing.assert_allclose(result.sigmas, [1, 0.75, 0.5, 0.25])


def test_layout_settles_before_detail():
    coarse = np.ones((4, 3, 6, 6), np.float32)
    fine = np.broadcast_to((-1.0) ** np.arange(6, dtype=np.float32), (4, 3, 6, 6))
    result = trajectory(traced(coarse, coarse, coarse + fine))
    assert result.video.settled["coarse"] == 0
    assert result.video.settled["fine"] == 2
    np.testing.assert_allclose(result.video.band_energy[:, -1], [1, 0, 1], atol=1e-3)


def test_band_energies_add_up_to_the_mean_square():
    result = trajectory(traced(VIDEO, VIDEO))
    assert result.video.band_energy[:, 0].sum() == pytest.approx(np.square(VIDEO).mean(), rel=1e-2)
    assert result.audio.band_energy[:, 0].sum() == pytest.approx(np.square(AUDIO).mean(), rel=1e-2)


def test_a_path_needs_two_steps():
    with pytest.raises(ValueError, match="x0 of 1 steps of stage 1; a path needs at least 2"):
        trajectory(traced(VIDEO))
    with pytest.raises(ValueError, match="run with trace=True"):
        trajectory(None)


def test_psnr_and_ssim_are_those_of_scikit_image():
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    b = np.clip(a + rng.normal(0, 30, a.shape), 0, 255).astype(np.uint8)
    assert psnr_db(a, b)[0] == pytest.approx(peak_signal_noise_ratio(a[0], b[0]), abs=1e-4)
    luma = [(x[0] @ np.array([0.2126, 0.7152, 0.0722])).astype(np.float64) for x in (a, b)]
    wanted = structural_similarity(*luma, data_range=255, gaussian_weights=True, use_sample_covariance=False)
    assert ssim(a, b)[0] == pytest.approx(wanted, abs=1e-4)
    assert np.isinf(psnr_db(a, a)).all() and ssim(a, a) == pytest.approx(1)


def test_mel_distance_is_in_decibels():
    a = np.zeros((2, 3, 64))
    np.testing.assert_allclose(mel_distance_db(a, a + np.log(10)), 20)
