"""LoRAs beside the weights of the layers that they change, added to what a layer gives while they are on.

For LoRAs that count in one stage or run and not in the next, where weights cannot be two things at once: streamed
blocks and weights of one byte stay as they are, and a LoRA streams with its block. Knows layers and tensors; no files,
no names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from ltx_nb.running.products import Int8Tokens


class SwitchedLoras:
    """LoRAs of a model's layers, off but for `with loras.on():`. To be added before blocks are streamed."""

    def __init__(self) -> None:
        self._is_on = False
        self._undo: list[Callable[[], None]] = []

    def add(self, layer: nn.Module, down: torch.Tensor, up: torch.Tensor, scale: float) -> None:
        """Have `layer` give scale x up @ down @ x more. down: [rank, in]; up: [out, rank]."""
        index = sum(name.startswith("switched_down_") for name, _ in layer.named_parameters())
        names = f"switched_down_{index}", f"switched_up_{index}"
        for name, tensor in zip(names, (down, up), strict=True):
            layer.register_parameter(name, nn.Parameter(tensor, requires_grad=False))
        handle = layer.register_forward_hook(partial(self._added, names, scale))

        def undo() -> None:
            handle.remove()
            for name in names:
                delattr(layer, name)

        self._undo.append(undo)

    def remove(self) -> None:
        """Take them off their layers, which are then as they were."""
        while self._undo:
            self._undo.pop()()

    @contextmanager
    def on(self) -> Iterator[None]:
        self._is_on = True
        try:
            yield
        finally:
            self._is_on = False

    def _added(
        self, names: tuple[str, str], scale: float, layer: nn.Module, inputs: tuple[Any, ...], out: torch.Tensor
    ) -> torch.Tensor | None:
        if not self._is_on:
            return None
        x = inputs[0].turned_back() if isinstance(inputs[0], Int8Tokens) else inputs[0]
        down, up = (getattr(layer, name) for name in names)
        return torch.add(out, linear(linear(x, down), up), alpha=scale)
