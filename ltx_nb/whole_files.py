"""Files and folders that are written whole or not at all. Does not know what is in them.

What is unfinished lies beside its place under a name that says which process writes it, so that the next writer in that
folder clears away what a killed one left.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ltx_nb.local_files import local_path

_UNFINISHED = re.compile(r"\.ltx-nb-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}\.part")
_FORGOTTEN_S = 24 * 3600  # of a process that cannot be asked, on another machine


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to: it becomes `path` when the block ends well, and is removed when the block raises.

    It lies in the same folder, which is made if need be, so that the last step is one rename, before which the content
    is on the disk. A file that was there gives it its mode; a link stays one. Raises OSError where the folder or the
    file cannot be written, ValueError for an address.
    """
    target = Path(os.path.realpath(local_path(path)))
    unfinished = _unfinished_beside(target)
    try:
        yield unfinished
        with suppress(FileNotFoundError):
            unfinished.chmod(stat.S_IMODE(target.stat().st_mode))
        _flush(unfinished)
        os.replace(unfinished, target)
        _flush(target.parent)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new folder to write into: it becomes `path` when the block ends well, and is removed when the block raises.

    Raises FileExistsError where there is something at `path` already, ValueError for an address.
    """
    target = Path(local_path(path))
    unfinished = _unfinished_beside(target)
    unfinished.mkdir()
    try:
        yield unfinished
        if target.exists():
            raise FileExistsError(f"{target} is there already; give one that is not")
        for written in unfinished.rglob("*"):
            _flush(written)
        os.replace(unfinished, target)
        _flush(target.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def clear_left_overs(folder: Path, unfinished: re.Pattern[str] = _UNFINISHED) -> None:
    """Remove the unfinished files and folders of processes that are gone. What cannot be removed stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = unfinished.fullmatch(entry.name)
            if match is None or not _is_gone(match["host"], int(match["pid"]), entry):
                continue
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)


def name_of_process() -> str:
    """This process, on this machine, as a part of a file's name: who is writing it."""
    return f"{_this_host()}-{os.getpid()}-{secrets.token_hex(4)}"


def _unfinished_beside(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    clear_left_overs(target.parent)
    # Its name is short, however long the target's is.
    return target.with_name(f".ltx-nb-{name_of_process()}.part")


def _this_host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_gone(host: str, pid: int, entry: os.DirEntry[str]) -> bool:
    if host == _this_host() and os.name == "posix":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        return False
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > _FORGOTTEN_S


def _flush(path: Path) -> None:
    """Have what was written reach the disk before what comes next; file systems that cannot say so are left alone."""
    if os.name != "posix" and path.is_dir():
        return
    number = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(number)
    finally:
        os.close(number)
