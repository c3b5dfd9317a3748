"""What people ask of the verbs beyond one task: image with sound, new sound on, long sound, sizes and fits by name."""

import numpy as np
import pytest
from made_media import RATE, made, number_of, tone
from PIL import Image

from ltx_nb.catalogue.models import TINY
from ltx_nb.clip import Clip
from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.conditions import conditions_of
from ltx_nb.request import ClipRequest, Sampling
from ltx_nb.trace import Cancelled

PROMPT = "A red ball bounces."
OPTIONS = {"sampling": Sampling(num_inference_steps=1), "progress": False}


@pytest.fixture(scope="module")
def clip():
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 256, (33, 64, 64, 3), dtype=np.uint8)
    audio = rng.uniform(-0.9, 0.9, (2, round(33 / 24 * RATE))).astype(np.float32)
    return Clip(frames=frames, audio=audio, frame_rate=24.0, sample_rate=RATE)


def spans(request):
    return [(item.lane, round(item.start_s, 4), item.end_s and round(item.end_s, 4)) for item in request.given]


def test_an_image_with_a_sound(clip):
    image = Image.fromarray(clip.frames[0])
    request = tasks.image_to_video(TINY, PROMPT, image, audio=clip.audio, sample_rate=RATE)
    assert (request.num_frames, spans(request)) == (33, [("video", 0, None), ("audio", 0, 1.375)])
    assert request == tasks.audio_to_video(TINY, PROMPT, clip.audio, RATE, image=image)
    assert request.frozen_lanes == ("audio",)


def test_an_extension_with_a_new_sound(clip):
    new = tone(1.0)
    after = tasks.extend(TINY, clip, 1.0, prompt=PROMPT, overlap_s=0.25, audio=new, sample_rate=RATE)
    assert spans(after) == [("video", 0, 1.125), ("audio", 0, 1.375), ("audio", 1.375, 2.375)]
    heard = conditions_of(after, RATE, 0).waveform
    np.testing.assert_array_equal(heard[:, : 33 * 2000], clip.audio)
    np.testing.assert_array_equal(heard[:, 33 * 2000 : 57 * 2000], new)
    before = tasks.extend(TINY, clip, 1.0, "before", prompt=PROMPT, overlap_s=0.25, audio=new, sample_rate=RATE)
    assert spans(before) == [("video", 1.25, 2.375), ("audio", 1, 2.375), ("audio", 0, 1)]
    heard = conditions_of(before, RATE, 0).waveform
    np.testing.assert_array_equal(heard, np.concatenate([new, clip.audio], axis=1))


def test_a_long_sound_is_followed_in_windows(random_session):
    t = np.arange(round(25.5 * RATE)) / RATE
    chirp = np.tile(0.5 * np.sin(2 * np.pi * (100 + 20 * t) * t), (2, 1)).astype(np.float32)
    options = {"width": 32, "height": 32, "frame_rate": 1.0, "seed": 5, **OPTIONS}
    image = np.full((32, 32, 3), 90, np.uint8)
    made_clip = random_session.audio_to_video(PROMPT, chirp, RATE, image=image, **options)
    assert made_clip.num_frames == 25
    np.testing.assert_array_equal(made_clip.audio, chirp[:, : round(25 * RATE)])
    assert made_clip.request is None
    assert [note.partition(":")[0] for note in made_clip.notes] == ["0 s, seed 5", "17 s, seed 6"]
    with pytest.raises(ValueError, match=r"lasts 25\.5 s and one request makes at most 20 s; nearest: seconds=20"):
        tasks.audio_to_video(TINY, PROMPT, chirp, RATE)


def test_a_size_may_be_that_of_the_picture():
    wide = np.zeros((360, 640, 3), np.uint8)
    request = tasks.image_to_video(TINY, PROMPT, wide, size="source")
    assert (request.width, request.height) == (640, 352)
    assert conditions_of(request, RATE, 0).notes == ["picture 640x360, cropped to 640x352"]
    photo = tasks.keyframes_to_video(TINY, PROMPT, {0.0: np.zeros((3000, 4000, 3), np.uint8)}, size="source")
    assert (photo.width, photo.height) == (1664, 1248)
    with pytest.raises(ValueError, match="size='source' is that of a given picture, and none is given here"):
        tasks.text_to_video(TINY, PROMPT, size="source")


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_picture_is_fitted_as_asked(fit, clip):
    wide = np.zeros((64, 128, 3), np.uint8)
    requests = [
        tasks.image_to_video(TINY, PROMPT, wide, fit=fit, width=64, height=64),
        tasks.keyframes_to_video(TINY, PROMPT, {0.0: wide}, fit=fit, width=64, height=64),
        tasks.extend(TINY, clip, 1.0, prompt=PROMPT, fit=fit, width=96),
        tasks.retake(TINY, clip, 0.5, 1.0, prompt=PROMPT, fit=fit, width=96),
    ]
    assert {item.fit for request in requests for item in request.given if item.lane == "video"} == {fit}
    word = {"crop": "cropped", "pad": "padded", "stretch": "stretched"}[fit]
    assert word in conditions_of(requests[0], RATE, 0).notes[0]
    with pytest.raises(ValueError, match=f"fit='{fit}' is for a given picture, and none is given here"):
        tasks.text_to_video(TINY, PROMPT, fit=fit)


def test_a_seed_is_drawn_on_request_and_stored():
    seeds = {tasks.text_to_video(TINY, PROMPT, seed=seed).seed for seed in (None, -1, None, -1)}
    assert len(seeds) == 4 and all(0 <= seed < 2**32 for seed in seeds)
    assert ClipRequest(PROMPT, seed=2**64 - 1).seed == 2**64 - 1
    assert ClipRequest.from_json(ClipRequest(PROMPT, seed=2**64 - 1).to_json()).seed == 2**64 - 1
    assert tasks.text_to_video(TINY, PROMPT).seed == 0
    with pytest.raises(ValueError, match="seed has more than 64 bits; give an ordinary number"):
        ClipRequest(PROMPT, seed=2**64)
    with pytest.raises(ValueError, match=r"seed=1\.5 is a float, not a whole number; try 2"):
        ClipRequest(PROMPT, seed=1.5)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("fps", "fps is no option here; it is frame_rate"),
        ("steps", r"it is sampling=Sampling\(num_inference_steps=\.\.\.\)"),
        ("guidance_scale", r"it is sampling=Sampling\(guidance_scale=\.\.\.\)"),
        ("image", r"it is session\.image_to_video\(prompt, image\)"),
        ("generator", "it is seed"),
        ("hight", "hight is no option here; did you mean height"),
        ("blur", "blur is no option here; options: crop_height, "),
    ],
)
def test_words_of_other_programs_name_the_right_one(word, message):
    for make in (lambda **o: tasks.text_to_video(TINY, PROMPT, **o), lambda **o: ClipRequest.snapped(PROMPT, **o)):
        with pytest.raises(TypeError, match=message):
            make(**{word: 8})


def test_a_file_that_knows_its_prompt_need_not_be_told_it(clip, tmp_path):
    request = ClipRequest(PROMPT, width=64, height=64, num_frames=33)
    path = Clip(frames=clip.frames, frame_rate=24, request=request).save(tmp_path / "own.mp4")
    assert tasks.extend(TINY, path, 1.0).prompt == PROMPT
    other = made(tmp_path / "other.mp4", np.arange(33) / 24)
    with pytest.raises(ValueError, match="prompt is missing, and the given media do not say theirs"):
        tasks.extend(TINY, other, 1.0)


# Media as people have them, in a run


def test_a_phone_clip_is_extended_from_its_end(random_session, tmp_path):
    steady = [*np.arange(0, 30) / 30, *(1 + np.arange(0, 10) / 10), *(2 + np.arange(0, 28) / 30)]
    path = made(tmp_path / "phone.mp4", steady, [(0, tone(2.93))], sound_codec="aac")
    longer = random_session.extend(str(path), 0.5, prompt=PROMPT, overlap_s=0.2, **OPTIONS)
    ends_s = [end_s for _, end_s, origin in longer.provenance["video"] if origin == "source"][-1]
    assert ends_s > 2.3
    kept = longer.frames[: round(ends_s * 30)]
    shown = [int(np.searchsorted(steady, (index + 0.5) / 30, side="right")) - 1 for index in range(len(kept))]
    assert [number_of(frame) for frame in kept] == shown
    again = random_session.retake(str(path), 2.0, 2.5, prompt=PROMPT, **OPTIONS)
    assert again.duration_s == pytest.approx(2.7, abs=0.04)  # 81 of 88 frames are whole latents


def test_a_short_sound_is_followed_by_silence(random_session, tmp_path):
    path = made(tmp_path / "a.mp4", np.arange(49) / 24, [(0, tone(1.0))], sound_codec="aac")
    again = random_session.retake(path, 0.2, 0.5, prompt=PROMPT, audio=False, **OPTIONS)
    assert any(note.startswith("sound ends 1.0") and note.endswith("silence follows") for note in again.notes)
    assert not again.audio[:, round(1.1 * RATE) :].any()
    assert np.abs(again.audio[:, : RATE // 2]).max() > 0.4
    longer = random_session.extend(path, 0.5, prompt=PROMPT, **OPTIONS)
    assert longer.num_frames == 65


def test_cancelled_ends_a_loop_that_goes_on_after_errors():
    assert not issubclass(Cancelled, Exception)


@pytest.mark.parametrize("direction", ["after", "before"])
def test_a_clip_over_twenty_seconds_goes_on_from_the_end_that_fits(random_session, tmp_path, direction):
    rng = np.random.default_rng(5)
    frames = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    audio = rng.uniform(-0.9, 0.9, (2, 40 * RATE)).astype(np.float32)
    long = Clip(frames=frames, audio=audio, frame_rate=1.0, sample_rate=RATE)
    longer = random_session.extend(long, 8, direction, prompt=PROMPT, **OPTIONS)
    assert longer.num_frames == 48 and longer.request is None
    kept = slice(0, 40) if direction == "after" else slice(8, 48)
    np.testing.assert_array_equal(longer.frames[kept], frames)
    np.testing.assert_array_equal(longer.audio[:, kept.start * RATE : kept.stop * RATE], audio)
    assert longer.notes[-1].startswith("31 s of the clip lie ")
    made_anew = longer.provenance["video"][-1 if direction == "after" else 0]
    assert made_anew[2] == "generated"
    with pytest.raises(ValueError, match="one pass makes at most 20 s"):
        random_session.extend(long, 19.5, direction, prompt=PROMPT, **OPTIONS)


def test_a_long_file_of_another_size_and_sample_rate_is_joined_to_what_is_made(random_session, tmp_path):
    path = tmp_path / "long.mp4"
    made(path, np.arange(60) / 2, [(0, tone(30))], sound_codec="aac")
    source = Clip.load(path)
    longer = random_session.extend(path, 4, prompt=PROMPT, **OPTIONS)
    assert (longer.num_frames, longer.width) == (source.num_frames + 8, source.width // 32 * 32)
    assert longer.audio.shape[1] == longer.num_frames // 2 * RATE + longer.num_frames % 2 * RATE // 2
    np.testing.assert_allclose(longer.audio[:, RATE : 2 * RATE], source.audio[:, RATE : 2 * RATE], atol=1e-6)
