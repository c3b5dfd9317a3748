"""The tensor in the answer of a prompt endpoint, which comes pickled, read without unpickling anything.

The endpoint answers what Python's pickle makes of [[tensor, {...}]], with the tensor's storage inside as torch saves
it. torch's own safe reader takes pickles of protocol 2 alone, and the answer is of a later one. So opcodes are parsed
by `pickletools`, which runs nothing; what they name is a word here, of which four are known and none is looked up; and
the storage is read by `torch.load(weights_only=True)`. What torch.save makes is read by that as a whole.
"""

from __future__ import annotations

import io
import math
import pickletools
import warnings
from collections.abc import Callable
from typing import Any

import torch

DEPTH = 3  # of lists around the tensor
MAX_OPCODES = 10_000
MAX_NUMBERS = 16_000_000  # 1,024 tokens of 6,144 channels are 6.3 million
DTYPES = (torch.bfloat16, torch.float16, torch.float32)


class Unsafe(ValueError):
    """An answer that is damaged, or holds what no tensor needs."""


def tensor_in(content: bytes) -> torch.Tensor:
    """Return the first tensor of the answer, on the CPU. Raises Unsafe for anything else."""
    try:
        found = _saved(content) if content[:2] == b"PK" else _plain(content)
        for _ in range(DEPTH):  # a list may hold itself
            found = found[0] if isinstance(found, (list, tuple)) else found
    except Unsafe:
        raise
    except Exception as error:  # of a damaged or hostile answer, whatever torch and pickletools make of it
        raise Unsafe(f"the answer cannot be read: {type(error).__name__}") from None
    if not isinstance(found, torch.Tensor) or found.dtype not in DTYPES or found.numel() > MAX_NUMBERS:
        raise Unsafe(f"the answer begins with a {type(found).__name__} that is no tensor of numbers as prompts have")
    return found


def _saved(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _storage(content: bytes) -> Any:
    return _saved(content)


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> torch.Tensor:
    """A tensor over a storage, all of it inside: torch would enlarge the storage to any size that is named."""
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(type(it) is int and 0 <= it <= MAX_NUMBERS for it in numbers):
        raise Unsafe("the answer has a tensor of no sensible shape")
    if math.prod(size) > MAX_NUMBERS:
        raise Unsafe("the answer has a tensor that is too large")
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of typed storages, which torch itself puts into pickles
        dtype, untyped = storage.dtype, storage.untyped()
    flat = torch.empty(0, dtype=torch.uint8).set_(untyped).view(dtype)
    if 0 in size or last >= len(flat):
        raise Unsafe("the answer has a tensor that reaches beyond its storage")
    return flat.as_strided(size, stride, offset).clone()


_KNOWN: dict[str, Callable[..., Any]] = {
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch.storage _load_from_bytes": _storage,
    "collections OrderedDict": lambda *_: {},
    "_codecs encode": lambda text, coding: text.encode("latin1"),  # how protocol 2 writes bytes
}


class _Named(str):
    """A name that an answer would have looked up; it stays a word."""


_MARK = object()


def _plain(content: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if number > MAX_OPCODES:
            raise Unsafe(f"the answer has over {MAX_OPCODES:,} opcodes")
        name = opcode.name
        if name == "STOP":
            return stack[-1]
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in _VALUES:
            stack.append(argument)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            if name == "STACK_GLOBAL":
                last, first = stack.pop(), stack.pop()
                argument = f"{first} {last}"
            if argument not in _KNOWN:
                raise Unsafe(f"the answer names {argument[:80]!r}, which no tensor needs")
            stack.append(_Named(argument))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            if not isinstance(function, _Named) or not isinstance(arguments, tuple):
                raise Unsafe("the answer calls what has no name")
            stack.append(_KNOWN[function](*arguments))
        elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "TUPLE" or name in _TUPLES:
            count = _TUPLES.get(name)
            items = _since_mark(stack) if count is None else [stack.pop() for _ in range(count)][::-1]
            stack.append(tuple(items))
        elif name in ("APPEND", "APPENDS"):
            added = [stack.pop()] if name == "APPEND" else _since_mark(stack)
            stack[-1].extend(added)
        elif name in ("SETITEM", "SETITEMS"):  # of the dict beside the tensor, which nothing here needs
            _ = [stack.pop(), stack.pop()] if name == "SETITEM" else _since_mark(stack)
        elif name not in ("PROTO", "FRAME"):
            raise Unsafe(f"the answer has the opcode {name}, which no tensor needs")
    raise Unsafe("the answer has no end")


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_VALUES = (
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
)


def _since_mark(stack: list[Any]) -> list[Any]:
    items: list[Any] = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]
