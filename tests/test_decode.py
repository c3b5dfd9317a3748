"""Decoding in tiles: exact where one tile is enough, close to untiled where not, in order and bounded by a tile."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTX2Video

import ltx_nb
from ltx_nb import ClipRequest, Sampling
from ltx_nb.catalogue.models import TINY
from ltx_nb.pipeline.decode import decoded_frames
from ltx_nb.running import tiles
from ltx_nb.shapes import VideoLatentShape
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
    monkeypatch.setattr(tiles, "tile_shape", lambda _: VideoLatentShape(*tile))
    latents = smooth_latents(vae, *shape)
    assert psnr_db(np.concatenate(list(decoded_frames(vae, latents))), untiled(vae, latents)) >= 45


@torch.no_grad()
def test_tiled_is_untiled_on_a_clip(vae, monkeypatch):
    monkeypatch.setattr(tiles, "tile_shape", lambda _: VideoLatentShape(14, 2, 2))
    latents = clip_latents(vae, width=64, height=64, num_frames=121)
    assert psnr_db(np.concatenate(list(decoded_frames(vae, latents))), untiled(vae, latents)) >= 45


@torch.no_grad()
def test_ranges_come_in_order_as_soon_as_they_are_finished(vae, monkeypatch):
    monkeypatch.setattr(tiles, "tile_shape", lambda _: VideoLatentShape(5, 1, 1))
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
