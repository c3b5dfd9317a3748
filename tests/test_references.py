"""References: what a request may look at, how that is read and placed, and IC-LoRAs that ask for it."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ltx_nb as ltx
from ltx_nb import Clip, ClipRequest, Reference, ReferenceSound, Sampling, Source
from ltx_nb.catalogue.models import TINY
from ltx_nb.media import Media
from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.conditions import conditions_of
from ltx_nb.pipeline.coords import reference_coords, reference_sound_coords
from ltx_nb.stages import Stage, stages_of

PROMPT = "A red ball bounces."
SIZE = {"width": 64, "height": 64, "num_frames": 17}
SHORT = SIZE | {"sampling": Sampling(num_inference_steps=2), "progress": False}


def video(num_frames=17, rate=24.0, seed=0, side_px=64):
    frames = np.random.default_rng(seed).integers(0, 256, (num_frames, side_px, side_px, 3), dtype=np.uint8)
    return Media(frames=frames, frame_rate=rate)


def still(seed=0):
    return Source.from_media(Media(frames=video(1, seed=seed).frames))


def test_a_request_with_references_survives_json():
    reference = Reference(Source.from_media(video()), num_frames=9, source_start_s=0.1, strength=0.7, fit="pad")
    request = ClipRequest(PROMPT, **SIZE, references=(reference, Reference(still())), reference_downscale_factor=2)
    again = ClipRequest.from_json(request.to_json())
    assert again.to_dict() == request.to_dict()
    assert [it.num_frames for it in again.references] == [9, 1]
    assert again.reference_downscale_factor == 2


def test_a_request_of_before_references_is_read():
    values = ClipRequest(PROMPT).to_dict()
    del values["references"], values["reference_downscale_factor"]
    assert ClipRequest.from_dict(values) == ClipRequest(PROMPT)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_frames": 10}, r"num_frames=10 of a reference is not 8k \+ 1; nearest: 9, 17"),
        ({"strength": 2}, "strength=2"),
        ({"fit": "squeeze"}, "fit='squeeze'"),
        ({"source": "a.mp4"}, r"source is a str; make one with Source.from_path\(file\)"),
    ],
)
def test_what_is_no_reference_says_what_would_be(wrong, message):
    with pytest.raises(ValueError, match=message):
        Reference(**{"source": still()} | wrong)


def test_a_reference_is_no_longer_than_the_clip():
    with pytest.raises(
        ValueError, match=r"references\[0\] has 25 frames and the clip 17; nearest: num_frames=17 of it"
    ):
        ClipRequest(PROMPT, **SIZE, references=(Reference(Source.from_media(video(25)), num_frames=25),))


def test_sides_are_multiples_of_the_smaller_reference_too():
    with pytest.raises(ValueError, match=r"width=96 is no multiple of 64, which references at a .* nearest: 64, 128"):
        ClipRequest(
            PROMPT,
            width=96,
            height=64,
            num_frames=17,
            references=(Reference(still()),),
            reference_downscale_factor=2,
        )


def test_verbs_take_what_they_take_as_pictures():
    wanted = [video(20), (video(33), 0.5), video(1).frames[0], Reference(still(), strength=0.25)]
    request = tasks.text_to_video(TINY, PROMPT, **SIZE, references=wanted)
    found = [(it.num_frames, it.strength) for it in request.references]
    assert found == [(17, 1.0), (17, 0.5), (1, 1.0), (1, 0.25)]


def test_a_reference_at_another_rate_is_as_long_in_seconds():
    (reference,) = tasks.text_to_video(TINY, PROMPT, **SIZE, references=[video(6, rate=12.0)]).references
    assert reference.num_frames == 9  # 0.5 s, 12 frames at 24/s


def test_what_begins_with_fewer_frames_takes_no_reference():
    source = Reference(still())
    with pytest.raises(ValueError, match="references are of the clip's frames, and upscaler='temporal-x2' begins"):
        ClipRequest("", num_frames=33, two_stage=True, upscaler="temporal-x2", references=(source,))


def test_one_path_is_no_list():
    with pytest.raises(ValueError, match=r"references is a str; give a list: references=\[video\]"):
        tasks.text_to_video(TINY, PROMPT, references="depth.mp4")


def test_frames_are_read_from_their_moment_and_made_smaller():
    source = video(33, side_px=32)
    reference = Reference(Source.from_media(source), num_frames=9, source_start_s=8 / 24, strength=0.5)
    request = ClipRequest(PROMPT, **SIZE, references=(reference,), reference_downscale_factor=2)
    ((frames, strength),) = conditions_of(request, 48_000, image_crf=0).references
    assert strength == 0.5
    assert np.array_equal(frames, source.frames[8:17])


def test_a_reference_that_ends_early_says_how_much_there_is():
    request = ClipRequest(PROMPT, **SIZE, references=(Reference(Source.from_media(video(12)), num_frames=17),))
    with pytest.raises(
        ValueError, match=r"of 17 frames takes 0\.708333 s of a source that lasts 0\.5 s; .*num_frames=9"
    ):
        conditions_of(request, 48_000, image_crf=0)


@pytest.mark.parametrize("factor", [1, 2])
def test_places_of_a_smaller_reference_are_stretched_over_the_clip(session, factor):
    rope = session.pipe.transformer.rope
    theirs = rope.prepare_video_coords(1, 3, 4 // factor, 6 // factor, torch.device("cpu"), fps=24.0)
    theirs[:, 1:] *= factor
    assert torch.equal(reference_coords((3, 4 // factor, 6 // factor), 24.0, factor), theirs)


def test_a_stage_counts_the_tokens_of_references():
    (plain,) = stages_of(TINY, ClipRequest(PROMPT, **SIZE))
    request = ClipRequest(PROMPT, **SIZE, references=(Reference(still()), Reference(still(1))))
    (stage,) = stages_of(TINY, request)
    assert isinstance(stage, Stage) and stage.tokens == plain.tokens + 2 * 4
    assert stage.has_a_timestep_per_token


def test_the_clip_is_as_large_as_without_and_another_one(session):
    plain = session.text_to_video(PROMPT, **SHORT)
    steered = session.text_to_video(PROMPT, references=[video()], **SHORT)
    assert steered.frames.shape == plain.frames.shape and steered.audio.shape == plain.audio.shape
    assert not np.array_equal(steered.frames, plain.frames)
    assert steered.request.reference_downscale_factor == 1


def test_a_reference_of_no_strength_is_noise(session):
    """Its tokens are there, and nothing of what it shows."""
    one, other = (
        session.text_to_video(PROMPT, references=[(video(seed=seed), 0.0)], **SHORT).frames for seed in (1, 2)
    )
    assert np.array_equal(one, other)


def test_two_stages_look_at_it_in_both(session):
    request = tasks.text_to_video(
        TINY, PROMPT, references=[video(side_px=128)], **SIZE | {"width": 128, "height": 128, "two_stage": True}
    )
    first, second = stages_of(TINY, request)
    assert first.pictures[0].height == 64 and second.pictures[0].height == 128


@pytest.fixture(scope="module")
def ic_session(session, tmp_path_factory):
    """The tiny model with an IC-LoRA that changes nothing but is one by its metadata."""
    path = tmp_path_factory.mktemp("ic") / "ic.safetensors"
    layer = session.pipe.transformer.transformer_blocks[0].attn1.to_q
    down, up = torch.zeros(2, layer.in_features), torch.zeros(layer.out_features, 2)
    name = "diffusion_model.transformer_blocks.0.attn1.to_q"
    tensors = {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    save_file(tensors, path, {"reference_downscale_factor": "2"})
    return ltx.load("tiny", loras=[path])


def test_an_ic_lora_asks_for_its_reference(ic_session):
    with pytest.raises(ValueError, match=r"has an IC-LoRA, which follows a reference .*; give references=\[video\]"):
        ic_session.text_to_video(PROMPT, **SHORT)


def test_an_ic_lora_says_how_large_its_reference_is(ic_session, session):
    clip = ic_session.text_to_video(PROMPT, references=[video()], **SHORT)
    assert clip.request.reference_downscale_factor == 2
    # The clip's request alone makes it again, on a session that knows nothing of the IC-LoRA.
    alone = clip.request.replace(loras=())
    assert np.array_equal(session.run(alone, progress=False).frames, clip.frames)


def test_another_scale_than_an_ic_lora_s_is_refused(ic_session):
    with pytest.raises(ValueError, match="reference_downscale_factor=1 is not the 2 that this session's IC-LoRA"):
        ic_session.text_to_video(PROMPT, references=[video()], reference_downscale_factor=1, **SHORT)


def test_a_picture_is_held_as_long_as_it_is_asked_for():
    request = ClipRequest(PROMPT, **SIZE, references=(Reference(still(3), num_frames=9),))
    ((frames, _),) = conditions_of(request, 48_000, image_crf=0).references
    assert frames.shape == (9, 64, 64, 3) and (frames == video(1, seed=3).frames).all()


def sound(seconds=0.7, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (2, round(seconds * 48_000))).astype(np.float32)


def of_sound(**changes):
    return Source.from_media(Media(audio=sound(**changes), sample_rate=48_000))


def test_a_sound_is_a_reference_by_its_file_or_where_it_is_asked_for(tmp_path):
    voice = Clip(audio=sound(), sample_rate=48_000).save(tmp_path / "voice.wav")
    talk = Clip(frames=video(9).frames, frame_rate=24.0, audio=sound(0.3), sample_rate=48_000)
    wanted = [voice, (talk, 1.0), (talk, 0.5, "audio"), ReferenceSound(of_sound(), 0.2)]
    request = tasks.text_to_video(TINY, PROMPT, **SIZE, references=wanted)
    assert [it.num_frames for it in request.references] == [9]
    heard = [(round(it.duration_s, 3), it.strength) for it in request.reference_sounds]
    assert heard == [(0.7, 1.0), (0.3, 0.5), (0.2, 1.0)]
    assert ClipRequest.from_json(request.to_json()).to_dict() == request.to_dict()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"duration_s": 0.01}, r"duration_s=0.01 of a reference sound is less than an audio latent; nearest: 0.04"),
        ({"duration_s": 21}, "duration_s=21.* is too large; the most is 20"),
        ({"source": still()}, "a reference sound is given a source that has picture and no sound"),
    ],
)
def test_what_is_no_reference_sound_says_what_would_be(wrong, message):
    with pytest.raises(ValueError, match=message):
        ReferenceSound(**{"source": of_sound(), "duration_s": 0.5} | wrong)


def test_a_reference_sound_stands_a_latent_before_the_clip(random_session):
    """`patchify_dubit_audio_reference_latent` of the LTX-2 reference: its own times, less its length and 40 ms."""
    rope = random_session.pipe.transformer.audio_rope
    own = rope.prepare_audio_coords(1, 18, torch.device("cpu"))
    torch.testing.assert_close(reference_sound_coords(18), own - own[..., -1, 1].max() - 0.04)


def test_a_reference_sound_is_listened_to_and_taken_away(random_session):
    def made(*sounds, **options):
        request = ClipRequest(PROMPT, **SIZE, reference_sounds=sounds, sampling=Sampling(num_inference_steps=2))
        return random_session.run(request, progress=False, **options)

    seen = []
    none, one = made(), made(ReferenceSound(of_sound(), 0.7), on_step=lambda event: seen.append(event.audio_x0.shape))
    other, noised = made(ReferenceSound(of_sound(seed=1), 0.7)), made(ReferenceSound(of_sound(), 0.7, strength=0))
    assert one.audio_latents.shape == none.audio_latents.shape and seen == [tuple(none.audio_latents.shape)] * 2
    different = [clip.audio_latents.numpy().tobytes() for clip in (none, one, other, noised)]
    assert len(set(different)) == 4
    (stage,), (plain,) = (stages_of(random_session.model, clip.request) for clip in (one, none))
    assert stage.tokens - plain.tokens == 18 and stage.sounds - plain.sounds == 1


def test_a_reference_sound_that_ends_early_says_how_long_it_is():
    request = ClipRequest(PROMPT, **SIZE, reference_sounds=(ReferenceSound(of_sound(), 0.7, source_start_s=0.2),))
    with pytest.raises(ValueError, match=r"takes 0.9 s of a source that lasts 0.7 s; give duration_s=0.5"):
        conditions_of(request, 48_000, image_crf=0)
