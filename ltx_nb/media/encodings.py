"""Which container and codecs a file name or a purpose stands for, and their settings; encodes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

# What x264 writes depends on its number of threads, and with its AVX-512 code for mbtree differs from run to run.
REPEATABLE = {"threads": "4", "x264-params": "mbtree=0"}


@dataclass(frozen=True)
class Encoding:
    """A container and its codecs, by FFmpeg's names; sample_rate (Hz) where it takes one only."""

    container: str
    audio_codec: str
    audio_format: str
    sample_rate: int | None = None
    audio_options: dict[str, str] = field(default_factory=dict)
    video_codec: str | None = None
    pixel_format: str = "yuv420p"
    video_options: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


# FFmpeg's default AAC coder blurs the first 20 ms of a tone below 320 kbit/s. There the fast one takes fewer bytes and
# is closer to thumps, knocks, bells and sweeps (30 to 76 dB against 18 to 52), if not to a steady tone (33 against 51).
_AAC = {"b": "320k", "aac_coder": "fast"}
_VP9 = {"deadline": "good", "cpu-used": "4", "row-mt": "1", "threads": "4", "b": "0"}
# Edit lists count in movie_timescale: 1/48000 s can say where the sound ends; the default, 1/1000 s, cannot.
MP4 = Encoding(
    "mp4",
    "aac",
    "fltp",
    48_000,
    _AAC,
    "libx264",
    "yuv420p",
    REPEATABLE | {"preset": "faster"},
    options={"movie_timescale": "48000"},
)
MP3 = Encoding("mp3", "libmp3lame", "fltp", 48_000, {"b": "192k"})
# For a browser. Picture: three clips as small as preset superfast makes them and within 0.7 dB, in 0.6 of its time.
# Sound: at a constant quality the coder goes over each frame once; of tones, thumps, knocks, bells, sweeps, noise and a
# voice as close as at 128 kbit/s (60 to 76 dB against 58 to 72, the voice 38 against 27), in 0.4 of its time.
_LAMBDA = 118  # FF_QP2LAMBDA, the unit of global_quality
PREVIEW = replace(
    MP4,
    video_options=REPEATABLE
    | {
        "preset": "ultrafast",
        "crf": "23",
        "x264-params": f"{REPEATABLE['x264-params']}:cabac=1:deblock=0,0:bframes=3:b-adapt=0:aq-mode=1",
    },
    audio_options={"aac_coder": "fast", "flags": "+qscale", "global_quality": str(3 * _LAMBDA)},
)
ENCODINGS = {
    ".mp4": replace(MP4, options=MP4.options | {"movflags": "+faststart"}),
    # QuickTime's older comment ends at 64 kB, the one of use_metadata_tags does not.
    ".mov": replace(MP4, container="mov", options=MP4.options | {"movflags": "+faststart+use_metadata_tags"}),
    ".webm": Encoding("webm", "libopus", "flt", 48_000, {"b": "160k"}, "libvpx-vp9", "yuv420p", _VP9),
    ".mkv": replace(MP4, container="matroska", options={}),
    ".wav": Encoding("wav", "pcm_f32le", "flt"),
    ".flac": Encoding("flac", "flac", "s32"),
    ".mp3": MP3,
}
VIDEO_SUFFIXES = tuple(suffix for suffix, encoding in ENCODINGS.items() if encoding.video_codec)
AUDIO_SUFFIXES = tuple(suffix for suffix, encoding in ENCODINGS.items() if not encoding.video_codec)

# x264 in RGB predicts from earlier frames, which makes a fifth of FFV1's bytes; WavPack keeps every bit of a float32.
LOSSLESS = Encoding(
    "matroska",
    "wavpack",
    "fltp",
    video_codec="libx264rgb",
    pixel_format="rgb24",
    video_options=REPEATABLE | {"preset": "veryfast", "qp": "0"},
)
