"""Small media as other programs make them, written with PyAV: numbered frames at any times, tones with gaps."""

from fractions import Fraction

import av
import numpy as np

RATE = 48_000
SIDE = 64
_BITS = 10
_CLOCK = {"mpeg4": 30}  # cannot count in more than 65,535ths


def numbered(index, width=SIDE, height=SIDE):
    """A picture that says its number: ten bars, black or white."""
    bits = [(index >> bit) & 1 for bit in range(_BITS)]
    row = np.repeat(np.array(bits, np.uint8) * 255, -(-width // _BITS))[:width]
    return np.repeat(np.tile(row, (height, 1))[..., None], 3, axis=2)


def number_of(picture):
    bar = -(-picture.shape[1] // _BITS)
    row = picture[picture.shape[0] // 2, :, 0] > 127
    return sum(int(row[bit * bar + bar // 2]) << bit for bit in range(_BITS) if bit * bar + bar // 2 < len(row))


def tone(seconds, hz=440.0):
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave]).astype(np.float32)


def level(audio):
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if audio.size else 0.0


def made(
    path,
    video_times_s=(),
    sounds=(),
    *,
    codec="libx264",
    sound_codec="pcm_f32le",
    options=None,
    setup=None,
):
    """A file with a numbered frame at each time, and each of `sounds`, (start_s, float32 [2, N]), in its place.

    The last frame is as long as the one before. options: of the video codec. setup: called with the video stream.
    """
    with av.open(str(path), "w") as container:
        packets = []
        if len(video_times_s):
            stream = container.add_stream(codec, rate=30, width=SIDE, height=SIDE, pix_fmt="yuv420p")
            stream.codec_context.time_base = stream.time_base = Fraction(1, _CLOCK.get(codec, 90_000))
            stream.options = {"bf": "0", **(options or {})}
            if setup is not None:
                setup(stream)
        lane = container.add_stream(sound_codec, rate=RATE, layout="stereo") if sounds else None
        if len(video_times_s):
            packets += video_packets(stream, video_times_s)
        for start_s, audio in sounds:
            packets += sound_packets(lane, start_s, audio)
        if lane is not None:
            packets += lane.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def video_packets(stream, times_s, first=0):
    packets, clock = [], stream.codec_context.time_base.denominator
    for index, time_s in enumerate(times_s):
        frame = av.VideoFrame.from_ndarray(numbered(first + index), format="rgb24")
        frame.pts, frame.time_base = round(time_s * clock), Fraction(1, clock)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def sound_packets(stream, start_s, audio):
    packets, size = [], stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=stream.format, layout="stereo", rate=RATE)
    for begin in range(0, audio.shape[1], size):
        block = np.ascontiguousarray(audio[:, begin : begin + size])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = round(start_s * RATE) + begin
        for converted in resampler.resample(frame):
            packets += stream.encode(converted)
    return packets


def cut_without_encoding(source, path, start_s, end_s):
    """A cut as `ffmpeg -ss -to -c copy` makes it: from the key frame before, hidden by an edit list."""
    with av.open(str(source)) as read, av.open(str(path), "w") as write:
        streams = {stream: write.add_stream_from_template(stream) for stream in read.streams}
        if read.streams.video:
            read.seek(round(start_s * 1_000_000))
        packets = []
        for packet in read.demux():
            if packet.dts is None or float(packet.pts * packet.time_base) >= end_s:
                continue
            shift = round(start_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            if packet.stream.type == "audio" and packet.pts < 0:
                continue
            packet.stream = streams[packet.stream]
            packets.append(packet)
        for packet in packets:
            write.mux(packet)
    return path
