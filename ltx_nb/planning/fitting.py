"""A preset on a machine: what it may take of what is free there, what the machine lacks for it, and "auto".

Knows presets and machines; no requests and no sums.
"""

from __future__ import annotations

from dataclasses import replace

from ltx_nb.catalogue.parameters import ParameterCounts
from ltx_nb.planning.budget import GB
from ltx_nb.planning.machine import Machine
from ltx_nb.planning.presets import ALL_BLOCKS, CARDS, PRESETS, RAM_SHARE, Preset

SMALL_SHARE = 0.05  # of the free memory: weights below it leave room for everything else as it is
KIND_NAMES = {"cuda": "a CUDA card", "mps": "an Apple GPU"}


def lacks(preset: Preset, machine: Machine) -> tuple[str, ...]:
    """Name what keeps the machine from using the preset at all; nothing where it can."""
    it, name = machine.accelerator, f"preset {preset.name}"
    if preset.kind == "cpu":
        return ()
    if it is None or it.kind != preset.kind:
        return (f"{name} is for {KIND_NAMES[preset.kind]}, and this machine has {it.name if it else 'no GPU'}",)
    found = []
    if preset.kind == "cuda" and preset.vram_gb > it.total_gb:
        found.append(f"{name} is for a card of {preset.vram_gb:g} GB, and {it.name} has {it.total_gb:.1f} GB")
    if preset.compute_bytes == 2 and not it.dtypes["bf16"]:
        found.append(f"{name} computes in bf16, which {it.name} does not multiply in")
    return tuple(found)


def on_machine(preset: Preset, machine: Machine) -> Preset:
    """The preset with no more memory than the machine has free."""
    ram_gb = min(preset.ram_gb, machine.ram_free_gb / RAM_SHARE)
    it = machine.accelerator
    if preset.kind == "cpu":
        return replace(preset, card="this CPU", ram_gb=ram_gb)
    if it is None or it.kind != preset.kind:
        return replace(preset, ram_gb=ram_gb)
    card = f"{it.name} with what is free now"
    if preset.vram_gb <= it.free_gb:
        return replace(preset, card=card, ram_gb=ram_gb)
    return replace(preset, card=card, vram_gb=it.free_gb, ram_gb=ram_gb, context_gb=0.0)  # what is free is beside it


def auto_preset(machine: Machine, counts: ParameterCounts) -> Preset:
    """A preset named "auto" for what this machine has free, in the form of the nearest smaller preset.

    A model that is small beside the memory, as the tiny one always is, stays as it is.
    """
    accelerator, ram_gb = machine.accelerator, machine.ram_free_gb / RAM_SHARE
    if accelerator is None:
        preset, free_gb = replace(PRESETS["cpu"], card="this CPU", ram_gb=ram_gb), machine.ram_free_gb
    elif accelerator.kind == "mps":
        free_gb = accelerator.free_gb
        preset = replace(PRESETS["mps"], card=accelerator.name, vram_gb=free_gb, ram_gb=ram_gb)
    else:
        like = [CARDS[0], *(card for card in CARDS if card.vram_gb <= accelerator.total_gb)][-1]
        # Without bf16 it multiplies in float32, of which a T4 tells more than a card with bf16.
        paced = like if accelerator.dtypes["bf16"] else PRESETS["colab-t4"]
        free_gb = accelerator.free_gb
        preset = replace(
            like,
            card=f"{accelerator.name} with what is free now, as fast as the {paced.name} preset's {paced.card}",
            tflops=paced.tflops,
            int8_tflops=paced.int8_tflops,
            vram_gb=free_gb,
            ram_gb=ram_gb,
            resident_blocks=ALL_BLOCKS,
            # Where some is taken CUDA has begun, and what is free is beside it; a card in words has not begun.
            context_gb=0.0 if free_gb < accelerator.total_gb else like.context_gb,
            compute=like.compute if accelerator.dtypes["int8"] else "float",
        ).computing_in(2 if accelerator.dtypes["bf16"] else 4)
    preset = replace(preset, name="auto")
    if preset.compute_bytes * counts.parameters / GB < SMALL_SHARE * free_gb:
        return replace(preset, weight_bytes=preset.compute_bytes, keeps_all=True, keeps_text=True, lean=False)
    return preset
