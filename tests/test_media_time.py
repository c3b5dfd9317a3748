"""Time stamps are the truth: what a player shows and sounds is what is read, whatever is stored."""

import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
from made_media import RATE, cut_without_encoding, level, made, number_of, sound_packets, tone, video_packets

from ltx_nb import media
from ltx_nb.media import timeline, timing

# 2.93 s of a phone: 30 frames/s in the light, every third frame for a second in the dark, none quite in time.
_STEADY = [*np.arange(0, 30) / 30, *(1 + np.arange(0, 10) / 10), *(2 + np.arange(0, 28) / 30)]
PHONE_S = np.array(_STEADY) + 0.002 * np.sin(np.arange(len(_STEADY)))
PHONE_S[0] = 0.0


def shown_by_a_player(times_s, moment_s):
    return int(np.searchsorted(times_s, moment_s, side="right")) - 1


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_phone_clip_of_variable_rate_keeps_its_length(suffix, tmp_path):
    path = made(tmp_path / f"phone{suffix}", PHONE_S, [(0, tone(2.93))])
    frames, rate = media.read_video(path)
    assert rate == 30
    assert len(frames) / rate == pytest.approx(2.93, abs=0.02)
    numbers = [number_of(frame) for frame in frames]
    assert numbers == [shown_by_a_player(PHONE_S, (index + 0.5) / 30) for index in range(len(frames))]
    info = media.probe(path)
    assert (info.num_frames, info.frame_rate) == (len(frames), 30)
    assert info.duration_s == pytest.approx(2.93, abs=0.03)
    assert info.notes == ("68 frames of uneven length brought to 30 frames/s",)


def test_frames_come_at_the_rate_that_is_asked_for(tmp_path):
    path = made(tmp_path / "a.mp4", np.arange(60) / 30)
    frames, rate = media.read_video(path, frame_rate=24)
    assert (rate, len(frames)) == (24, 48)
    assert [number_of(frame) for frame in frames[:5]] == [0, 1, 3, 4, 5]  # seen at 1/48, 3/48, 5/48, ... s


def test_what_an_edit_list_hides_is_not_there(tmp_path):
    whole = made(
        tmp_path / "whole.mp4",
        np.arange(144) / 24,
        [(0, tone(6))],
        sound_codec="aac",
        options={"g": "48", "sc_threshold": "0"},
    )
    path = cut_without_encoding(whole, tmp_path / "cut.mp4", 1.5, 4.5)
    with av.open(str(path)) as container:
        stored = sum(packet.size > 0 for packet in container.demux(video=0))
    frames, rate = media.read_video(path)
    assert (stored, len(frames), rate) == (108, 72, 24)
    assert [number_of(frame) for frame in frames] == list(range(36, 108))
    info = media.probe(path)
    assert (info.num_frames, info.duration_s) == (72, pytest.approx(3, abs=0.03))
    sound, _ = media.read_audio(path)
    assert sound.shape[1] / RATE == pytest.approx(3, abs=0.03)
    assert level(sound[:, RATE : 2 * RATE]) == pytest.approx(0.5 / 2**0.5, abs=0.01)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_gaps_and_a_late_start_of_the_sound_are_silence(suffix, tmp_path):
    codec = "pcm_f32le" if suffix == ".mkv" else "aac"
    sounds = [(0.5, tone(0.5)), (1.5, tone(0.5))]
    path = made(tmp_path / f"a{suffix}", np.arange(60) / 24, sounds, sound_codec=codec)
    sound, _ = media.read_audio(path)
    assert sound.shape[1] / RATE == pytest.approx(2.0, abs=0.03)
    seconds = [level(sound[:, round(begin * RATE) : round((begin + 0.4) * RATE)]) for begin in (0.05, 0.55, 1.05, 1.55)]
    assert seconds == pytest.approx([0, 0.354, 0, 0.354], abs=0.02)


def test_sound_whose_stamps_jitter_has_no_gaps(tmp_path):
    rng = np.random.default_rng(0)
    whole = tone(1.024)
    blocks = [
        (begin / RATE + rng.uniform(-0.004, 0.004) * (begin > 0), whole[:, begin : begin + 1024])
        for begin in range(0, whole.shape[1], 1024)
    ]
    sound, _ = media.read_audio(made(tmp_path / "a.mkv", (), blocks))
    np.testing.assert_array_equal(sound, whole)


def ten_minutes(path):
    """Ten minutes of 64x64 px, made of one second that is muxed again and again, with sound: a second a key frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, width=64, height=64, pix_fmt="yuv420p")
        stream.options = {"bf": "0", "g": "24", "sc_threshold": "0"}
        stream.codec_context.time_base = stream.time_base = Fraction(1, 12_288)
        lane = container.add_stream("libmp3lame", rate=RATE, layout="stereo")
        lane.time_base = Fraction(1, RATE)
        second = [(bytes(packet), packet.is_keyframe) for packet in video_packets(stream, np.arange(24) / 24)]
        block = bytes(sound_packets(lane, 0, tone(0.5))[5])
        for index in range(600 * 24):
            data, key = second[index % 24]
            packet = av.Packet(data)
            packet.pts = packet.dts = round(index / 24 / stream.time_base)
            packet.duration = round(1 / 24 / stream.time_base)
            packet.is_keyframe, packet.stream, packet.time_base = key, stream, stream.time_base
            container.mux(packet)
            if index % 24 == 0:
                packet = av.Packet(block)
                packet.pts = packet.dts = round(index / 24 / lane.time_base)
                packet.duration, packet.stream, packet.time_base = round(0.024 / lane.time_base), lane, lane.time_base
                packet.is_keyframe = True
                container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_second_of_ten_minutes_decodes_a_second(suffix, tmp_path, monkeypatch):
    path = ten_minutes(tmp_path / f"long{suffix}")
    decoded = []
    decode = timeline._Pictures._decode

    def counted(pictures):
        for item in decode(pictures):
            decoded.append(item[0])
            yield item

    monkeypatch.setattr(timeline._Pictures, "_decode", counted)
    tracemalloc.start()
    frames, rate = media.read_video(path, 500.5, 501.5)
    sound, _ = media.read_audio(path, start_s=500.5, end_s=501.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [number_of(frame) for frame in frames] == [*range(12, 24), *range(12)]
    assert rate == 24
    assert len(decoded) < 24 * 3
    assert level(sound) > 0.01
    assert peak < 30e6
    assert media.probe(path).num_frames == 600 * 24


@pytest.mark.parametrize(
    "name", ["a.mp4", "a.mkv", "a.webm", "a.wav", "a.flac", "a.ogg", "a.mp3", "a.aac", "a.ts", "a.aiff"]
)
def test_a_stretch_of_sound_is_that_of_the_whole(name, tmp_path):
    codecs = {
        "wav": "pcm_s16le",
        "flac": "flac",
        "ogg": "libopus",
        "webm": "libopus",
        "mp3": "libmp3lame",
        "aiff": "pcm_s16be",
    }
    t = np.arange(12 * RATE) / RATE
    chirp = np.tile(0.5 * np.sin(2 * np.pi * (200 + 20 * t) * t), (2, 1)).astype(np.float32)
    path = made(tmp_path / name, (), [(0, chirp)], sound_codec=codecs.get(name[2:], "aac"))
    whole, rate = media.read_audio(path)
    part, _ = media.read_audio(path, start_s=7.25, end_s=8.5)
    assert part.shape[1] == round(1.25 * rate)
    wanted = whole[:, round(7.25 * rate) : round(8.5 * rate)]
    assert level(part - wanted) < 2e-3
    resampled, _ = media.read_audio(path, 44_100, 7.25, 8.5)
    assert resampled.shape[1] == round(1.25 * 44_100)
    every, _ = media.read_audio(path, 44_100)
    assert level(resampled - every[:, round(7.25 * 44_100) : round(8.5 * 44_100)]) < 2e-3
    assert media.read_audio(path, start_s=20, end_s=21)[0].shape == (2, 0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi", "a.ts"])
def test_a_stretch_of_a_video_is_that_of_the_whole(name, tmp_path):
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(name[2:], "libx264")
    options = {"bf": "2", "g": "60"} if codec != "libvpx-vp9" else {"deadline": "realtime", "cpu-used": "8"}
    path = made(tmp_path / name, np.arange(360) / 30, codec=codec, options=options)
    frames, rate = media.read_video(path)
    assert [number_of(frame) for frame in frames] == list(range(360))
    for start_s, end_s in ((0, 1), (2.5, 4), (9.1, 10.3), (11, 99)):
        part, _ = media.read_video(path, start_s, end_s)
        first = round(start_s * rate)
        assert [number_of(frame) for frame in part] == list(range(first, min(round(end_s * rate), 360)))
    with pytest.raises(ValueError, match=r"lasts 12 s and shows nothing in \[12, 13\) s"):
        media.read_video(path, 12, 13)


@pytest.mark.parametrize(
    ("times_s", "declared", "rate"),
    [
        (np.arange(100) / 24, 24.0, 24.0),
        (np.round(np.arange(5000) * 1001 / 30000, 3), 30.0, 30000 / 1001),
        (np.arange(50) / 30, 60.0, 30.0),
        (PHONE_S, 23.2, 30.0),
        (PHONE_S, 90_000.0, 30.0),
        (np.arange(10) * 2.0, 0.5, 0.5),
        (np.arange(10) / 37, None, 37.0),
        (np.zeros(1), 25.0, 25.0),
        (np.zeros(1), None, None),
    ],
)
def test_rates_are_found_from_times(times_s, declared, rate):
    assert timing.constant_rate(times_s, declared) == pytest.approx(rate)
