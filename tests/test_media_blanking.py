"""What phones and programs write beside sound and picture stays at home; what is heard and seen is as it was."""

import random
import struct

import av
import numpy as np
import pytest
from made_media import RATE, made, tone
from PIL import Image

from ltx_nb import media
from ltx_nb.media.blanking import blanked
from ltx_nb.source import Source

SECRET = "SECRET-PLACE"
TAGS = {"title": SECRET, "comment": SECRET, "artist": SECRET, "location": "+52.5200+013.4050/"}
TAGS |= {"creation_time": "2021-02-03T04:05:06Z", "make": SECRET, "com.apple.quicktime.model": SECRET}
PLACE = (b"SECRET-PLACE", b"+52.52", b"2021-02-03")


def with_tags(path, source, options=None):
    """The streams of a file in a container with tags, as they are."""
    with av.open(str(source)) as given, av.open(str(path), "w", options=options or {}) as container:
        container.metadata.update(TAGS)
        streams = {stream.index: container.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                container.mux(packet)
    return path


KINDS = {
    "phone.mp4": ("libx264", "aac", {}),
    "phone.mov": ("libx264", "aac", {"movflags": "use_metadata_tags"}),
    "first.mp4": ("libx264", "aac", {"movflags": "faststart"}),
    "voice.m4a": (None, "aac", {}),
    "voice.mp3": (None, "libmp3lame", {"write_id3v1": "1"}),
    "voice.flac": (None, "flac", {}),
    "voice.wav": (None, "pcm_s16le", {"write_bext": "1"}),
    "voice.aiff": (None, "pcm_s16be", {"write_id3v2": "1"}),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_a_phone_keeps_sound_and_picture_and_nothing_beside(name, tmp_path):
    codec, sound_codec, options = KINDS[name]
    plain = tmp_path / f"plain-{name}"
    made(
        plain, np.arange(12) / 24 if codec else (), [(0, tone(0.5))], codec=codec or "libx264", sound_codec=sound_codec
    )
    path = with_tags(tmp_path / name, plain, options)
    content = path.read_bytes()
    assert SECRET.encode() in content
    kept = Source.from_path(path).open().read()
    assert not any(word in kept for word in PLACE)
    again = tmp_path / f"again-{name}"
    again.write_bytes(kept)
    with av.open(str(again)) as container:
        assert not any(SECRET in value or "2021" in value for value in container.metadata.values())
    sound, before = (media.read_audio(str(it), RATE)[0] for it in (again, path))
    np.testing.assert_array_equal(sound, before)
    if codec:
        pictures, before = (list(media.read_frames_at(str(it), np.arange(12) / 24)) for it in (again, path))
        np.testing.assert_array_equal(pictures, before)


@pytest.mark.parametrize("order", ["II", "MM"])
def test_a_TIFF_keeps_its_picture_and_neither_camera_nor_place(order, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0132], exif[0x0112] = SECRET, "2021-02-03 04:05:06", 6
    exif.get_ifd(0x8825)[29] = "2021-02-03"
    exif.get_ifd(0x8769)[0x9286] = SECRET.encode()
    pixels = np.random.default_rng(1).integers(0, 2**16, (24, 40), dtype=np.uint16)
    path = tmp_path / "photo.tif"
    Image.fromarray(pixels.astype(">u2") if order == "MM" else pixels).save(path, exif=exif, description=SECRET)
    kept = Source.from_path(path).open().read()
    assert SECRET.encode() in path.read_bytes()
    assert not any(word in kept for word in PLACE)
    np.testing.assert_array_equal(media.read_image(kept), media.read_image(path))  # turned as it was


def test_the_samples_that_an_encoder_adds_are_told_as_before():
    """iTunes writes how many there are among the titles; a player leaves them out by that."""

    def box(kind, *parts):
        body = b"".join(parts)
        return struct.pack(">I", len(body) + 8) + kind + body

    gapless = box(b"----", box(b"mean", b"\0\0\0\0com.apple.iTunes"), box(b"name", b"\0\0\0\0iTunSMPB"))
    title = box(b"\xa9nam", box(b"data", b"\0\0\0\1\0\0\0\0", SECRET.encode()))
    handler = box(b"hdlr", bytes(24))
    movie = box(b"moov", box(b"udta", box(b"meta", bytes(4), handler, box(b"ilst", title, gapless))))
    content = box(b"ftyp", b"M4A \0\0\0\0") + movie
    kept = blanked(content)
    assert len(kept) == len(content)
    assert gapless in kept and handler in kept and SECRET.encode() not in kept


def test_damaged_files_come_back_as_they_are_or_blanked_and_never_raise(tmp_path):
    plain = tmp_path / "plain.mp4"
    made(plain, np.arange(4) / 24, [(0, tone(0.2))], sound_codec="aac")
    whole = with_tags(tmp_path / "a.mp4", plain).read_bytes()
    for end in range(0, len(whole), 101):
        assert len(blanked(whole[:end])) == end
    rng = random.Random(0)
    begins = [
        b"fLaC",
        b"RIFF\0\0\0\0WAVE",
        b"FORM\0\0\0\0AIFF",
        b"II*\0",
        b"MM\0*",
        b"ID3\3\0\0\0\0\0\1",
        b"\0\0\0\x08ftyp",
    ]
    for _ in range(3_000):
        content = rng.choice(begins) + rng.randbytes(rng.randrange(120))
        assert len(blanked(content)) <= len(content)
    deep = b"moov"
    nested = b""
    for _ in range(2_000):
        nested = struct.pack(">I", len(nested) + 8) + b"trak" + nested
    content = b"\0\0\0\x08ftyp" + struct.pack(">I", len(nested) + 8) + deep + nested
    assert blanked(content) == content
