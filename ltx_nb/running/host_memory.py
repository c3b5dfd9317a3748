"""Weights of a block in host memory, laid out so that they go to a device in one copy.

Knows tensors, bytes and which of them a CUDA device reads by itself; not when a block is needed (`ltx_nb.loading.
streaming`) and no model.
"""

from __future__ import annotations

import warnings
import weakref
from dataclasses import dataclass

import torch
from torch import nn

ALIGNMENT = 256  # bytes, as of every allocation of CUDA's: CUDA C++ Programming Guide, "Device Memory Accesses"


@dataclass(frozen=True)
class _Place:
    """Of one tensor: the module that has it under `name`, and where it lies in the block's bytes."""

    module: nn.Module
    name: str
    offset: int
    shape: torch.Size
    dtype: torch.dtype


class BlockWeights:
    """Parameters and buffers of one module, in the order of its submodules.

    host: them in host memory, on their own or as views of `held`. held: all of them in one buffer, or None.
    num_bytes: of such a buffer.
    """

    def __init__(self, block: nn.Module, dtype: torch.dtype | None = None):
        """dtype: of the parameters once they are copied. Buffers, one-byte weights and their scales among them, stay
        as they are."""
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
        """Gather them in one buffer of their own that `device` reads by itself."""
        held = page_locked(self.num_bytes, device)
        self.read_into(held)
        self.held, self.host = held, self.views(held)

    def read_into(self, buffer: torch.Tensor) -> None:
        """Copy them, from wherever they lie, to their places in uint8 [num_bytes or more], in their dtypes."""
        for place, tensor in zip(self.views(buffer), self.host, strict=True):
            place.copy_(tensor)

    def views(self, buffer: torch.Tensor) -> list[torch.Tensor]:
        """Them, in a buffer that they were copied to."""
        return [
            buffer[place.offset : place.offset + place.shape.numel() * place.dtype.itemsize]
            .view(place.dtype)
            .view(place.shape)
            for place in self._places
        ]

    def placeholders(self, device: torch.device) -> list[torch.Tensor]:
        """Tensors of their shapes and dtypes on `device` that take no memory; nothing good comes of using them."""
        one_of = {
            dtype: torch.full((), torch.nan if dtype.is_floating_point else 0, device=device).to(dtype)
            for dtype in {place.dtype for place in self._places}
        }
        return [one_of[place.dtype].expand(place.shape) for place in self._places]

    def attach(self, tensors: list[torch.Tensor]) -> None:
        """Let the block compute with `tensors`, one for each of its own."""
        for place, tensor in zip(self._places, tensors, strict=True):
            if place.name in place.module._parameters:
                place.module._parameters[place.name].data = tensor
            else:
                place.module._buffers[place.name] = tensor


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
