"""Opening media: which files and formats are read, how much of one at most, and which of its streams.

Sizes are checked from the header before anything is decoded, since a file of some bytes can unfold to any size.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from ltx_nb.local_files import local_path, open_local

MediaSource = str | os.PathLike[str] | bytes | BinaryIO

READABLE = "MP4, MOV, WebM, MKV, AVI, MTS, GIF, WAV, MP3, FLAC, OGG, AAC or AIFF"
# Names of FFmpeg's demuxers. Others are refused: some, such as playlists, open further files and addresses.
_DEMUXERS = "mov,matroska,avi,mpegts,wav,mp3,flac,ogg,aac,aiff"
# Major brands of HEIC photos (ISO/IEC 23008-12, Annex B). Phones cut them into tiles, which FFmpeg shows as so many
# videos of one frame, the first of them a corner of the photo.
_PHOTO_BRANDS = ("heic", "heix", "heim", "heis", "mif1")

LIMIT_VARIABLE = "LTX_NB_MEDIA_LIMIT_GB"
_LIMIT_GB = 4.0  # 20 s of 1080p at 24 frames/s are 3 GB
_GB = 1e9
_MAX_PICTURE_PX = 2**28  # of one frame: more than any camera takes


def check_decoded_size(name: str, what: str, num_bytes: float, nearest: str) -> None:
    """Raises ValueError where decoding takes more than the limit: 4 GB, or what LTX_NB_MEDIA_LIMIT_GB says."""
    try:
        limit_gb = float(os.environ.get(LIMIT_VARIABLE, _LIMIT_GB))
    except ValueError:
        limit_gb = _LIMIT_GB
    if num_bytes > limit_gb * _GB:
        raise ValueError(
            f"{name}: {what} take {num_bytes / _GB:.3g} GB decoded; at most {limit_gb:g} GB are, unless the "
            f"environment variable {LIMIT_VARIABLE} says more; nearest: {nearest}"
        )


def file_of(source: MediaSource) -> Any:
    """Return what Pillow and PyAV open: the absolute path of a regular file, or a binary file at its start."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, (str, os.PathLike)):
        try:
            open_local(source).close()
        except FileNotFoundError:
            raise ValueError(f"cannot read {name_of(source)}: no such file; check the path") from None
        except OSError as error:
            raise ValueError(f"cannot read {name_of(source)}: {error.strerror}") from None
        return local_path(source)
    source.seek(0)
    return source


def name_of(source: MediaSource) -> str:
    """A name for a source in a message."""
    if isinstance(source, bytes):
        return f"the given {len(source)} bytes"
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "the given file object"))


@contextmanager
def open_media(source: MediaSource) -> Iterator[Any]:
    """PyAV's container of a file. Raises ValueError if it cannot be read."""
    import av
    from av.codec.codec import UnknownCodecError

    options = {"format_whitelist": _DEMUXERS, "max_pixels": str(_MAX_PICTURE_PX)}
    # Before PyAV 19, a tag that is not UTF-8 keeps a file from being opened, unless it is told otherwise.
    tags: dict[str, Any] = {"metadata_errors": "surrogateescape"} if int(av.__version__.partition(".")[0]) < 19 else {}
    file = file_of(source)
    try:
        with av.open(file, options=options, **tags) as container:
            if container.metadata.get("major_brand") in _PHOTO_BRANDS:
                raise ValueError(
                    f"{name_of(source)} is a HEIC photo, which is not read here; save it as JPEG or PNG, or read it "
                    "with pillow-heif and give the picture"
                )
            yield container
    except (av.FFmpegError, UnknownCodecError, ArithmeticError, LookupError, UnicodeError) as error:
        reason = f"it is damaged, or not {READABLE}; export it again, as MP4 or WAV"
        told = getattr(error, "strerror", None) or error
        raise ValueError(f"cannot read {name_of(source)}: {reason} ({told})") from error


def tags_of(container: Any) -> dict[str, str]:
    """Return what an open file says of itself, text by name, with U+FFFD for each byte that is not UTF-8."""
    return {_without_surrogates(name): _without_surrogates(value) for name, value in container.metadata.items()}


def _without_surrogates(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def stream_of(container: Any, kind: str) -> Any:
    """The stream of a kind that players choose: the one flagged default, else the first; None if there is none.

    The cover picture of a song is not a video stream, and one of a codec that FFmpeg has not is none.
    """
    from av.stream import Disposition

    of_kind = [stream for stream in getattr(container.streams, kind) if stream.codec_context is not None]
    streams = [stream for stream in of_kind if not stream.disposition & Disposition.attached_pic]
    flagged = [stream for stream in streams if stream.disposition & Disposition.default]
    return next(iter([*flagged, *streams]), None)
