"""Sources keep small media, name large ones by path and SHA-256, and notice when those are gone or changed."""

import hashlib
import json
import os
import re
import time

import numpy as np
import pytest

from ltx_nb import local_files
from ltx_nb.media import Media
from ltx_nb.source import EMBED_LIMIT_BYTES, Source


@pytest.fixture
def large_file(tmp_path):
    path = tmp_path / "large.mp4"
    path.write_bytes(bytes(EMBED_LIMIT_BYTES + 1))
    return path


@pytest.fixture
def frames():
    return np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)


def test_a_small_file_is_embedded_and_no_longer_needed(tmp_path):
    path = tmp_path / "ball.png"
    path.write_bytes(b"x" * EMBED_LIMIT_BYTES)
    source = Source.from_path(path)
    path.unlink()
    read = Source.from_dict(json.loads(json.dumps(source.to_dict())))
    assert read == source
    assert read.media_type == "image/png"
    assert read.open().read() == b"x" * EMBED_LIMIT_BYTES


def test_a_large_file_is_named_by_path_and_sha256(large_file):
    source = Source.from_path(large_file)
    digest = hashlib.sha256(large_file.read_bytes()).hexdigest()
    assert source.to_dict() == {"sha256": digest, "path": str(large_file)}
    with Source.from_dict(source.to_dict()).open() as file:
        assert file.read() == large_file.read_bytes()


def test_a_large_file_is_found_from_any_folder(large_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = Source.from_path("large.mp4")
    monkeypatch.chdir(tmp_path.parent)
    with source.open() as file:
        assert file.read() == large_file.read_bytes()


def test_a_missing_file_is_named(large_file):
    source = Source.from_path(large_file)
    large_file.unlink()
    with pytest.raises(ValueError, match=r"cannot read the given file '.*large.mp4': No such file"):
        source.open()


def test_a_changed_file_is_named_with_both_digests(large_file):
    source = Source.from_path(large_file)
    large_file.write_bytes(bytes(EMBED_LIMIT_BYTES) + b"x")
    found = hashlib.sha256(large_file.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=rf"large.mp4' has changed .* {found[:12]}\.\.\., not {source.sha256[:12]}"):
        source.open()


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read the given file '.*none.wav': No such file"):
        Source.from_path(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="Is a directory"):
        Source.from_path(tmp_path)


def test_equal_content_makes_equal_sources(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"same")
    a, b = (Source.from_path(tmp_path / name) for name in ("a.png", "b.png"))
    assert a == b
    assert hash(a) == hash(b)
    assert a != Source.from_bytes(b"other", "image/png")


def test_media_in_memory_are_told_apart_by_content_and_rate(frames):
    audio = np.zeros((2, 100), dtype=np.float32)
    sources = [
        Source.from_media(Media(frames=frames, frame_rate=24)),
        Source.from_media(Media(frames=frames, frame_rate=25)),
        Source.from_media(Media(frames=frames + 1, frame_rate=24)),
        Source.from_media(Media(frames=frames, frame_rate=24, audio=audio, sample_rate=48_000)),
        Source.from_media(Media(audio=audio, sample_rate=48_000)),
    ]
    assert len(set(sources)) == len(sources)
    assert sources[0] == Source.from_media(Media(frames=frames.copy(), frame_rate=24.0))


def test_media_of_another_memory_layout_are_the_same(frames):
    turned = np.asfortranarray(frames)
    assert Media(frames=turned, frame_rate=24).sha256 == Media(frames=frames, frame_rate=24).sha256


@pytest.mark.parametrize(
    ("media", "message"),
    [
        ({}, "neither frames nor audio is given"),
        ({"frames": np.zeros((2, 4, 4, 3)), "frame_rate": 24}, "frames are float64, not uint8"),
        ({"frames": np.zeros((2, 4, 4, 3), np.uint8)}, "frame_rate=None is a NoneType, not a number"),
        ({"audio": np.full((2, 9), np.nan, np.float32), "sample_rate": 48_000}, "audio holds NaN or infinity"),
        ({"audio": np.zeros((2, 9), np.float32)}, "sample_rate=None is a NoneType, not a whole number"),
    ],
)
def test_refused_media_say_why(media, message):
    with pytest.raises(ValueError, match=message):
        Media(**media)


def test_a_source_says_what_is_in_it(frames):
    audio = np.zeros((2, 24_000), dtype=np.float32)
    both = Source.from_media(Media(frames=frames, frame_rate=24, audio=audio, sample_rate=48_000)).info()
    assert (both.num_frames, both.width, both.height, both.frame_rate, both.has_audio) == (2, 6, 4, 24, True)
    assert both.duration_s == 2 / 24
    sound = Source.from_media(Media(audio=audio, sample_rate=48_000)).info()
    assert (sound.num_frames, sound.duration_s, sound.has_video) == (0, 0.5, False)
    assert Source.from_media(Media(frames=frames[:1])).info().is_image


def test_one_frame_needs_no_rate(frames):
    assert Media(frames=frames[:1]).frame_rate is None


DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sha256": DIGEST}, "a source has exactly one of path, data and media"),
        ({"sha256": DIGEST, "path": "a", "data": "eA==", "media_type": "image/png"}, "exactly one of"),
        ({"sha256": "abc", "path": "a"}, "sha256='abc' is not 64 digits"),
        ({"sha256": DIGEST.replace("0", "A"), "path": "a"}, "is not 64 digits of lower-case hexadecimal"),
        ({"path": "a"}, "source needs 'sha256', which is missing"),
        ({"sha256": DIGEST, "path": ""}, "path is empty; name a file"),
        ({"sha256": DIGEST, "path": 3}, "path=3 is a int, not a str"),
        ({"sha256": DIGEST, "data": "eA=="}, "media_type=None is a NoneType, not a str"),
        ({"sha256": DIGEST, "data": "", "media_type": "image/png"}, "data is empty"),
        ({"sha256": DIGEST, "data": "?", "media_type": "image/png"}, "data of source is not base64"),
        ({"sha256": DIGEST, "dta": "eA=="}, "source has no 'dta'; did you mean 'data'"),
        ([], "source is a list, not a mapping"),
    ],
)
def test_refused_json_says_why(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Source.from_dict(fields)


def test_a_file_that_is_as_it_was_is_read_once(large_file, monkeypatch):
    long_ago = large_file.stat().st_mtime_ns - 10 * local_files.SETTLED_NS
    os.utime(large_file, ns=(long_ago, long_ago))
    read = []
    real = local_files.hashlib.sha256
    monkeypatch.setattr(local_files.hashlib, "sha256", lambda *data: read.append(1) or real(*data))
    source = Source.from_path(large_file)
    for _ in range(3):
        source.open().close()
    assert len(read) == 1
    time.sleep(0.05)  # several ticks of a file system's clock
    content = bytearray(large_file.read_bytes())
    content[1000] ^= 1
    large_file.write_bytes(content)
    os.utime(large_file, ns=(long_ago, long_ago))  # as a copy that keeps its times, of the same size
    with pytest.raises(ValueError, match="has changed since the request was made"):
        source.open()
