"""Where given media come from: bytes, a path with its SHA-256, or decoded media in memory.

Does not know how media are encoded and decoded (`ltx_nb.media`), nor what they are given for (`ltx_nb.given`).
"""

from __future__ import annotations

import base64
import hashlib
import io
import mimetypes
import os
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ltx_nb.checks import keys, text
from ltx_nb.local_files import local_path, open_local, sha256_of

if TYPE_CHECKING:
    from ltx_nb.media import Media, MediaInfo

EMBED_LIMIT_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where given media come from: exactly one of `path`, `data` (with its media_type) and `media`.

    Two sources are equal when their content is, wherever it lies: `sha256` is that of the file or of the decoded media.
    A path without a folder, in a request that was stored in a file, lies beside that file.
    Raises ValueError for a malformed field. Use `of`, `from_path`, `from_bytes` or `from_media` to make one.
    """

    sha256: str
    path: str | None = field(default=None, compare=False)
    data: bytes | None = field(default=None, compare=False, repr=False)
    media_type: str | None = field(default=None, compare=False)
    media: Media | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", text("sha256", self.sha256)):
            raise ValueError(f"sha256={self.sha256[:80]!r} is not 64 digits of lower-case hexadecimal")
        if [self.path, self.data, self.media].count(None) != 2:
            raise ValueError("a source has exactly one of path, data and media")
        if self.path is not None and not text("path", self.path):
            raise ValueError("path is empty; name a file")
        if self.data is not None and not (isinstance(self.data, bytes) and self.data):
            raise ValueError("data is empty or not bytes; give the content of a media file")
        if self.data is not None and not text("media_type", self.media_type):
            raise ValueError("media_type is empty; name what data is, such as 'image/png'")
        if self.media is not None:
            from ltx_nb.media import Media  # numpy, which a request without media goes without

            if not isinstance(self.media, Media):
                raise ValueError(f"media is a {type(self.media).__name__}, not a Media")

    @classmethod
    def of(cls, media: object) -> Source:
        """The Source of a Clip, a file's path, Media or a Source, with all the lanes it has. ValueError for others.

        A Clip counts as what has `media`, so that it may know requests, and this module need not know it.
        """
        if isinstance(media, Source):
            return media
        if isinstance(media, (str, os.PathLike)):
            return cls.from_path(media)
        from ltx_nb.media import Media

        held = getattr(media, "media", media)
        if isinstance(held, Media):
            return cls.from_media(held)
        raise ValueError(
            f"media is a {type(media).__name__}; give a Clip, a file's path or a Source; tasks take arrays and images"
        )

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> Source:
        """A media file: up to EMBED_LIMIT_BYTES it is read and held, else its absolute path and SHA-256 are."""
        path = os.fspath(path)
        try:
            with open_local(path) as file:
                size = os.fstat(file.fileno()).st_size
                if size > EMBED_LIMIT_BYTES:
                    return cls(sha256=sha256_of(file), path=local_path(path))
                return cls.from_bytes(file.read(size), mimetypes.guess_type(path)[0] or "application/octet-stream")
        except OSError as error:
            raise ValueError(f"cannot read the given file {path!r}: {error.strerror}") from None

    @classmethod
    def from_bytes(cls, data: bytes, media_type: str) -> Source:
        """The content of a media file, such as 'image/png', without place, camera and other metadata."""
        from ltx_nb.media import without_metadata

        data = without_metadata(data)
        return cls(sha256=hashlib.sha256(data).hexdigest(), data=data, media_type=media_type)

    @classmethod
    def from_media(cls, media: Media) -> Source:
        """Decoded media, which must not be changed afterwards; they are encoded when the request becomes JSON."""
        return cls(sha256=media.sha256, media=media)

    def open(self) -> BinaryIO:
        """The encoded content as a binary file. Raises ValueError if the file of a path is missing or has changed."""
        if self.path is None:
            return io.BytesIO(self._encoded[0])
        try:
            file = open_local(self.path)
        except OSError as error:
            raise ValueError(f"cannot read the given file {self.path!r}: {error.strerror}; put it back") from None
        found = sha256_of(file)
        if found != self.sha256:
            file.close()
            raise ValueError(
                f"the given file {self.path!r} has changed since the request was made: its SHA-256 is {found[:12]}..., "
                f"not {self.sha256[:12]}...; put the old file back, or give the new one with Source.from_path"
            )
        file.seek(0)
        return file

    def info(self) -> MediaInfo:
        """Facts of its media. Raises ValueError if it cannot be read."""
        if self.media is not None:
            return self.media.info
        from ltx_nb.media import probe

        with self.open() as file:
            return probe(file)

    def saved_beside(self, path: str | os.PathLike[str]) -> Source:
        """This source; or, of media in memory that are too large to embed, the file beside `path` they are written to.

        The file is named after `path` and the content, and gives back exactly the media. Its folder is left out, so
        that both files can be moved together: `found_beside`.
        """
        if self.media is None or len(self._encoded[0]) <= EMBED_LIMIT_BYTES:
            return self
        from ltx_nb.whole_files import whole_file

        beside = Path(path).with_name(f"{Path(path).stem}.given-{self.sha256[:8]}.mkv")
        with whole_file(beside) as unfinished:
            unfinished.write_bytes(self._encoded[0])
        return replace(Source.from_path(beside), path=beside.name)

    def without_media(self) -> Source:
        """A source of the same content that has nothing of it: a file's name without a folder, or one made up."""
        name = os.path.basename(self.path) if self.path else f"not-embedded-{self.sha256[:8]}"
        return Source(sha256=self.sha256, path=name)

    def found_beside(self, path: str | os.PathLike[str]) -> Source:
        """This source, with a path that names no folder taken as the name of a file beside `path`."""
        if self.path is None or os.path.dirname(self.path):
            return self
        return replace(self, path=os.path.join(os.path.dirname(os.path.abspath(path)), self.path))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON. Raises ValueError for media in memory that take more than EMBED_LIMIT_BYTES encoded."""
        if self.path is not None:
            return {"sha256": self.sha256, "path": self.path}
        data, media_type = self._encoded
        if self.media is not None and len(data) > EMBED_LIMIT_BYTES:
            raise ValueError(
                f"media given in memory take {len(data)} bytes encoded; at most {EMBED_LIMIT_BYTES} are embedded; "
                "write them to a file and give Source.from_path(file)"
            )
        return {"sha256": self.sha256, "media_type": media_type, "data": base64.b64encode(data).decode()}

    @classmethod
    def from_dict(cls, values: object) -> Source:
        values = dict(keys("source", values, ("sha256", "path", "data", "media_type"), required=("sha256",)))
        if values.get("data") is not None:
            try:
                values["data"] = base64.b64decode(text("data", values["data"]), validate=True)
            except ValueError as error:
                raise ValueError(f"data of source is not base64: {error}") from None
        return cls(**values)

    @cached_property
    def _encoded(self) -> tuple[bytes, str]:
        if self.data is not None and self.media_type is not None:
            return self.data, self.media_type
        from ltx_nb.media import encode

        assert self.media is not None  # one of the three is there: see __post_init__
        return encode(self.media)


def written_once(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Given items as plain data, with the content of a source that several name left to the first of them."""
    seen: set[str] = set()
    for item in given:
        sha256 = item["source"]["sha256"]
        item["source"] = {"sha256": sha256} if sha256 in seen else item["source"]
        seen.add(sha256)
    return given


def read_back(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items that `written_once` wrote, with each source in full again."""
    whole: dict[str, Any] = {}
    read = []
    for item in given:
        source = item.get("source")
        sha256 = source.get("sha256") if isinstance(source, dict) else None
        read.append(item | {"source": whole.setdefault(sha256, source)} if isinstance(sha256, str) else item)
    return read
