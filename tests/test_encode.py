"""Encoding in tiles: exact where one tile is enough, and close to untiled where not, seen through the decoder."""

import numpy as np
import pytest
import torch

from ltx_nb.pipeline.encode import encode_video, video_statistics
from ltx_nb.running import tiles
from ltx_nb.shapes import VideoLatentShape
from ltx_nb.tiny.world import Scene


def clip(**scene):
    return torch.from_numpy(np.ascontiguousarray(Scene(**scene).frames()))


def encoded_by_diffusers(pipe, frames):
    latents = pipe.vae.encode(frames.permute(3, 0, 1, 2)[None].float() / 127.5 - 1).latent_dist.mode()
    mean, std = video_statistics(pipe, latents)
    return (latents - mean) / std


def decoded(pipe, latents):
    mean, std = video_statistics(pipe, latents)
    return pipe.vae.decode(latents * std + mean, return_dict=False)[0].clamp(-1, 1)


def psnr_db(found, expected):
    return 20 * np.log10(2) - 10 * np.log10(float((found - expected).square().mean()))


@torch.no_grad()
def test_what_fits_into_a_tile_is_encoded_as_diffusers_does(session):
    frames = clip(width=96, height=64, num_frames=17)
    latents = encode_video(session.pipe, frames)
    assert latents.shape == (1, 128, 3, 2, 3)
    assert torch.equal(latents, encoded_by_diffusers(session.pipe, frames))


@torch.no_grad()
@pytest.mark.parametrize(
    ("size", "tile"),
    [((320, 64, 9), (2, 2, 7)), ((64, 64, 121), (7, 2, 2)), ((320, 64, 121), (7, 2, 7))],
    ids=["space", "time", "both"],
)
def test_tiled_decodes_to_what_untiled_does(session, monkeypatch, size, tile):
    frames = clip(width=size[0], height=size[1], num_frames=size[2])
    untiled = encode_video(session.pipe, frames)
    monkeypatch.setattr(tiles, "tile_shape", lambda _: VideoLatentShape(*tile))
    tiled = encode_video(session.pipe, frames)
    assert not torch.equal(tiled, untiled)
    assert psnr_db(decoded(session.pipe, tiled), decoded(session.pipe, untiled)) >= 45


@torch.no_grad()
def test_what_is_raised_before_a_tile_ends_the_encoding(session):
    def cancel():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_video(session.pipe, clip(width=64, height=64, num_frames=9), cancel)
