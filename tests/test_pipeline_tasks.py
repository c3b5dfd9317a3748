"""Tasks as requests, what is given put back exactly, conversions, and bad input."""

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given as with_cases
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from ltx_nb import media, shapes
from ltx_nb.catalogue.models import DEV, TINY
from ltx_nb.clip import Clip
from ltx_nb.media import Media
from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.compose import BLEND_FRAMES, put_back_frames, put_back_samples
from ltx_nb.pipeline.conditions import conditions_of
from ltx_nb.pipeline.session import Session
from ltx_nb.request import ClipRequest, Given, Sampling, Source
from ltx_nb.stages import first_stage_as_given, stages_of

PROMPT = "A red ball bounces."
RATE = 48_000
OPTIONS = {"sampling": Sampling(num_inference_steps=1), "progress": False}


def noise_clip(num_frames=33, frame_rate=24.0, width=64, height=64, sample_rate=RATE, request=True):
    rng = np.random.default_rng(num_frames)
    samples = round(num_frames / frame_rate * sample_rate)
    return Clip(
        frames=rng.integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8),
        audio=rng.uniform(-0.9, 0.9, (2, samples)).astype(np.float32),
        frame_rate=frame_rate,
        sample_rate=sample_rate,
        request=ClipRequest(PROMPT, width=64, height=64, num_frames=33) if request else None,
    )


@pytest.fixture(scope="module")
def clip():
    return noise_clip()


def frames_of(spans, origin, rate=24.0):
    """Indices of the frames, or samples, of one origin."""
    chosen = [range(round(start * rate), round(end * rate)) for start, end, kind in spans if kind == origin]
    return np.concatenate([np.arange(0), *chosen]).astype(int)


def spans_cover(spans, duration_s):
    assert spans[0][0] == 0 and spans[-1][1] == pytest.approx(duration_s)
    assert all(before[1] == after[0] for before, after in pairwise(spans))


def assert_sources_are_exact(result, source, frame_shift=0):
    sample_shift = round(frame_shift / 24 * RATE)
    spans_cover(result.provenance["video"], result.duration_s)
    spans_cover(result.provenance["audio"], result.duration_s)
    frames = frames_of(result.provenance["video"], "source")
    samples = frames_of(result.provenance["audio"], "source", RATE)
    assert len(frames) and len(samples)
    assert np.array_equal(result.frames[frames], source.frames[frames - frame_shift])
    assert np.array_equal(result.audio[:, samples], source.audio[:, samples - sample_shift])


def test_extension_after_keeps_the_source_exactly(random_session, clip):
    longer = random_session.extend(clip, 0.3, **OPTIONS)
    assert longer.num_frames == 41
    assert_sources_are_exact(longer, clip)
    assert frames_of(longer.provenance["video"], "source").tolist() == list(range(33))
    assert frames_of(longer.provenance["video"], "blended").tolist() == [33 + n for n in range(BLEND_FRAMES)]
    assert frames_of(longer.provenance["audio"], "source", RATE).tolist() == list(range(clip.audio.shape[1]))


def test_what_is_said_of_an_overlap_is_made_anew(random_session, clip):
    longer = random_session.extend(clip, 0.3, overlap_s=0.5, **OPTIONS)
    assert_sources_are_exact(longer, clip)
    # 33 frames less 0.5 s.
    assert frames_of(longer.provenance["video"], "source").tolist() == list(range(21))


@pytest.mark.parametrize("direction", ["after", "before"])
def test_a_source_that_fills_no_whole_latents_comes_back_exactly(random_session, direction):
    source = noise_clip(num_frames=29)
    longer = random_session.extend(source, 0.5, direction, **OPTIONS)
    assert longer.num_frames == 41
    frames, samples = slice(29), slice(source.audio.shape[1])
    if direction == "before":
        frames, samples = slice(-29, None), slice(-source.audio.shape[1], None)
    assert np.array_equal(longer.frames[frames], source.frames)
    assert np.array_equal(longer.audio[:, samples], source.audio)


def test_extension_before_keeps_the_source_exactly(random_session, clip):
    longer = random_session.extend(clip, 0.3, "before", **OPTIONS)
    assert_sources_are_exact(longer, clip, frame_shift=8)
    assert frames_of(longer.provenance["video"], "source").tolist() == list(range(8, 41))
    assert len(frames_of(longer.provenance["audio"], "source", RATE)) == clip.audio.shape[1]


def test_retake_changes_only_what_is_asked_for(random_session, clip):
    again = random_session.retake(clip, 0.5, 0.8, **OPTIONS)
    assert_sources_are_exact(again, clip)
    # [0.5, 0.8) s meets frames 12 to 19, of the latents of frames 9 to 16 and 17 to 24, which are generated whole.
    assert again.request.video_mask().reshape(5, -1).any(1).tolist() == [False, False, True, True, False]
    assert frames_of(again.provenance["video"], "source").tolist() == [*range(12), *range(20, 33)]
    generated = frames_of(again.provenance["video"], "generated").tolist()
    assert generated == list(range(12 + BLEND_FRAMES, 20 - BLEND_FRAMES))


def test_retake_of_the_sound_leaves_every_frame(random_session, clip):
    again = random_session.retake(clip, 0.5, 0.8, video=False, **OPTIONS)
    assert np.array_equal(again.frames, clip.frames)
    assert_sources_are_exact(again, clip)


def test_audio_to_video_carries_the_waveform(random_session, clip):
    made = random_session.audio_to_video(PROMPT, clip.audio, RATE, width=64, height=64, **OPTIONS)
    assert np.array_equal(made.audio, clip.audio)
    assert made.provenance == {
        "video": ((0.0, made.duration_s, "generated"),),
        "audio": ((0.0, made.duration_s, "source"),),
    }


def test_sounds_that_meet_lose_no_sample_between_them(random_session):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 34_000)).astype(np.float32)
    begun = random_session.audio_to_video(PROMPT, sound[:, :18_000], RATE, num_frames=9, width=64, height=64, **OPTIONS)
    longer = random_session.extend(begun, 1 / 3, audio=sound[:, 18_000:], sample_rate=RATE, **OPTIONS)
    assert np.array_equal(longer.audio, sound)


def test_foley_keeps_every_frame(random_session, clip):
    made = random_session.video_to_audio(clip.frames, PROMPT, **OPTIONS)
    assert np.array_equal(made.frames, clip.frames)
    assert made.provenance["audio"] == ((0.0, made.duration_s, "generated"),)


def test_audio_only_has_no_frames(random_session):
    made = random_session.audio_only(PROMPT, seconds=0.4, width=64, height=64, **OPTIONS)
    assert made.frames is None and made.audio.shape[1] == round(9 / 24 * RATE)


def test_sound_alone_is_made_without_a_picture_by_a_model_that_can(random_session):
    calls = []
    block = random_session.pipe.transformer.transformer_blocks[0]
    heard = block.video_to_audio_attn.register_forward_hook(lambda *_: calls.append("heard"))
    seen = block.attn1.register_forward_hook(lambda _, __, out: calls.append(out.shape[1]))
    able = Session(random_session.pipe, replace(TINY, makes_sound_alone=True))
    try:
        made = able.audio_only(PROMPT, seconds=0.4, width=64, height=64, **OPTIONS)
    finally:
        heard.remove()
        seen.remove()
    assert made.frames is None and made.audio.shape[1] == round(9 / 24 * RATE)
    assert set(calls) == {2}  # a token for each of two latent frames, and none of them heard


def test_sound_alone_is_guided_by_words_and_by_its_own_attention():
    (stage,) = stages_of(DEV, tasks.audio_only(DEV, PROMPT, two_stage=True, size="1080p"))
    assert stage.passes == ("pred_cond", "pred_uncond", "pred_cond_stg")
    assert stage.isolates and stage.decoded == ("audio",)


def test_media_too_large_to_embed_lie_beside_the_mp4(random_session, tmp_path):
    source = noise_clip(num_frames=97)
    made = random_session.retake(source, 1.0, 1.5, video=False, **OPTIONS)
    path = made.save(tmp_path / "made.mp4")
    names = sorted(file.name for file in tmp_path.iterdir())
    assert [name.rpartition("-")[0] for name in names] == ["made.given", "made.given", ""]  # a file a lane
    again = random_session.run(ClipRequest.from_file(path), progress=False)
    assert np.array_equal(again.frames, made.frames) and np.array_equal(again.audio, made.audio)
    (tmp_path / names[0]).unlink()
    with pytest.raises(ValueError, match=r"cannot read the given file .*made.given-.*; put it back"):
        random_session.run(ClipRequest.from_file(path), progress=False)


def test_a_source_given_twice_is_embedded_once(clip):
    request = tasks.retake(TINY, clip, 0.5, 0.8)
    values = request.to_dict()
    assert ["data" in item["source"] for item in values["given"]] == [True, False, True, False]
    assert ClipRequest.from_json(request.to_json()) == request


def test_an_image_guides_and_is_not_pasted(random_session, clip):
    made = random_session.image_to_video(PROMPT, clip.frames[0], width=64, height=64, num_frames=9, **OPTIONS)
    assert made.provenance["video"] == ((0.0, made.duration_s, "generated"),)


def test_storyboard_goes_on_from_shot_to_shot(random_session):
    made = random_session.storyboard(
        [PROMPT, (PROMPT, 0.4)], context_s=0.6, seconds=0.7, width=64, height=64, **OPTIONS
    )
    first = random_session.text_to_video(PROMPT, seconds=0.7, width=64, height=64, **OPTIONS)
    assert made.num_frames > first.num_frames
    assert np.array_equal(made.frames[:3], first.frames[:3])
    assert made.audio.shape[1] == round(made.duration_s * RATE)
    assert made.notes == (f"0 s, seed 0: {PROMPT}", f"{first.duration_s:.4g} s, seed 1: {PROMPT}")


def test_storyboard_goes_past_what_one_pass_makes(random_session):
    options = {"frame_rate": 4.0, "width": 32, "height": 32, **OPTIONS}
    made = random_session.storyboard([(PROMPT, 17), (PROMPT, 5)], context_s=1.0, **options)
    assert made.duration_s > shapes.MAX_SECONDS + 1
    assert made.audio.shape[1] == round(made.duration_s * RATE)


def test_storyboard_of_a_named_size_is_cropped_as_a_shot_is(random_session, monkeypatch):
    monkeypatch.setitem(shapes.NAMED_SIZES, "small", shapes.Size(64, 64, crop_height=56))
    made = random_session.storyboard([PROMPT, PROMPT], context_s=0.6, seconds=0.7, size="small", **OPTIONS)
    assert (made.width, made.height) == (64, 56)


def test_storyboard_saves_its_shots_and_no_request(random_session, tmp_path):
    made = random_session.storyboard([PROMPT], seconds=0.4, seed=7, width=64, height=64, **OPTIONS)
    assert (made.request, made.latents, made.trace) == (None, None, None)
    path = made.save(tmp_path / "board.mp4")
    assert Clip.load(path).notes == (f"0 s, seed 7: {PROMPT}",)
    with pytest.raises(ValueError, match="holds no request"):
        ClipRequest.from_file(path)


@pytest.mark.parametrize(
    ("shots", "context_s", "message"),
    [
        ([], 2.0, "shots is empty; give prompts"),
        (PROMPT, 2.0, "shots is a str; give a list of prompts"),
        ([PROMPT, (PROMPT, "1")], 2.0, "the seconds of a shot='1' is a str, not a number; try 1"),
        ([PROMPT, 3], 2.0, r"shots\[1\] is 3; give a prompt, or \(prompt, seconds\)"),
        ([PROMPT, (PROMPT, 19)], 2.0, r"shots\[1\] lasts 19 s; a pass adds at most 18 s .*; nearest: 18"),
        ([PROMPT, PROMPT], 0.5, r"context_s=0.5 is not over the 0.5 s .*; nearest: 1"),
        ([PROMPT, PROMPT], 20.0, "context_s=20"),
    ],
)
def test_storyboard_refuses_a_shot_before_it_makes_any(random_session, shots, context_s, message):
    def made_one(event):
        raise AssertionError("a shot was begun")

    with pytest.raises(ValueError, match=message):
        random_session.storyboard(shots, context_s=context_s, on_step=made_one, width=64, height=64, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"), [({"seconds": "2"}, "seconds='2' is a str"), ({"seed": "7"}, "seed='7'")]
)
def test_storyboard_refuses_options_before_it_makes_any(random_session, options, message):
    with pytest.raises(ValueError, match=message):
        random_session.storyboard([PROMPT, PROMPT], **options, **OPTIONS)


def test_request_of_a_named_size_is_cropped_on_export():
    request = tasks.text_to_video(TINY, PROMPT, size="1080p")
    assert (request.width, request.height, request.crop_width, request.crop_height) == (1920, 1088, 1920, 1080)
    with pytest.raises(ValueError, match="size and width are both given; give one of the two"):
        tasks.text_to_video(TINY, PROMPT, size="1080p", width=64)


def test_what_is_made_of_a_cropped_clip_is_cropped_alike(clip):
    cropped = replace(clip, request=clip.request.replace(crop_width=60, crop_height=62))
    crops = {name: (r.crop_width, r.crop_height) for name, r in requests_of(cropped).items()}
    assert crops == {"extend": (60, 62), "retake": (60, 62), "foley": (60, 62), "upscale": (120, 124)}
    other = tasks.extend(TINY, cropped, 0.5, width=96)
    assert (other.width, other.height, other.crop_width, other.crop_height) == (96, 64, None, 62)


def test_what_is_given_fills_what_export_leaves(tmp_path):
    source = noise_clip(num_frames=17, height=62)
    request = tasks.extend(TINY, source, 0.5, prompt=PROMPT)
    assert (request.width, request.height, request.crop_width, request.crop_height) == (64, 64, None, 62)
    found = conditions_of(request, RATE, image_crf=0)
    assert found.notes == []
    assert np.array_equal(found.frames[:8, 1:-1], source.frames[:8])
    assert np.array_equal(found.frames[:8, 0], source.frames[:8, 0])  # the edge, repeated
    assert np.array_equal(found.frames[:8, -1], source.frames[:8, -1])


def test_frames_that_fill_no_latents_come_back_exactly(random_session):
    source = noise_clip(height=56)
    shown = random_session.extend(source, 0.5, **OPTIONS).export_frames()
    assert shown.shape[1:] == source.frames.shape[1:]
    assert np.array_equal(shown[:9], source.frames[:9])


def test_first_stage_is_cropped_as_the_clip_is():
    request = tasks.text_to_video(TINY, PROMPT, size="1080p", two_stage=True)
    first = stages_of(TINY, request)[0].request
    assert (first.width, first.height, first.crop_width, first.crop_height) == (960, 544, 960, 540)


def requests_of(clip):
    return {
        "extend": tasks.extend(TINY, clip, 0.5),
        "retake": tasks.retake(TINY, clip, 0.5, 0.8),
        "foley": tasks.video_to_audio(TINY, clip),
        "upscale": tasks.upscale(TINY, clip),
    }


def test_request_of_keyframes_names_their_times():
    image = Image.new("RGB", (64, 64))
    request = tasks.keyframes_to_video(TINY, PROMPT, {0.0: image, 1.0: image, -1: image})
    assert [item.start_s for item in request.given] == [0.0, 1.0, 2.0]
    assert [keyframe.frame_index for keyframe in request.keyframes] == [24, 48]


def test_request_of_an_extension_keeps_all_but_the_overlap(clip):
    request = tasks.extend(TINY, clip, 1.0, overlap_s=0.25, prompt="Then it stops.")
    assert (request.prompt, request.num_frames, request.width) == ("Then it stops.", 57, 64)
    assert [(item.lane, item.start_s, item.end_s) for item in request.given] == [
        ("video", 0.0, 1.125),
        ("audio", 0.0, 1.125),
    ]


def test_upscale_doubles_the_clips_size(clip):
    request = tasks.upscale(TINY, clip)
    assert (request.width, request.height, request.two_stage, request.given) == (128, 128, True, ())
    assert (
        request.first_stage.sha256
        == Source.from_media(Media(frames=clip.frames, frame_rate=24.0, audio=clip.audio, sample_rate=RATE)).sha256
    )


def test_other_rates_and_sizes_are_converted_and_noted():
    source = noise_clip(num_frames=41, frame_rate=30.0, width=96, height=64, sample_rate=44_100)
    request = tasks.extend(TINY, source, 0.5, prompt=PROMPT, frame_rate=24.0, width=64, height=64)
    found = conditions_of(request, RATE, image_crf=0)
    assert found.frames.shape == (request.num_frames, 64, 64, 3)
    assert np.array_equal(found.frames[8], source.frames[10, :, 16:80])  # frame 8 at 24 is frame 10 at 30
    assert found.waveform.shape == (2, round(request.duration_s * RATE))
    assert found.notes == [
        "picture 30 frames/s brought to 24",
        "picture 96x64, cropped to 64x64",
        "sound resampled from 44100 to 48000 Hz",
    ]


def test_what_of_a_source_is_left_out_is_noted():
    # 37 frames and their sound are 33, the nearest 8k + 1 below, and 4 frames more: 0.167 s.
    source = noise_clip(num_frames=37)
    notes = {name: conditions_of(given_whole(request), RATE, 0).notes for name, request in requests_of(source).items()}
    picture, sound = "picture goes on for 0.167 s, cut off", "sound goes on for 0.167 s, cut off"
    assert notes == {"extend": [], "retake": [picture, sound], "foley": [picture], "upscale": [picture, sound]}


def given_whole(request):
    return request if request.first_stage is None else first_stage_as_given(request)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.webm", "sound.wav", "sound.flac", "sound.mp3"])
def test_sources_can_be_files(name, tmp_path, clip):
    path = clip.save(tmp_path / name)
    request = tasks.audio_to_video(TINY, PROMPT, path, width=64, height=64)
    assert request.num_frames == 33
    waveform = conditions_of(request, RATE, image_crf=0).waveform
    assert waveform.shape == (2, round(33 / 24 * RATE)) and abs(waveform).max() > 0.1


@pytest.mark.parametrize(("model", "appended"), [(DEV, [0, 24, 120]), (TINY, [24])])
def test_the_first_of_several_images_is_appended_where_a_model_was_made_for_it(model, appended):
    image = np.zeros((64, 64, 3), np.uint8)
    times = {0.0: image, 1.0: image} | ({-1: image} if model is DEV else {})
    request = tasks.keyframes_to_video(model, PROMPT, times)
    assert [frame for frame, _ in request.keyframes] == appended
    assert (request.video_mask().min() == 1) == (model is DEV)


def test_an_appended_first_image_is_seen_and_not_copied(random_session):
    image = Source.from_media(Media(frames=np.full((1, 64, 64, 3), 200, np.uint8)))
    seen = []
    handle = random_session.pipe.transformer.proj_in.register_forward_hook(lambda _, __, out: seen.append(out.shape[1]))
    sizes = {"width": 64, "height": 64, "num_frames": 9, "sampling": Sampling(num_inference_steps=1)}
    try:
        in_place, beside = (
            random_session.run(
                ClipRequest(PROMPT, given=[Given("video", image, is_appended=appended)], **sizes), progress=False
            )
            for appended in (False, True)
        )
    finally:
        handle.remove()
    assert seen == [8, 12] and beside.latents.shape == in_place.latents.shape
    assert not torch.allclose(beside.latents[:, 0], in_place.latents[:, 0], atol=0.1)


@pytest.mark.parametrize("name", ["still.png", "still.jpg"])
def test_an_image_can_be_a_file(name, tmp_path):
    Image.new("RGB", (100, 50), (200, 30, 30)).save(tmp_path / name)
    request = tasks.image_to_video(TINY, PROMPT, tmp_path / name)
    index, image, strength, _ = conditions_of(request, RATE, image_crf=0).images[0]
    assert (index, image.shape, strength) == (0, (128, 128, 3), 1.0)
    assert abs(image.astype(int) - (200, 30, 30)).max() <= 3


def test_images_are_compressed_as_in_training():
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    request = tasks.image_to_video(TINY, PROMPT, pixels)
    plain, compressed = (conditions_of(request, RATE, image_crf=crf).images[0][1] for crf in (0, 33))
    assert np.array_equal(plain, pixels)
    assert np.abs(compressed.astype(int) - pixels).mean() > 5


def test_a_source_beyond_its_span_goes_on_as_the_past_of_what_follows(clip):
    request = tasks.retake(TINY, clip, 0.5, 0.8)
    found = conditions_of(request, RATE, image_crf=0)
    assert np.array_equal(found.frames, clip.frames)


BAD = {
    "unreadable file": (
        lambda clip, folder: tasks.audio_to_video(TINY, PROMPT, _junk(folder / "a.wav")),
        r"cannot read .*a\.wav: it is damaged, or not MP4, .*; export it again",
    ),
    "unreadable picture": (
        lambda clip, folder: tasks.image_to_video(TINY, PROMPT, _junk(folder / "a.png")),
        r"cannot read .*a\.png: it is damaged",
    ),
    "sound as a picture": (
        lambda clip, folder: tasks.image_to_video(TINY, PROMPT, clip.save(folder / "a.wav")),
        r"a\.wav has no picture; give a file that has",
    ),
    "missing file": (lambda clip, folder: tasks.image_to_video(TINY, PROMPT, folder / "none.png"), "cannot read"),
    "silent sound": (
        lambda clip, folder: tasks.audio_to_video(TINY, PROMPT, np.zeros((2, RATE), np.float32), RATE),
        "the given audio is silent",
    ),
    "file without sound": (
        lambda clip, folder: tasks.audio_to_video(TINY, PROMPT, _mute(folder / "mute.mp4")),
        r"mute\.mp4 has no sound; give a file that has",
    ),
    "zero-length span": (lambda clip, folder: tasks.retake(TINY, clip, 0.5, 0.5), "is no stretch of a clip of 1.375 s"),
    "span past the end": (lambda clip, folder: tasks.retake(TINY, clip, 0.5, 9.0), "is no stretch of a clip of 1.375"),
    "overlapping images": (
        lambda clip, folder: tasks.keyframes_to_video(TINY, PROMPT, {0.5: clip.frames[0], 0.51: clip.frames[0]}),
        "overlaps",
    ),
    "keyframe past the end": (
        lambda clip, folder: tasks.keyframes_to_video(TINY, PROMPT, {5.0: clip.frames[0]}),
        "past the end of the clip",
    ),
    "NaN samples": (
        lambda clip, folder: tasks.audio_to_video(TINY, PROMPT, np.full((2, RATE), np.nan, np.float32), RATE),
        "NaN",
    ),
    "wrong dtype": (lambda clip, folder: tasks.image_to_video(TINY, PROMPT, clip.frames[0] / 255), "not uint8"),
    "wrong type": (lambda clip, folder: tasks.image_to_video(TINY, PROMPT, 3), "media is a int; give a Clip"),
    "one frame": (
        lambda clip, folder: tasks.extend(TINY, noise_clip(num_frames=1), 1.0, overlap_s=0.5),
        "overlap_s=0.5 leaves nothing of a clip of 0.04167 s; nearest: 0.02083",
    ),
    "still picture as a clip": (
        lambda clip, folder: tasks.video_to_audio(TINY, _png(folder / "a.png"), PROMPT),
        "one still picture; nearest: image_to_video",
    ),
    "too long": (lambda clip, folder: tasks.extend(TINY, clip, 30), "one pass makes at most 20 s"),
    "adds nothing": (lambda clip, folder: tasks.extend(TINY, clip, 0.05), "adds no frame; nearest: 0.3333"),
    "no prompt": (lambda clip, folder: tasks.upscale(TINY, noise_clip(request=False)), "prompt is missing"),
    "a length besides the clip's": (
        lambda clip, folder: tasks.upscale(TINY, clip, seconds=2),
        "seconds is not an option",
    ),
    "a size besides twice the clip's": (
        lambda clip, folder: tasks.upscale(TINY, clip, width=64),
        "width is not an option",
    ),
    "a second stage without sound": (
        lambda clip, folder: tasks.upscale(TINY, clip.frames, PROMPT, frame_rate=24.0),
        "no sound to refine with the picture; nearest: video_to_audio first",
    ),
    "nothing to make": (lambda clip, folder: tasks.retake(TINY, clip, 0, 1, video=False, audio=False), "leave nothing"),
    "no keyframes": (lambda clip, folder: tasks.keyframes_to_video(TINY, PROMPT, {}), "give {0.0: first, -1: last}"),
    "source shorter than its span": (
        lambda clip, folder: conditions_of(
            ClipRequest(PROMPT, num_frames=121, given=(Given("video", _source(clip), 0.0, 2.0),)), RATE, 0
        ),
        "takes 2 s of a source that lasts 1.375 s; nearest: end_s=1.375",
    ),
}


def _junk(path):
    path.write_bytes(b"RIFF not really")
    return path


def _mute(path):
    return media.write_video(path, np.zeros((9, 64, 64, 3), np.uint8), 24.0, None, None)


def _png(path):
    Image.new("RGB", (64, 64)).save(path)
    return path


def _source(clip):
    return Source.from_media(Media(frames=clip.frames, frame_rate=clip.frame_rate))


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_value_error_that_says_why(case, clip, tmp_path):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make(clip, tmp_path)


def test_sound_that_ends_in_the_last_latent_is_followed_by_silence(tmp_path):
    soundfile.write(tmp_path / "two.wav", np.random.default_rng(0).uniform(-0.5, 0.5, (2 * RATE, 2)), RATE)
    request = tasks.audio_to_video(TINY, PROMPT, tmp_path / "two.wav")
    assert request.num_frames == 49 and request.frozen_lanes == ("audio",)
    found = conditions_of(request, RATE, image_crf=0)
    assert found.notes == ["sound ends 0.0417 s early, silence follows"]
    assert not found.waveform[:, 2 * RATE :].any() and found.waveform[:, : 2 * RATE].any()


def test_two_thousand_random_requests_give_plans_or_value_errors(clip):
    rng = random.Random(0)
    # Mostly sensible values, so that some requests are right in all of them.
    times_s = [0.0, 0.25, 0.5, 1.0, 1.375, 0.04, -1, -0.5, 3.0, 1e9, 1e308, float("nan"), "1"]
    things = [
        clip,
        clip,
        clip.frames,
        clip.frames[0],
        clip.audio,
        clip.frames / 255,
        None,
        "nowhere.mp4",
        noise_clip(1),
    ]
    ends = ["after", "before", "up"]
    options = {
        "seconds": [None, None, 1.0, 0.5, 0, 25, "2", 1e308],
        "num_frames": [None, None, 9, 49, 10, -1],
        "width": [None, 64, 96, 63],
        "height": [None, 64, 8192],
        "frame_rate": [None, 24.0, 25, 29.97, 0, 500, "24", float("inf"), float("nan")],
        "seed": [0, 7, -1],
        "two_stage": [False, True],
        "size": [None, "sqare", 64],
    }
    verbs = [
        lambda pick, **o: tasks.text_to_video(TINY, PROMPT, **o),
        lambda pick, **o: tasks.image_to_video(TINY, PROMPT, pick(things), pick([1.0, 0.5, 2]), **o),
        lambda pick, **o: tasks.keyframes_to_video(TINY, PROMPT, {pick(times_s): pick(things)}, **o),
        lambda pick, seconds=None, **o: tasks.extend(TINY, pick(things), pick(times_s), pick(ends), PROMPT, **o),
        lambda pick, **o: tasks.retake(TINY, pick(things), pick(times_s), pick(times_s), PROMPT, **o),
        lambda pick, **o: tasks.audio_to_video(TINY, PROMPT, pick(things), pick([RATE, None, 16_000]), **o),
        lambda pick, **o: tasks.video_to_audio(TINY, pick(things), PROMPT, **o),
        lambda pick, **o: tasks.upscale(TINY, pick(things), PROMPT, **o),
        lambda pick, **o: tasks.audio_only(TINY, PROMPT, **o),
    ]
    made = 0
    for _ in range(2000):
        chosen = {name: rng.choice(options[name]) for name in rng.sample(list(options), rng.choice([0, 0, 1, 2]))}
        try:
            request = rng.choice(verbs)(rng.choice, **chosen)
            found = conditions_of(request, RATE, image_crf=0)
        except ValueError as error:
            assert str(error)
            continue
        made += 1
        assert request.video_mask().shape == (request.video_tokens,)
        if found.frames is not None:
            assert len(found.frames) == request.num_frames
    assert made >= 400


@settings(max_examples=200, deadline=None)
@with_cases(
    st.integers(0, 12),
    st.sampled_from([8.0, 24.0, 25.0, 30.0, 60.0]),
    st.lists(st.floats(0, 1), min_size=2, max_size=4, unique=True),
)
def test_what_is_given_comes_back_and_nothing_else(latents, frame_rate, cuts):
    """Wherever spans are cut: frames and samples in them are the source's, all others generated but for the blend."""
    num_frames = 8 * latents + 1
    length_s = num_frames / frame_rate
    spans = [(a * length_s, b * length_s) for a, b in zip(*[iter(sorted(cuts))] * 2, strict=False) if b - a > 1e-3]
    samples = round(length_s * 1000)
    if not spans or round(length_s * 25) == 0 or samples < 2:
        return
    source = Source.from_media(
        Media(
            frames=np.full((num_frames, 32, 32, 3), 200, np.uint8),
            frame_rate=frame_rate,
            audio=np.full((2, samples), 0.5, np.float32),
            sample_rate=1000,
        )
    )
    given = tuple(Given(lane, source, *span, source_start_s=span[0]) for lane in ("video", "audio") for span in spans)
    request = ClipRequest(PROMPT, width=32, height=32, num_frames=num_frames, frame_rate=frame_rate, given=given)
    frames, video_spans = put_back_frames(request, np.zeros_like(source.media.frames), source.media.frames)
    audio, audio_spans = put_back_samples(request, np.zeros_like(source.media.audio), source.media.audio, 1000)
    spans_cover(video_spans, length_s)
    spans_cover(audio_spans, samples / 1000)
    for index in range(num_frames):
        start_s, end_s = index / frame_rate, (index + 1) / frame_rate
        origin = next(kind for start, end, kind in video_spans if start - 1e-9 <= start_s < end - 1e-9)
        assert (origin == "source") == any(start - 1e-6 <= start_s and end_s <= end + 1e-6 for start, end in spans)
        assert {"source": 200, "generated": 0}.get(origin, frames[index].max()) == frames[index].max()
    given_samples = frames_of(audio_spans, "source", 1000)
    assert (audio[:, given_samples] == 0.5).all()
    assert abs(len(given_samples) - 1000 * sum(end - start for start, end in spans)) <= len(spans)
    assert (np.delete(audio, given_samples, axis=1) < 0.5).all()
