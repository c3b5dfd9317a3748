"""Decoding in tiles: exact where one tile is enough, close to untiled where not, in order and bounded by a tile."""

import itertools

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTX2Video

import ltx_nb
from ltx_nb import ClipRequest, Sampling
from ltx_nb.models import TINY
from ltx_nb.pipeline import decode
from ltx_nb.pipeline.decode import OVERLAP, TILE_LATENTS, decoded_frames, tile_shape, tiles_in_space, tiles_in_time
from ltx_nb.tiny.world import Scene


@pytest.fixture(scope="module")
def vae():
    return AutoencoderKLLTX2Video.from_pretrained(TINY.weights, subfolder="vae").eval().requires_grad_(False)


def smooth_latents(vae, num_frames, height, width, seed=0):
    """Normal noise that changes over three latents on every axis, on the VAE's own scale."""
    coarse = [-(-length // 3) + 1 for length in (num_frames, height, width)]
    noise = torch.randn(1, 128, *coarse, generator=torch.Generator().manual_seed(seed))
    latents = torch.nn.functional.interpolate(noise, (num_frames, height, width), mode="trilinear", align_corners=True)
    return latents * vae.latents_std.view(1, -1, 1, 1, 1) + vae.latents_mean.view(1, -1, 1, 1, 1)


def clip_latents(vae, **scene):
    frames = torch.from_numpy(np.ascontiguousarray(Scene(**scene).frames()))
    return vae.encode(frames.permute(3, 0, 1, 2)[None].float() / 127.5 - 1).latent_dist.mode()


def untiled(vae, latents):
    decoded = vae.decode(latents, return_dict=False)[0][0].permute(1, 2, 3, 0)
    return ((decoded * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def psnr_db(found, expected):
    error = np.square(found.astype(float) - expected).mean()
    return 20 * np.log10(255) - 10 * np.log10(error)


@torch.no_grad()
def test_what_fits_into_a_tile_is_decoded_as_diffusers_does(vae):
    latents = smooth_latents(vae, 4, 3, 2)
    (frames,) = decoded_frames(vae, latents)
    assert frames.dtype == np.uint8 and frames.shape == (25, 96, 64, 3)
    assert np.array_equal(frames, untiled(vae, latents))


@torch.no_grad()
@pytest.mark.parametrize(
    ("shape", "tile"),
    [((1, 21, 2), (1, 12, 2)), ((25, 1, 2), (14, 1, 2)), ((23, 21, 1), (14, 12, 1))],
    ids=["space", "time", "both"],
)
def test_tiled_is_untiled(vae, monkeypatch, shape, tile):
    monkeypatch.setattr(decode, "tile_shape", lambda *_: tile)
    latents = smooth_latents(vae, *shape)
    assert psnr_db(np.concatenate(list(decoded_frames(vae, latents))), untiled(vae, latents)) >= 45


@torch.no_grad()
def test_tiled_is_untiled_on_a_clip(vae, monkeypatch):
    monkeypatch.setattr(decode, "tile_shape", lambda *_: (14, 2, 2))
    latents = clip_latents(vae, width=64, height=64, num_frames=121)
    assert psnr_db(np.concatenate(list(decoded_frames(vae, latents))), untiled(vae, latents)) >= 45


@torch.no_grad()
def test_ranges_come_in_order_as_soon_as_they_are_finished(vae, monkeypatch):
    monkeypatch.setattr(decode, "tile_shape", lambda *_: (5, 1, 1))
    latents, decoded = smooth_latents(vae, 9, 1, 1), []
    ranges = decoded_frames(vae, latents, lambda: decoded.append(1))
    lengths = []
    for number, frames in enumerate(ranges, start=1):
        lengths.append(len(frames))
        assert len(decoded) == number
    assert len(lengths) == 3 and sum(lengths) == 8 * 8 + 1


@torch.no_grad()
def test_what_is_raised_before_a_tile_ends_the_decoding(vae):
    def cancel():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(decoded_frames(vae, smooth_latents(vae, 1, 1, 1), cancel))


@pytest.mark.parametrize("num_frames", [1, 3, 16, 61])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (16, 24), (34, 60), (60, 34), (68, 120)])
def test_no_tile_is_larger_than_it_may_be_and_none_is_small_without_need(num_frames, height, width):
    shape = tile_shape(num_frames, height, width)
    assert np.prod(shape) <= TILE_LATENTS
    assert all(size <= length for size, length in zip(shape, (num_frames, height, width), strict=True))
    assert shape == (num_frames, height, width) or np.prod(shape) > TILE_LATENTS * 0.7


@pytest.mark.parametrize("length", range(1, 70))
def test_tiles_cover_an_axis_once_in_sum(length):
    for tiles_along in (tiles_in_space, tiles_in_time):
        size = 12
        tiles = tiles_along(length, size)
        total = np.zeros(tiles[-1].place.stop)
        for tile in tiles:
            assert tile.latents.stop - tile.latents.start == min(size, length)
            total[tile.place] += tile.weights.numpy()
        assert len(total) == (32 * length if tiles_along is tiles_in_space else 8 * (length - 1) + 1)
        assert np.allclose(total, 1)
        assert all(one.latents.stop - next_one.latents.start >= OVERLAP for one, next_one in itertools.pairwise(tiles))


@torch.no_grad()
def test_a_session_decodes_what_it_denoised(random_session):
    request = ClipRequest(
        "A red ball bounces.", width=64, height=96, num_frames=17, sampling=Sampling(num_inference_steps=1)
    )
    clip = random_session.run(request, progress=False)
    vae = random_session.pipe.vae
    mean, std = (value.view(1, -1, 1, 1, 1) for value in (vae.latents_mean, vae.latents_std))
    assert np.array_equal(clip.frames, untiled(vae, clip.latents[None] * std + mean))


def test_sound_is_decoded_in_float32_whatever_the_rest_is_in():
    pipe = ltx_nb.load("tiny", dtype=torch.bfloat16).pipe
    assert pipe.vae.dtype == pipe.transformer.dtype == torch.bfloat16
    assert pipe.vocoder.dtype == pipe.audio_vae.dtype == torch.float32
