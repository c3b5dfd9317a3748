"""Tensors as files have them, each read where it lies.

Files are mapped without a claim on memory, so that one larger than RAM and swap opens; nothing is read before it is
used. Knows bytes and dtypes; no headers, no modules.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import torch

MOST_HEADER_BYTES = 100_000_000  # of safetensors, by its own library; GGUF states no limit
TORCH_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "U16": torch.uint16,
    "I32": torch.int32,
    "U32": torch.uint32,
    "I64": torch.int64,
    "U64": torch.uint64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E8M0": torch.float8_e8m0fnu,
}
_NO_RESERVE = 0x4000  # Linux's MAP_NORESERVE, which Python 3.11 has no name for; the same on x86 and Arm
SHOWN_NAMES = 8


class WeightsError(ValueError):
    """A file is not what it should be. unknown, missing: names in the file that are too many, in it that lack."""

    def __init__(self, message: str, unknown: Iterable[str] = (), missing: Iterable[str] = ()):
        super().__init__(message)
        self.unknown, self.missing = tuple(unknown), tuple(missing)


@dataclass(frozen=True)
class Stored:
    """One tensor as the header of its file has it. dtype: safetensors' name of it, or GGUF's."""

    key: str
    dtype: str
    shape: tuple[int, ...]
    source: Callable[[], torch.Tensor] = field(repr=False, compare=False)

    def read(self) -> torch.Tensor:
        return self.source()


@dataclass(frozen=True)
class TensorFile:
    """An open file: every tensor by its name, and what the header says beside them."""

    path: Path
    tensors: dict[str, Stored]
    notes: Mapping[str, str]

    def metadata(self) -> Mapping[str, str]:
        return self.notes


def mapped(path: Path) -> mmap.mmap:
    """The file's bytes, private to this process where they are written to.

    A plain private mapping is counted against RAM and swap as if all of it were to be changed, and refused where it is
    larger; this one is not. Where the system counts every mapping (vm.overcommit_memory=2), it cannot be written to.
    """
    with path.open("rb") as file:
        if not sys.platform.startswith("linux"):
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        try:
            return mmap.mmap(
                file.fileno(), 0, flags=mmap.MAP_PRIVATE | _NO_RESERVE, prot=mmap.PROT_READ | mmap.PROT_WRITE
            )
        except OSError:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def tensor_at(buffer: mmap.mmap, offset: int, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor whose bytes begin there, without a copy unless they are badly aligned."""
    count = prod(shape)
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    if offset % dtype.itemsize:
        raw = torch.frombuffer(buffer, dtype=torch.uint8, count=count * dtype.itemsize, offset=offset)
        return raw.clone().view(dtype).view(shape)
    return torch.frombuffer(buffer, dtype=dtype, count=count, offset=offset).view(shape)


def shown(names: list[str]) -> str:
    more = f", and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


class Damaged(Exception):
    """Fault of a header, in words."""
