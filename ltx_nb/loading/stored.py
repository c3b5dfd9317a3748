"""Tensors as a safetensors file has them: its header, checked whole, and each tensor read where it lies.

Files are mapped without a claim on memory, so that one larger than RAM and swap opens; nothing is read before it is
used. Knows files, bytes and dtypes; no modules and no layouts.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import torch

# Of the format (github.com/huggingface/safetensors, README "Format"): the header's length comes first.
LENGTH_BYTES, MOST_HEADER_BYTES = 8, 100_000_000
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
# Dtypes that no tensor here has, so that a file with them is refused by what is in it and not as damaged.
_OTHER_BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8}
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


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[TensorFile]:
    """A safetensors file, or a GGUF file by its name, its header read.

    Raises FileNotFoundError, and WeightsError for anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.suffix not in (".safetensors", ".gguf"):
        raise WeightsError(f"{path.name} does not end in .safetensors; only safetensors are read, never pickles")
    from ltx_nb.loading.gguf_file import read_gguf  # which is made of what is here

    try:
        file = read_gguf(path) if path.suffix == ".gguf" else _read_header(path)
    except Damaged as error:
        raise WeightsError(
            f"{path} is cut short or is no {path.suffix[1:]} file ({error}); it has {path.stat().st_size} bytes: "
            "compare with its source, and download it again"
        ) from None
    yield file


def stored_tensors(file: TensorFile) -> dict[str, Stored]:
    """All of an open file, by name."""
    return dict(file.tensors)


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
    """What is wrong with a header, in words."""


def _read_header(path: Path) -> TensorFile:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if not 2 <= length <= min(size - LENGTH_BYTES, MOST_HEADER_BYTES):
            raise Damaged(f"a header of {length} bytes")
        text = file.read(length)
    try:
        header = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"its header is no JSON: {type(error).__name__}") from None
    if not isinstance(header, dict):
        raise Damaged("its header is no JSON object")
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        raise Damaged("its metadata is no mapping of names to text")
    begin = LENGTH_BYTES + length
    places = {key: _place(key, entry) for key, entry in header.items()}
    spans = sorted((first, last) for *_, first, last in places.values())
    if any(last != first for (_, last), (first, _) in pairwise([(0, 0), *spans])):
        raise Damaged("its tensors do not lie one after the other")
    if begin + (spans[-1][1] if spans else 0) != size:
        raise Damaged(f"its tensors end at byte {begin + (spans[-1][1] if spans else 0)}")
    buffer = mapped(path)

    def reader(key: str, dtype: str, shape: tuple[int, ...], first: int) -> Callable[[], torch.Tensor]:
        def read() -> torch.Tensor:
            if dtype not in TORCH_DTYPES:
                raise WeightsError(f"{key} is {dtype}, which is not read")
            return tensor_at(buffer, begin + first, TORCH_DTYPES[dtype], shape)

        return read

    tensors = {
        key: Stored(key, dtype, shape, reader(key, dtype, shape, first))
        for key, (dtype, shape, first, _) in places.items()
    }
    return TensorFile(path, tensors, notes)


def _place(key: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    """dtype, shape and the bytes of a tensor within the file's data."""
    try:
        dtype, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        numbers = (*shape, first, last)
    except (TypeError, KeyError, ValueError):
        raise Damaged(f"the header's entry of {key[:80]!r} is not a tensor's") from None
    if not all(type(number) is int and 0 <= number < 2**63 for number in numbers) or len(shape) > 8:
        raise Damaged(f"the header's entry of {key[:80]!r} has sizes that are none")
    bits = {name: dtype.itemsize * 8 for name, dtype in TORCH_DTYPES.items()} | _OTHER_BITS
    if not isinstance(dtype, str) or dtype not in bits:
        raise Damaged(f"{key[:80]!r} has the dtype {str(dtype)[:20]!r}")
    if last - first != -(-prod(shape) * bits[dtype] // 8):
        raise Damaged(f"{key[:80]!r} has {last - first} bytes for {dtype} {list(shape)}")
    return dtype, shape, first, last


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name twice")
    return made
