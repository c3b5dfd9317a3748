"""Comments of the kit's own files: the request that made the clip, and where its parts come from.

Passes JSON through and knows nothing of what is in it.
"""

from __future__ import annotations

import json
import os
from itertools import chain
from pathlib import Path
from typing import Any

from ltx_nb.checks import choice
from ltx_nb.local_files import local_path
from ltx_nb.media.encodings import ENCODINGS
from ltx_nb.media.opening import MediaSource, name_of, open_media, tags_of
from ltx_nb.media.pictures import is_picture, open_picture
from ltx_nb.whole_files import whole_file


def record(request_json: str | None, clip_json: str | None) -> str:
    """The text that goes into a file's comment, and comes back through `read_request_json` and `read_clip_json`.

    The comment is the one field that MP4, MOV, WebM, MKV, WAV, MP3 and FLAC all have, and that other programs keep.
    """
    parts = {"ltx_nb_request": request_json, "ltx_nb_clip": clip_json}
    return json.dumps({key: json.loads(text) for key, text in parts.items() if text is not None})


def read_request_json(source: MediaSource) -> str | None:
    """The request that made the clip in this file, as JSON; None if there is none. ValueError if it cannot be read."""
    return _read_record(source, "ltx_nb_request")


def read_clip_json(source: MediaSource) -> str | None:
    """Return what else the clip in this file says of itself, as JSON, or None. ValueError if it cannot be read."""
    return _read_record(source, "ltx_nb_clip")


def read_tags(source: MediaSource) -> dict[str, str]:
    """Return what a picture or media file says of itself, text by name in lower case.

    Raises ValueError if it cannot be read.
    """
    if is_picture(source):
        with open_picture(source) as image:
            found = dict(getattr(image, "text", None) or image.info)
    else:
        with open_media(source) as container:
            found = tags_of(container)
    return {str(name).lower(): value for name, value in found.items() if isinstance(value, str)}


def _read_record(source: MediaSource, key: str) -> str | None:
    if is_picture(source):
        return None
    with open_media(source) as container:
        comments = [value for name, value in tags_of(container).items() if name.lower() == "comment"]
    try:
        found = json.loads(comments[0])[key]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):  # no comment, or somebody else's
        return None
    return json.dumps(found)


def strip(source: MediaSource, path: str | os.PathLike[str]) -> Path:
    """Copy picture and sound of a file, as they are encoded, to `path`, and nothing of what the file says of itself.

    Raises ValueError if the file cannot be read, or for an unknown suffix; OSError if it cannot write.
    """
    import av

    path = Path(local_path(path))
    if is_picture(source):
        raise ValueError(f"{name_of(source)} is a picture; give a video or a sound file")
    encoding = ENCODINGS[choice("suffix", path.suffix.lower(), ENCODINGS)]
    settings: dict[str, Any] = {"format": encoding.container, "options": {"fflags": "+bitexact"} | encoding.options}
    with open_media(source) as read, whole_file(path) as unfinished, av.open(str(unfinished), "w", **settings) as write:
        kept = [stream for stream in read.streams if stream.type in ("video", "audio") and stream.codec_context]
        copies = {stream.index: write.add_stream_from_template(stream) for stream in kept}
        for copy in copies.values():
            copy.metadata.clear()
        packets = (packet for packet in read.demux(*kept) if packet.dts is not None) if kept else iter(())
        first = next(packets, None)
        if first is None:
            raise ValueError(f"{name_of(source)} holds neither picture nor sound; give a video or a sound file")
        for packet in chain([first], packets):
            packet.stream = copies[packet.stream_index]
            write.mux(packet)
    return path
