"""Advice where a plan does not fit: another clip, other files of the model, another preset of the same machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

from ltx_nb import shapes
from ltx_nb.catalogue.models import MODELS, Model
from ltx_nb.planning.fitting import auto_preset, lacks, on_machine
from ltx_nb.planning.machine import Machine
from ltx_nb.planning.presets import CARDS, PRESETS, Preset
from ltx_nb.planning.solver import Case, solved
from ltx_nb.request import ClipRequest


def would_fit(case: Case, machine: Machine | None) -> tuple[str, ...]:
    """Say what would fit: the longest clip of this size, the largest named size of this length, other files of the
    model, and another preset: of this machine, or, where none is meant, of the smallest card."""
    found = []
    if not case.lacks:
        found += [*_shorter(case), *_smaller(case)]
        other = next((it for it in alike(case.model) if solved(replace(case, model=it)).fits), None)
        found += [] if other is None else [f"model {other.name}"]
    others = _larger_cards(case.preset) if machine is None else _others_here(case, machine)
    preset = next((it for it in others if solved(replace(case, preset=it, lacks=())).fits), None)
    if preset is not None:
        found.append(f"preset {preset.name}" + (f" ({preset.card})" if machine is None else ""))
    return tuple(found)


def alike(model: Model) -> Iterator[Model]:
    """Other files of the same model in the catalogue."""
    return (it for it in MODELS.values() if it.sampling == model.sampling and it.name != model.name)


def _shorter(case: Case) -> Iterator[str]:
    request, step = case.request, shapes.VIDEO_TEMPORAL_COMPRESSION
    for num_frames in range(request.num_frames - step, 0, -step):
        if solved(replace(case, request=_shortened(request, num_frames))).fits:
            length_s = num_frames / request.frame_rate
            if shapes.audio_num_latents(length_s) > 0:
                yield f"{request.width}x{request.height} with {num_frames} frames ({length_s:.1f} s)"
            return


def _smaller(case: Case) -> Iterator[str]:
    request = case.request
    by_pixels = sorted(shapes.NAMED_SIZES.items(), key=lambda item: item[1].width * item[1].height, reverse=True)
    for name, size in by_pixels:
        if size.width * size.height >= request.width * request.height:
            continue
        if request.two_stage and (size.width % 64 or size.height % 64):
            continue
        if solved(replace(case, request=request.replace(**asdict(size)))).fits:
            yield f"{name} ({size.width}x{size.height}) with {request.num_frames} frames"
            return


def _larger_cards(preset: Preset) -> Iterator[Preset]:
    return (card for card in CARDS if card.vram_gb > preset.vram_gb)


def _others_here(case: Case, machine: Machine) -> Iterator[Preset]:
    """Other presets that the machine can use, with what it has free."""
    presets = [auto_preset(machine, case.counts), *(on_machine(it, machine) for it in PRESETS.values())]
    return (it for it in presets if it.name != case.preset.name and not lacks(PRESETS.get(it.name, it), machine))


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
