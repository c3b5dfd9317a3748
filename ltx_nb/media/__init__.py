"""Pictures and sound in files: probe, read and write them. The one place that uses PyAV.

Frames are uint8 [F, H, W, 3] (RGB), audio is float32 [2, N] in [-1, 1] (`ltx_nb.arrays`). What a clip or a request is,
is not known here: a request passes through as a JSON text. Names are imported when they are first used, so that a
model loads and runs without PyAV and soxr until a file is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltx_nb.lazy import lazily

if TYPE_CHECKING:
    from ltx_nb.media.contents import Media, MediaInfo
    from ltx_nb.media.encodings import AUDIO_SUFFIXES, VIDEO_SUFFIXES
    from ltx_nb.media.metadata import without_metadata
    from ltx_nb.media.moving import ANIMATION_SUFFIXES, write_animation, write_frames
    from ltx_nb.media.opening import MediaSource
    from ltx_nb.media.pictures import POSTER_SUFFIXES, fit_frames, pixels_of, poster, read_image, write_poster
    from ltx_nb.media.reading import probe, read_frames_at, read_still, read_thumbnails, read_video
    from ltx_nb.media.records import read_clip_json, read_request_json, read_tags, strip
    from ltx_nb.media.sound import read_audio
    from ltx_nb.media.writing import (
        encode,
        encode_lossless,
        encode_preview,
        encode_sound,
        write_audio,
        write_video,
    )

_NAMES_IN = {
    "contents": ("Media", "MediaInfo"),
    "encodings": ("AUDIO_SUFFIXES", "VIDEO_SUFFIXES"),
    "metadata": ("without_metadata",),
    "moving": ("ANIMATION_SUFFIXES", "write_animation", "write_frames"),
    "opening": ("MediaSource",),
    "pictures": ("POSTER_SUFFIXES", "fit_frames", "pixels_of", "poster", "read_image", "write_poster"),
    "reading": ("probe", "read_frames_at", "read_still", "read_thumbnails", "read_video"),
    "records": ("read_clip_json", "read_request_json", "read_tags", "strip"),
    "sound": ("read_audio",),
    "writing": ("encode", "encode_lossless", "encode_preview", "encode_sound", "write_audio", "write_video"),
}
_MODULE_OF = {name: module for module, names in _NAMES_IN.items() for name in names}

__all__ = [
    "ANIMATION_SUFFIXES",
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
    "pixels_of",
    "poster",
    "probe",
    "read_audio",
    "read_clip_json",
    "read_frames_at",
    "read_image",
    "read_request_json",
    "read_still",
    "read_tags",
    "read_thumbnails",
    "read_video",
    "strip",
    "without_metadata",
    "write_animation",
    "write_audio",
    "write_frames",
    "write_poster",
    "write_video",
]

__getattr__, __dir__ = lazily(__name__, _MODULE_OF)
