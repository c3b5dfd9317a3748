"""Files of weights by their endings: safetensors and GGUF are opened, anything else is refused unread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ltx_nb.loading.gguf_file import read_gguf
from ltx_nb.loading.safetensors_file import read_safetensors
from ltx_nb.loading.stored import Damaged, Stored, TensorFile, WeightsError

READERS = {".safetensors": read_safetensors, ".gguf": read_gguf}


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[TensorFile]:
    """The file with its header read. Raises FileNotFoundError, and WeightsError for one that is not what it says."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.suffix not in READERS:
        raise WeightsError(f"{path.name} does not end in .safetensors; only safetensors are read, never pickles")
    try:
        file = READERS[path.suffix](path)
    except Damaged as error:
        raise WeightsError(
            f"{path} is cut short or is no {path.suffix[1:]} file ({error}); it has {path.stat().st_size} bytes: "
            "compare with its source, and download it again"
        ) from None
    yield file


def stored_tensors(file: TensorFile) -> dict[str, Stored]:
    """All of an open file, by name."""
    return dict(file.tensors)
