"""Picture files without what cameras and programs write beside the picture: place, time, camera, comments.

Pixels, colour profile and the turn stay as they are, byte for byte. Knows the layout of JPEG, PNG and WebP files.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from ltx_nb.media.blanking import blanked

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DROPPED = (b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME")
_ORIENTATION = 0x0112
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04


def without_metadata(content: bytes) -> bytes:
    """The same file without metadata; what is of a format that is not known here, or damaged, comes back as it is.

    Known are JPEG, PNG and WebP, and what `blanked` knows.
    """
    try:
        if content.startswith(b"\xff\xd8\xff"):
            return b"".join(_jpeg_parts(content))
        if content.startswith(_PNG):
            return b"".join(_png_parts(content))
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except (struct.error, IndexError, ValueError):
        return content
    return blanked(content)


def _jpeg_parts(content: bytes) -> Iterator[bytes]:
    yield content[:2]
    at, turn = 2, None
    while True:
        if content[at] != 0xFF:
            raise ValueError("not at a marker")
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == 0xD9:
            yield content[at : at + 2]  # what follows is further pictures with metadata of their own
            return
        end = at + 2 + struct.unpack_from(">H", content, at + 2)[0]
        segment = content[at:end]
        if len(segment) != end - at:
            raise ValueError("cut off")
        body = segment[4:]
        if marker == 0xE1 and body.startswith(b"Exif\0\0") and turn is None:
            turn = _orientation(body[6:])
            if turn != 1:
                exif = b"Exif\0\0" + _exif_of(turn)
                yield b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        elif not (marker in (0xE1, 0xED, 0xFE) or (marker == 0xE2 and body.startswith(b"MPF\0"))):
            yield segment
        at = end
        if marker == 0xDA:
            start = at
            while not (content[at] == 0xFF and content[at + 1] not in (0x00, 0xFF, *range(0xD0, 0xD8))):
                at = content.index(b"\xff", at + 1)
            yield content[start:at]


def _png_parts(content: bytes) -> Iterator[bytes]:
    yield content[:8]
    at = 8
    while at < len(content):
        (length,), kind = struct.unpack_from(">I", content, at), content[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(content):
            raise ValueError("cut off")
        if kind == b"eXIf" and (turn := _orientation(content[at + 8 : end - 4])) != 1:
            body = b"eXIf" + _exif_of(turn)
            yield struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        elif kind not in _PNG_DROPPED:
            yield content[at:end]
        at = end
        if kind == b"IEND":
            return


def _webp(content: bytes) -> bytes:
    at, parts, turned = 12, [], False
    while at + 8 <= len(content):
        kind, (length,) = content[at : at + 4], struct.unpack_from("<I", content, at + 4)
        end = at + 8 + length + length % 2
        if end > len(content):
            raise ValueError("cut off")
        if kind == b"EXIF" and (turn := _orientation(content[at + 8 : end].removeprefix(b"Exif\0\0"))) != 1:
            exif, turned = _exif_of(turn), True
            parts.append(kind + struct.pack("<I", len(exif)) + exif)
        elif kind not in (b"EXIF", b"XMP "):
            parts.append(content[at:end])
        at = end
    if parts and parts[0].startswith(b"VP8X"):
        head = parts[0]
        flags = head[8] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if turned else 0)
        parts[0] = head[:8] + bytes([flags]) + head[9:]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _orientation(exif: bytes) -> int:
    """How a picture is turned, 1..8 as in EXIF; 1, upright, where it is not said."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    (first,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, first)
    for index in range(count):
        tag, kind = struct.unpack_from(f"{order}HH", exif, first + 2 + 12 * index)
        if tag == _ORIENTATION and kind == 3:
            (turn,) = struct.unpack_from(f"{order}H", exif, first + 2 + 12 * index + 8)
            return turn if 1 <= turn <= 8 else 1
    return 1


def _exif_of(orientation: int) -> bytes:
    """EXIF that says how a picture is turned, and nothing else: a TIFF with one entry."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)
