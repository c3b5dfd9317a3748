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


def theoretical_radius_px(vae, latents):
    """How far one latent can reach to its sides, from the kernels of every convolution that it passes through.

    Branches side by side are added up as if one followed the other, so this is a bound from above.
    """
    widths, hooks = [], []

    def note(module, inputs, output):
        widths.append((inputs[0].shape[-1], module.kernel_size[-1]))

    for module in vae.decoder.modules():
        if isinstance(module, torch.nn.Conv3d):
            hooks.append(module.register_forward_hook(note))
    with torch.no_grad():
        width_px = vae.decode(latents, None, return_dict=False)[0].shape[-1]
    for hook in hooks:
        hook.remove()
    # A convolution's input may be padded, to a little over the layer's own width, which is a power of 2.
    return sum((kernel // 2) * width_px / 2 ** int(np.log2(width)) for width, kernel in widths)


def test_a_cell_governs_its_surroundings_only(random_session):
    latents = np.random.default_rng(0).standard_normal((128, 1, 1, 32)).astype(np.float32)
    result = cell_footprint(random_session, latents, 0, 0, 16)
    touched = np.flatnonzero(result.change[0].max(0) > 0)
    reach = max(result.own_px[1] - touched[0], touched[-1] + 1 - result.own_px[3])
    bound = theoretical_radius_px(random_session.pipe.vae, torch.from_numpy(latents)[None])
    assert 0 < reach <= bound < 16 * 32
    assert result.own_px == (0, 512, 32, 544)
    assert result.own_s == (0, 1 / 24)
    assert 0 < result.own_share < 1


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


def test_decoding_gives_a_clip_that_remembers_its_latents(random_session):
    video = torch.zeros(128, 2, 1, 1)
    audio = torch.zeros(8, 9, 16)
    clip = decode(random_session, video, audio)
    assert clip.frames.shape == (9, 32, 32, 3) and clip.audio.shape == (2, 18_000)
    assert clip.latents is video and clip.audio_latents is audio
    with pytest.raises(ValueError, match="which is audio; give video latents"):
        decode_video(random_session, audio)
