"""Whether there is room for a clip, here or on a machine in words, as the commands ask it; a plan in a line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ltx_nb import ClipRequest
    from ltx_nb.catalogue.models import Model
    from ltx_nb.planning import Machine, Plan
    from ltx_nb.planning.compare import Offer


def is_here(model: Model) -> bool:
    """Whether all of the model's files are on this machine."""
    from ltx_nb.loading.model_files import is_downloaded  # seconds to import, so only where it matters

    return is_downloaded(model)


def planned(model: Model, preset: str, request: ClipRequest, machine: str | None) -> Plan:
    """The plan of a clip on the machine in words; without one, on this machine, if it can use the preset at all.

    A preset that is for another kind of card is planned as it stands, for the machine that it describes.
    """
    from ltx_nb.planning import described_machine
    from ltx_nb.planning.planner import plan_with_files

    if machine is None:
        return plan_with_files(model, preset, request, _machine_that_can_use(preset), is_here)
    return plan_with_files(model, preset, request, described_machine(machine), lambda model: False)


def planned_training(model: Model, preset: str, machine: str | None, **of_lora: Any) -> Plan:
    """Plan the training of a LoRA on the machine in words; without one, on this machine, if it can use the preset."""
    from ltx_nb.planning import described_machine, plan_training, this_machine

    if machine is not None:
        return plan_training(model, preset, machine=described_machine(machine), **of_lora)
    return plan_training(
        model,
        preset,
        machine=_machine_that_can_use(preset) or (this_machine() if preset == "auto" else None),
        **of_lora,
    )


def compared(
    model: Model, preset: str, request: ClipRequest, machine: str | None, usd_per_hour: float | None
) -> list[Offer]:
    """Compare what a second of the clip takes on the machine in words, or on this one, and elsewhere."""
    from ltx_nb.planning import described_machine
    from ltx_nb.planning.compare import compare

    described = _machine_that_can_use(preset) if machine is None else described_machine(machine)
    return compare(model, preset, request, machine=described, usd_per_hour=usd_per_hour)


def in_short(made: Plan) -> str:
    """In a line: which preset and files, and what of it stays where; or why it does not fit and what would."""
    if not made.fits:
        would_fit = f"; would fit: {', or '.join(made.would_fit)}" if made.would_fit else ""
        return f"{made.model} does not fit with {made.preset}: {'; '.join(made.shortages)}{would_fit}"
    stay = f"{made.resident_blocks} of {made.blocks} blocks stay"
    others = {"none": "", "ram": ", the others come from RAM", "disk": ", the others come from the disk"}[made.offload]
    return f"{made.preset} with {made.model}: {stay}{others}"


def upscalers_for(model: Model, request: ClipRequest) -> tuple[str, ...]:
    """Name the published upscalers that a request takes beside the one that every model comes with."""
    from ltx_nb.request import DEFAULT_UPSCALER

    is_wanted = request.upscaler != DEFAULT_UPSCALER and request.upscaler in model.upscalers
    return (request.upscaler,) if is_wanted else ()


def check_before_run(model: Model, request: ClipRequest, preset: str, text_encoder: str | None, yes: bool) -> None:
    """Refuse what has no room here, and, unless `yes`, what would be downloaded, before the hub is asked for anything.

    Raises DoesNotFit for a clip without room, ValueError with licence and size where loading would download.
    """
    from ltx_nb.catalogue.parameters import parameter_counts
    from ltx_nb.loading.download import begun_gb, missing_downloads, naming, summary
    from ltx_nb.loading.model_files import files_of, is_downloaded, to_download
    from ltx_nb.planning import DoesNotFit, this_machine
    from ltx_nb.planning.planner import chosen_preset, plan_with_files

    machine = this_machine()
    chosen = chosen_preset(preset, parameter_counts(model), machine)
    upscalers = upscalers_for(model, request)
    files = files_of(to_download(model, chosen.weight_bytes), text_encoder, (), upscalers)
    if machine.disk_free_gb is not None:  # what has been downloaded of it needs no room any more
        machine = replace(machine, disk_free_gb=machine.disk_free_gb + begun_gb(files))
    made = plan_with_files(model, preset, request, machine, lambda model: is_downloaded(model, text_encoder, upscalers))
    if not made.fits:
        raise DoesNotFit(made)
    with naming(made.download):
        downloads = [] if yes else missing_downloads(files)
    if downloads:
        raise ValueError(f"{summary(downloads)}\nadd --yes to download it")


def _machine_that_can_use(preset: str) -> Machine | None:
    from ltx_nb.planning import this_machine
    from ltx_nb.planning.fitting import lacks
    from ltx_nb.planning.presets import named_preset

    if preset == "auto":
        return None  # which is this machine, to the planner
    machine = this_machine()
    return None if lacks(named_preset(preset), machine) else machine
