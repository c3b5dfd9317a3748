"""Sound and video files without what phones and programs write beside them: place, time, device, titles, pictures.

Such parts are overwritten where they lie, so that nothing else moves: what is heard and seen stays, byte for byte, with
its times. Knows the layout of MP4 and MOV (ISO 14496-12), MP3 (ID3, APE), FLAC, WAV, AIFF and TIFF files; what is in a
picture of another format is `ltx_nb.media.metadata`'s.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

_MOST_DEPTH = 8
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_GAPLESS = b"iTunSMPB"  # how many samples of an AAC file are its encoder's: a time, not a title
_DATED = (b"mvhd", b"tkhd", b"mdhd")
_RIFF_DROPPED = (b"id3 ", b"ID3 ", b"bext", b"iXML", b"_PMX", b"axml", b"cart")
_AIFF_DROPPED = (b"NAME", b"AUTH", b"(c) ", b"ANNO", b"COMT", b"ID3 ", b"APPL", b"MIDI")
_FLAC_DROPPED = (2, 4, 6)  # application, comments, picture
_FLAC_PADDING = 1
# TIFF 6.0 and EXIF: description, maker, model, software, date, artist, host, XMP, rights, IPTC, Photoshop.
_TIFF_DROPPED = (270, 271, 272, 305, 306, 315, 316, 700, 33432, 33723, 34377)
_TIFF_FOLDERS = (34665, 34853)  # of EXIF and of GPS
_TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


def blanked(content: bytes) -> bytes:
    """The same file with such parts blank; what is of another format, or is damaged, comes back as it is."""
    blank: Callable[[bytearray], None] | None = None
    if content[4:8] == b"ftyp" or content[4:8] in (b"moov", b"mdat", b"wide"):
        blank = _blank_boxes
    elif content.startswith(b"fLaC"):
        blank = _blank_flac
    elif content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        blank = _blank_wave
    elif content[:4] == b"FORM" and content[8:12] in (b"AIFF", b"AIFC"):
        blank = _blank_aiff
    elif content[:4] in (b"II*\0", b"MM\0*"):
        blank = _blank_tiff
    try:
        if blank is None:
            return _without_tags(content)
        made = bytearray(content)
        blank(made)
        return bytes(made)
    except (struct.error, IndexError, ValueError):
        return content


def _boxes(content: bytearray, start: int, end: int) -> Iterator[tuple[int, bytes, int, int]]:
    """(begin, type, begin of its body, end) of each box in content[start:end]. Raises ValueError for damaged ones."""
    at = start
    while at + 8 <= end:
        size, kind, body = struct.unpack_from(">I", content, at)[0], bytes(content[at + 4 : at + 8]), at + 8
        if size == 1:
            (size,), body = struct.unpack_from(">Q", content, body), body + 8
        stop = end if size == 0 else at + size
        if not body <= stop <= end:
            raise ValueError("cut off")
        yield at, kind, body, stop
        at = stop


def _blank_boxes(content: bytearray) -> None:
    for at, kind, body, end in _boxes(content, 0, len(content)):
        if kind == b"uuid" and content[body : body + 16] == _XMP:
            _free(content, at, body, end)
        elif kind == b"moov":
            _blank_movie(content, body, end)


def _blank_movie(content: bytearray, start: int, end: int, depth: int = 0) -> None:
    if depth > _MOST_DEPTH:
        raise ValueError("too deep")
    for at, kind, body, stop in list(_boxes(content, start, end)):
        if kind in (b"trak", b"mdia"):
            _blank_movie(content, body, stop, depth + 1)
        elif kind in _DATED:
            length = 16 if content[body] == 1 else 8  # made and changed, in the version's width
            content[body + 4 : body + 4 + length] = bytes(length)
        elif kind == b"udta":
            _blank_user_data(content, body, stop)
        elif kind == b"meta":
            _blank_meta(content, body, stop)
        elif kind == b"uuid" and content[body : body + 16] == _XMP:
            _free(content, at, body, stop)


def _blank_user_data(content: bytearray, start: int, end: int) -> None:
    for at, kind, body, stop in list(_boxes(content, start, end)):
        if kind == b"meta":
            _blank_meta(content, body, stop)
        else:
            _free(content, at, body, stop)


def _blank_meta(content: bytearray, start: int, end: int) -> None:
    # ISO's box has a version of four bytes first, QuickTime's has none.
    begin = start if bytes(content[start + 4 : start + 8]) == b"hdlr" else start + 4
    for at, kind, body, stop in list(_boxes(content, begin, end)):
        if kind == b"ilst":
            for item_at, _, item_body, item_end in list(_boxes(content, body, stop)):
                if _GAPLESS not in content[item_body:item_end]:
                    _free(content, item_at, item_body, item_end)
        elif kind not in (b"hdlr", b"keys"):
            _free(content, at, body, stop)


def _free(content: bytearray, at: int, body: int, end: int) -> None:
    content[at + 4 : at + 8] = b"free"
    content[body:end] = bytes(end - body)


def _blank_flac(content: bytearray) -> None:
    at, is_last = 4, False
    while not is_last:
        (head,) = struct.unpack_from(">I", content, at)
        is_last, kind, length = bool(head >> 31), head >> 24 & 0x7F, head & 0xFFFFFF
        if at + 4 + length > len(content):
            raise ValueError("cut off")
        if kind in _FLAC_DROPPED:
            content[at] = _FLAC_PADDING | (is_last << 7)
            content[at + 4 : at + 4 + length] = bytes(length)
        at += 4 + length


def _blank_wave(content: bytearray) -> None:
    for at, kind, body, end in _chunks(content, "<I"):
        if kind in _RIFF_DROPPED or (kind == b"LIST" and content[body : body + 4] == b"INFO"):
            content[at : at + 4], content[body:end] = b"JUNK", bytes(end - body)


def _blank_aiff(content: bytearray) -> None:
    for at, kind, body, end in _chunks(content, ">I"):
        if kind in _AIFF_DROPPED:
            content[at : at + 4], content[body:end] = b"FREE", bytes(end - body)


def _chunks(content: bytearray, size: str) -> Iterator[tuple[int, bytes, int, int]]:
    """(begin, type, begin of its body, end) of each chunk of a RIFF or an IFF file."""
    at = 12
    while at + 8 <= len(content):
        (length,) = struct.unpack_from(size, content, at + 4)
        end = min(at + 8 + length, len(content))
        yield at, bytes(content[at : at + 4]), at + 8, end
        at = end + length % 2


def _without_tags(content: bytes) -> bytes:
    """Leave out ID3 before, and ID3 and APE after, what a file of MPEG frames begins and ends with."""
    begin, end = 0, len(content)
    while content[begin : begin + 3] == b"ID3":
        flags, *digits = content[begin + 5 : begin + 10]
        size = sum((digit & 0x7F) << 7 * (3 - index) for index, digit in enumerate(digits))
        begin += 10 + size + (10 if flags & 0x10 else 0)
    is_mpeg = content[begin] == 0xFF and content[begin + 1] & 0xE0 == 0xE0
    if not is_mpeg:
        return content
    if content[end - 128 : end - 125] == b"TAG":
        end -= 128
    if content[end - 32 : end - 24] == b"APETAGEX":
        (size, _, flags) = struct.unpack_from("<III", content, end - 20)
        end -= size + (32 if flags >> 31 else 0)
    return content[begin:end] if begin < end else content


def _blank_tiff(content: bytearray) -> None:
    order = "<" if content[:2] == b"II" else ">"
    (at,) = struct.unpack_from(f"{order}I", content, 4)
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        at = _blank_tiff_folder(content, order, at, is_whole=False)


def _blank_tiff_folder(content: bytearray, order: str, at: int, is_whole: bool) -> int:
    """Blank entries of a folder, or all of it; return where the next is, 0 for none."""
    (count,) = struct.unpack_from(f"{order}H", content, at)
    for index in range(count):
        entry = at + 2 + 12 * index
        tag, kind, number, place = struct.unpack_from(f"{order}HHII", content, entry)
        if not is_whole and tag in _TIFF_FOLDERS:
            _blank_tiff_folder(content, order, place, is_whole=True)
        elif is_whole or tag in _TIFF_DROPPED:
            size = _TIFF_BYTES.get(kind, 1) * number
            begin = entry + 8 if size <= 4 else place
            if begin + size > len(content):
                raise ValueError("cut off")
            content[begin : begin + size] = bytes(size)
    end = at + 2 + 12 * count
    (following,) = struct.unpack_from(f"{order}I", content, end)
    if is_whole:
        content[at:end] = bytes(end - at)
    return int(following)
