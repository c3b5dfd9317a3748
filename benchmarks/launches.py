"""Kernels and bytes of one block of full width, counted on the meta device: what is launched between the products.

An operation that is no view counts as one kernel, which reads its inputs and writes its outputs; attention as one, and
a step of `ltx_nb.running.fused` as one where it would be compiled (`torch.compile` makes one kernel of each). Products
are counted apart, and the int8 kernel as one, with its scales. Says nothing of seconds, and a kernel that reads a row
twice is taken to read it once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from peaks import CLIPS, component, denoise
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ltx_nb.running import fused, products
from ltx_nb.running.lean import make_lean
from ltx_nb.running.one_byte import multiply_in, quantise_blocks

PRODUCTS = {"mm", "addmm", "bmm", "_int_mm", "_scaled_mm"}
# Views by other names, and memory that is taken without being written.
FREE = {"_unsafe_view", "_reshape_alias", "empty", "new_empty", "empty_strided", "lift_fresh", "unsafe_split"}
STEPS = [name for name, step in vars(fused).items() if hasattr(step, "__wrapped__") and not name.startswith("_")]


class Kernels(TorchDispatchMode):
    """small, small_bytes: kernels that are no product, and what they read and write. products: those that are."""

    def __init__(self) -> None:
        super().__init__()
        self.small = self.small_bytes = self.products = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in PRODUCTS:
            self.products += 1
        elif not func.is_view and name not in FREE:
            self.add(args, out)
        return out

    def add(self, *values: Any) -> None:
        self.small += 1
        self.small_bytes += sum(it.nbytes for it in tree_leaves(values) if isinstance(it, torch.Tensor))


class Attention(TorchFunctionMode):
    """Attention as one product; one distinct timestep, as `peaks.SizesAlone`."""

    def __init__(self, kernels: Kernels):
        super().__init__()
        self.kernels = kernels

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            self.kernels.products += 1
            query, _, value = (*args, *(kwargs or {}).values())[:3]
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        if name == "unique":
            return args[0].new_empty(1), torch.zeros_like(args[0], dtype=torch.long)
        return func(*args, **(kwargs or {}))


@contextmanager
def as_if_compiled(kernels: Kernels) -> Iterator[None]:
    """Let each step count as one kernel, over all tokens at once."""

    def one(step: Any) -> Any:
        def call(*args: Any) -> Any:
            small, num_bytes, products = kernels.small, kernels.small_bytes, kernels.products
            out = step.__wrapped__(*args)
            kernels.small, kernels.small_bytes, kernels.products = small, num_bytes, products
            # In place, what is written is the first argument.
            kernels.add(args, args[0] if out is None else out)
            return out

        return call

    def product(values: torch.Tensor, weight: torch.Tensor, *others: Any) -> torch.Tensor:
        kernels.products += 1
        return values.new_empty(len(values), len(weight), dtype=others[-1])

    with ExitStack() as stack:
        for name in STEPS:
            stack.enter_context(mock.patch.object(fused, name, one(getattr(fused, name))))
        stack.enter_context(mock.patch.object(fused, "compiles", lambda device: True))
        kernel = SimpleNamespace(scaled_product=product)
        stack.enter_context(mock.patch.dict(sys.modules, {"ltx_nb.running.int8_kernel": kernel}))
        stack.enter_context(mock.patch.object(products, "_has_kernel", lambda values: True))
        yield


def launches_of_a_block() -> Iterator[dict[str, Any]]:
    """A row for each size, compute mode and way to run the small steps: the difference of three blocks and fewer."""
    for shape in ("768x512x121", "1920x1088x121"):
        for compute in ("float", "int8"):
            for compiled in (False, True):
                fewer, more = (_counted(num, shape, compute, compiled) for num in (3, 4))
                yield {
                    "shape": shape,
                    "compute": compute,
                    "steps": "compiled" if compiled else "eager",
                    "small kernels": more.small - fewer.small,
                    "their GB": (more.small_bytes - fewer.small_bytes) / 1e9,
                    "products": more.products - fewer.products,
                }


def _counted(num_layers: int, shape: str, compute: str, compiled: bool) -> Kernels:
    transformer = component("transformer", num_layers=num_layers)
    quantise_blocks(transformer)
    multiply_in(transformer, compute, torch.device("cpu"))
    make_lean(transformer)
    kernels = Kernels()
    with torch.no_grad(), ExitStack() as stack:
        if compiled:
            stack.enter_context(as_if_compiled(kernels))
        stack.enter_context(Attention(kernels))
        stack.enter_context(kernels)
        denoise(transformer, *CLIPS[shape])
    return kernels


if __name__ == "__main__":
    for row in launches_of_a_block():
        print(row)
