"""Streaming: a model whose blocks come to the device one after the other, copied ahead of their turn, and leave again.

Of diffusers' group offloading it keeps the idea and the hook on the model. What that lacks here: blocks that stay, one
copy of the weights in host memory with no second one while it is made, one copy a block instead of one a tensor,
device memory of a fixed size, and weights that stay in the file they were read from.

Knows modules and their order; not what they compute, and not which presets ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from diffusers import LTX2VideoTransformer3DModel
from diffusers.hooks import HookRegistry, ModelHook
from torch import nn

from ltx_nb.checks import choice, whole_number
from ltx_nb.running.host_memory import BlockWeights, give_back_freed
from ltx_nb.running.slots import Slots

HOOK = "ltx_nb.streaming"
SOURCES = ("ram", "disk")


def stream_blocks(
    transformer: LTX2VideoTransformer3DModel,
    device: str | torch.device,
    *,
    resident: int = 0,
    source: str = "ram",
    dtype: torch.dtype | None = None,
) -> None:
    """Run the transformer on `device` with `resident` of its blocks there for good and two more at a time.

    The result is the same, bit for bit. Everything that is not a block goes to the device too. Gradients go through it
    where blocks are checkpointed. To be done after quantising, `fingerprint` and moves; adapters may come later. From
    then on a streamed tensor that is not in use is a placeholder on `device`, with its shape and without its values;
    `stop_streaming` brings them back.
    It does not matter whether `make_lean` comes before or after.

    source: "ram" gathers each streamed block in page-locked memory, one block after the other; "disk" leaves tensors
        as they are, which suits those mapped from a safetensors file, and reads them anew in every forward.
    dtype: of parameters on the device; one-byte weights and their scales stay as they are.

    Raises ValueError where the transformer is streamed already.
    """
    blocks = list(transformer.transformer_blocks)
    stay = min(whole_number("resident", resident, least=0), len(blocks))
    # Spread out, and from the first on, so that there is work to hide every copy behind.
    streamed = [block for index, block in enumerate(blocks) if index * stay % len(blocks) >= stay]
    stream(transformer, streamed, device, slots=2, source=source, dtype=dtype)


def stream_parts(
    module: nn.Module,
    device: str | torch.device,
    *,
    slots: int = 2,
    source: str = "ram",
    dtype: torch.dtype | None = None,
) -> None:
    """Run any module on `device` with `slots` of its parts there at a time, else as `stream_blocks`.

    Parts are its children, the items of its lists, and those of children that have lists. Of a VAE give the encoder
    and the decoder, which are run each on its own. Those of the audio VAE reach into their lists and cannot stream.
    """
    stream(module, list(_parts(module)), device, slots=slots, source=source, dtype=dtype)


def stop_streaming(module: nn.Module) -> None:
    """Undo all streaming of the module and what is in it: streamed weights are tensors in host memory again."""
    HookRegistry.check_if_exists_or_initialize(module).remove_hook(HOOK)


def stream(
    module: nn.Module,
    blocks: Sequence[nn.Module],
    device: str | torch.device,
    *,
    slots: int,
    source: str,
    dtype: torch.dtype | None,
) -> None:
    """Stream `blocks`, which run in the forward of `module`, in this order at best; the rest of it goes to `device`.

    A block that runs out of turn or twice costs time, no more. One that is not called as a module, or not at all, ends
    the forward with RuntimeError, since it would go without its weights.
    """
    check_not_streamed(module)
    device = torch.device(device)
    whole_number("slots", slots, least=1)
    choice("source", source, SOURCES)
    streamed = {part for block in blocks for part in block.modules()}
    for part in module.modules():
        if part not in streamed:
            _move(part, device, dtype)
    if blocks:
        register(module, Streaming(blocks, device, slots, source, dtype))


def is_streamed(module: nn.Module) -> bool:
    return HookRegistry.check_if_exists_or_initialize(module).get_hook(HOOK) is not None


def check_not_streamed(module: nn.Module) -> None:
    if is_streamed(module):
        raise ValueError(f"{type(module).__name__} is streamed already; first undo that: stop_streaming(...)")


def register(module: nn.Module, hook: ModelHook) -> None:
    HookRegistry.check_if_exists_or_initialize(module).register_hook(hook, HOOK)


class Streaming(ModelHook):
    """Around the forward of a module: has its slots while it runs, and no longer, however it ends.

    Blocks are hooked by torch and not by the registry: hooks there that replace a block's forward, as the lean one,
    would skip any that were registered before them. After a forward that records gradients the slots stay, for the way
    back: a checkpointed block runs again there, from the last to the first, and keeps its weights until the next does.
    """

    def __init__(
        self,
        blocks: Sequence[nn.Module],
        device: torch.device,
        num_slots: int,
        source: str,
        dtype: torch.dtype | None,
    ):
        super().__init__()
        self.device, self.num_slots = device, min(num_slots, len(blocks))
        self.weights = [BlockWeights(block, dtype) for block in blocks]
        self.nothing = [weights.placeholders(device) for weights in self.weights]
        self.slots: Slots | None = None
        self._attached: int | None = None
        self._run: set[int] = set()
        self._goes_forward = False
        self._handles = []
        try:
            for turn, block in enumerate(blocks):
                if source == "ram":
                    self.weights[turn].hold(device)
                self._detach(turn)
                if source == "ram":
                    give_back_freed()
                self._handles.append(block.register_forward_pre_hook(partial(self._enter, turn)))
                self._handles.append(block.register_forward_hook(partial(self._leave, turn)))
        except BaseException:
            self._give_back()
            raise

    def new_forward(self, module: nn.Module, *args: Any, **inputs: Any) -> Any:
        self._rest()
        self.slots = Slots(self.num_slots, self.weights, self.device)
        self._goes_forward, output = True, None
        try:
            for turn in range(self.num_slots):
                self.slots.fill(turn)
            output = self.fn_ref.original_forward(*args, **inputs)
        finally:
            self._goes_forward = False
            num_run = len(self._run)
            self._run.clear()
            if output is None or not torch.is_grad_enabled():
                self._rest()
        if num_run < len(self.weights):
            self._rest()
            raise RuntimeError(
                f"{len(self.weights) - num_run} of {len(self.weights)} streamed parts of {type(module).__name__} were "
                "not called as modules and had no weights; it cannot stream"
            )
        return output

    def deinitalize_hook(self, module: nn.Module) -> nn.Module:
        self._rest()
        self._give_back()
        return module

    def _enter(self, turn: int, block: nn.Module, inputs: Any) -> None:
        if self.slots is None:
            raise RuntimeError(f"{type(block).__name__} has its weights only while the model it is part of runs")
        if self._attached not in (None, turn):
            self._detach(self._attached)
        self.weights[turn].attach(self.slots.take(turn))
        self._attached = turn
        if self._goes_forward:
            self._run.add(turn)
        elif turn > 0 and self.num_slots > 1:  # the next on the way back
            self.slots.fill(turn - 1)

    def _leave(self, turn: int, block: nn.Module, inputs: Any, output: Any) -> None:
        if not self._goes_forward:
            return
        self._detach(turn)
        if turn + self.num_slots < len(self.weights):
            self.slots.fill(turn + self.num_slots)

    def _rest(self) -> None:
        if self.slots is not None:
            self.slots.close()
            self.slots = None
        if self._attached is not None:
            self._detach(self._attached)

    def _detach(self, turn: int) -> None:
        self.weights[turn].attach(self.nothing[turn])
        self._attached = None

    def _give_back(self) -> None:
        for handle in self._handles:
            handle.remove()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # no copy may be under way from memory that is unlocked now
        for weights in self.weights:
            weights.attach(weights.host)


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    """In the order of definition, which is that of use in most modules; those without tensors are left out."""
    children = module if isinstance(module, nn.ModuleList) else module.children()
    for child in children:
        has_lists = any(isinstance(part, nn.ModuleList) for part in child.modules())
        if isinstance(child, nn.ModuleList) or (has_lists and not isinstance(module, nn.ModuleList)):
            yield from _parts(child)
        elif BlockWeights(child).num_bytes:
            yield child


def _move(part: nn.Module, device: torch.device, dtype: torch.dtype | None) -> None:
    """The module's own tensors, without those of its children."""
    for parameter in part._parameters.values():
        if parameter is not None:
            parameter.data = parameter.data.to(device, dtype)
    for name, buffer in part._buffers.items():
        if buffer is not None:
            part._buffers[name] = buffer.to(device)
