"""Every kind of file that people have: formats, colour, shape of pixels, tracks; and those that mean harm."""

import os
import struct
import subprocess
import sys
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from made_media import RATE, SIDE, level, made, number_of, numbered, sound_packets, tone
from PIL import Image

from ltx_nb import media
from ltx_nb.clip import Clip
from ltx_nb.media.colour import tone_mapped
from ltx_nb.pipeline.sources import picture_source
from ltx_nb.request import Source

# Formats


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.ogg", "libopus"),
        ("a.opus", "libopus"),
        ("a.aiff", "pcm_s16be"),
        ("a.aac", "aac"),
        ("a.m4a", "aac"),
        ("a.mka", "flac"),
        ("a.mp3", "libmp3lame"),
        ("a.flac", "flac"),
    ],
)
def test_sound_of_any_format_is_heard(name, codec, tmp_path):
    sound, rate = media.read_audio(made(tmp_path / name, (), [(0, tone(1.5))], sound_codec=codec))
    assert rate == RATE
    assert sound.shape[1] / rate == pytest.approx(1.5, abs=0.06)
    assert level(sound[:, 4800:67_200]) == pytest.approx(0.354, abs=0.03)
    assert np.argmax(np.abs(np.fft.rfft(sound[0, 4800:52_800]))) == 440


@pytest.mark.parametrize(("name", "codec", "sound"), [("a.avi", "mpeg4", "pcm_s16le"), ("a.mts", "libx264", "aac")])
def test_video_of_any_format_is_seen(name, codec, sound, tmp_path):
    path = tmp_path / name
    target = tmp_path / "a.ts" if name == "a.mts" else path
    made(target, np.arange(60) / 30, [(0, tone(2))], codec=codec, sound_codec=sound).rename(path)
    frames, rate = media.read_video(path)
    assert (rate, [number_of(frame) for frame in frames]) == (30, list(range(60)))
    assert level(media.read_audio(path)[0]) == pytest.approx(0.354, abs=0.02)
    assert media.probe(path).duration_s == pytest.approx(2, abs=0.06)


def test_a_heic_photo_is_refused_since_its_first_tile_would_be_taken_for_it(tmp_path):
    path = made(tmp_path / "photo.mp4", [0.0]).rename(tmp_path / "photo.heic")
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"heic" + content[12:])  # the brand is what tells a photo from a video
    for read in (media.probe, media.read_video, media.read_audio):
        with pytest.raises(ValueError, match=r"photo\.heic is a HEIC photo, .*; save it as JPEG or PNG"):
            read(path)


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "PNG", "AVIF"])
def test_a_moving_picture_is_a_clip(fmt, tmp_path):
    pictures = [Image.fromarray(numbered(index)) for index in range(12)]
    lengths_ms = [40] * 6 + [80] * 6
    lossless = {} if fmt in ("GIF", "PNG") else {"quality": 100}
    path = tmp_path / "a"
    pictures[0].save(path, fmt, save_all=True, append_images=pictures[1:], duration=lengths_ms, **lossless)
    info = media.probe(path)
    assert info.duration_s == pytest.approx(0.72)
    found = Clip.load(path)
    assert [number_of(frame) for frame in found.frames] == [*range(6), *np.repeat(np.arange(6, 12), 2)]
    assert (found.frame_rate, found.duration_s) == (25, pytest.approx(0.72))
    assert number_of(media.read_still(path)) == 7


def test_a_gif_that_does_not_move_is_a_picture(tmp_path):
    Image.fromarray(numbered(5)).save(tmp_path / "a.gif")
    assert media.probe(tmp_path / "a.gif").is_image
    assert number_of(media.read_image(tmp_path / "a.gif")) == 5


@pytest.mark.parametrize("fmt", ["BMP", "TIFF", "GIF", "WEBP", "AVIF", "PNG", "JPEG"])
def test_pictures_of_any_format_are_seen(fmt, tmp_path):
    Image.fromarray(numbered(181)).save(tmp_path / "a", fmt)
    assert number_of(media.read_image(tmp_path / "a")) == 181


# Colour and geometry


@pytest.mark.parametrize(
    ("transfer", "value", "wanted"),
    [
        # 203 nits, 58 % of PQ and 75 % of HLG (ITU-R BT.2408), are white; a quarter of that light is 137 in sRGB.
        ("PQ", 0.4401, 137),
        ("PQ", 0.0, 0),
        ("PQ", 0.7518, 255),  # 1000 nits
        ("PQ", 1.0, 255),
        ("HLG", 1.0, 255),
        ("HLG", 0.0, 0),
    ],
)
def test_light_of_hdr_becomes_light_of_sdr(transfer, value, wanted):
    grey = np.full((1, 1, 3), round(value * 65535), np.uint16)
    assert tone_mapped(grey, transfer)[0, 0].tolist() == pytest.approx([wanted] * 3, abs=2)


def test_hdr_white_is_bright_and_not_burnt_out():
    for transfer, value in (("PQ", 0.5807), ("HLG", 0.75)):
        white = tone_mapped(np.full((1, 1, 3), round(value * 65535), np.uint16), transfer)[0, 0]
        assert 225 < white.min() == white.max() < 250
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None].repeat(3, -1)
    for transfer in ("PQ", "HLG"):
        assert (np.diff(tone_mapped(ramp, transfer)[0, :, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_an_hdr_video_is_tone_mapped_with_a_note(transfer, name, tmp_path):
    with av.open(str(tmp_path / "hdr.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=24, width=SIDE, height=SIDE, pix_fmt="yuv420p10le")
        codec = stream.codec_context
        codec.color_trc, codec.color_primaries, codec.colorspace, codec.color_range = transfer, 9, 9, 1
        frame = av.VideoFrame(SIDE, SIDE, "yuv420p10le")
        for plane, level_of_1023 in zip(frame.planes, (504, 512, 512), strict=True):  # 504: half of the range, grey
            plane.update(np.full(plane.buffer_size // 2, level_of_1023, np.uint16).tobytes())
        frame.color_trc = transfer
        container.mux(stream.encode(frame) + stream.encode(None))
    info = media.probe(tmp_path / "hdr.mkv")
    assert info.notes == (f"HDR picture ({name}) tone-mapped to SDR",)
    half = tone_mapped(np.full((1, 1, 3), 32768, np.uint16), name)[0, 0]
    found = media.read_video(tmp_path / "hdr.mkv")[0]
    assert np.abs(found[0].astype(int) - half).max() <= 2
    assert Clip.load(tmp_path / "hdr.mkv").notes == info.notes


def test_oblong_pixels_become_square(tmp_path):
    def oblong(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)

    path = made(tmp_path / "dv.mp4", np.arange(5) / 25, setup=oblong)
    info = media.probe(path)
    assert (info.width, info.height) == (96, 64)
    assert info.notes == ("picture of 64x64 oblong pixels brought to 96x64",)
    frames, _ = media.read_video(path)
    assert frames.shape == (5, 64, 96, 3)
    assert [number_of(frame) for frame in frames] == list(range(5))


@pytest.mark.parametrize(("mode", "dtype"), [("I;16", np.uint16), ("I", np.int32)])
def test_sixteen_bit_grey_keeps_its_tones(mode, dtype, tmp_path):
    ramp = np.linspace(0, 65535, 64).astype(dtype)[None].repeat(4, 0)
    fmt = "PNG" if mode == "I;16" else "TIFF"
    Image.fromarray(ramp).save(tmp_path / "a", fmt)
    found = media.read_image(tmp_path / "a")
    np.testing.assert_array_equal(found[0, :, 0], np.rint(ramp[0] / 257))
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of_16_bits(rgb):
    """Pillow writes no 16-bit colour."""
    height, width, _ = rgb.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_sixteen_bit_colour_keeps_its_tones():
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    rgb = np.stack([ramp, ramp[::-1], np.full(64, 30_000, np.uint16)], -1)[None].repeat(3, 0)
    found = media.read_image(png_of_16_bits(rgb)).astype(int)
    assert np.abs(found - rgb / 257).max() <= 1


def test_numbers_without_a_white_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(
        ValueError, match=r"a\.tiff.*floating-point numbers, whose white is not known; save it as 16-bit"
    ):
        media.read_image(tmp_path / "a.tiff")


def test_a_pil_image_is_treated_like_its_file(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(numbered(5, 60, 40))
    turned.save(tmp_path / "turned.png", exif=exif)
    Image.new("RGBA", (8, 8), (200, 100, 50, 128)).save(tmp_path / "glass.png")
    Image.fromarray(np.full((4, 4), 30_000, np.uint16)).save(tmp_path / "grey.png")
    for name in ("turned.png", "glass.png", "grey.png"):
        with Image.open(tmp_path / name) as image:
            found = picture_source(image).media.frames[0]
        np.testing.assert_array_equal(found, media.read_image(tmp_path / name))


def test_the_sound_track_flagged_default_is_heard(tmp_path):
    with av.open(str(tmp_path / "film.mkv"), "w") as container:
        lanes = [container.add_stream("pcm_f32le", rate=RATE, layout="stereo") for _ in range(2)]
        lanes[0].disposition, lanes[1].disposition = 0, av.stream.Disposition.default
        packets = [
            packet for lane, hz in zip(lanes, (440, 880), strict=True) for packet in sound_packets(lane, 0, tone(1, hz))
        ]
        for packet in packets:
            container.mux(packet)
    sound, _ = media.read_audio(tmp_path / "film.mkv")
    assert np.argmax(np.abs(np.fft.rfft(sound[0]))) == 880
    assert media.probe(tmp_path / "film.mkv").notes == ("sound track 2 of 2 read",)


# Sizes, from the header


def huge_png(width, height):
    """A picture of that size in its header, and of no pixels."""
    return PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def test_a_picture_that_unfolds_is_refused_from_its_header(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(huge_png(50_000, 50_000))
    for read in (media.probe, media.read_image, media.read_video, media.read_thumbnails):
        with pytest.raises(ValueError, match=r"a\.png"):
            read(tmp_path / "a.png", *([1] if read is media.read_thumbnails else []))
    monkeypatch.setenv("LTX_NB_MEDIA_LIMIT_GB", "0.0001")
    Image.new("RGB", (200, 200)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"of 200x200 px take 0\.00012 GB decoded; at most 0\.0001 GB are"):
        media.read_image(tmp_path / "b.png")


def test_a_video_that_unfolds_is_refused_from_its_header(tmp_path, monkeypatch):
    path = made(tmp_path / "a.mp4", np.arange(48) / 24)
    monkeypatch.setenv("LTX_NB_MEDIA_LIMIT_GB", "0.0004")
    for read in (media.read_video, Clip.load):
        with pytest.raises(ValueError, match=r"48 frames of 64x64 px take 0\.00059 GB decoded; .* end_s"):
            read(path)
    assert media.read_video(path, 0, 1)[0].shape[0] == 24
    monkeypatch.setenv("LTX_NB_MEDIA_LIMIT_GB", "0.001")
    assert media.read_video(path)[0].shape[0] == 48


def test_a_long_silence_in_a_small_file_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = made(tmp_path / "a.flac", (), [(0, np.zeros((2, 60 * RATE), np.float32))], sound_codec="flac")
    assert path.stat().st_size < 20_000
    monkeypatch.setenv("LTX_NB_MEDIA_LIMIT_GB", "0.02")
    for read in (media.read_audio, Clip.load):
        with pytest.raises(
            ValueError, match=r"a\.flac: 60 s of sound at 48000 Hz take 0\.023 GB decoded; at most 0\.02"
        ):
            read(path)
    assert media.read_audio(path, start_s=20, end_s=21)[0].shape == (2, RATE)


# Only regular files


def test_pipes_devices_and_empty_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "empty.mp4").touch()
    cases = {"/dev/zero": "a device", tmp_path / "pipe.mp4": "a pipe", tmp_path / "empty.mp4": "empty"}
    cases |= {"/proc/kmsg": "empty"} if os.path.exists("/proc/kmsg") and os.access("/proc/kmsg", os.R_OK) else {}
    for path, kind in cases.items():
        for read in (media.probe, media.read_image, media.read_audio, Clip.load, Source.from_path):
            with pytest.raises(ValueError, match=f"cannot read .*: it is {kind}; give a file with something in it"):
                read(path)
        with pytest.raises(ValueError, match=f"it is {kind}"):
            Source(sha256="0" * 64, path=str(path)).open()


def test_a_file_that_grows_is_hashed_to_the_size_it_had(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(bytes(2_000_000))
    code = (
        "import sys\nwith open(sys.argv[1], 'ab') as file:\n    while True: file.write(bytes(1_000_000)); file.flush()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)]) as writer:
        try:
            source = Source.from_path(path)
        finally:
            writer.kill()
    assert len(source.sha256) == 64
