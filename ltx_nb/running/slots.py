"""Slots: memory on a device for a few blocks at a time, each filled while others are in use.

Knows devices, streams and events; not which block comes when (`ltx_nb.running.streaming`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ltx_nb.running.host_memory import BlockWeights, staging


class Slots:
    """A block's slot is its turn modulo their number. Each is as large as the largest block.

    On CUDA slots are filled on a stream of their own: a copy waits for the work that was queued before it was asked
    for, and the block that needs it waits for the copy. Elsewhere a copy is done when `fill` returns, so tests without
    CUDA prove which block lies where and when, but not that a GPU waits as it should.
    """

    def __init__(self, count: int, weights: Sequence[BlockWeights], device: torch.device):
        self.weights, self.device = weights, device
        num_bytes = max(block.num_bytes for block in weights)
        self.buffers = [torch.empty(num_bytes, dtype=torch.uint8, device=device) for _ in range(count)]
        self.turns: list[int | None] = [None] * count
        self.stream = None
        if device.type == "cuda":
            self.stream = torch.cuda.Stream(device)
            self.filled = [torch.cuda.Event() for _ in range(count)]

    def fill(self, turn: int) -> None:
        """Begin to copy the block of this turn. What used its slot before has to be queued by now."""
        slot, weights = turn % len(self.buffers), self.weights[turn]
        self.turns[slot] = turn
        if self.stream is None:
            if weights.held is None:
                weights.read_into(self.buffers[slot])
            else:
                self.buffers[slot][: weights.num_bytes].copy_(weights.held)
            return
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        if weights.held is None:
            staging(self.device).copy(weights, self.buffers[slot], self.stream)
        with torch.cuda.stream(self.stream):
            if weights.held is not None:
                self.buffers[slot][: weights.num_bytes].copy_(weights.held, non_blocking=True)
            self.filled[slot].record()

    def take(self, turn: int) -> list[torch.Tensor]:
        """The tensors of the block of this turn, for work that is queued from now on."""
        slot = turn % len(self.buffers)
        if self.turns[slot] != turn:
            self.fill(turn)
        if self.stream is not None:
            torch.cuda.current_stream(self.device).wait_event(self.filled[slot])
        return self.weights[turn].views(self.buffers[slot])

    def close(self) -> None:
        """Let the memory be used for other work once all copies are done, used or not."""
        if self.stream is not None:
            torch.cuda.current_stream(self.device).wait_stream(self.stream)
