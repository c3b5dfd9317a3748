"""Weights of a block in host memory, laid out so that they go to a device in one copy.

Knows tensors, bytes and which of them a CUDA device reads by itself; not when a block is needed
(`ltx_nb.running.streaming`) and no model.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import warnings
import weakref
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

STAGED_BYTES = 2**26  # a piece of a weight on its way from a file to a device
ALIGNMENT = 256  # bytes, as of every allocation of CUDA's: CUDA C++ Programming Guide, "Device Memory Accesses"


@dataclass(frozen=True)
class _Place:
    """Where one tensor belongs: in `module` under `name`, and at `offset` of the block's bytes."""

    module: nn.Module
    name: str
    offset: int
    shape: torch.Size
    dtype: torch.dtype


class BlockWeights:
    """Parameters and buffers of one module, in the order of its submodules.

    host: each in host memory, on its own or as a view of `held`. held: all of them in one buffer, or None.
    num_bytes: the size of such a buffer.
    """

    def __init__(self, block: nn.Module, dtype: torch.dtype | None = None):
        """Note where each tensor of the block belongs.

        dtype: of the parameters once they are copied. Buffers, one-byte weights and their scales among them, stay as
            they are.
        """
        self.host: list[torch.Tensor] = []
        self.held: torch.Tensor | None = None
        self._places: list[_Place] = []
        offset = 0
        for module in block.modules():
            for tensors, wanted in ((module._parameters, dtype), (module._buffers, None)):
                for name, tensor in tensors.items():
                    if tensor is None:
                        continue
                    self.host.append(tensor.detach())
                    self._places.append(_Place(module, name, offset, tensor.shape, wanted or tensor.dtype))
                    size = tensor.numel() * self._places[-1].dtype.itemsize
                    offset += -(-size // ALIGNMENT) * ALIGNMENT
        self.num_bytes = offset

    def hold(self, device: torch.device) -> None:
        """Gather the weights in one buffer of their own that `device` reads by itself."""
        held = page_locked(self.num_bytes, device)
        self.read_into(held)
        self.held, self.host = held, self.views(held)

    def read_into(self, buffer: torch.Tensor, begin: int = 0, end: int | None = None) -> None:
        """Copy the weights, from wherever they lie, in their dtypes, to uint8 `buffer`: these bytes of the block.

        begin, end: multiples of ALIGNMENT, so that no value is cut in two.
        """
        end = self.num_bytes if end is None else end
        for place, tensor in zip(self._places, self.host, strict=True):
            size = place.dtype.itemsize
            first = max(begin - place.offset, 0) // size
            last = min((end - place.offset) // size, place.shape.numel())
            if first < last:
                at = place.offset + first * size - begin
                to = buffer[at : at + (last - first) * size].view(place.dtype)
                to.copy_(tensor.reshape(-1)[first:last])

    def views(self, buffer: torch.Tensor) -> list[torch.Tensor]:
        """Return the weights in a buffer that they were copied to."""
        return [
            buffer[place.offset : place.offset + place.shape.numel() * place.dtype.itemsize]
            .view(place.dtype)
            .view(place.shape)
            for place in self._places
        ]

    def placeholders(self, device: torch.device) -> list[torch.Tensor]:
        """Return tensors of the same shapes and dtypes on `device` that take no memory and hold nothing of use."""
        one_of = {
            dtype: torch.full((), torch.nan if dtype.is_floating_point else 0, device=device).to(dtype)
            for dtype in {place.dtype for place in self._places}
        }
        return [one_of[place.dtype].expand(place.shape) for place in self._places]

    def attach(self, tensors: list[torch.Tensor]) -> None:
        """Let the block compute with `tensors`, one for each of its own."""
        for place, tensor in zip(self._places, tensors, strict=True):
            parameter = place.module._parameters.get(place.name)
            if parameter is None:
                place.module._buffers[place.name] = tensor
            elif parameter.is_meta != tensor.is_meta:  # `data` cannot pass between the meta device and another
                place.module._parameters[place.name] = nn.Parameter(tensor, parameter.requires_grad)
            else:
                parameter.data = tensor


class Staging:
    """Two page-locked buffers through which weights go from wherever they lie to a CUDA device, in pieces.

    One buffer is filled while the other is copied from. Small, and kept: to lock memory takes longer than to fill it.
    """

    def __init__(self, device: torch.device):
        self._buffers = [page_locked(STAGED_BYTES, device) for _ in range(2)]
        self._copied = [torch.cuda.Event() for _ in self._buffers]
        self._lock = threading.Lock()

    def copy(self, weights: BlockWeights, slot: torch.Tensor, stream: torch.cuda.Stream) -> None:
        """Begin to copy a block to uint8 [num_bytes or more] on the device; returns once all but two pieces are."""
        with self._lock:
            for number, (begin, end) in enumerate(pieces(weights.num_bytes)):
                buffer, copied = self._buffers[number % 2], self._copied[number % 2]
                copied.synchronize()
                weights.read_into(buffer, begin, end)
                with torch.cuda.stream(stream):
                    slot[begin:end].copy_(buffer[: end - begin], non_blocking=True)
                    copied.record()


def pieces(num_bytes: int) -> list[tuple[int, int]]:
    """Begin and end of as few pieces of at most STAGED_BYTES as there can be."""
    return [(begin, min(begin + STAGED_BYTES, num_bytes)) for begin in range(0, num_bytes, STAGED_BYTES)]


@cache
def staging(device: torch.device) -> Staging:
    """Return the one pair of this process for the device."""
    return Staging(device)


def give_back_freed() -> None:
    """Let the system have what was freed: glibc keeps pieces of up to 32 MiB, of which most layers of one byte are."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def page_locked(num_bytes: int, device: torch.device) -> torch.Tensor:
    """uint8 [num_bytes], locked in memory for a CUDA device, so that copies run beside its work; plain for any other.

    Exactly this size: torch's own pinned memory comes in powers of two, 512 MiB for a block of 387 MB, and is never
    given back. As torch.cuda._pin_memory_utils. Where the system refuses, with a warning, copies wait for each other.
    """
    buffer = torch.empty(num_bytes, dtype=torch.uint8)
    if device.type == "cuda" and num_bytes:
        cudart = torch.cuda.cudart()
        error = int(cudart.cudaHostRegister(buffer.data_ptr(), num_bytes, 0))
        if error:
            warnings.warn(
                f"{num_bytes / 1e9:.2f} GB of RAM could not be page-locked (CUDA error {error}): streaming is slower",
                stacklevel=2,
            )
        else:
            weakref.finalize(buffer, cudart.cudaHostUnregister, buffer.data_ptr()).atexit = False
    return buffer
