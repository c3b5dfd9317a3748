"""Files from outside, opened with care: regular local ones with something in them, never a pipe, a device, an address.

A pipe or a device would hang for ever, or never end. Knows nothing of what is in a file.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import BinaryIO

_BLOCK_BYTES = 2**20


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
    """A local file, to be read. Raises ValueError, which names it, for what is not regular, empty or unreadable."""
    whole = local_path(path)
    try:
        # A pipe opens at once this way, where it would wait for a writer.
        number = os.open(whole, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise ValueError(f"cannot read {os.fspath(path)}: no such file; check the path") from None
    except OSError as error:
        raise ValueError(f"cannot read {os.fspath(path)}: {error.strerror}") from None
    found = os.fstat(number)
    if reason := _not_a_file(found):
        os.close(number)
        raise ValueError(f"cannot read {os.fspath(path)}: it is {reason}; give a file")
    return os.fdopen(number, "rb")


def check_local(path: str | os.PathLike[str]) -> str:
    """The absolute path of a file that `open_local` would open. Raises ValueError as that does."""
    open_local(path).close()
    return local_path(path)


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 of an open file from its start to the size that it has now, so that one that grows has an end."""
    left = os.fstat(file.fileno()).st_size
    digest = hashlib.sha256()
    file.seek(0)
    while left and (block := file.read(min(left, _BLOCK_BYTES))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()


def _not_a_file(found: os.stat_result) -> str:
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    if not stat.S_ISREG(found.st_mode):
        return kinds.get(stat.S_IFMT(found.st_mode), "a device")
    return "" if found.st_size else "empty"
