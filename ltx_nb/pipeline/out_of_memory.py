"""When memory runs out during a run: in which stage, what the planner had reckoned, and what to do next.

Knows errors, plans and presets; what a stage does and how a run is made is the session's.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers.modular_pipelines import ModularPipelineBlocks, PipelineState

from ltx_nb.catalogue.models import Model
from ltx_nb.catalogue.parameters import ParameterCounts
from ltx_nb.planning import OutOfMemory, Plan, Preset
from ltx_nb.planning.planner import plan_as_loaded
from ltx_nb.request import ClipRequest

# The blocks that stand for a part of a plan, by name in the tree.
STAGE_OF_BLOCK = {
    "text": "text",
    "encode_video": "encode",
    "encode_audio": "encode sound",
    "denoise": "stage",
    "upsample": "upsample",
    "decode_video": "decode",
    "decode_audio": "audio",
}


@dataclass(frozen=True)
class Fit:
    """How a session was made to fit: what plans of its runs go by. resident: the blocks that stay."""

    preset: Preset
    counts: ParameterCounts
    resident: int

    def plan(self, model: Model, request: ClipRequest) -> Plan:
        return plan_as_loaded(model, self.preset, self.counts, self.resident, request)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on an accelerator or on the machine; torch has no class of its own for the latter."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


@contextmanager
def explained_memory_errors(fit: Fit | None, model: Model, request: ClipRequest) -> Iterator[None]:
    """Raises OutOfMemory where memory runs out inside, with all that the failed run held let go of.

    Without a Fit the error stays as it is.
    """
    try:
        yield
    except Exception as error:
        if fit is None or not is_out_of_memory(error):
            raise
        made = fit.plan(model, request)
        failure = OutOfMemory(_stage(error), made, _advice(fit.preset, made))
        traceback.clear_frames(error.__traceback__)  # whoever keeps the error would keep its tensors
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise failure from None


def _stage(error: BaseException) -> str:
    """Name of the stage that ran when the error was raised: the innermost running block that stands for one."""
    found = "preparation"
    for name, number in _running_blocks(error):
        if name in STAGE_OF_BLOCK:
            found = f"stage {number}" if STAGE_OF_BLOCK[name] == "stage" else STAGE_OF_BLOCK[name]
    return found


def _running_blocks(error: BaseException) -> Iterator[tuple[str, int]]:
    """Name in the tree and number of the stage, from the outermost on."""
    trace = error.__traceback__
    while trace is not None:
        names = trace.tb_frame.f_locals
        if isinstance(names.get("self"), ModularPipelineBlocks) and "block_name" in names:
            state = names.get("state")
            yield names["block_name"], state.get("stage", 1) if isinstance(state, PipelineState) else 1
        trace = trace.tb_next


def _advice(preset: Preset, plan: Plan) -> str:
    """The next smaller choice: fewer blocks that stay, the lean forward, a shorter or smaller clip."""
    if preset.kind == "cuda" and plan.resident_blocks:
        kept = "".join(f", {name}=False" for name in ("keeps_all", "keeps_text") if getattr(preset, name))
        stay = f"resident_blocks={plan.resident_blocks // 2}{kept}"
        return f"next: load with preset=dataclasses.replace(session.fit.preset, {stay})"
    if not preset.lean:
        return "next: load with preset=dataclasses.replace(session.fit.preset, keeps_text=False, lean=True)"
    frames = max((plan.num_frames - 1) // 2 // 8 * 8 + 1, 9)
    if frames < plan.num_frames:
        return f"next: num_frames={frames} instead of {plan.num_frames}"
    return f"next: a smaller picture than {plan.width}x{plan.height}"
