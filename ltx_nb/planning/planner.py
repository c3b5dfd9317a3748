"""plan(): whether a model runs on a card and how, before anything is loaded or downloaded; what would fit where not.

Knows how many blocks may stay on the accelerator and which preset this machine asks for; the sums are in
`ltx_nb.planning.budget`.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ltx_nb import shapes
from ltx_nb.catalogue.models import MODELS, Model, named_model
from ltx_nb.catalogue.parameters import ParameterCounts, parameter_counts
from ltx_nb.planning.budget import GB, Budget
from ltx_nb.planning.examples import example_of, named_task
from ltx_nb.planning.machine import Machine, this_machine
from ltx_nb.planning.plans import DoesNotFit, Plan
from ltx_nb.planning.presets import ALL_BLOCKS, PRESETS, Preset, named_preset
from ltx_nb.planning.storage import disk_lines, ram_lines
from ltx_nb.request import ClipRequest

RAM_SHARE = 0.9  # the rest is the system's
SMALL_SHARE = 0.05  # of the free memory: weights below it leave room for everything else as it is
SIZES_TO_LOAD_FOR = ("1080p", "720p")
FULL_SIZE = "2.3-distilled"
CARDS = sorted((preset for preset in PRESETS.values() if preset.kind == "cuda"), key=lambda preset: preset.vram_gb)


def plan(
    model: str | Model,
    preset: str | Preset = "auto",
    request: ClipRequest | None = None,
    *,
    task: str = "text-to-video",
    machine: Machine | None = None,
    counts: ParameterCounts | None = None,
    has_files: bool = False,
    **settings: Any,
) -> Plan:
    """Project the memory, download and time of one clip.

    preset: a name in PRESETS, "auto" for what this machine has free, or a Preset of your own.
    request: the clip. task, settings: instead of a request, a name in TASKS, and fields of ClipRequest, `size` and
        `seconds`; what they leave open is the model's own.
    machine: what "auto" goes by, and whose disk is checked; with "auto", this machine unless given.
    counts: of the model's parameters, where they are not the catalogue's.
    has_files: the model's files are here already, so that there is nothing to download.

    Raises ValueError for names that are unknown and for what no clip can be. A plan that does not fit is no error: see
    `Plan.fits` and `Plan.would_fit`.
    """
    entry = named_model(model) if isinstance(model, str) else model
    if request is not None and settings:
        raise ValueError(f"request and {', '.join(settings)} are both given; give one of the two")
    request = request or example_of(task, entry, **settings)
    counts = counts or parameter_counts(entry)
    if preset == "auto":
        machine = machine or this_machine()
    chosen = chosen_preset(preset, counts, machine)
    disk_free_gb = None if machine is None or has_files else machine.disk_free_gb
    made = _planned(entry, counts, chosen, request, disk_free_gb)
    if has_files:
        made = replace(made, download=())
    return made if made.fits else replace(made, would_fit=_alternatives(entry, counts, chosen, request, disk_free_gb))


def chosen_preset(preset: str | Preset, counts: ParameterCounts, machine: Machine | None = None) -> Preset:
    """The preset meant by a name, by "auto" for `machine` (this one unless given), or by itself."""
    if preset == "auto":
        return preset_of(machine or this_machine(), counts)
    return preset if isinstance(preset, Preset) else named_preset(preset)


def plan_to_load(model: Model, preset: Preset, counts: ParameterCounts) -> Plan:
    """A plan for what is not known yet when a model is loaded: the largest usual picture that fits, with its length.

    Raises DoesNotFit where not even the model's own default fits.
    """
    default = (model.width, model.height)
    pictures = [(shapes.NAMED_SIZES[name].width, shapes.NAMED_SIZES[name].height) for name in SIZES_TO_LOAD_FOR]
    for width, height in [*pictures, default]:
        made = plan(model, preset, width=width, height=height, num_frames=model.num_frames, counts=counts)
        if made.fits:
            return made
    raise DoesNotFit(made)


def preset_of(machine: Machine, counts: ParameterCounts) -> Preset:
    """A preset named "auto" for what this machine has free, in the form of the nearest smaller preset.

    A model that is small beside the memory, as the tiny one always is, stays as it is. Blocks stream from the disk
    where RAM has no room for them.
    """
    accelerator, ram_gb = machine.accelerator, machine.ram_free_gb / RAM_SHARE
    if accelerator is None:
        preset, free_gb = replace(PRESETS["cpu"], card="this CPU", ram_gb=ram_gb), machine.ram_free_gb
    elif accelerator.kind == "mps":
        free_gb = accelerator.free_gb
        preset = replace(PRESETS["mps"], card=accelerator.name, vram_gb=free_gb, ram_gb=ram_gb)
    else:
        like = [CARDS[0], *(card for card in CARDS if card.vram_gb <= accelerator.total_gb)][-1]
        free_gb = accelerator.free_gb
        preset = replace(
            like,
            card=f"{accelerator.name} with what is free now, as fast as the {like.name} preset's {like.card}",
            vram_gb=free_gb,
            ram_gb=ram_gb,
            resident_blocks=ALL_BLOCKS,
        ).computing_in(2 if accelerator.dtypes["bf16"] else 4)
    preset = replace(preset, name="auto")
    if preset.compute_bytes * counts.parameters / GB < SMALL_SHARE * free_gb:
        return replace(preset, weight_bytes=preset.compute_bytes, keeps_all=True, keeps_text=True, lean=False)
    made = _planned(named_model(FULL_SIZE), counts, preset, example_of("text-to-video", named_model(FULL_SIZE)))
    if preset.kind == "cuda" and made.ram_gb > made.ram_limit_gb:
        return replace(preset, offload="disk")
    return preset


def fitting_presets(machine: Machine) -> list[str]:
    """Names of the presets with which this machine, as it is now, makes the smallest size of the full-size model."""
    model, found = named_model(FULL_SIZE), []
    it = machine.accelerator
    for preset in PRESETS.values():
        if preset.kind != "cpu" and (it is None or preset.kind != it.kind):
            continue
        if it is not None and preset.kind == "cuda":
            if preset.vram_gb > it.total_gb or (preset.compute_bytes == 2 and not it.dtypes["bf16"]):
                continue
            preset = replace(preset, vram_gb=min(preset.vram_gb, it.free_gb))
        made = _planned(model, parameter_counts(model), preset, example_of("text-to-video", model))
        has_memory = preset.kind == "cpu" or made.peak.gb <= made.limit_gb
        if has_memory and made.ram_gb <= machine.ram_free_gb:
            found.append(preset.name)
    return found


def _planned(
    model: Model,
    counts: ParameterCounts,
    preset: Preset,
    request: ClipRequest,
    disk_free_gb: float | None = None,
) -> Plan:
    budget = Budget(model, counts, preset, request)
    is_one_memory = preset.kind != "cuda"
    ram_limit_gb = preset.ram_gb * RAM_SHARE
    limit_gb = ram_limit_gb if preset.kind == "cpu" else preset.vram_gb - preset.spare_gb
    resident = counts.blocks if is_one_memory else _resident_blocks(budget, limit_gb)
    parts = budget.parts(resident)
    return Plan(
        model=model.name,
        preset=preset.name,
        task=named_task(request),
        width=request.width,
        height=request.height,
        num_frames=request.num_frames,
        frame_rate=request.frame_rate,
        two_stage=request.two_stage,
        blocks=counts.blocks,
        resident_blocks=resident,
        parts=parts,
        limit_gb=limit_gb,
        ram=ram_lines(budget, resident, parts),
        ram_limit_gb=ram_limit_gb,
        download=disk_lines(budget, resident),
        disk_free_gb=disk_free_gb,
        reasons=_reasons(budget, resident, limit_gb),
    )


def _resident_blocks(budget: Budget, limit_gb: float) -> int:
    """The most blocks, up to the preset's, with which every part has room; 0 where none has."""
    most = min(budget.preset.resident_blocks, budget.counts.blocks)
    return next((count for count in range(most, 0, -1) if _peak_gb(budget, count) <= limit_gb), 0)


def _peak_gb(budget: Budget, resident: int) -> float:
    return max(part.gb for part in budget.parts(resident))


def _reasons(budget: Budget, resident: int, limit_gb: float) -> tuple[str, ...]:
    preset, blocks = budget.preset, budget.counts.blocks
    if preset.kind != "cuda":
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


def _alternatives(
    model: Model, counts: ParameterCounts, preset: Preset, request: ClipRequest, disk_free_gb: float | None
) -> tuple[str, ...]:
    """Where they fit: the longest clip of this size, the largest named size of this length, other files of the model,
    blocks from the disk, the smallest card."""

    def fits(request: ClipRequest, preset: Preset = preset) -> bool:
        return _planned(model, counts, preset, request, disk_free_gb).fits

    found = []
    shorter = range(request.num_frames - shapes.VIDEO_TEMPORAL_COMPRESSION, 0, -shapes.VIDEO_TEMPORAL_COMPRESSION)
    frames = next((count for count in shorter if fits(_shortened(request, count))), None)
    if frames is not None and shapes.audio_num_latents(frames / request.frame_rate) > 0:
        found.append(f"{request.width}x{request.height} with {frames} frames ({frames / request.frame_rate:.1f} s)")
    pixels = request.width * request.height
    named_sizes = sorted(shapes.NAMED_SIZES.items(), key=lambda item: item[1].width * item[1].height, reverse=True)
    for name, size in named_sizes:
        legal = not request.two_stage or not (size.width % 64 or size.height % 64)
        if size.width * size.height < pixels and legal and fits(request.replace(**asdict(size))):
            found.append(f"{name} ({size.width}x{size.height}) with {request.num_frames} frames")
            break
    alike = (it for it in MODELS.values() if it.sampling == model.sampling and it.name != model.name)
    other = next((it for it in alike if _planned(it, counts, preset, request, disk_free_gb).fits), None)
    if other is not None:
        found.append(f"model {other.name}")
    if preset.kind == "cuda" and preset.offload == "ram" and fits(request, replace(preset, offload="disk")):
        found.append("load(..., offload='disk'), which reads blocks from the disk in every forward")
    card = next((card for card in CARDS if card.vram_gb > preset.vram_gb and fits(request, card)), None)
    if card is not None:
        found.append(f"preset {card.name} ({card.card})")
    return tuple(found)


def _shortened(request: ClipRequest, num_frames: int) -> ClipRequest:
    """The request's first num_frames, with what of its given media lies in them."""
    end_s = num_frames / request.frame_rate
    given = []
    for item in request.given:
        if item.end_s is None and item.frame_index(request.frame_rate) < num_frames:
            given.append(item)
        elif item.end_s is not None and item.start_s < end_s - shapes.TIME_TOLERANCE_S:
            given.append(replace(item, end_s=min(item.end_s, end_s)))
    return request.replace(num_frames=num_frames, given=tuple(given))
