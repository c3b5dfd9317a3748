"""plan_training(): what learning a LoRA takes of a card, a machine and a day, before anything is loaded.

The base's weights lie as they do for a clip, as many blocks on the accelerator as there is room for. Those that stream
come twice a step, forwards and on the way back. Knows no tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ltx_nb.catalogue.models import Model, named_model
from ltx_nb.catalogue.parameters import ParameterCounts, lora_parameters, parameter_counts
from ltx_nb.checks import whole_number
from ltx_nb.planning.budget import (
    FITTED_PARAMETERS,
    FITTED_WIDTH,
    GB,
    TFLOP_PER_TOKEN,
    TFLOP_PER_TOKEN_PAIR,
    Budget,
)
from ltx_nb.planning.examples import PICTURE, example_of
from ltx_nb.planning.fitting import lacks, on_machine
from ltx_nb.planning.machine import Machine
from ltx_nb.planning.planner import chosen_preset
from ltx_nb.planning.plans import Line, Part, Plan
from ltx_nb.planning.presets import PRESETS, RAM_SHARE, Preset
from ltx_nb.planning.storage import disk_lines, ram_lines
from ltx_nb.request import ClipRequest, Given, Reference

ATTENTION = ("to_k", "to_q", "to_v", "to_out.0")
# Saved for the way back by one full-width block in bf16 with LoRAs of rank 16 in float32, each token with its own
# timestep: 0.85 GB at 1,171 tokens of both lanes, 1.83 at 2,739, 3.92 at 6,270; attention itself is made again. With
# gradient checkpointing a block keeps what comes into it, and what is around the blocks 0.13 MB a token.
BLOCK_GB, BLOCK_GB_PER_TOKEN = 0.13, 0.61e-3
KEPT_GB_PER_TOKEN, AROUND_GB_PER_TOKEN = 8.1e-6, 0.134e-3
# In forwards: one, and one back to each layer's input, since the base's weights have no gradient; one again to make
# what checkpointing did not keep.
FORWARDS, FORWARDS_CHECKPOINTED = 2, 3
BYTES_OF_A_LORA_WEIGHT = 16  # itself, its gradient and AdamW's two moments, in float32
TASK = "train-lora"


@dataclass(frozen=True)
class _Training:
    rank: int
    targets: Sequence[str]
    steps: int
    batch_size: int
    num_clips: int
    gradient_checkpointing: bool


def plan_training(
    model: str | Model,
    preset: str | Preset = "auto",
    *,
    machine: Machine | None = None,
    rank: int = 16,
    targets: Sequence[str] = ATTENTION,
    steps: int = 2000,
    batch_size: int = 1,
    num_clips: int = 20,
    width: int | None = None,
    height: int | None = None,
    num_frames: int | None = None,
    frame_rate: float = 24.0,
    references: int = 0,
    gradient_checkpointing: bool = True,
) -> Plan:
    """Project the memory, disk and time of `train_lora`.

    preset, machine: as for `plan`. num_clips: those that are encoded first. references: how many of its own
    size each clip has. The others are `train_lora`'s; left out, size and length are the model's.

    Raises ValueError for names that are unknown. A plan that does not fit is no error: see `Plan.fits`.
    """
    entry = named_model(model) if isinstance(model, str) else model
    counted = {"rank": rank, "steps": steps, "batch_size": batch_size, "num_clips": num_clips}
    for name, value in counted.items():
        whole_number(name, value, least=1)
    whole_number("references", references, least=0)
    training = _Training(rank, targets, steps, batch_size, num_clips, gradient_checkpointing)
    size = {"width": width, "height": height, "num_frames": num_frames}
    settings = {name: value for name, value in size.items() if value is not None}
    blank = example_of("text-to-video", entry, frame_rate=frame_rate, **settings)
    counts = parameter_counts(entry)
    chosen = chosen_preset(preset, counts, machine)
    missing = lacks(chosen, machine) if machine else ()
    chosen = on_machine(chosen, machine) if machine else chosen
    disk_free_gb = None if machine is None else machine.disk_free_gb
    made = _planned(entry, counts, chosen, blank, training, references, missing, disk_free_gb)
    if made.fits:
        return made
    others = [
        name
        for name, other in PRESETS.items()
        if other.kind == "cuda" and _planned(entry, counts, other, blank, training, references, (), None).fits
    ]
    smaller = blank.replace(width=512, height=320, num_frames=49) if blank.video_tokens > 7 * 10 * 16 else None
    would = [f"preset={name!r}" for name in others[:1]]
    if smaller and _planned(entry, counts, chosen, smaller, training, references, missing, disk_free_gb).fits:
        would.append("512x320 px, 49 frames")
    return replace(made, would_fit=tuple(would))


def _planned(
    model: Model,
    counts: ParameterCounts,
    preset: Preset,
    blank: ClipRequest,
    training: _Training,
    references: int,
    missing: tuple[str, ...],
    disk_free_gb: float | None,
) -> Plan:
    seen = (Reference(PICTURE, num_frames=blank.num_frames),) * references
    given = tuple(Given(lane, PICTURE, 0.0, blank.duration_s) for lane in ("video", "audio"))
    budget = Budget(model, counts, preset, blank.replace(given=given, references=seen))
    limit_gb = preset.ram_gb * RAM_SHARE if preset.kind == "cpu" else preset.vram_gb - preset.spare_gb
    streams = preset.kind == "cuda" and training.gradient_checkpointing
    most = min(preset.resident_blocks, counts.blocks) if streams else counts.blocks
    least = 0 if streams else most
    tried = ((count, _parts(budget, training, count)) for count in range(most, least - 1, -1))
    resident, parts = next(
        (it for it in tried if max(part.gb for part in it[1]) <= limit_gb), (least, _parts(budget, training, least))
    )
    stay = (
        f"of {counts.blocks} blocks of {budget.block_gb:.3f} GB, {resident} stay and {counts.blocks - resident} stream"
    )
    kept = training.num_clips * (budget.stages[0].tokens * 128 * 4 + 1024 * (counts.width * 3 // 2) * 2) / GB
    lora_gb = lora_parameters(model, training.rank, training.targets) * 4 / GB
    disk = (
        *disk_lines(budget, resident),
        Line(f"{training.num_clips} encoded clips", kept),
        Line("the state to resume from", 3 * lora_gb, "LoRA and moments, float32"),
    )
    return Plan(
        model=model.name,
        preset=preset.name,
        width=blank.width,
        height=blank.height,
        num_frames=blank.num_frames,
        frame_rate=blank.frame_rate,
        two_stage=False,
        task=TASK,
        blocks=counts.blocks,
        resident_blocks=resident,
        offload=preset.offload if resident < counts.blocks else "none",
        parts=parts,
        limit_gb=limit_gb,
        ram=ram_lines(budget, resident, parts),
        ram_limit_gb=preset.ram_gb * RAM_SHARE,
        download=disk,
        disk_free_gb=disk_free_gb,
        lacks=missing,
        reasons=(f"{preset.card}: {limit_gb:.1f} GB can be used; {stay}.",),
    )


def _parts(budget: Budget, training: _Training, resident: int) -> tuple[Part, ...]:
    once = [part for part in budget.parts(resident) if part.name in ("text", "encode", "encode sound")]
    count = training.num_clips
    named = [replace(it, name=f"{it.name}, once", seconds=it.seconds * count, calls=count) for it in once]
    return (*named, _train(budget, training, resident))


def _train(budget: Budget, training: _Training, resident: int) -> Part:
    counts, preset, tokens = budget.counts, budget.preset, budget.stages[0].tokens
    weights = lora_parameters(budget.model, training.rank, training.targets)
    lines = list(budget.stays(resident))
    streamed_gb = (counts.blocks - resident) * budget.block_gb if preset.kind == "cuda" else 0.0
    if streamed_gb:
        lines.append(Line("two slots for streamed blocks", 2 * budget.block_gb))
    if preset.weight_bytes == 1:
        largest = preset.compute_bytes * counts.largest_layer / GB
        lines.append(Line("the largest layer, turned back from one byte", largest))
    why = f"{weights / 1e6:.0f} M of rank {training.rank}: weight, gradient, two moments of AdamW"
    lines.append(Line("the LoRA", BYTES_OF_A_LORA_WEIGHT * weights / GB, why))
    batch = training.batch_size * tokens
    of_block = budget.scaled(BLOCK_GB + BLOCK_GB_PER_TOKEN * batch)
    around = budget.scaled(AROUND_GB_PER_TOKEN * batch)
    count, forwards = counts.blocks, FORWARDS
    if training.gradient_checkpointing:
        kept = budget.scaled(KEPT_GB_PER_TOKEN * batch * counts.blocks)
        lines.append(Line("what comes into each block", kept, "gradient checkpointing"))
        count, forwards = 1, FORWARDS_CHECKPOINTED
    what = f"activations of {count} block{'s' * (count > 1)}"
    lines.append(Line(what, count * of_block + around, f"{batch:,} tokens"))
    size = counts.blocks * counts.block / FITTED_PARAMETERS
    width = counts.width * counts.blocks / (FITTED_WIDTH * 48)
    tflop = training.batch_size * tokens * (TFLOP_PER_TOKEN * size + TFLOP_PER_TOKEN_PAIR * width * tokens)
    gb_s = preset.disk_gb_s if preset.offload == "disk" else preset.bus_gb_s
    seconds = training.steps * max(forwards * tflop / preset.tflops, 2 * streamed_gb / gb_s)
    steps = f"{training.steps:,} steps, forwards and back as much work as {forwards} forwards of {tflop:,.0f} TFLOP"
    return Part("train", tuple(lines), seconds, f"{steps}, {preset.tflops:g} TFLOP/s", calls=training.steps)
