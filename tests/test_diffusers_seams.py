"""What the kit relies on in diffusers that diffusers does not promise: each seam would break without a word.

Names that are imported, and arguments that are passed, fail by themselves. What stands here would not. After an upgrade
of diffusers, read what a failing test names, follow it in the module that the test names, then raise the ceiling in
pyproject.toml.
"""

import hashlib
import inspect
import logging

import pytest
import torch
from diffusers import LTX2Guidance
from diffusers.hooks import HookRegistry, ModelHook
from diffusers.hooks.hooks import BaseState, StateManager
from diffusers.models.cache_utils import CacheMixin
from diffusers.models.transformers import transformer_ltx2
from diffusers.modular_pipelines import (
    LoopSequentialPipelineBlocks,
    ModularPipelineBlocks,
    PipelineState,
    SequentialPipelineBlocks,
)
from torch import nn

from ltx_nb.pipeline.out_of_memory import _running_blocks

# The code that is repeated, by its SHA-256, and the module that repeats it in chunks of tokens.
REPEATED = {
    "LTX2VideoTransformerBlock.forward": ("running/lean.py", "1dbdd9ab731b53b9"),
    "LTX2AudioVideoAttnProcessor.__call__": ("running/lean_attention.py", "0391667b7f0a45ae"),
    "LTX2AdaLayerNormSingle.forward": ("running/lean.py", "865d9aa1d7f8cd67"),
}


class Doubling(ModelHook):
    def __init__(self):
        super().__init__()
        self.undone = []

    def new_forward(self, module, x):
        return 2 * self.fn_ref.original_forward(x)

    def deinitalize_hook(self, module):
        self.undone.append(module)
        return module


class Failing(ModularPipelineBlocks):
    error = MemoryError()

    def __call__(self, components, state):
        raise self.error


class Interrupted(Failing):
    error = KeyboardInterrupt()


class Loop(LoopSequentialPipelineBlocks):
    block_classes = (Interrupted,)
    block_names = ("interrupted",)


class Inner(SequentialPipelineBlocks):
    block_classes = (Failing,)
    block_names = ("fails",)


class Outer(SequentialPipelineBlocks):
    block_classes = (Inner,)
    block_names = ("inner",)


class Interrupting(SequentialPipelineBlocks):
    block_classes = (Interrupted,)
    block_names = ("interrupted",)


@pytest.fixture
def said():
    """What diffusers logs, as (logger, text)."""
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append((record.name, record.getMessage()))
    logger = logging.getLogger("diffusers")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def hooked(inner, outer):
    """A module in a module, and a hook on the inner one."""
    model = nn.Sequential(inner)
    HookRegistry.check_if_exists_or_initialize(inner).register_hook(outer, "seam")
    return model


def test_a_hook_runs_the_forward_it_replaces_and_is_undone_from_above():
    """running/streaming.py, running/streamed_text.py and running/lean.py: the typo is diffusers'."""
    hook = Doubling()
    model = hooked(nn.Identity(), hook)
    assert model(torch.ones(1)) == 2
    HookRegistry.check_if_exists_or_initialize(model).remove_hook("seam")
    assert hook.undone == [model[0]] and model(torch.ones(1)) == 1


def test_a_hook_with_state_is_told_the_name_of_the_pass():
    """inspect/attention.py and pipeline/denoise.py."""

    class Model(nn.Module, CacheMixin):
        def forward(self, x):
            return x

    class Told(ModelHook):
        _is_stateful = True

        def __init__(self):
            super().__init__()
            self.passes, self.names = StateManager(BaseState), []

        def pre_forward(self, module, *args, **kwargs):
            self.names.append(self.passes.context.name)
            return args, kwargs

    model, hook = Model(), Told()
    HookRegistry.check_if_exists_or_initialize(model).register_hook(hook, "seam")
    for name in ("pred_cond", "pred_uncond"):
        with model.cache_context(name):
            model(torch.ones(1))
    assert hook.names == ["pred_cond", "pred_uncond"]


def test_the_blocks_that_run_are_found_in_an_errors_frames():
    """pipeline/out_of_memory.py: their local variables `block_name` and `state`."""
    with pytest.raises(MemoryError) as caught:
        Outer()(None, PipelineState(values={"stage": 2}))
    assert list(_running_blocks(caught.value)) == [("inner", 2), ("fails", 2)]


@pytest.mark.parametrize("blocks", [Interrupting(), Loop()], ids=["sequence", "loop"])
def test_an_interrupt_passes_through_blocks_without_a_log(blocks, said):
    """trace.py: how a cancelled run ends."""
    with pytest.raises(KeyboardInterrupt):
        blocks.loop_step(None, None) if isinstance(blocks, Loop) else blocks(None, PipelineState())
    assert said == []


def test_guiders_announce_themselves_by_the_logger_that_is_silenced(said):
    """pipeline/guidance.py."""
    name = "diffusers.guiders.guider_utils"
    LTX2Guidance()
    assert said == []
    logger, level = logging.getLogger(name), logging.getLogger(name).level
    logger.setLevel(logging.WARNING)
    try:
        LTX2Guidance()
    finally:
        logger.setLevel(level)
    assert [one for one, _ in said] == [name]


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_repeated_is_as_it_was(name):
    code = transformer_ltx2
    for part in name.split("."):
        code = getattr(code, part)
    repeated_in, digest = REPEATED[name]
    found = hashlib.sha256(inspect.getsource(code).encode()).hexdigest()[:16]
    assert found == digest, f"diffusers' {name} has changed; follow it in ltx_nb/{repeated_in}"
