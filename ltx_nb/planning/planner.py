"""plan(): whether a model runs on a card and how, before anything is loaded or downloaded; what would fit where not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ltx_nb import shapes
from ltx_nb.catalogue.models import Model, named_model
from ltx_nb.catalogue.parameters import ParameterCounts, parameter_counts
from ltx_nb.planning.advice import alike, would_fit
from ltx_nb.planning.examples import example_of
from ltx_nb.planning.fitting import auto_preset, lacks, on_machine
from ltx_nb.planning.machine import Machine, this_machine
from ltx_nb.planning.plans import DoesNotFit, Plan
from ltx_nb.planning.presets import PRESETS, Preset, named_preset
from ltx_nb.planning.solver import Case, solved
from ltx_nb.request import ClipRequest

SIZES_TO_LOAD_FOR = ("1080p", "720p")
FULL_SIZE = "2.3-distilled"


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

    preset: a name in PRESETS, "auto" for what the machine has free, or a Preset of your own.
    request: the clip. task, settings: instead of a request, a name in TASKS, and fields of ClipRequest, `size` and
        `seconds`; what they leave open is the model's own.
    machine: what is free there and what it can do decide, its disk too. Without one, "auto" goes by this machine, and
        any other preset by the card and the RAM that it describes.
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
    disk_free_gb = None if machine is None or has_files else machine.disk_free_gb
    case = case_of(entry, preset, request, counts, machine, disk_free_gb)
    made = solved(case)
    if not made.fits:
        made = replace(made, would_fit=would_fit(case, machine))
    return replace(made, download=()) if has_files else made


def case_of(
    model: Model,
    preset: str | Preset,
    request: ClipRequest,
    counts: ParameterCounts,
    machine: Machine | None,
    disk_free_gb: float | None = None,
) -> Case:
    """The case of a preset as the machine can use it; without a machine, as it stands."""
    chosen = chosen_preset(preset, counts, machine)
    if machine is None or preset == "auto":
        return Case(model, counts, chosen, request, disk_free_gb)
    return Case(model, counts, on_machine(chosen, machine), request, disk_free_gb, lacks(chosen, machine))


def plan_as_loaded(model: Model, preset: Preset, counts: ParameterCounts, resident: int, request: ClipRequest) -> Plan:
    """The plan of a clip with a model that is loaded: so many blocks stay, and the others come from where they are."""
    return solved(Case(model, counts, preset, request, resident=resident, falls_back=False))


def chosen_preset(preset: str | Preset, counts: ParameterCounts, machine: Machine | None = None) -> Preset:
    """The preset meant by a name, by "auto" for `machine` (this one unless given), or by itself."""
    if preset == "auto":
        return auto_preset(machine or this_machine(), counts)
    return preset if isinstance(preset, Preset) else named_preset(preset)


def plan_to_load(
    model: Model,
    preset: Preset,
    counts: ParameterCounts,
    machine: Machine | None = None,
    *,
    lacks: tuple[str, ...] = (),
    falls_back: bool = True,
) -> Plan:
    """A plan for what is not known yet when a model is loaded: the largest usual picture that fits, with its length.

    preset: as `machine` can use it, where one is meant. lacks: what keeps that from it. falls_back: whether blocks may
    come from the disk where the preset says RAM. Raises DoesNotFit where not even the model's own default fits.
    """
    default = (model.width, model.height)
    pictures = [(shapes.NAMED_SIZES[name].width, shapes.NAMED_SIZES[name].height) for name in SIZES_TO_LOAD_FOR]
    for width, height in [*pictures, default]:
        request = example_of("text-to-video", model, width=width, height=height)
        case = Case(model, counts, preset, request, lacks=lacks, falls_back=falls_back)
        made = solved(case)
        if made.fits:
            return made
    raise DoesNotFit(replace(made, would_fit=would_fit(case, machine)))


def plan_with_files(
    model: Model,
    preset: str | Preset,
    request: ClipRequest,
    machine: Machine | None,
    is_here: Callable[[Model], bool],
) -> Plan:
    """`plan`, with the disk left out where the model's files are here. is_here: asked only where that decides."""
    made = plan(model, preset, request, machine=machine)
    if made.fits or not made.download or not is_here(model):
        return made
    return plan(model, preset, request, machine=machine, has_files=True)


def full_size_plan(preset: str, machine: Machine, is_here: Callable[[Model], bool] = lambda model: False) -> Plan:
    """The plan of the full-size model's own clip on a machine, as it is now.

    It is that of the first of the model's files that fit, or of the first where none do: what diffusers' layout has no
    room for, the official files may. is_here: whether a model's files are on the machine.
    """
    first = named_model(FULL_SIZE)
    request = example_of("text-to-video", first)
    made = plan_with_files(first, preset, request, machine, is_here)
    others = (plan_with_files(model, preset, request, machine, is_here) for model in alike(first))
    return made if made.fits else next((other for other in others if other.fits), made)


def fitting_plans(machine: Machine, is_here: Callable[[Model], bool] = lambda model: False) -> list[Plan]:
    """The plan of each preset with which this machine, as it is now, makes the full-size model's own clip."""
    usable = [name for name, preset in PRESETS.items() if not lacks(preset, machine)]
    return [made for name in usable if (made := full_size_plan(name, machine, is_here)).fits]


def fitting_presets(machine: Machine) -> list[str]:
    """Names of the presets with which this machine, as it is now, makes the full-size model's own clip."""
    return [made.preset for made in fitting_plans(machine)]
