"""Media: what is written is read back; what cannot be read says why."""

import io
import json
import resource
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from PIL import Image, ImageDraw, ImageFilter

from ltx_nb import media
from ltx_nb.media import Media

SAMPLE_RATE = 48_000
NUM_FRAMES, HEIGHT, WIDTH = 25, 64, 96
VIDEO_SUFFIXES = [".mp4", ".mov", ".webm", ".mkv"]
AUDIO_SUFFIXES = [".wav", ".flac", ".mp3"]


def ball(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A red ball that moves 2 px a frame to the right in front of a slope of blue."""
    row = np.linspace(40, 200, width)
    picture = Image.fromarray(
        np.stack([np.full((height, width), 30), np.full((height, width), 60), np.tile(row, (height, 1))], -1).astype(
            np.uint8
        )
    )
    x, y = 20 + 2 * index, height // 2
    ImageDraw.Draw(picture).ellipse([x - 12, y - 12, x + 12, y + 12], fill=(220, 40, 30))
    # A picture with edges as sharp as its pixels is not what a camera sees, and not what half the colour can hold.
    return np.array(picture.filter(ImageFilter.GaussianBlur(1)))


@pytest.fixture(scope="module")
def frames():
    return np.stack([ball(index) for index in range(NUM_FRAMES)])


@pytest.fixture(scope="module")
def audio():
    """As long as the frames: left a tone of 440 Hz, right a chirp, whose every moment sounds unlike the others."""
    t = np.arange(NUM_FRAMES * SAMPLE_RATE // 24) / SAMPLE_RATE
    return np.stack([0.5 * np.sin(2 * np.pi * 440 * t), 0.4 * np.sin(2 * np.pi * (200 + 700 * t) * t)]).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def mp4(tmp_path_factory, frames, audio):
    return media.write_video(tmp_path_factory.mktemp("mp4") / "ball.mp4", frames, 24, audio, SAMPLE_RATE)


def psnr(found, wanted) -> float:
    return 10 * np.log10(255**2 / np.mean((found.astype(float) - wanted) ** 2))


def lag_samples(found, wanted) -> int:
    """By how much `found` is late: where the cross-correlation of the right channels peaks."""
    size = 2 * max(found.shape[1], wanted.shape[1])
    product = np.fft.rfft(found[1], size) * np.conj(np.fft.rfft(wanted[1], size))
    lag = int(np.argmax(np.fft.irfft(product)))
    return lag if lag < size // 2 else lag - size


def assert_sounds_like(found, wanted, codec_frame=1152):
    assert found.dtype == np.float32
    assert 0 <= found.shape[1] - wanted.shape[1] <= codec_frame
    assert abs(lag_samples(found, wanted)) < SAMPLE_RATE / 1000
    for channel in (0, 1):
        assert np.corrcoef(found[channel, : wanted.shape[1]], wanted[channel])[0, 1] > 0.99


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_picture_comes_back_from_a_file(suffix, tmp_path, frames, audio):
    found, frame_rate = media.read_video(media.write_video(tmp_path / f"a{suffix}", frames, 24, audio, SAMPLE_RATE))
    assert (found.shape, found.dtype, frame_rate) == (frames.shape, np.uint8, 24)
    assert psnr(found, frames) > 34
    # A ball two pixels away from where it belongs is a frame early or late.
    assert min(psnr(found[i], frames[i]) - psnr(found[i], frames[i + 1]) for i in range(NUM_FRAMES - 1)) > 5


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_sound_comes_back_in_time_with_the_picture(suffix, tmp_path, frames, audio):
    found, rate = media.read_audio(media.write_video(tmp_path / f"a{suffix}", frames, 24, audio, SAMPLE_RATE))
    assert rate == SAMPLE_RATE
    assert_sounds_like(found, audio)


@pytest.mark.parametrize("suffix", AUDIO_SUFFIXES)
def test_sound_comes_back_from_a_sound_file(suffix, tmp_path, audio):
    found, rate = media.read_audio(media.write_audio(tmp_path / f"a{suffix}", audio, SAMPLE_RATE))
    assert (rate, found.shape) == (SAMPLE_RATE, audio.shape)
    assert_sounds_like(found, audio)
    error = np.abs(found - audio).max()
    assert error <= {".wav": 0, ".flac": 2**-23, ".mp3": 0.1}[suffix]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_mp4_gives_back_exactly_as_many_samples(suffix, tmp_path, frames, audio):
    found, _ = media.read_audio(media.write_video(tmp_path / f"a{suffix}", frames, 24, audio, SAMPLE_RATE))
    assert found.shape == audio.shape


@pytest.mark.parametrize("aac", [True, False])
def test_previews_keep_sound_and_picture_in_time(aac, frames, audio):
    content = media.encode_preview(frames, 24, audio, SAMPLE_RATE, aac=aac)
    with av.open(io.BytesIO(content)) as container:
        assert container.streams.audio[0].codec_context.name == ("aac" if aac else "mp3float")
    assert psnr(media.read_video(content)[0], frames) > 30
    assert_sounds_like(media.read_audio(content)[0], audio)


def test_colours_are_kept_without_a_bias(tmp_path):
    colours = [(230, 30, 30), (30, 200, 60), (20, 40, 220), (255, 255, 255), (0, 0, 0), (128, 128, 128)]
    frames = np.repeat(np.array(colours, np.uint8), 32 * 32, axis=0).reshape(len(colours), 32, 32, 3)
    found, _ = media.read_video(media.write_video(tmp_path / "a.mp4", frames, 2, None, None))
    assert np.abs(found.astype(int) - frames).max() <= 3


def test_the_file_says_how_its_colours_are_meant(mp4):
    with av.open(str(mp4)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range) == (1, 1, 1, 1)


def test_an_mp4_plays_before_it_is_all_there(mp4):
    content = mp4.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_no_clock_goes_into_a_file(mp4):
    with av.open(str(mp4)) as container:
        names = {*container.metadata} | {name for stream in container.streams for name in stream.metadata}
    assert not names & {"creation_time", "date", "encoder"}


def test_the_same_arrays_give_the_same_bytes(frames, audio):
    assert len({media.encode_preview(frames, 24, audio, SAMPLE_RATE) for _ in range(8)}) == 1
    assert len({media.encode_lossless(frames, 24, audio, SAMPLE_RATE) for _ in range(8)}) == 1


def test_odd_sizes_grow_by_a_pixel(tmp_path, frames):
    found, _ = media.read_video(media.write_video(tmp_path / "a.mp4", frames[:, :63, :95], 24, None, None))
    assert found.shape == (NUM_FRAMES, 64, 96, 3)
    assert psnr(found[:, :63, :95], frames[:, :63, :95]) > 34


@pytest.mark.parametrize("frame_rate", [1, 12.5, 30000 / 1001, 24, 60])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frame_rates_come_back(suffix, frame_rate, tmp_path, frames):
    path = media.write_video(tmp_path / f"a{suffix}", frames, frame_rate, None, None)
    assert media.read_video(path)[1] == pytest.approx(frame_rate, rel=1e-5)
    assert len(media.read_video(path)[0]) == NUM_FRAMES


def test_one_lane_alone_can_be_written(tmp_path, frames, audio):
    silent = media.probe(media.write_video(tmp_path / "silent.mp4", frames, 24, None, None))
    assert (silent.has_video, silent.has_audio) == (True, False)
    dark = media.probe(media.write_video(tmp_path / "dark.mp4", None, None, audio, SAMPLE_RATE))
    assert (dark.has_video, dark.has_audio) == (False, True)


def test_sound_of_another_rate_is_resampled_for_an_mp4(tmp_path, frames):
    t = np.arange(44_100) / 44_100
    tone = np.tile(np.sin(2 * np.pi * 1000 * t) * 0.5, (2, 1)).astype(np.float32)
    found, rate = media.read_audio(media.write_video(tmp_path / "a.mp4", frames[:24], 24, tone, 44_100))
    assert (rate, found.shape) == (48_000, (2, 48_000))
    assert np.argmax(np.abs(np.fft.rfft(found[0]))) == 1000


# Requests in files


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES + AUDIO_SUFFIXES)
def test_three_megabytes_of_request_come_back(suffix, tmp_path, frames, audio):
    request = {"prompt": 'naïve "ball" \n\u2028 \\ 球', "data": "A" * 3_000_000, "seed": 2**63}
    if suffix in VIDEO_SUFFIXES:
        path = media.write_video(
            tmp_path / f"a{suffix}", frames[:2], 24, audio[:, :4000], SAMPLE_RATE, request_json=json.dumps(request)
        )
    else:
        path = media.write_audio(tmp_path / f"a{suffix}", audio, SAMPLE_RATE, request_json=json.dumps(request))
    assert json.loads(media.read_request_json(path)) == request
    assert media.read_clip_json(path) is None


def test_a_request_survives_a_copy_by_another_program(tmp_path, frames, audio):
    path = media.write_video(tmp_path / "a.mp4", frames, 24, audio, SAMPLE_RATE, request_json='{"seed": 7}')
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mp4"), "w") as copy:
        copy.metadata.update(source.metadata)
        streams = {stream: copy.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                copy.mux(packet)
    assert media.read_request_json(tmp_path / "b.mp4") == '{"seed": 7}'


@pytest.mark.parametrize("comment", [None, "shot on a phone", "[1, 2]", '"ltx_nb_request"', '{"prompt": "x"}'])
def test_a_file_without_a_request_has_none(comment, tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        if comment:
            container.metadata["comment"] = comment
        stream = container.add_stream("libx264", rate=24, width=32, height=32, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame(32, 32)) + stream.encode(None))
    assert media.read_request_json(tmp_path / "a.mp4") is None


# Lossless


@pytest.mark.parametrize("shape", [(9, 64, 96), (3, 33, 47), (1, 2, 2)])
def test_lossless_pixels_come_back_exactly(shape):
    frames = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found, frame_rate = media.read_video(media.encode_lossless(frames, 24, None, None))
    assert frame_rate == 24
    np.testing.assert_array_equal(found, frames)


@pytest.mark.parametrize("num_samples", [1, 999, 48_001])
@pytest.mark.parametrize("sample_rate", [16_000, 44_100, 48_000])
def test_lossless_samples_come_back_exactly(num_samples, sample_rate):
    rng = np.random.default_rng(1)
    audio = (rng.uniform(-1, 1, (2, num_samples)) * 10.0 ** rng.uniform(-40, 0, (2, num_samples))).astype(np.float32)
    audio[:, :1] = [[-0.0], [1.0]]
    found, rate = media.read_audio(media.encode_lossless(None, None, audio, sample_rate))
    assert rate == sample_rate
    np.testing.assert_array_equal(found.view(np.uint32), audio.view(np.uint32))


def test_lossless_video_keeps_both_lanes(tmp_path, frames, audio):
    path = media.write_video(tmp_path / "a.mkv", frames, 24, audio, SAMPLE_RATE, lossless=True)
    np.testing.assert_array_equal(media.read_video(path)[0], frames)
    np.testing.assert_array_equal(media.read_audio(path)[0], audio)


def test_given_media_are_encoded_by_what_they_are(frames, audio):
    picture, media_type = media.encode(Media(frames=frames[:1]))
    assert media_type == "image/png"
    np.testing.assert_array_equal(media.read_image(picture), frames[0])
    assert media.encode(Media(audio=audio, sample_rate=SAMPLE_RATE))[1] == "audio/x-matroska"
    assert media.encode(Media(frames=frames, frame_rate=24))[1] == "video/x-matroska"


# Writing whole or not at all


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".wav"])
@pytest.mark.parametrize("limit_bytes", [500, 20_000])
def test_a_full_disk_leaves_what_was_there(suffix, limit_bytes, tmp_path, audio):
    noise = np.random.default_rng(0).integers(0, 256, (NUM_FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"before")
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            if suffix == ".wav":
                media.write_audio(path, audio, SAMPLE_RATE)
            else:
                media.write_video(path, noise, 24, audio, SAMPLE_RATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_bad_arrays_leave_no_file(tmp_path, frames, audio):
    with pytest.raises(ValueError, match="audio holds NaN"):
        media.write_video(tmp_path / "new" / "a.mp4", frames, 24, audio * np.float32(np.nan), SAMPLE_RATE)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "a.avi"}, r"a\.avi: the suffix '\.avi' says no format; end the name in \.mp4, \.mov, \.webm, \.mkv"),
        ({"path": "a"}, "the suffix '' says no format"),
        ({"path": "a.mp4", "lossless": True}, r"lossless video goes into \.mkv; give a\.mkv"),
        ({"path": "a.mp4", "crf": 52}, "crf=52 is too large; the most is 51"),
        ({"path": "a.mp4", "frame_rate": None}, "frame_rate=None is a NoneType"),
        ({"path": "a.mp4", "sample_rate": 48000.5}, "sample_rate=48000.5 is a float, not a whole number"),
        ({"path": "a.mp4", "frames": None, "audio": None}, "neither frames nor audio is given"),
        ({"path": "a.mp4", "request_json": "{"}, "Expecting property name"),
    ],
)
def test_writing_refuses(settings, message, tmp_path, frames, audio):
    given = {"frames": frames, "frame_rate": 24, "audio": audio, "sample_rate": SAMPLE_RATE} | settings
    with pytest.raises(ValueError, match=message):
        media.write_video(tmp_path / given.pop("path"), **given)
    assert not list(tmp_path.iterdir())


# Reading what others wrote


def mux(path, video_times_s=(), sound=None, sound_start_s=0.0, rotation=0):
    """A file as other programs write it: frames at any times (H.264), float sound from any time."""
    with av.open(str(path), "w") as container:
        packets = []
        if len(video_times_s):
            video = container.add_stream("libx264", rate=24, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
            video.options = {"bf": "0"}
            if rotation:
                video.set_display_rotation(rotation)
        if sound is not None:
            lane = container.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="stereo")
        for index, time_s in enumerate(video_times_s):
            frame = av.VideoFrame.from_ndarray(ball(index), format="rgb24")
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            packets += video.encode(frame)
        packets += video.encode(None) if len(video_times_s) else []
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(sound.T.reshape(1, -1).copy(), format="flt", layout="stereo")
            frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            frame.pts = round(sound_start_s * SAMPLE_RATE)
            packets += lane.encode(frame) + lane.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def test_sound_that_starts_late_is_preceded_by_silence(tmp_path, audio):
    path = mux(tmp_path / "a.mkv", np.arange(24) / 24, audio, sound_start_s=0.25)
    found, _ = media.read_audio(path)
    np.testing.assert_array_equal(found[:, :12_000], 0)
    np.testing.assert_array_equal(found[:, 12_000:], audio)


def test_a_picture_that_starts_late_is_held(tmp_path, audio):
    frames, frame_rate = media.read_video(mux(tmp_path / "a.mkv", 0.25 + np.arange(24) / 24, audio))
    assert (frame_rate, len(frames)) == (24, 30)
    assert min(psnr(frames[i], ball(0)) for i in range(7)) > 30
    assert psnr(frames[29], ball(23)) > 30


def test_a_file_whose_clock_starts_late_begins_at_its_first_stream(tmp_path, audio):
    path = mux(tmp_path / "a.mkv", 5 + np.arange(24) / 24, audio, sound_start_s=5)
    assert media.probe(path).duration_s == pytest.approx(25 / 24, abs=0.002)
    assert len(media.read_video(path)[0]) == 24
    np.testing.assert_array_equal(media.read_audio(path)[0], audio)


def test_frames_of_uneven_length_are_brought_to_a_constant_rate(tmp_path):
    # Half a second at 24 fps, then every second frame is missing.
    times_s = np.concatenate([np.arange(12), np.arange(12, 24, 2)]) / 24
    frames, frame_rate = media.read_video(mux(tmp_path / "a.mkv", times_s))
    assert frame_rate == 24
    shown = [max(range(18), key=lambda index: psnr(frame, ball(index))) for frame in frames]
    assert shown[:12] == list(range(12))
    assert shown[12::2] == list(range(12, 18))


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (-90, -1), (180, 2)])
def test_a_turned_phone_video_is_turned_back(rotation, turns, tmp_path):
    path = mux(tmp_path / "a.mp4", np.arange(3) / 24, rotation=rotation)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).rotation % 360 == rotation % 360
    frames, _ = media.read_video(path)
    # FFmpeg counts the rotation counterclockwise, as np.rot90 does.
    upright = np.rot90(ball(0), turns)
    assert psnr(frames[0], upright) > 30
    info = media.probe(path)
    assert (info.height, info.width) == upright.shape[:2]


def test_mono_goes_to_both_channels(tmp_path, audio):
    soundfile.write(tmp_path / "mono.wav", audio[1], SAMPLE_RATE, subtype="FLOAT")
    found, _ = media.read_audio(tmp_path / "mono.wav")
    np.testing.assert_array_equal(found, audio[[1, 1]])


def test_more_channels_are_mixed_down(tmp_path, audio):
    # 5.1: front left and right, centre, low frequency, back left and right.
    channels = np.stack([audio[0], audio[1], *np.zeros((4, audio.shape[1]), np.float32)], axis=1)
    soundfile.write(tmp_path / "surround.wav", channels, SAMPLE_RATE, subtype="FLOAT")
    found, _ = media.read_audio(tmp_path / "surround.wav")
    assert found.shape == audio.shape
    assert np.corrcoef(found[0], audio[0])[0, 1] > 0.9999
    assert np.corrcoef(found[1], audio[1])[0, 1] > 0.9999


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "DOUBLE"])
def test_whatever_a_wav_is_made_of(subtype, tmp_path, audio):
    soundfile.write(tmp_path / "a.wav", audio.T, SAMPLE_RATE, subtype=subtype)
    assert np.abs(media.read_audio(tmp_path / "a.wav")[0] - audio).max() <= (2**-7 if subtype == "PCM_U8" else 2**-15)


def test_sound_is_resampled_on_request(tmp_path):
    t = np.arange(22_050) / 22_050
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 1000 * t), 22_050, subtype="FLOAT")
    found, rate = media.read_audio(tmp_path / "a.wav", sample_rate=48_000)
    assert (rate, found.shape) == (48_000, (2, 48_000))
    assert np.argmax(np.abs(np.fft.rfft(found[0]))) == 1000


def test_samples_beyond_full_scale_are_clipped(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0.5, 1.5, -2.0], np.float32), SAMPLE_RATE, subtype="FLOAT")
    np.testing.assert_array_equal(media.read_audio(tmp_path / "a.wav")[0][0], np.float32([0.5, 1, -1]))


def test_sources_may_be_bytes_or_an_open_file(mp4):
    wanted, _ = media.read_video(mp4)
    np.testing.assert_array_equal(media.read_video(mp4.read_bytes())[0], wanted)
    with open(mp4, "rb") as file:
        file.read(1000)  # wherever it was left
        assert media.probe(file) == media.probe(mp4)
        np.testing.assert_array_equal(media.read_video(file)[0], wanted)
        np.testing.assert_array_equal(media.read_audio(file)[0], media.read_audio(str(mp4))[0])


def test_probe_says_what_is_there(tmp_path, mp4, audio):
    assert media.probe(mp4) == media.MediaInfo(
        duration_s=pytest.approx(25 / 24, abs=1e-4),
        frame_rate=24,
        num_frames=25,
        width=96,
        height=64,
        sample_rate=48_000,
        channels=2,
        audio_duration_s=pytest.approx(25 / 24, abs=0.022),  # a codec's block more
    )
    sound = media.probe(media.write_audio(tmp_path / "a.flac", audio, SAMPLE_RATE))
    assert (sound.has_video, sound.has_audio, sound.is_image) == (False, True, False)
    assert sound.duration_s == pytest.approx(25 / 24, abs=1e-4)
    picture = media.probe(media.write_poster(tmp_path / "a.png", ball(0)[None]))
    assert (picture.has_video, picture.has_audio, picture.is_image) == (False, False, True)
    assert (picture.width, picture.height, picture.num_frames) == (96, 64, 1)


def test_the_cover_of_a_song_is_not_a_video(tmp_path, audio):
    with av.open(str(tmp_path / "song.mp3"), "w") as container:
        sound = container.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="stereo")
        cover = container.add_stream("png", width=WIDTH, height=HEIGHT, pix_fmt="rgb24")
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(ball(0), format="rgb24")) + cover.encode(None))
        frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        container.mux(sound.encode(frame) + sound.encode(None))
    info = media.probe(tmp_path / "song.mp3")
    assert (info.has_video, info.has_audio) == (False, True)
    assert_sounds_like(media.read_audio(tmp_path / "song.mp3")[0], audio)


# What cannot be read


def test_a_still_is_the_last_key_frame_before_the_middle(tmp_path, frames):
    path = tmp_path / "keys.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"g": "4", "sc_threshold": "0", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    still = media.read_still(path)
    decoded, _ = media.read_video(path)
    assert [index for index, frame in enumerate(decoded) if (frame == still).all()] == [NUM_FRAMES // 2 // 4 * 4]


def test_sound_and_pictures_have_no_still_of_a_video(tmp_path, frames, audio):
    for path in (
        media.write_audio(tmp_path / "a.wav", audio, SAMPLE_RATE),
        media.write_poster(tmp_path / "a.png", frames),
    ):
        with pytest.raises(ValueError, match=f"{path.name} is no video; give one"):
            media.read_still(path)


def test_missing_files_are_named(tmp_path):
    for read in (media.probe, media.read_video, media.read_audio, media.read_image, media.read_request_json):
        with pytest.raises(ValueError, match=r"cannot read .*gone\.mp4: no such file; check the path"):
            read(tmp_path / "gone.mp4")


NO_MEDIA = (
    r"it is empty|it is damaged, or not MP4, MOV, WebM, MKV, AVI, MTS, GIF, WAV, MP3, .* or AIFF; export it again"
)


@pytest.mark.parametrize("content", [b"", b"not a film", b"\0" * 5000, b"#EXTM3U\n#EXTINF:1,\nother.ts\n"])
def test_what_is_no_media_file_says_what_is(content, tmp_path):
    (tmp_path / "a.mp4").write_bytes(content)
    for source in (tmp_path / "a.mp4", content):
        for read in (media.probe, media.read_video, media.read_audio, media.read_request_json):
            with pytest.raises(
                ValueError,
                match=NO_MEDIA,
            ):
                read(source)


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(ValueError, match="cannot read"):
        media.read_video(tmp_path)
    with pytest.raises(ValueError, match="cannot read"):
        media.read_image(tmp_path)


def test_half_a_file_is_damaged(mp4):
    content = mp4.read_bytes()
    for read in (media.probe, media.read_video, media.read_audio):
        with pytest.raises(
            ValueError, match=r"it is damaged|breaks off at 0\.\d+ of 1\.04 s; copy or download it again"
        ):
            read(content[: len(content) // 2])


def test_the_missing_lane_is_named(tmp_path, frames, audio):
    silent = media.write_video(tmp_path / "silent.mp4", frames, 24, None, None)
    with pytest.raises(ValueError, match=r"silent\.mp4 has no sound; give a file with an audio stream"):
        media.read_audio(silent)
    dark = media.write_audio(tmp_path / "dark.wav", audio, SAMPLE_RATE)
    with pytest.raises(ValueError, match=r"dark\.wav has sound but no picture; read it with read_audio"):
        media.read_video(dark)
    still = media.write_poster(tmp_path / "still.png", frames)
    with pytest.raises(ValueError, match=r"still\.png is a still picture, not a video; read it with read_image"):
        media.read_video(still)
    with pytest.raises(ValueError, match=r"still\.png is a still picture; give a file with sound"):
        media.read_audio(still)
    with pytest.raises(ValueError, match=r"is not a PNG, JPEG, .* picture; of a video, take a frame"):
        media.read_image(silent)


def test_empty_streams_are_refused(tmp_path, audio):
    with av.open(str(tmp_path / "dark.mkv"), "w") as container:
        container.add_stream("libx264", rate=24, width=32, height=32, pix_fmt="yuv420p")
        sound = container.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.float32), format="flt", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        container.mux(sound.encode(frame) + sound.encode(None))
    with pytest.raises(ValueError, match=r"dark\.mkv has a video stream without a frame; export it again"):
        media.read_video(tmp_path / "dark.mkv")
    with av.open(str(tmp_path / "mute.mkv"), "w") as container:
        picture = container.add_stream("libx264", rate=24, width=32, height=32, pix_fmt="yuv420p")
        container.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="stereo")
        container.mux(picture.encode(av.VideoFrame(32, 32)) + picture.encode(None))
    with pytest.raises(ValueError, match=r"mute\.mkv has an audio stream without a sample; export it again"):
        media.read_audio(tmp_path / "mute.mkv")


def test_samples_that_are_not_numbers_are_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((100, 2), np.nan, np.float32), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"a\.wav holds samples that are NaN or infinite"):
        media.read_audio(tmp_path / "a.wav")


# Pictures


def saved(image, picture_format, **settings) -> bytes:
    file = io.BytesIO()
    image.save(file, picture_format, **settings)
    return file.getvalue()


def test_pictures_come_back():
    picture = ball(0)
    np.testing.assert_array_equal(media.read_image(saved(Image.fromarray(picture), "PNG")), picture)
    assert psnr(media.read_image(saved(Image.fromarray(picture), "JPEG", quality=95)), picture) > 34


def test_a_photograph_is_turned_as_its_exif_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    content = saved(Image.fromarray(ball(0)), "JPEG", quality=95, exif=exif)
    assert psnr(media.read_image(content), np.rot90(ball(0), -1)) > 34
    assert (media.probe(content).width, media.probe(content).height) == (HEIGHT, WIDTH)


def test_transparency_lies_over_black():
    content = saved(Image.new("RGBA", (4, 4), (200, 100, 50, 128)), "PNG")
    np.testing.assert_allclose(media.read_image(content), np.full((4, 4, 3), (100, 50, 25)), atol=1)
    assert media.read_image(saved(Image.new("L", (4, 4), 7), "PNG")).tolist() == np.full((4, 4, 3), 7).tolist()


def test_half_a_picture_is_refused():
    content = saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)), "PNG")
    with pytest.raises(ValueError, match=r"cannot read the given 6000 bytes: .*; save the picture again as PNG"):
        media.read_image(content[:6000])


def test_the_poster_is_the_middle_frame(tmp_path, frames):
    np.testing.assert_array_equal(media.read_image(media.write_poster(tmp_path / "a.png", frames)), frames[12])
    assert psnr(media.read_image(media.poster(frames)), frames[12]) > 28
    with pytest.raises(ValueError, match=r"suffix='\.gif' is not one of \.png, \.jpg, \.jpeg"):
        media.write_poster(tmp_path / "a.gif", frames)


# Other sizes


def bar_columns(frame: np.ndarray) -> tuple[int, int]:
    """First and last column that is more white than not."""
    columns = np.flatnonzero(frame[frame.shape[0] // 2, :, 0] > 127)
    return int(columns[0]), int(columns[-1])


@pytest.fixture
def wide():
    """120 x 60 pixels with a white square of 20 x 20 in the middle."""
    frames = np.zeros((2, 60, 120, 3), np.uint8)
    frames[:, 20:40, 50:70] = 255
    return frames


def test_crop_keeps_proportions_and_the_centre(wide):
    fitted, done = media.fit_frames(wide, 120, 120)
    assert fitted.shape == (2, 120, 120, 3)
    assert done == "picture 120x60, cropped to 60x60, scaled to 120x120"
    assert bar_columns(fitted[0]) == bar_columns(fitted[0].transpose(1, 0, 2)) == (40, 79)


def test_pad_keeps_everything(wide):
    fitted, done = media.fit_frames(wide, 60, 60, fit="pad")
    assert fitted.shape == (2, 60, 60, 3)
    assert done == "picture 120x60, scaled to 60x30, padded to 60x60"
    assert bar_columns(fitted[1]) == bar_columns(fitted[1].transpose(1, 0, 2)) == (25, 34)
    assert fitted[:, :15].max() == 0


def test_only_what_is_done_is_said(wide):
    same, done = media.fit_frames(wide, 120, 60)
    assert same is wide
    assert done == ""
    assert media.fit_frames(wide, 60, 30)[1] == "picture 120x60, scaled to 60x30"
    assert media.fit_frames(wide, 100, 60)[1] == "picture 120x60, cropped to 100x60"
    assert media.fit_frames(wide, 120, 80, "pad")[1] == "picture 120x60, padded to 120x80"
    assert media.fit_frames(wide, 1, 200)[0].shape == (2, 200, 1, 3)
    with pytest.raises(ValueError, match="fit='squeeze' is not one of crop, pad, stretch"):
        media.fit_frames(wide, 64, 64, "squeeze")


def test_stretch_gives_up_proportions_and_loses_nothing(wide):
    fitted, done = media.fit_frames(wide, 60, 60, fit="stretch")
    assert done == "picture 120x60, stretched to 60x60"
    assert bar_columns(fitted[1]) == (25, 34)
    assert bar_columns(fitted[1].transpose(1, 0, 2)) == (20, 39)


def test_a_saved_clip_is_the_same_file_each_time(tmp_path):
    noise = np.random.default_rng(0).normal(127, 40, (240, 320)).clip(0, 255).astype(np.uint8)
    frames = np.stack([np.roll(noise, 3 * index, 1) for index in range(33)])[..., None].repeat(3, -1)
    written = (media.write_video(tmp_path / f"{index}.mp4", frames, 24.0, None, None) for index in range(16))
    assert len({path.read_bytes() for path in written}) == 1
