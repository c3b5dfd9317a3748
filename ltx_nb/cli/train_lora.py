"""The command `ltx-nb train-lora`: learn a LoRA from a folder or table of clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from ltx_nb.cli.commands import AsJson, ModelName, PresetName, app
from ltx_nb.cli.outcome import outcome_of_command
from ltx_nb.cli.room import planned_training


@app.command()
def train_lora(
    data: Annotated[Path, typer.Option(help="Folder, or CSV, JSON or JSONL table, of clips with captions.")],
    out: Annotated[Path, typer.Option(help=".safetensors file to write.")],
    model: ModelName = "tiny",
    preset: PresetName = "auto",
    steps: Annotated[int, typer.Option(help="Steps of AdamW.", min=1)] = 2000,
    rank: Annotated[int, typer.Option(help="Rank of the matrices.", min=1)] = 16,
    lr: Annotated[float, typer.Option(help="Learning rate.", min=0)] = 1e-4,
    batch_size: Annotated[int, typer.Option(help="Clips a step.", min=1)] = 1,
    trigger: Annotated[str, typer.Option(help="Word put before every caption.")] = "",
    reference: Annotated[
        list[str] | None,
        typer.Option(help="Column of the table that names what each clip is made after: an IC-LoRA; one for each."),
    ] = None,
    reference_downscale_factor: Annotated[
        int, typer.Option(help="By how much smaller than the clips references are encoded.", min=1)
    ] = 1,
    size: Annotated[str | None, typer.Option(help="720p, ... or WIDTHxHEIGHT; default: the model's.")] = None,
    frames: Annotated[int | None, typer.Option(help="Most frames of a clip, 8k + 1; default: the model's.")] = None,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
    checkpointing: Annotated[
        bool | None, typer.Option(help="Less memory, half as much time again; default: where it does not fit without.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on where a training to the same file was stopped.")] = True,
    as_json: AsJson = False,
) -> None:
    """Learn a LoRA from clips with captions; stop it with Ctrl-C and go on by the same command."""
    with outcome_of_command(as_json) as outcome:
        import ltx_nb
        from ltx_nb.catalogue.checkpoints import find_model
        from ltx_nb.planning import DoesNotFit
        from ltx_nb.planning.presets import named_preset
        from ltx_nb.shapes import parsed_size
        from ltx_nb.training import TrainingLog
        from ltx_nb.training import train_lora as learn

        entry = find_model(model)
        width, height = (None, None) if size is None else parsed_size(size)
        of_lora = {"rank": rank, "steps": steps, "batch_size": batch_size, "references": len(reference or ())}
        of_lora |= {"width": width, "height": height, "num_frames": frames}
        for checkpoints in (False, True) if checkpointing is None else (checkpointing,):
            made = planned_training(entry, preset, None, gradient_checkpointing=checkpoints, **of_lora)
            if made.fits:
                break
        else:
            raise DoesNotFit(made)
        loaded = preset
        if made.resident_blocks < made.blocks:  # fewer than for clips, which take less beside them
            loaded = replace(named_preset(made.preset), resident_blocks=made.resident_blocks)
        losses: list[dict[str, float]] = []

        def remember(step: int, log: TrainingLog) -> None:
            losses[:] = log.losses

        began = perf_counter()
        path = learn(
            ltx_nb.load(model, loaded),
            data,
            out,
            steps=steps,
            rank=rank,
            lr=lr,
            batch_size=batch_size,
            trigger=trigger,
            reference=reference or None,
            reference_downscale_factor=reference_downscale_factor,
            width=width,
            height=height,
            num_frames=frames,
            seed=seed,
            gradient_checkpointing=checkpoints,
            resume=resume,
            on_step=remember,
        )
        seconds = perf_counter() - began
        outcome.data = {"path": str(path), "bytes": path.stat().st_size, "steps": steps, "seconds": seconds}
        outcome.data["losses"] = losses
        outcome.text = f"{path}: {steps} steps of rank {rank}, {path.stat().st_size:,} bytes, in {seconds:.0f} s"
