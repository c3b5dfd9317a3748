"""Pictures and sound in files: probe, read and write them. The one place that uses PyAV.

Frames are uint8 [F, H, W, 3] (RGB), audio is float32 [2, N] in [-1, 1] (`ltx_nb.arrays`). What a clip or a request is,
is not known here: a request passes through as a JSON text.
"""

from ltx_nb.media.contents import Media, MediaInfo
from ltx_nb.media.encodings import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from ltx_nb.media.pictures import (
    POSTER_SUFFIXES,
    MediaSource,
    fit_frames,
    poster,
    read_image,
    write_poster,
)
from ltx_nb.media.reading import (
    probe,
    read_audio,
    read_still,
    read_thumbnails,
    read_video,
)
from ltx_nb.media.records import read_clip_json, read_request_json
from ltx_nb.media.writing import (
    encode,
    encode_lossless,
    encode_preview,
    encode_sound,
    write_audio,
    write_video,
)

__all__ = [
    "AUDIO_SUFFIXES",
    "POSTER_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Media",
    "MediaInfo",
    "MediaSource",
    "encode",
    "encode_lossless",
    "encode_preview",
    "encode_sound",
    "fit_frames",
    "poster",
    "probe",
    "read_audio",
    "read_clip_json",
    "read_image",
    "read_request_json",
    "read_still",
    "read_thumbnails",
    "read_video",
    "write_audio",
    "write_poster",
    "write_video",
]
