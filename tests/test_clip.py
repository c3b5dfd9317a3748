"""Clip: validated arrays that save, load, cut and show themselves."""

import base64
import dataclasses
import io
import re
import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image

from ltx_nb import media
from ltx_nb.clip import Clip
from ltx_nb.media import Media
from ltx_nb.request import ClipRequest, Given, Source

SAMPLE_RATE = 48_000


def picture(num_frames=25, width=128, height=128) -> np.ndarray:
    """A bright column that moves right by 2 px a frame, over a slope."""
    slope = np.tile(np.linspace(0, 120, width), (height, 1))
    frames = np.stack([slope, slope[:, ::-1], np.full_like(slope, 60)], -1)[None].repeat(num_frames, 0)
    for index, frame in enumerate(frames):
        frame[:, 2 * index + 8 : 2 * index + 24] += 100
    return frames.astype(np.uint8)


def tones(num_samples=50_000) -> np.ndarray:
    t = np.arange(num_samples) / SAMPLE_RATE
    return np.stack([0.5 * np.sin(2 * np.pi * 330 * t), 0.3 * np.sin(2 * np.pi * 550 * t)]).astype(np.float32)


@pytest.fixture(scope="module")
def clip():
    request = ClipRequest("a bright bar, naïvely moving", width=128, height=128, num_frames=25, seed=7)
    return Clip(frames=picture(), audio=tones(), frame_rate=24, sample_rate=SAMPLE_RATE, request=request)


def html_of(clip) -> str:
    return clip._repr_mimebundle_()["text/html"]


def embedded(html, media_type) -> bytes:
    return base64.b64decode(re.search(f'src="data:{media_type};base64,([^"]*)"', html)[1])


# What a clip is


def test_a_clip_knows_its_measures(clip):
    assert (clip.num_frames, clip.width, clip.height) == (25, 128, 128)
    assert clip.duration_s == pytest.approx(25 / 24)
    sound = Clip(audio=tones(), sample_rate=SAMPLE_RATE)
    assert (sound.num_frames, sound.width, sound.height) == (0, None, None)
    assert sound.duration_s == pytest.approx(50_000 / SAMPLE_RATE)


def test_its_repr_is_short_and_stable(clip):
    assert repr(clip) == "Clip(25 frames 128x128 at 24 fps, 1.04 s, stereo 48 kHz)"
    assert (
        repr(Clip(frames=picture(1), frame_rate=30000 / 1001))
        == "Clip(1 frames 128x128 at 29.97 fps, 0.03 s, no sound)"
    )
    assert repr(Clip(audio=tones(), sample_rate=44_100)) == "Clip(sound only, 1.13 s, stereo 44.1 kHz)"


def test_everything_is_generated_unless_said(clip):
    assert clip.provenance == {"video": ((0, 25 / 24, "generated"),), "audio": ((0, 25 / 24, "generated"),)}
    assert list(Clip(audio=tones(), sample_rate=SAMPLE_RATE).provenance) == ["audio"]
    given = dataclasses.replace(clip, provenance={"audio": [(0, 0.5, "source"), (0.5, 1, "blended")]})
    assert given.provenance["audio"] == ((0, 0.5, "source"), (0.5, 1, "blended"))
    assert given.provenance["video"] == clip.provenance["video"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": None, "audio": None}, "neither frames nor audio is given"),
        ({"frames": picture().astype(np.float32)}, "frames are float32, not uint8"),
        ({"audio": tones().T}, r"give audio\.T"),
        ({"audio": tones() * np.float32(np.nan)}, "audio holds NaN or infinity"),
        ({"frame_rate": None}, "frame_rate=None is a NoneType, not a number"),
        ({"frame_rate": 0}, "frame_rate=0.0 is too small; the least is 0.1"),
        ({"sample_rate": None}, "sample_rate=None is a NoneType, not a whole number"),
        ({"provenance": {"vidoe": []}}, "provenance has no 'vidoe'; did you mean 'video'?"),
        ({"provenance": {"video": [(0, 1, "given")]}}, "origin='given' is not one of source, blended, generated"),
        ({"provenance": {"video": [(1, 1, "source")]}}, r"the provenance span \[1, 1\) s is empty"),
        ({"provenance": {"video": [(0, 1)]}}, r"provenance has the span \(0, 1\); give \(start_s, end_s, origin\)"),
    ],
)
def test_a_clip_refuses(clip, changes, message):
    with pytest.raises(ValueError, match=re.compile(message)):
        dataclasses.replace(clip, **changes)


def test_frames_are_pictures(clip):
    np.testing.assert_array_equal(np.asarray(clip.frame(3)), clip.frames[3])
    np.testing.assert_array_equal(np.asarray(clip.frame(-1)), clip.frames[24])
    with pytest.raises(ValueError, match="index=25 is too large; the most is 24"):
        clip.frame(25)
    with pytest.raises(ValueError, match="this clip has sound and no frames"):
        Clip(audio=tones(), sample_rate=SAMPLE_RATE).frame(0)


def test_a_slice_cuts_both_lanes_at_the_same_time(clip):
    spans = {
        "video": [(0, 0.5, "source"), (0.5, 25 / 24, "generated")],
        "audio": [(0, 0.25, "source"), (0.25, 25 / 24, "blended")],
    }
    part = dataclasses.replace(clip, provenance=spans, notes=("was cut",)).slice(0.25, 0.75)
    np.testing.assert_array_equal(part.frames, clip.frames[6:18])
    np.testing.assert_array_equal(part.audio, clip.audio[:, 12_000:36_000])
    assert part.provenance == {
        "video": ((0, 0.25, "source"), (0.25, 0.5, "generated")),
        "audio": ((0, 0.5, "blended"),),
    }
    assert part.notes == ("was cut",)
    assert part.request is None


def test_a_slice_begins_and_ends_with_whole_frames(clip):
    part = clip.slice(0.26, 0.74)  # frames 6.24 to 17.76
    assert (part.num_frames, part.audio.shape[1]) == (12, 24_000)
    np.testing.assert_array_equal(clip.slice(0, clip.duration_s).audio, clip.audio)


@pytest.mark.parametrize(
    ("stretch", "message"),
    [
        ((0.5, 0.5), r"\[0\.5, 0\.5\) s is not a stretch of a clip of 1\.042 s"),
        ((-0.1, 0.5), "is not a stretch"),
        ((0.5, 1.2), "is not a stretch"),
        ((0.5, 0.51), r"holds no frame; one lasts 0\.04167 s"),
        ((0, "1"), "end_s='1' is a str, not a number; try 1"),
    ],
)
def test_what_is_no_stretch_is_refused(clip, stretch, message):
    with pytest.raises(ValueError, match=message):
        clip.slice(*stretch)


# Saved and loaded


def test_a_saved_clip_comes_back_with_all_it_knows(clip, tmp_path):
    spans = {"video": [(0, 0.5, "source"), (0.5, 25 / 24, "generated")]}
    given = dataclasses.replace(clip, provenance=spans, notes=("sound 44.1 kHz -> 48 kHz",))
    path = given.save(tmp_path / "new" / "bar.mp4")
    found = Clip.load(path)
    assert repr(found) == repr(given)
    assert found.request == given.request
    assert found.provenance == given.provenance
    assert found.notes == given.notes
    assert found.audio.shape == given.audio.shape
    assert np.abs(found.audio - given.audio).max() < 0.05
    assert 10 * np.log10(255**2 / np.mean((found.frames.astype(float) - given.frames) ** 2)) > 34


def test_a_request_comes_out_of_the_file_by_itself(clip, tmp_path):
    assert ClipRequest.from_file(clip.save(tmp_path / "bar.mp4")) == clip.request


def test_a_request_with_given_media_comes_back_exactly(clip, tmp_path):
    given = Given("video", Source.from_media(Media(frames=picture(9), frame_rate=24)), start_s=0, end_s=9 / 24)
    path = dataclasses.replace(clip, request=clip.request.replace(given=[given])).save(tmp_path / "bar.mp4")
    with ClipRequest.from_file(path).given[0].source.open() as file:
        np.testing.assert_array_equal(media.read_video(file)[0], picture(9))


def test_lossless_is_exact(clip, tmp_path):
    found = Clip.load(clip.save(tmp_path / "bar.mkv", lossless=True))
    np.testing.assert_array_equal(found.frames, clip.frames)
    np.testing.assert_array_equal(found.audio, clip.audio)
    assert found.request == clip.request


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_the_sound_alone_keeps_the_request(clip, suffix, tmp_path):
    found = Clip.load(clip.save(tmp_path / f"bar{suffix}"))
    assert repr(found) == "Clip(sound only, 1.04 s, stereo 48 kHz)"
    assert found.request == clip.request


def test_export_crops_around_the_centre(clip, tmp_path):
    cropped = dataclasses.replace(clip, request=clip.request.replace(crop_width=96, crop_height=120))
    wanted = clip.frames[:, 4:124, 16:112]
    np.testing.assert_array_equal(Clip.load(cropped.save(tmp_path / "a.mkv", lossless=True)).frames, wanted)
    np.testing.assert_array_equal(media.read_image(cropped.save(tmp_path / "a.png")), wanted[12])
    assert media.read_video(embedded(html_of(cropped), "video/mp4"))[0].shape == wanted.shape
    again = Clip.load(tmp_path / "a.mkv").save(tmp_path / "b.mkv", lossless=True)
    np.testing.assert_array_equal(Clip.load(again).frames, wanted)


def test_a_file_of_others_is_source_throughout(clip, tmp_path):
    media.write_video(tmp_path / "a.mp4", clip.frames, 24, None, None)
    found = Clip.load(tmp_path / "a.mp4")
    assert (found.request, found.audio, found.notes) == (None, None, ())
    assert found.provenance == {"video": ((0, pytest.approx(25 / 24, abs=1e-4), "source"),)}


def test_a_request_of_another_version_is_left_out_with_a_note(clip, tmp_path):
    path = media.write_video(tmp_path / "a.mp4", clip.frames, 24, None, None, request_json='{"format": "later"}')
    found = Clip.load(path)
    assert found.request is None
    assert found.notes[0].startswith("its request cannot be read: ")


@pytest.mark.parametrize("clip_json", ["[]", "{}", '{"provenance": {"audio": []}}', '{"provenance": 3}', "null"])
def test_a_record_that_makes_no_sense_is_ignored(clip, clip_json, tmp_path):
    path = media.write_video(tmp_path / "a.mp4", clip.frames, 24, None, None, clip_json=clip_json)
    assert Clip.load(path).provenance["video"][0][2] == "source"


def test_a_clip_and_the_media_beside_it_can_be_moved_together(clip, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, clip.frames.shape, dtype=np.uint8)
    source = Source.from_media(Media(frames=noise, frame_rate=24))
    request = clip.request.replace(given=(Given("video", source, 0, clip.duration_s),))
    monkeypatch.chdir(tmp_path)
    dataclasses.replace(clip, request=request).save("there/a.mp4")
    (tmp_path / "there").rename(tmp_path / "elsewhere")
    for found in (ClipRequest.from_file("elsewhere/a.mp4"), Clip.load("elsewhere/a.mp4").request):
        monkeypatch.chdir(tmp_path.parent)
        with found.given[0].source.open() as file:
            np.testing.assert_array_equal(media.read_video(file)[0], noise)
        monkeypatch.chdir(tmp_path)


def test_what_cannot_be_saved_or_loaded(clip, tmp_path):
    with pytest.raises(
        ValueError, match=r"suffix='\.mpg' is not one of \.mp4, \.mov, \.webm, \.mkv, \.wav, \.flac, \.mp3, \.png"
    ):
        clip.save(tmp_path / "a.mpg")
    with pytest.raises(ValueError, match=r"this clip has no sound; save it as a\.mp4"):
        Clip(frames=picture(), frame_rate=24).save(tmp_path / "a.wav")
    with pytest.raises(ValueError, match="this clip has sound and no frames"):
        Clip(audio=tones(), sample_rate=SAMPLE_RATE).save(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="is a still picture, not a clip"):
        Clip.load(clip.save(tmp_path / "a.png"))


# Shown in a notebook


def test_a_notebook_gets_text_and_a_player(clip):
    bundle = clip._repr_mimebundle_(include=None, exclude=None)
    assert list(bundle) == ["text/plain", "text/html"]
    assert bundle["text/plain"] == repr(clip)
    assert bundle["text/html"].startswith('<video controls muted playsinline preload="metadata" ')


def test_a_page_made_of_a_notebook_plays_it(clip):
    from nbconvert import HTMLExporter
    from nbformat import v4

    cell = v4.new_code_cell("clip", outputs=[v4.new_output("display_data", data=clip._repr_mimebundle_())])
    page, _ = HTMLExporter().from_notebook_node(v4.new_notebook(cells=[cell]))
    assert embedded(page, "video/mp4") == embedded(html_of(clip), "video/mp4")


def test_the_player_holds_picture_and_sound(clip):
    content = embedded(html_of(clip), "video/mp4")
    frames, audio = media.read_video(content)[0], media.read_audio(content)[0]
    assert 10 * np.log10(255**2 / np.mean((frames.astype(float) - clip.frames) ** 2)) > 30
    assert audio.shape == clip.audio.shape
    assert np.corrcoef(audio[0], clip.audio[0])[0, 1] > 0.99


def test_a_still_shows_where_no_video_plays(clip):
    html = html_of(clip)
    still = media.read_image(embedded(html, "image/jpeg"))
    assert 10 * np.log10(255**2 / np.mean((still.astype(float) - clip.frames[12]) ** 2)) > 25
    assert re.search(r'<video [^>]*poster="data:image/jpeg;base64,', html)
    assert re.search(r'<img [^>]*alt="Clip\(25 frames[^>]*></video>$', html)


def test_the_same_clip_gives_the_same_html(clip):
    twin = dataclasses.replace(clip, frames=clip.frames.copy(), audio=clip.audio.copy())
    assert html_of(clip) == html_of(twin)


def test_small_clips_are_shown_larger(clip):
    assert 'style="width:256px;max-width:100%;' in html_of(clip)
    wide = Clip(frames=picture(1, 300, 20), frame_rate=24)
    assert 'style="width:300px;max-width:100%;' in html_of(wide)


@pytest.mark.parametrize(
    ("variables", "codec"), [({}, "aac"), ({"VSCODE_PID": "1"}, "mp3float"), ({"VSCODE_CWD": "/"}, "mp3float")]
)
def test_vs_code_gets_sound_that_it_can_play(clip, variables, codec, monkeypatch):
    for name in ("VSCODE_PID", "VSCODE_CWD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with av.open(io.BytesIO(embedded(html_of(clip), "video/mp4"))) as container:
        assert container.streams.audio[0].codec_context.name == codec


def test_sound_alone_has_an_audio_player():
    html = html_of(Clip(audio=tones(), sample_rate=SAMPLE_RATE))
    assert html.startswith('<audio controls preload="metadata" aria-label="Clip(sound only, ')
    found = media.read_audio(embedded(html, "audio/mpeg"))[0]
    assert np.corrcoef(found[0], tones()[0])[0, 1] > 0.99


def test_a_large_clip_is_shown_reduced_and_says_so(clip, monkeypatch):
    monkeypatch.setattr("ltx_nb.display.PREVIEW_BUDGET_PX", clip.frames.size // 3 - 1)
    html = html_of(clip)
    assert html.endswith("<div>A preview at 64x64; the clip itself is 128x128.</div>")
    assert 'style="width:256px;' in html
    found = media.read_video(embedded(html, "video/mp4"))[0]
    averaged = clip.frames.reshape(25, 64, 2, 64, 2, 3).mean((2, 4))
    assert 10 * np.log10(255**2 / np.mean((found - averaged) ** 2)) > 30


def test_clips_need_neither_torch_nor_ipython():
    script = (
        "import sys, numpy, ltx_nb; clip = ltx_nb.Clip(frames=numpy.zeros((1, 32, 32, 3), 'uint8'), frame_rate=24);"
        "clip._repr_mimebundle_(); assert not {'torch', 'IPython', 'ipywidgets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_moving_pictures_keep_the_time(suffix, tmp_path):
    """24 frames a second are no whole number of a GIF's hundredths: no frame ends more than half a tick off."""
    frames = np.random.default_rng(0).integers(0, 256, (25, 32, 48, 3), dtype=np.uint8)
    path = Clip(frames=frames, frame_rate=24.0).save(tmp_path / f"ball{suffix}")
    with Image.open(path) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (25, (48, 32), 0)
    assert Clip.load(path).duration_s == pytest.approx(25 / 24, abs=0.005)


def test_frames_go_into_a_new_folder(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), dtype=np.uint8)
    clip = Clip(frames=frames, frame_rate=24.0)
    paths = clip.save_frames(tmp_path / "deep" / "frames")
    assert [path.name for path in paths] == ["frame-0000.png", "frame-0001.png", "frame-0002.png"]
    assert all(np.array_equal(np.asarray(Image.open(path)), frame) for path, frame in zip(paths, frames, strict=True))
    with pytest.raises(FileExistsError, match="is there already"):
        clip.save_frames(tmp_path / "deep" / "frames")
