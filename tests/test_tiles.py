"""Tiles: they cover an axis, their weights add up to one, none is too large, and few latents are coded twice."""

import itertools
from dataclasses import astuple

import numpy as np
import pytest

from ltx_nb.running.tiles import MAX_PX, OVERLAP, coded_latents, tile_shape, tiles_in_space, tiles_in_time, tiles_of
from ltx_nb.shapes import VideoLatentShape

SIZES = [(4, 4), (16, 24), (34, 60), (60, 34), (68, 120)]


def pixels(latent):
    return np.prod(astuple(latent.pixel))


@pytest.mark.parametrize("num_frames", [1, 3, 16, 61])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_tile_is_no_larger_than_it_may_be_and_whole_where_it_can_be(num_frames, height, width):
    latent = VideoLatentShape(num_frames, height, width)
    tile = tile_shape(latent)
    assert pixels(tile) <= MAX_PX
    assert all(size <= length for size, length in zip(astuple(tile), astuple(latent), strict=True))
    assert (tile == latent) == (pixels(latent) <= MAX_PX)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(("num_frames", "times"), [(1, 1), (7, 1.5), (16, 2), (61, 2.2)])
def test_latents_are_coded_about_twice_at_most(num_frames, times, height, width):
    latent = VideoLatentShape(num_frames, height, width)
    assert coded_latents(latent) <= times * latent.tokens


@pytest.mark.parametrize("lengths", [(16, 34, 60), (61, 22, 40), (5, 4, 4)])
def test_coded_latents_are_those_of_all_tiles(lengths):
    latent = VideoLatentShape(*lengths)
    tiles = itertools.product(*tiles_of(latent))
    coded = sum(np.prod([part.latents.stop - part.latents.start for part in tile]) for tile in tiles)
    assert coded == coded_latents(latent)


@pytest.mark.parametrize("length", range(1, 70))
def test_tiles_cover_an_axis_once_in_sum(length):
    for tiles_along in (tiles_in_space, tiles_in_time):
        size = 12
        tiles = tiles_along(length, size)
        pixels, latents = np.zeros(tiles[-1].pixels.stop), np.zeros(length)
        for tile in tiles:
            assert tile.latents.stop - tile.latents.start == min(size, length)
            pixels[tile.pixels] += tile.pixel_weights
            latents[tile.latents] += tile.latent_weights
        assert len(pixels) == (32 * length if tiles_along is tiles_in_space else 8 * (length - 1) + 1)
        assert np.allclose(pixels, 1) and np.allclose(latents, 1)
        assert all(one.latents.stop - other.latents.start >= OVERLAP for one, other in itertools.pairwise(tiles))


def test_the_latents_at_an_edge_inside_count_for_nothing():
    first, second = tiles_in_space(21, 12)
    assert first.latent_weights[-1] == second.latent_weights[0] == 0
    assert first.latent_weights[0] == second.latent_weights[-1] == 1
