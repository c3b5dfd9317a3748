"""How a model lies where it runs: how many blocks stay on the accelerator, and where the others wait.

The sums are in `budget` and `storage`; which preset and which machine is said by who asks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ltx_nb.catalogue.models import Model
from ltx_nb.catalogue.parameters import ParameterCounts
from ltx_nb.planning.budget import GB, Budget
from ltx_nb.planning.examples import named_task
from ltx_nb.planning.plans import Plan
from ltx_nb.planning.presets import RAM_SHARE, Preset
from ltx_nb.planning.storage import disk_lines, ram_lines
from ltx_nb.request import ClipRequest


@dataclass(frozen=True)
class Case:
    """The case to plan: which model, how it is to lie, for which clip, and on which machine.

    disk_free_gb: None where the disk does not matter. lacks: in words, what the preset needs and the machine cannot do.
    resident: the blocks that stay, where that is settled; else as many as there is room for. falls_back: whether blocks
    come from the disk where RAM has no room for them, whatever the preset says.
    """

    model: Model
    counts: ParameterCounts
    preset: Preset
    request: ClipRequest
    disk_free_gb: float | None = None
    lacks: tuple[str, ...] = ()
    resident: int | None = None
    falls_back: bool = True


def solved(case: Case) -> Plan:
    """The plan of a case; where RAM has no room for the blocks that stream, with those from the disk, if that helps."""
    made = _solved(case)
    preset = case.preset
    if made.ram_gb <= made.ram_limit_gb or preset.kind != "cuda" or preset.offload == "disk" or not case.falls_back:
        return made
    from_disk = _solved(replace(case, preset=replace(preset, offload="disk")))
    if from_disk.ram_gb > from_disk.ram_limit_gb:
        return made
    why = f"RAM has no room for them: {made.ram_gb:.1f} GB would be needed, {made.ram_limit_gb:.1f} GB can be used."
    return replace(from_disk, reasons=(*from_disk.reasons[:-1], why, from_disk.reasons[-1]))


def _solved(case: Case) -> Plan:
    preset, request, blocks = case.preset, case.request, case.counts.blocks
    budget = Budget(case.model, case.counts, preset, request)
    ram_limit_gb = preset.ram_gb * RAM_SHARE
    limit_gb = ram_limit_gb if preset.kind == "cpu" else preset.vram_gb - preset.spare_gb
    resident = case.resident
    if resident is None:
        resident = _most_blocks(budget, limit_gb) if preset.streams else blocks
    parts = budget.parts(resident)
    return Plan(
        model=case.model.name,
        preset=preset.name,
        task=named_task(request),
        width=request.width,
        height=request.height,
        num_frames=request.num_frames,
        frame_rate=request.frame_rate,
        two_stage=request.two_stage,
        blocks=blocks,
        resident_blocks=resident,
        offload=preset.offload if resident < blocks else "none",
        parts=parts,
        limit_gb=limit_gb,
        ram=ram_lines(budget, resident, parts),
        ram_limit_gb=ram_limit_gb,
        download=disk_lines(budget, resident),
        disk_free_gb=case.disk_free_gb,
        lacks=case.lacks,
        reasons=_reasons(budget, resident, limit_gb),
    )


def _most_blocks(budget: Budget, limit_gb: float) -> int:
    """The most blocks, up to the preset's, with which every part has room; 0 where none has."""
    most = min(budget.preset.resident_blocks, budget.counts.blocks)
    return next((count for count in range(most, 0, -1) if _peak_gb(budget, count) <= limit_gb), 0)


def _peak_gb(budget: Budget, resident: int) -> float:
    return max(part.gb for part in budget.parts(resident))


def _reasons(budget: Budget, resident: int, limit_gb: float) -> tuple[str, ...]:
    preset, blocks = budget.preset, budget.counts.blocks
    if not preset.streams:
        one_memory = "one memory for everything, so that nothing streams"
        return (f"{preset.card}: {one_memory}; {limit_gb:.1f} GB can be used.",)
    others_gb = sum(line.gb for line in budget.denoise_lines(resident)) - resident * budget.block_gb
    form = {1: "one byte", 2: "bf16", 4: "float32"}[round(budget.block_gb * GB / budget.counts.block)]
    found = [
        f"{preset.card}: {preset.vram_gb:.1f} GB less {preset.spare_gb:.1f} GB to spare is {limit_gb:.1f} GB.",
        f"Denoising takes {others_gb:.2f} GB beside the blocks; of {blocks} blocks of {budget.block_gb:.3f} GB "
        f"({form}), {resident} stay and {blocks - resident} stream.",
    ]
    if resident < min(blocks, preset.resident_blocks):
        most = max(budget.parts(resident + 1), key=lambda part: part.gb)
        found.append(f"With one more, {most.name} would take {most.gb:.2f} GB.")
    elif resident < blocks:
        found.append("The preset keeps no more.")
    if resident < blocks and preset.offload == "disk":
        found.append("Those that stream are read from the disk in every forward.")
    return tuple(found)
