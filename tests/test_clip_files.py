"""Clips in files: a stretch of one, what it tells of itself, what it gives away, and what saving must not destroy."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hostile import kill_savers
from made_media import RATE, made, number_of, tone
from PIL import Image

from ltx_nb import media
from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest, Given, Source
from ltx_nb.whole_files import whole_file, whole_folder


@pytest.fixture(scope="module")
def clip():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (25, 32, 32, 3), dtype=np.uint8)
    request = ClipRequest("a ball", width=32, height=32, num_frames=25)
    return Clip(frames=frames, audio=tone(25 / 24), frame_rate=24, sample_rate=RATE, request=request)


def given_file(clip, path):
    given = Given("video", Source.from_path(path), 0.0)
    return Clip(frames=clip.frames, frame_rate=24, request=clip.request.replace(given=[given]))


def test_a_stretch_is_loaded_without_the_rest(tmp_path):
    path = made(tmp_path / "a.mp4", np.arange(240) / 24, [(0, tone(10))], sound_codec="aac")
    part = Clip.load(path, start=7.02, end=8)
    assert [number_of(frame) for frame in part.frames] == list(range(168, 192))
    assert part.audio.shape[1] == RATE
    assert part.provenance == {"video": ((0, 1, "source"),), "audio": ((0, 1, "source"),)}
    assert Clip.load(path, start=9.5).num_frames == 12
    for stretch in ({"start": 10.5}, {"start": 3, "end": 3}, {"start": 3, "end": 3.01}):
        with pytest.raises(ValueError, match=r"is not a stretch of a clip of 10 s|holds no frame"):
            Clip.load(path, **stretch)


def test_a_stretch_has_its_own_part_of_the_provenance(clip, tmp_path):
    spans = {"video": [(0, 0.5, "source"), (0.5, 25 / 24, "generated")]}
    whole = Clip(frames=clip.frames, frame_rate=24, request=clip.request, provenance=spans)
    part = Clip.load(whole.save(tmp_path / "a.mp4"), start=0.25, end=0.75)
    assert part.provenance["video"] == ((0, 0.25, "source"), (0.25, 0.5, "generated"))
    assert part.request is None


def test_a_picture_that_outlasts_the_sound_goes_on_in_silence(tmp_path):
    path = made(tmp_path / "a.mp4", np.arange(48) / 24, [(0, tone(0.5))], sound_codec="aac")
    part = Clip.load(path, start=1)
    assert (part.num_frames, part.audio.shape[1]) == (24, RATE)
    assert not part.audio.any()


# What a file gives away


def photo(path, fmt="JPEG"):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "CAMERA-X", 6
    exif.get_ifd(0x8825)[1] = "N"
    pixels = np.random.default_rng(1).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, fmt, exif=exif, **({"lossless": True} if fmt == "WEBP" else {}))
    return path


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_metadata_of_a_given_picture_stays_at_home(fmt, tmp_path):
    path = photo(tmp_path / "photo", fmt)
    kept = Source.from_path(path).open().read()
    assert b"CAMERA-X" in path.read_bytes()
    assert b"CAMERA-X" not in kept
    np.testing.assert_array_equal(media.read_image(kept), media.read_image(path))  # turned as it was


def test_a_damaged_picture_is_kept_as_it_is(tmp_path):
    content = photo(tmp_path / "photo").read_bytes()
    for end in range(0, len(content), 97):
        assert content[:end].startswith(media.without_metadata(content[:end])[:2])


def test_saving_says_that_a_given_file_is_inside(clip, tmp_path):
    made_from_photo = given_file(clip, photo(tmp_path / "photo.jpg"))
    with pytest.warns(UserWarning, match=r"a\.mp4 holds the files given for it, .*; save\(\.\.\., embed='request'\)"):
        made_from_photo.save(tmp_path / "a.mp4")
    assert ClipRequest.from_file(tmp_path / "a.mp4").given[0].source.data is not None


def test_a_request_can_be_saved_without_its_media(clip, tmp_path):
    made_from_photo = given_file(clip, photo(tmp_path / "photo.jpg"))
    path = made_from_photo.save(tmp_path / "a.mp4", embed="request")
    found = ClipRequest.from_file(path)
    assert found == made_from_photo.request
    with pytest.raises(ValueError, match=r"cannot read the given file '.*not-embedded-.*'"):
        found.given[0].source.open()
    nothing = made_from_photo.save(tmp_path / "b.mp4", embed="none")
    assert (media.read_request_json(nothing), media.read_clip_json(nothing)) == (None, None)
    with pytest.raises(ValueError, match="embed='all' is not one of media, request, none"):
        clip.save(tmp_path / "c.mp4", embed="all")


# What saving must not destroy


def test_a_clip_is_not_saved_over_what_it_was_given(clip, tmp_path):
    path = tmp_path / "large.mp4"
    path.write_bytes(bytes(1_000_001))
    (tmp_path / "link.mp4").symlink_to(path)
    extended = given_file(clip, path)
    for target in (path, tmp_path / "link.mp4"):
        with pytest.raises(ValueError, match=r"is given to this clip's request, .*; nearest: .*-2\.mp4"):
            extended.save(target)
    assert path.read_bytes() == bytes(1_000_001)


def test_an_address_is_no_path(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for address in ("http://127.0.0.1:9/a.mp4", "rtmp://host/a.mp4", "file:///a.mp4"):
        with pytest.raises(ValueError, match="is an address, not a path"):
            clip.save(address)
        with pytest.raises(ValueError, match="is an address, not a path"):
            Clip.load(address)
    assert not list(tmp_path.iterdir())


def test_names_may_have_a_colon_and_any_length(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("take 1: the ball.mp4", "http:a.mp4", "-y.mp4", f"{'n' * 251}.mp4"):
        assert Clip.load(clip.save(name)).num_frames == 25
        assert (tmp_path / name).exists()


def test_a_file_keeps_its_mode_and_a_link_its_target(clip, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")
    path.chmod(0o640)
    (tmp_path / "link.mp4").symlink_to(path)
    clip.save(tmp_path / "link.mp4")
    assert path.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link.mp4").is_symlink()
    assert Clip.load(path).num_frames == 25


KILLED = """
import sys, time
from ltx_nb.whole_files import whole_file, whole_folder
with whole_file(sys.argv[1]) as a, whole_folder(sys.argv[2]) as b:
    a.write_text("half")
    (b / "shard").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_writer_left_is_cleared_away(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a"), str(tmp_path / "b")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "writing\n"
        with whole_file(tmp_path / "beside") as unfinished:
            unfinished.write_text("whole")
        assert len(list(tmp_path.iterdir())) == 3  # the living writer's are left alone
        writer.send_signal(signal.SIGKILL)
    with whole_folder(tmp_path / "next"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beside", "next"]


def test_a_killed_save_leaves_the_old_clip_or_the_new(clip, tmp_path):
    path = clip.save(tmp_path / "a.mkv", lossless=True)
    for _ in kill_savers(path, 4):
        np.testing.assert_array_equal(Clip.load(path).frames, clip.frames)
    clip.save(path, lossless=True)
    assert list(tmp_path.iterdir()) == [path]


# Records that make no sense


@pytest.mark.parametrize(
    "record",
    [
        {"provenance": {"video": [[0, 1, "elsewhere"]], "audio": []}, "notes": []},
        {"provenance": {"video": [[0, -1, "source"]], "audio": [[0, 1, "source"]]}, "notes": []},
        {"provenance": {"video": [], "audio": []}, "notes": 7},
        {"provenance": {"video": [[0, 1, "source"]], "audio": [[0, 1, "source"]]}, "notes": [{}]},
        ["provenance"],
    ],
)
def test_a_record_that_makes_no_sense_is_left_out_with_a_note(clip, record, tmp_path):
    record = json.dumps(record)
    path = media.write_video(tmp_path / "a.mp4", clip.frames, 24, clip.audio, RATE, clip_json=record)
    found = Clip.load(path)
    assert {spans[0][2] for spans in found.provenance.values()} == {"source"}
    assert found.notes[0].startswith("its record of what comes from where cannot be read: ")


def test_a_record_of_any_depth_is_left_out(clip, tmp_path):
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.metadata["comment"] = '{"ltx_nb_clip": ' + "[" * 100_000
        stream = container.add_stream("libx264", rate=24, width=32, height=32, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame(32, 32)) + stream.encode(None))
    assert Clip.load(tmp_path / "a.mkv").num_frames == 1


def test_a_tag_that_is_not_utf_8_is_read_as_far_as_it_is(clip, tmp_path):
    path = clip.save(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes().replace(b"a ball", b"\xe4 ball"))
    assert json.loads(media.read_request_json(path))["prompt"] == "\ufffd ball"


def test_strip_leaves_media_and_nothing_else(clip, tmp_path):
    path = clip.save(tmp_path / "a.mp4")
    stripped = media.strip(path, tmp_path / "b.mp4")
    assert (media.read_request_json(stripped), media.read_clip_json(stripped)) == (None, None)
    np.testing.assert_array_equal(media.read_video(stripped)[0], media.read_video(path)[0])
    found, wanted = media.read_audio(stripped)[0], media.read_audio(path)[0]
    np.testing.assert_array_equal(found[:, : wanted.shape[1]], wanted)
    assert media.strip(path, path) == path
    assert media.read_request_json(path) is None
    assert sorted(os.listdir(tmp_path)) == ["a.mp4", "b.mp4"]
