"""Damaged and hostile files, thousands of them: a ValueError that names the file, or media; nothing else, and soon.

LTX_NB_FUZZ_ROUNDS asks for more of each; docs/reliability.md has what a long run found.
"""

import os
import random
import warnings

import numpy as np
import pytest
from made_media import made, numbered, tone
from PIL import Image

from ltx_nb import media
from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest, Source

ROUNDS = int(os.environ.get("LTX_NB_FUZZ_ROUNDS", "25"))
READERS = (media.probe, Clip.load, media.read_still, media.read_audio, media.read_image, ClipRequest.from_file)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """One small file of each kind, whole."""
    folder = tmp_path_factory.mktemp("seeds")
    frames = np.stack([numbered(index) for index in range(4)])
    request = ClipRequest("a ball", width=64, height=64, num_frames=9)
    clip = Clip(frames=frames, frame_rate=24, audio=tone(4 / 24), sample_rate=48_000, request=request)
    for suffix in (".mp4", ".webm", ".mkv", ".wav", ".flac", ".mp3"):
        clip.save(folder / f"clip{suffix}")
    for name, codec in (("a.avi", "mpeg4"), ("a.ts", "libx264")):
        made(folder / name, np.arange(4) / 30, [(0, tone(0.2))], codec=codec, sound_codec="libmp3lame")
    for name, codec in (("a.ogg", "libopus"), ("a.aiff", "pcm_s16be"), ("a.aac", "aac")):
        made(folder / name, (), [(0, tone(0.2))], sound_codec=codec)
    pictures = [Image.fromarray(frame) for frame in frames]
    for fmt in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        pictures[0].save(folder / f"still.{fmt.lower()}", fmt)
    for fmt in ("GIF", "WEBP", "PNG"):
        pictures[0].save(folder / f"moving.{fmt.lower()}", fmt, save_all=True, append_images=pictures[1:], duration=40)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def damaged(content, rng):
    """Cut off, changed, doubled, or with numbers where sizes stand that no file has."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = int(len(content) * rng.random() ** rng.choice([1, 3]))  # headers more often
        kind = rng.randrange(5)
        if kind == 0:
            del content[max(at, 1) :]
        elif kind == 1 and content:
            content[min(at, len(content) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 2:
            content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\x80\0\0\0"])
        elif kind == 3:
            content[at : at + rng.randrange(64)] = rng.randbytes(rng.randrange(64))
        else:
            content[at:at] = content[at : at + rng.randrange(256)]
    return bytes(content)


def assert_told(read, path, *arguments):
    """1 if it was read, 0 if a ValueError names it; anything else is a fault."""
    try:
        read(path, *arguments)
    except ValueError as error:
        assert path.name in str(error) or "holds no request" in str(error), f"{read.__name__}: {error}"
        return 0
    return 1


SEEDS = ["clip.mp4", "clip.webm", "clip.mkv", "clip.wav", "clip.flac", "clip.mp3"]
SEEDS += ["a.avi", "a.ts", "a.ogg", "a.aiff", "a.aac"]
SEEDS += [f"still.{fmt}" for fmt in ("png", "jpeg", "webp", "gif", "bmp", "tiff", "avif")]
SEEDS += ["moving.gif", "moving.webp", "moving.png"]


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files_are_read_or_named(name, seeds, tmp_path, monkeypatch):
    monkeypatch.setenv("LTX_NB_MEDIA_LIMIT_GB", "0.05")
    rng = random.Random(name)
    path = tmp_path / name
    for round_ in range(ROUNDS):
        path.write_bytes(damaged(seeds[name], rng))
        if not path.stat().st_size:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for read in READERS:
                assert_told(read, path)
            if round_ % 5 == 0:
                assert_told(media.strip, path, tmp_path / "stripped.mkv")


def test_bytes_of_any_kind_are_no_picture_or_one():
    rng = random.Random(0)
    for _ in range(20 * ROUNDS):
        begin = rng.choice([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b""])
        assert isinstance(media.without_metadata(begin + rng.randbytes(rng.randrange(200))), bytes)


def test_requests_of_any_shape_are_read_or_refused():
    rng = random.Random(0)
    whole = ClipRequest("a ball", given=(), seed=3).to_dict()
    values = [None, -1, 0, 1.5, 1e999, 2**70, "", "x", "\ud800", [], [[]], {}, {"a": {}}, True, float("nan")]
    for _ in range(40 * ROUNDS):
        changed = dict(whole)
        for _ in range(rng.choice([1, 2])):
            changed[rng.choice([*whole, "other"])] = rng.choice(values)
        try:
            ClipRequest.from_dict(changed).to_json()
        except ValueError as error:
            assert str(error)
    for text in ("[" * 100_000, '{"a":' * 50_000, "\x00", "{}", "null", "1e999", '"' + "x" * 10**6):
        with pytest.raises(ValueError):
            ClipRequest.from_json(text)


def test_a_request_with_a_hostile_source_is_refused_when_it_is_read(tmp_path):
    for target in ("/dev/zero", str(tmp_path), str(tmp_path / "none"), "/proc/self/mem"):
        with pytest.raises(ValueError, match="cannot read the given file"):
            Source(sha256="0" * 64, path=target).open()
