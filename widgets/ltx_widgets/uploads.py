"""Files that a browser sends in chunks, put together again. Trusts nothing in a message; knows no widget.

Jupyter loses a browser's message of 10 MiB; chunks of 1 MiB arrive, in order.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ltx_nb.checks import keys, text, whole_number
from ltx_nb.whole_files import clear_left_overs, name_of_process

CHUNK_LIMIT_BYTES = 2**20
UPLOAD_LIMIT_BYTES = 256 * 2**20

# What is cut off halfway, by a page that was reloaded, is dropped when newer files come.
_MOST_UNFINISHED = 4

_FOLDER = re.compile(r"ltx-nb-uploads-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}")


@cache
def upload_folder() -> Path:
    """A folder for the uploads of this session, which its user alone can read; it goes when the session ends.

    Those of sessions that were killed are cleared away.
    """
    parent = Path(tempfile.gettempdir())
    clear_left_overs(parent, _FOLDER)
    folder = parent / f"ltx-nb-uploads-{name_of_process()}"
    folder.mkdir(mode=0o700)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@dataclass
class Upload:
    """A file so far. detail: what the widget's browser side said the file is for, as it came."""

    name: str
    count: int
    detail: dict[str, Any]
    chunks: list[bytes] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)


class Uploads:
    """The unfinished uploads of one widget."""

    def __init__(self) -> None:
        self._unfinished: dict[str, Upload] = {}

    def add(self, message: Mapping[str, Any], buffers: list[Any]) -> Upload | None:
        """Take in {type, id, name, index, count, detail} with one buffer; the whole upload once its last chunk is here.

        Raises ValueError, and forgets the upload, for a malformed message, a chunk out of turn, and a file over
        UPLOAD_LIMIT_BYTES.
        """
        required = ("type", "id", "name", "index", "count", "detail")
        keys("chunk", message, required, required)
        key = text("id", message["id"])
        upload = self._unfinished.pop(key, None)
        name = text("name", message["name"])
        most = UPLOAD_LIMIT_BYTES // CHUNK_LIMIT_BYTES
        count = whole_number("count", message["count"], least=1)
        if count > most:
            raise ValueError(
                f"{name!r} has {count} chunks of 1 MiB; at most {most} are taken; give the file by its path"
            )
        index = whole_number("index", message["index"], least=0, most=count - 1)
        if upload is None:
            if not isinstance(message["detail"], dict):
                raise ValueError(f"detail is a {type(message['detail']).__name__}, not an object")
            upload = Upload(name, count, message["detail"])
        if (index, count) != (len(upload.chunks), upload.count):
            raise ValueError(f"chunk {index} of {name!r} is out of turn; choose the file again")
        if len(buffers) != 1 or not 0 < len(chunk := bytes(buffers[0])) <= CHUNK_LIMIT_BYTES:
            raise ValueError(f"chunk {index} of {name!r} is not one buffer of 1 byte to 1 MiB; choose the file again")
        upload.chunks.append(chunk)
        if len(upload.chunks) == count:
            return upload
        self._unfinished[key] = upload
        for oldest in list(self._unfinished)[:-_MOST_UNFINISHED]:
            del self._unfinished[oldest]
        return None
