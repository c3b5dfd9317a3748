"""The header of a safetensors file, checked whole before anything in it is believed.

Read here and not by the safetensors library, which maps the file so that it is counted against memory. Source of the
layout: github.com/huggingface/safetensors, README "Format". Knows bytes and dtypes; no modules.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import torch

from ltx_nb.loading.stored import (
    MOST_HEADER_BYTES,
    TORCH_DTYPES,
    Damaged,
    Stored,
    TensorFile,
    WeightsError,
    mapped,
    tensor_at,
)

LENGTH_BYTES = 8  # the header's length comes first
# Dtypes that no tensor here has, so that a file with them is refused by what is in it and not as damaged.
_OTHER_BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8}


def read_safetensors(path: Path) -> TensorFile:
    """Every tensor, its bytes mapped; notes: the header's metadata. Raises Damaged."""
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
