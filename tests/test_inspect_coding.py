"""What latents decode to, and what a round trip loses, on random weights of the real classes."""

import numpy as np
import pytest
import torch

from ltx_nb import Clip
from ltx_nb.inspect import audio_cell_footprint, cell_footprint, decode, round_trip
from ltx_nb.inspect.coding import decode_video
from ltx_nb.tiny.world import Scene


@pytest.fixture(scope="module")
def scene_clip():
    scene = Scene(width=64, height=64, num_frames=9)
    return Clip(frames=scene.frames(), audio=scene.audio(), frame_rate=24.0, sample_rate=48_000)


def theoretical_reach(vae, latents, axis):
    """How far one latent can reach along an axis (-3 frames, -2 and -1 px), by every convolution that it passes.

    Branches side by side are added up as if one followed the other, so this is a bound from above.
    """
    layers, hooks = [], []

    def note(module, inputs, output):
        layers.append((inputs[0].shape[axis], module.kernel_size[axis]))

    for module in vae.decoder.modules():
        if isinstance(module, torch.nn.Conv3d):
            hooks.append(module.register_forward_hook(note))
    with torch.no_grad():
        length = vae.decode(latents, None, return_dict=False)[0].shape[axis]
    for hook in hooks:
        hook.remove()
    # Every layer works at a power of 2 of the output's scale; some inputs are padded by a little.
    return sum((kernel // 2) * 2 ** round(np.log2(length / size)) for size, kernel in layers)


@pytest.mark.parametrize(
    ("axis", "shape", "place"),
    [(-1, (1, 1, 32), (0, 0, 16)), (-2, (1, 32, 1), (0, 16, 0)), (-3, (33, 1, 1), (16, 0, 0))],
    ids=["across", "down", "in time"],
)
def test_a_cell_governs_its_surroundings_only(random_session, axis, shape, place):
    latents = np.random.default_rng(0).standard_normal((128, *shape)).astype(np.float32)
    result = cell_footprint(random_session, latents, *place)
    others = tuple({-3, -2, -1} - {axis})
    touched = np.flatnonzero(result.change.max(others) > 0)
    top, left, bottom, right = result.own_px
    own = {-1: (left, right), -2: (top, bottom), -3: [round(24 * time_s) for time_s in result.own_s]}[axis]
    reach = max(own[0] - touched[0], touched[-1] + 1 - own[1])
    bound = theoretical_reach(random_session.pipe.vae, torch.from_numpy(latents)[None], axis)
    assert 0 < reach <= bound < own[0]
    assert 0 < result.own_share < 1


def test_a_cell_knows_its_own_place(random_session):
    result = cell_footprint(random_session, np.zeros((128, 2, 2, 3), np.float32), 1, 1, 2)
    assert result.own_px == (32, 64, 64, 96)
    assert result.own_s == (1 / 24, 9 / 24)
    assert result.change.shape == (9, 64, 96)


def test_latents_of_the_other_lane_are_refused(random_session):
    with pytest.raises(ValueError, match=r"which is audio; give video latents, \[C, F, H, W\]"):
        cell_footprint(random_session, np.zeros((8, 4, 16), np.float32), 0, 0, 0)
    with pytest.raises(ValueError, match=r"which is video; give audio latents, \[C, L, M\]"):
        audio_cell_footprint(random_session, np.zeros((128, 1, 4, 4), np.float32), 0)


def test_a_cell_that_is_not_there_is_refused(random_session):
    with pytest.raises(ValueError, match="x=4 is too large; the most is 3"):
        cell_footprint(random_session, np.zeros((128, 1, 4, 4), np.float32), 0, 0, 4)


def test_an_audio_latent_is_heard_around_its_time(random_session):
    latents = np.random.default_rng(0).standard_normal((8, 20, 16)).astype(np.float32)
    result = audio_cell_footprint(random_session, latents, 10)
    assert result.own_s == (0.37, 0.41)
    assert result.mel_change_db.shape == (77, 64)
    assert (result.mel_change_db[:37] == 0).all(), "the audio decoder is causal: nothing changes before"
    assert result.mel_change_db[37:41].max() > 0


def test_a_round_trip_compares_both_lanes(random_session, scene_clip):
    result = round_trip(random_session, scene_clip)
    assert result.psnr_db.shape == result.ssim.shape == (9,)
    assert result.mel.shape == result.mel_back.shape and result.mel_distance_db.shape == (33,)
    worst = result.worst_places[0]
    place = (slice(worst.y_px, worst.y_px + 32), slice(worst.x_px, worst.x_px + 32))
    error = np.square(scene_clip.frames[worst.frame][place].astype(float) - result.back.frames[worst.frame][place])
    assert worst.psnr_db == pytest.approx(10 * np.log10(255**2 / error.mean()), abs=0.01)
    assert len(result.worst_places) == 2, "one for each latent frame"
    assert result.back.audio.shape == scene_clip.audio.shape


def test_a_round_trip_of_one_lane(random_session, scene_clip):
    sound = Clip(audio=scene_clip.audio, sample_rate=48_000)
    result = round_trip(random_session, sound)
    assert result.psnr_db is None and result.worst_places == () and len(result.mel_distance_db) > 0
    picture = Clip(frames=scene_clip.frames[:1], frame_rate=24.0)
    assert round_trip(random_session, picture).mel is None


def test_a_clip_that_the_vae_does_not_take_is_refused(random_session, scene_clip):
    with pytest.raises(ValueError, match=r"num_frames=8 is not 8k \+ 1"):
        round_trip(random_session, Clip(frames=scene_clip.frames[:8], frame_rate=24.0))


def test_the_shortest_clip_makes_a_round_trip(random_session, scene_clip):
    one = Clip(frames=scene_clip.frames[:1], audio=scene_clip.audio[:, :2000], frame_rate=24.0, sample_rate=48_000)
    result = round_trip(random_session, one)
    assert result.psnr_db.shape == (1,) and result.mel_distance_db.shape == (1,)
    with pytest.raises(ValueError, match=r"clip is a str; give a Clip, such as session.run"):
        round_trip(random_session, "clip.mp4")


def test_latents_of_another_model_are_refused(random_session):
    with pytest.raises(ValueError, match="latents have 16 channels; this model's have 128"):
        decode(random_session, np.zeros((16, 2, 2, 2), np.float32))
    with pytest.raises(ValueError, match=r"\[8, 5, 8\]; this model's have 8 channels and 16 rows"):
        decode(random_session, audio_latents=np.zeros((8, 5, 8), np.float32))


def test_a_frame_rate_that_is_none_is_said(random_session):
    latents = np.zeros((128, 2, 1, 1), np.float32)
    with pytest.raises(ValueError, match=r"frame_rate=0\.0 is too small"):
        decode(random_session, latents, frame_rate=0)
    with pytest.raises(ValueError, match=r"frame_rate=0\.0 is too small"):
        cell_footprint(random_session, latents, 0, 0, 0, frame_rate=0)


def test_decoding_is_the_sessions_own(random_session):
    made = random_session.text_to_video("a red ball", width=64, height=32, num_frames=9, progress=False)
    again = decode(random_session, made.latents, made.audio_latents)
    assert np.array_equal(again.frames, made.frames) and np.array_equal(again.audio, made.audio)


def test_decoding_gives_a_clip_that_remembers_its_latents(random_session):
    video = torch.zeros(128, 2, 1, 1)
    audio = torch.zeros(8, 9, 16)
    clip = decode(random_session, video, audio)
    assert clip.frames.shape == (9, 32, 32, 3) and clip.audio.shape == (2, 18_000)
    assert clip.latents is video and clip.audio_latents is audio
    with pytest.raises(ValueError, match="which is audio; give video latents"):
        decode_video(random_session, audio)
