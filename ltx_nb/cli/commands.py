"""The command `ltx-nb`: options in; a line, a table or one JSON object out.

Knows no tensors, and imports the engine only inside a command, so that help and usage errors come at once.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ltx_nb.cli.outcome import Status, outcome_of_command, status_of_app
from ltx_nb.cli.room import compared, in_short, is_here, planned, planned_training

if TYPE_CHECKING:
    pass


app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
ModelName = Annotated[str, typer.Option(help="Name of the model, the path of its file or folder, or a service.")]
PresetName = Annotated[str, typer.Option(help="Name of a memory preset, or auto for what is free here.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        import ltx_nb

        print(f"ltx-nb {ltx_nb.__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """LTX-2.3 joint audio-video diffusion, and its tiny model that runs on any CPU."""


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="tiny, the one model whose world has a ground truth.")],
    tasks: Annotated[bool, typer.Option("--tasks", help="Measure every other task instead of text-to-video.")] = False,
    attention: Annotated[bool, typer.Option("--attention", help="Measure what its attention means instead.")] = False,
    reach: Annotated[
        bool, typer.Option("--reach", help="Measure extensions, storyboards and sizes instead: how far it reaches.")
    ] = False,
    cases: Annotated[
        int | None, typer.Option(help="How many; default: 96, or 24 with an option, or 3 rounds of --reach.", min=1)
    ] = None,
    write_card: Annotated[
        Path | None, typer.Option(help="Markdown file whose card is to be filled.", exists=True, dir_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what the tiny model makes of held-out prompts and scenes, and print the table of its card."""
    with outcome_of_command(as_json) as outcome:
        from ltx_nb.checks import choice

        choice("model", model, ["tiny"])
        import ltx_nb
        from ltx_nb.tiny import report
        from ltx_nb.tiny.evaluate import evaluate as evaluate_text_to_video
        from ltx_nb.tiny.evaluate_attention import evaluate_attention
        from ltx_nb.tiny.evaluate_reach import evaluate_reach
        from ltx_nb.tiny.evaluate_tasks import evaluate_tasks

        session = ltx_nb.load(model)
        if tasks:
            card, outcome.data = "tiny-tasks", evaluate_tasks(session, cases=cases or 24)
        elif attention:
            card, outcome.data = "tiny-attention", evaluate_attention(session, cases=cases or 24)
        elif reach:
            card, outcome.data = "tiny-reach", evaluate_reach(session, rounds=cases or 3)
        else:
            card, outcome.data = "tiny-card", evaluate_text_to_video(session, cases=cases or 96)
        outcome.text = report.to_markdown(outcome.data)
        if write_card is not None:
            report.write_card(write_card, outcome.text, card)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine has, what it multiplies in and attends by, and which memory presets fit."""
    with outcome_of_command(as_json) as outcome:
        from ltx_nb.catalogue.models import published_names
        from ltx_nb.loading.found import known_files
        from ltx_nb.planning import this_machine
        from ltx_nb.planning.planner import fitting_plans, full_size_plan
        from ltx_nb.running.attention import attention_here

        machine = this_machine()
        auto, plans = full_size_plan("auto", machine, is_here), fitting_plans(machine, is_here)
        of_auto = {"model": auto.model, "fits": auto.fits, "offload": auto.offload, "shortages": list(auto.shortages)}
        attention = attention_here()
        outcome.data = machine.to_dict() | {"auto": of_auto, "presets": [made.preset for made in plans]}
        outcome.data["attention"] = attention
        fitting = [in_short(made) for made in plans] or ["none of the full-size model"]
        outcome.text = f"{machine.text()}\nattention  {attention['best']}; working: {', '.join(attention['working'])}"
        outcome.text += f"\nauto       {in_short(auto)}\npresets    " + f"\n{'':<11}".join(fitting)
        outcome.data["found"] = found = known_files(published_names())
        outcome.text += f"\nfound      {f'{chr(10)}{chr(32) * 11}'.join(found)}" if found else ""


@app.command()
def plan(
    model: ModelName = "2.3-distilled",
    preset: PresetName = "auto",
    machine: Annotated[
        str | None, typer.Option(help='Another machine than this one: "RTX 3070, 16 GB RAM, 60 GB disk".')
    ] = None,
    size: Annotated[str | None, typer.Option(help="1080p, 720p, ... or WIDTHxHEIGHT; default: the model's.")] = None,
    frames: Annotated[int | None, typer.Option(help="Length in frames, 8k + 1; default: the model's.")] = None,
    frame_rate: Annotated[float, typer.Option(help="Frames a second.")] = 24.0,
    two_stage: Annotated[bool, typer.Option(help="Half the size first, then the upsampler and a short stage.")] = False,
    upscaler: Annotated[
        str | None, typer.Option(help="Of two stages and of upscale: spatial-x2, spatial-x1.5 or temporal-x2.")
    ] = None,
    task: Annotated[str, typer.Option(help="text-to-video, image-to-video, extend, ...")] = "text-to-video",
    steps: Annotated[
        int | None, typer.Option(help="Denoising steps, default: the model's; or of a training, default: 2000.")
    ] = None,
    train_lora: Annotated[bool, typer.Option("--train-lora", help="Of learning a LoRA instead of a clip.")] = False,
    rank: Annotated[int, typer.Option(help="Of the LoRA.", min=1)] = 16,
    batch_size: Annotated[int, typer.Option(help="Clips a step, of a training.", min=1)] = 1,
    compare: Annotated[
        bool, typer.Option("--compare", help="What a second of clip takes here, on Colab, rented and of a service.")
    ] = False,
    usd_per_hour: Annotated[float | None, typer.Option(help="Price of a rented H100, for --compare.", min=0)] = None,
    as_json: AsJson = False,
) -> None:
    """Project memory, download and time of a clip, with every sum shown; nothing is loaded or downloaded."""
    with outcome_of_command(as_json) as outcome:
        from ltx_nb import Sampling
        from ltx_nb.catalogue.checkpoints import find_model
        from ltx_nb.checks import choice
        from ltx_nb.planning.examples import example_of
        from ltx_nb.shapes import UPSCALINGS, parsed_size, snap_num_frames, snap_side

        entry = find_model(model)
        width, height = (entry.width, entry.height) if size is None else parsed_size(size)
        clip: dict[str, Any] = {"width": width, "height": height, "frame_rate": frame_rate, "two_stage": two_stage}
        clip["num_frames"] = entry.num_frames if frames is None else frames
        if train_lora:
            del clip["two_stage"]
            of_lora = {"rank": rank, "steps": steps or 2000, "batch_size": batch_size, **clip}
            made = planned_training(entry, preset, machine, **of_lora)
        else:
            if upscaler is not None:
                between = UPSCALINGS[choice("upscaler", upscaler, UPSCALINGS)]
                clip |= {"upscaler": upscaler, "two_stage": True}
                if size is None:  # the nearest to the model's own that it makes
                    clip |= {side: snap_side(clip[side], between.side_multiple_px) for side in ("width", "height")}
                if frames is None:
                    clip["num_frames"] = snap_num_frames(entry.num_frames, between.frame_multiple)
            request = example_of(task, entry, **clip, sampling=Sampling(num_inference_steps=steps))
            made = planned(entry, preset, request, machine)
        outcome.data, outcome.text = made.to_dict(), made.text()
        if compare and not train_lora:
            offers = compared(entry, preset, request, machine, usd_per_hour)
            outcome.data = {"offers": [asdict(offer) for offer in offers]}
            outcome.text = "\n".join(["A second of clip; --size 1080p is what services make:", *map(str, offers)])
    if not made.fits and not compare:
        raise typer.Exit(Status.DOES_NOT_FIT)


def main() -> None:
    """Run the command of this process and end it with its status."""
    sys.exit(status_of_app(app, sys.argv[1:]))
