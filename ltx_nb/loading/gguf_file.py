"""Tensors as a GGUF file has them, by the names and shapes that its header says.

Source of the layout: ggml's docs/gguf.md, versions 2 and 3. Read here and not by the package gguf, whose reader
believes every count that a file states. Knows bytes and types; no modules.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import prod
from pathlib import Path

import torch

from ltx_nb.loading.stored import MOST_HEADER_BYTES, TORCH_DTYPES, Damaged, Stored, TensorFile, mapped, tensor_at
from ltx_nb.running.gguf_linear import BLOCKS, quant_named, row_bytes

_PLAIN = {0: "F32", 1: "F16", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 30: "BF16"}
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_SHAPE_NOTE = "comfy.gguf.orig_shape."  # of tensors that GGUF has no place for, by ComfyUI-GGUF's converter


def read_gguf(path: Path) -> TensorFile:
    """Every tensor, its bytes mapped; notes: short values of the header as text. Raises Damaged."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _Header(file.read(min(size, MOST_HEADER_BYTES)))
    if header.data[:4] != b"GGUF":
        raise Damaged("it does not begin with GGUF")
    try:
        notes, entries = header.read()
    except (struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
        raise Damaged(f"its header ends early or is none: {error}") from None
    alignment = int(notes.get("general.alignment", "32"))
    if alignment <= 0 or alignment & (alignment - 1):
        raise Damaged(f"an alignment of {alignment}")
    begin = -(-header.place // alignment) * alignment
    buffer, tensors = mapped(path), {}
    for key, (shape, number, offset) in entries.items():
        dtype = _PLAIN.get(number) or quant_named(number) or f"GGUF's type {number}"
        try:
            num_bytes = _num_bytes(dtype, shape)
        except ValueError as error:
            raise Damaged(f"{key[:80]!r}: {error}") from None
        if begin + offset + num_bytes > size:
            raise Damaged(f"{key[:80]!r} ends at byte {begin + offset + num_bytes}")
        said = notes.get(_SHAPE_NOTE + key)
        logical = shape if said is None else tuple(int(one) for one in said.split(","))
        if prod(logical) != prod(shape):
            raise Damaged(f"{key[:80]!r} is {list(shape)} and said to have been {list(logical)}")
        tensors[key] = Stored(key, dtype, logical, _reader(buffer, begin + offset, dtype, shape, logical))
    return TensorFile(path, tensors, notes)


def _num_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    if dtype in BLOCKS:
        return prod(shape[:-1]) * row_bytes(shape[-1] if shape else 1, dtype)
    return prod(shape) * (TORCH_DTYPES[dtype].itemsize if dtype in TORCH_DTYPES else 0)


def _reader(buffer, begin: int, dtype: str, shape: tuple[int, ...], logical: tuple[int, ...]) -> Callable:
    """Blocks as uint8 [..., bytes of a row] of `shape`; other tensors as they are, of the shape `logical`."""

    def read() -> torch.Tensor:
        if dtype in BLOCKS:
            return tensor_at(buffer, begin, torch.uint8, (*shape[:-1], row_bytes(shape[-1], dtype)))
        if dtype not in TORCH_DTYPES:
            raise ValueError(f"{dtype} is not read")
        return tensor_at(buffer, begin, TORCH_DTYPES[dtype], logical)

    return read


class _Header:
    """Reads on from `place`; struct.error where the bytes end."""

    def __init__(self, data: bytes):
        self.data, self.place = data, 0

    def read(self) -> tuple[dict[str, str], dict[str, tuple[tuple[int, ...], int, int]]]:
        self.place = 4
        version, num_tensors, num_notes = self._numbers("IQQ")
        if version not in (2, 3):
            raise ValueError(f"version {version}")
        notes: dict[str, str] = {}
        for _ in range(num_notes):
            key, (kind,) = self._text(), self._numbers("I")
            value = self._value(kind)
            if value is not None:
                notes[key] = value
        entries: dict[str, tuple[tuple[int, ...], int, int]] = {}
        for _ in range(num_tensors):
            key, (num_dims,) = self._text(), self._numbers("I")
            if num_dims > 8 or key in entries:
                raise ValueError(f"{key[:80]!r} with {num_dims} dimensions, or twice")
            dims = self._numbers(f"{num_dims}Q")
            number, offset = self._numbers("IQ")
            entries[key] = (tuple(reversed(dims)), number, offset)
        return notes, entries

    def _value(self, kind: int) -> str | None:
        """As text; None for an array that is no short list of numbers."""
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return str(self._numbers(_SCALARS[kind])[0])
        item, count = self._numbers("IQ")
        if item == _STRING:
            for _ in range(count):
                self._skip(self._numbers("Q")[0])
            return None
        if count > 8:
            self._skip(count * struct.calcsize("<" + _SCALARS[item]))
            return None
        return ",".join(str(one) for one in self._numbers(f"{count}{_SCALARS[item]}"))

    def _text(self) -> str:
        (length,) = self._numbers("Q")
        begin = self.place
        self._skip(length)
        return self.data[begin : self.place].decode()

    def _numbers(self, form: str) -> tuple:
        values = struct.unpack_from("<" + form, self.data, self.place)
        self.place += struct.calcsize("<" + form)
        return values

    def _skip(self, count: int) -> None:
        if count > len(self.data) - self.place:
            raise struct.error("more than there is")
        self.place += count
