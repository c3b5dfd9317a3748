"""Given media as files that the services read, without place, camera, titles and what else a file tells of itself.

A picture goes as PNG, JPEG or WebP, a sound as WAV or MP3, a video as MP4; anything else is encoded as one of them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ltx_nb import media
from ltx_nb.pipeline.sources import frames_at, read_sound
from ltx_nb.source import Source

MAX_BYTES = 100_000_000  # of Lightricks' API; fal names no limit


@dataclass(frozen=True)
class Upload:
    """A file to be sent. It is shown by its type and size, and has no name but "input"."""

    content: bytes = field(repr=False)
    media_type: str

    @property
    def name(self) -> str:
        return f"input.{_SUFFIXES[self.media_type]}"

    def __str__(self) -> str:
        return f"<{self.media_type}, {len(self.content):,} bytes, uploaded>"


_SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "video/mp4": "mp4",
}


def picture(source: Source) -> Upload:
    """A still picture. Raises ValueError for a video, and for what is too large."""
    if not source.info().is_image:
        raise ValueError("the given media move; give one still picture, such as clip.frame(0)")
    content = _stored(source)
    if content.startswith(b"\x89PNG"):
        return _checked(content, "image/png")
    if content.startswith(b"\xff\xd8\xff"):
        return _checked(content, "image/jpeg")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _checked(content, "image/webp")
    (pixels,) = frames_at(source, np.zeros(1))
    return _checked(*media.encode(media.Media(frames=pixels[None])))


def sound(source: Source) -> Upload:
    """A sound, also that of a video."""
    content = _stored(source)
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return _checked(content, "audio/wav")
    if content[:3] == b"ID3" or content[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return _checked(content, "audio/mpeg")
    samples, _ = read_sound(source, 48_000)
    return _checked(media.encode_sound(samples, 48_000), "audio/mpeg")


def video(source: Source) -> Upload:
    """A video with its sound: an MP4 or MOV as it is encoded, anything else encoded anew."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.mp4"
        if source.media is not None:
            _write(path, source.media)
        else:
            with source.open() as file:
                begin = file.read(8)
                if begin[4:] == b"ftyp":
                    media.strip(file, path)
                else:
                    frames, frame_rate = media.read_video(file)
                    audio, sample_rate = media.read_audio(file) if media.probe(file).has_audio else (None, None)
                    _write(
                        path,
                        media.Media(frames=frames, frame_rate=frame_rate, audio=audio, sample_rate=sample_rate),
                    )
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"the given video takes {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are sent")
        return Upload(path.read_bytes(), "video/mp4")


def _stored(source: Source) -> bytes:
    """The file as it is, without metadata; nothing of media in memory, whose own encoding only we read."""
    if source.media is not None:
        return b""
    with source.open() as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"the given file has over {MAX_BYTES:,} bytes, the most that is sent; give a shorter one")
    return media.without_metadata(content)


def _write(path: Path, clip: media.Media) -> None:
    media.write_video(path, clip.frames, clip.frame_rate, clip.audio, clip.sample_rate)


def _checked(content: bytes, media_type: str) -> Upload:
    if len(content) > MAX_BYTES:
        raise ValueError(f"the given media take {len(content):,} bytes; at most {MAX_BYTES:,} are sent")
    return Upload(content, media_type)
