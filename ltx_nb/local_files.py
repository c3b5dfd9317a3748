"""Files from outside, opened with care: regular local ones with something in them, never a pipe, a device, an address.

A pipe or a device would hang for ever, or never end. Knows nothing of what is in a file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from typing import BinaryIO

_BLOCK_BYTES = 2**20
# Digests of files that are as they were: a run opens each source many times, and an hour of film takes seconds to read.
# One that was written to just now may be written to again within the same tick of its file system's clock.
MOST_KNOWN, SETTLED_NS = 256, 2_000_000_000
_KNOWN: dict[tuple[int, ...], str] = {}


def local_path(path: str | os.PathLike[str]) -> str:
    """The absolute path, which no library takes for an address; any name is fine, with a colon too.

    Raises ValueError for an address such as "https://...": nothing is sent to one or fetched from one.
    """
    name = os.fspath(path)
    scheme, colon, rest = name.partition(":")
    if colon and rest.startswith("/") and len(scheme) > 1 and scheme.isalnum() and not os.path.isdir(f"{scheme}:"):
        raise ValueError(f"{name!r} is an address, not a path; give the path of a local file")
    if "\0" in name:
        raise ValueError(f"{name!r} has a zero byte, which no path has")
    return os.path.abspath(name)


def open_local(path: str | os.PathLike[str]) -> BinaryIO:
    """A local file, to be read. Raises OSError for one that is not regular, is empty or cannot be opened."""
    # A pipe opens at once this way, where it would wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    number = os.open(local_path(path), flags)
    found = os.fstat(number)
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return os.fdopen(number, "rb")
    os.close(number)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFREG: "empty"}
    kind = kinds.get(stat.S_IFMT(found.st_mode), "a device")
    raise OSError(errno.EINVAL, f"it is {kind}; give a file with something in it", os.fspath(path))


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 of an open file from its start to the size that it has now, so that one that grows has an end.

    Not read again where identity, size and times are those of a file that was read.
    """
    found = os.fstat(file.fileno())
    key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if key in _KNOWN:
        return _KNOWN[key]
    left = found.st_size
    digest = hashlib.sha256()
    file.seek(0)
    while left and (block := file.read(min(left, _BLOCK_BYTES))):
        digest.update(block)
        left -= len(block)
    if time.time_ns() - found.st_mtime_ns > SETTLED_NS:
        while len(_KNOWN) >= MOST_KNOWN:
            _KNOWN.pop(next(iter(_KNOWN)), None)
        _KNOWN[key] = digest.hexdigest()
    return digest.hexdigest()
