"""`ltx-nb run` and `ltx-nb demo`: every task as options, made into a request, and the request into a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ltx_nb.cli.commands import AsJson, ModelName, PresetName, app
from ltx_nb.cli.outcome import Outcome, outcome_of_command
from ltx_nb.cli.paid import run_paid
from ltx_nb.cli.room import check_before_run, upscalers_for

if TYPE_CHECKING:
    from ltx_nb import Clip, ClipRequest, Session, TimedPrompt
    from ltx_nb.catalogue.models import Model

DEMO_PROMPT = "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump."
DEMO_SEED = 12
DEMO_OUT = Path("outputs/demo.mp4")

# Options that say what is made; the rest says how. Of those that cannot be told together, one is given.
_TASKS = ("request", "image", "keyframe", "extend", "retake", "foley", "upscale")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="MP4 to write; its poster goes beside it as a PNG.")] = DEMO_OUT,
    as_json: AsJson = False,
) -> None:
    """Make a two-second clip with sound and its poster, with the tiny model."""
    with outcome_of_command(as_json) as outcome:
        _check_out(out)
        from ltx_nb.catalogue.models import TINY
        from ltx_nb.pipeline.tasks import text_to_video

        wanted = text_to_video(TINY, DEMO_PROMPT, seconds=2, seed=DEMO_SEED)
        clip = _make(outcome, out, TINY, "tiny", wanted)
        poster = str(clip.save(out.with_suffix(".png")))
        outcome.data["poster"] = poster
        outcome.text += f"\n{poster}: its middle frame"


@app.command()
def run(
    out: Annotated[Path, typer.Option(help="MP4, MOV, WebM or MKV to write; WAV, FLAC or MP3 with --audio-only.")],
    prompt: Annotated[str | None, typer.Option(help="What to see and hear; a given clip's own if left out.")] = None,
    request: Annotated[Path | None, typer.Option(help="A request as JSON, or a clip that holds one, again.")] = None,
    image: Annotated[Path | None, typer.Option(help="The first picture.")] = None,
    keyframe: Annotated[list[str] | None, typer.Option(help="TIME=PICTURE, such as 1.0=b.png; -1 is the end.")] = None,
    extend: Annotated[Path | None, typer.Option(help="A clip to go on from, by --seconds.")] = None,
    before: Annotated[bool, typer.Option("--before", help="Extend it before its start.")] = False,
    retake: Annotated[Path | None, typer.Option(help="A clip to make anew from --start to --end.")] = None,
    start: Annotated[float | None, typer.Option(help="Where the retake begins, in s.")] = None,
    end: Annotated[float | None, typer.Option(help="Where the retake ends, in s.")] = None,
    keep: Annotated[str | None, typer.Option(help="Of a retake: keep all of the video, or of the audio.")] = None,
    foley: Annotated[Path | None, typer.Option(help="A clip to make sound for.")] = None,
    upscale: Annotated[
        Path | None, typer.Option(help="A clip to make at twice its size; with --frame-rate, at twice its rate.")
    ] = None,
    factor: Annotated[float | None, typer.Option(help="Of --upscale: 2, or 1.5.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Sound to follow; with --extend, of what is added.")] = None,
    audio_only: Annotated[bool, typer.Option("--audio-only", help="Make sound alone.")] = False,
    strength: Annotated[float, typer.Option(help="How firmly --image is kept, 0 to 1.")] = 1.0,
    reference: Annotated[
        list[str] | None, typer.Option(help="FILE or FILE:STRENGTH to follow, as the IC-LoRA in --lora was trained to.")
    ] = None,
    fit: Annotated[str | None, typer.Option(help="crop, pad or stretch given pictures.")] = None,
    two_stage: Annotated[bool, typer.Option("--two-stage", help="Half the size first, then refined.")] = False,
    model: ModelName = "tiny",
    preset: PresetName = "auto",
    offload: Annotated[str | None, typer.Option(help="Where blocks wait: none, ram or disk.")] = None,
    attention: Annotated[
        str | None, typer.Option(help="native, sage, ... of diffusers; default: the best that works here.")
    ] = None,
    lora: Annotated[list[str] | None, typer.Option(help="FILE or FILE:SCALE, such as a.safetensors:0.8.")] = None,
    stage_2_lora: Annotated[
        list[str] | None, typer.Option(help="The same, on in second stages alone; none for none at all.")
    ] = None,
    text_encoder: Annotated[
        str | None, typer.Option(help="For an official file: a folder with Gemma 3, or a hub repository.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Download what is missing, under its licence; pay a service.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(help="Length, brought to the nearest 8k + 1 frames.")] = None,
    frames: Annotated[int | None, typer.Option(help="Length in frames, 8k + 1, instead of --seconds.")] = None,
    size: Annotated[str | None, typer.Option(help="1080p, portrait, source, ... instead of width and height.")] = None,
    width: Annotated[int | None, typer.Option(help="In pixels, a multiple of 32; default: the model's.")] = None,
    height: Annotated[int | None, typer.Option(help="In pixels, a multiple of 32; default: the model's.")] = None,
    frame_rate: Annotated[float | None, typer.Option(help="Frames a second; default: 24.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same request and seed, same clip; -1 draws one.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What guidance steers away from.")] = None,
    nag_scale: Annotated[
        float | None, typer.Option(help="Steer a distilled model away from --negative-prompt, on both lanes: 5, say.")
    ] = None,
    timed_prompt: Annotated[
        list[str] | None, typer.Option(help="START-END=PROMPT, in s: in place of --prompt there. Several times.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; default: the model's.")] = None,
    embed: Annotated[str | None, typer.Option(help="What the file keeps: media, request or none.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a clip with sound: from a prompt, and from pictures, sound or a clip if they are given."""
    with outcome_of_command(as_json) as outcome:
        _check_out(out, sound=audio_only)
        given = {"request": request, "image": image, "keyframe": keyframe, "extend": extend, "retake": retake}
        given |= {"foley": foley, "upscale": upscale}
        chosen = [name for name in _TASKS if given[name]]
        if len(chosen) > 1 and chosen != ["image", "keyframe"]:
            raise ValueError(f"--{chosen[0]} and --{chosen[1]} are both given; give one of the two")
        from ltx_nb.catalogue.checkpoints import find_model
        from ltx_nb.remote.services import is_remote

        settings: dict[str, Any] = {
            "seconds": seconds,
            "num_frames": frames,
            "size": size,
            "width": width,
            "height": height,
            "frame_rate": frame_rate,
            "fit": fit,
            "references": _weighted(reference or []) or None,
            "negative_prompt": negative_prompt,
            "timed_prompts": _prompts_over_time(timed_prompt or []) or None,
            "sampling": _sampling(num_inference_steps=steps, nag_scale=nag_scale, audio_nag_scale=nag_scale),
            "two_stage": two_stage or None,
        }
        settings = {name: value for name, value in settings.items() if value is not None}
        if seed is not None:
            settings["seed"] = seed
        task = chosen[0] if chosen else "audio" if audio else "text"
        if is_remote(model):
            strength_asked = None if strength == 1 else strength
            run_paid(
                outcome,
                out,
                model,
                prompt,
                {
                    "image": image,
                    "keyframe": [_timed(item) for item in keyframe or []],
                    "extend": extend,
                    "before": before,
                    "retake": retake,
                    "start": start,
                    "end": end,
                    "keep": keep,
                    "audio": audio,
                },
                settings | {"strength": strength_asked},
                {
                    "request": request,
                    "foley": foley,
                    "upscale": upscale,
                    "factor": factor,
                    "audio_only": audio_only,
                    "preset": None if preset == "auto" else preset,
                    "offload": offload,
                    "lora": lora,
                    "stage_2_lora": stage_2_lora,
                    "text_encoder": text_encoder,
                },
                embed=embed,
                yes=yes,
            )
            return
        entry = find_model(model)
        make = None
        if task == "request":
            assert request is not None
            wanted = _asked_again(request, prompt, settings)
        elif task == "extend":
            direction = "before" if before else "after"
            seconds = settings.pop("seconds", None)
            if seconds is None:
                raise ValueError("--extend needs --seconds, which says by how much")
            wanted, make = _longer(entry, extend, seconds, direction, prompt, audio, settings)
        elif task == "retake":
            if start is None or end is None:
                raise ValueError("--retake needs --start and --end, in s")
            lanes = {"video": keep != "video", "audio": keep != "audio"}
            wanted = _tasks().retake(entry, retake, start, end, prompt, **lanes, **settings)
        elif task == "foley":
            wanted = _tasks().video_to_audio(entry, foley, prompt, **settings)
        elif task == "upscale":
            settings.pop("two_stage", None)
            wanted = _tasks().upscale(entry, upscale, prompt, factor, **settings)
        else:
            if prompt is None:
                raise ValueError("--prompt is missing; say what to see and hear")
            if keyframe:
                images = ({0.0: image} if image else {}) | dict(_timed(item) for item in keyframe)
                wanted = _tasks().keyframes_to_video(entry, prompt, images, **settings)
            elif audio:
                wanted, make = _to_sound(entry, prompt, audio, image, strength, settings)
            elif image:
                wanted = _tasks().image_to_video(entry, prompt, image, strength, **settings)
            elif audio_only:
                wanted = _tasks().audio_only(entry, prompt, **settings)
            else:
                wanted = _tasks().text_to_video(entry, prompt, **settings)
        loaded: dict[str, Any] = {
            "preset": preset,
            "text_encoder": text_encoder,
            "offload": offload,
            "attention": attention,
            "loras": _weighted(lora or []),
        }
        if stage_2_lora:
            loaded["stage_2_loras"] = [] if stage_2_lora == ["none"] else _weighted(stage_2_lora)
        _make(outcome, out, entry, model, wanted, yes=yes, make=make, embed=embed, **loaded)


def _sampling(**settings: Any) -> Any:
    """The settings that are given, None where none is."""
    from ltx_nb import Sampling

    given = {name: value for name, value in settings.items() if value is not None}
    return Sampling(**given) if given else None


def _tasks() -> Any:
    from ltx_nb.pipeline import tasks

    return tasks


def _to_sound(
    entry: Model, prompt: str, audio: Path, image: Path | None, strength: float, settings: dict[str, Any]
) -> tuple[ClipRequest, Callable[[Session], Clip] | None]:
    """The request of a clip to a sound, or that of its first window and how to make all, where it is over 20 s."""
    from ltx_nb.pipeline.sources import sound_source
    from ltx_nb.shapes import MAX_SECONDS

    tasks = _tasks()
    source = sound_source(audio)
    wanted_s = settings.get("seconds") or tasks.sound_length_s(source)
    if "num_frames" in settings or wanted_s <= MAX_SECONDS:
        return tasks.audio_to_video(entry, prompt, source, None, image, strength, **settings), None
    first = tasks.audio_to_video(entry, prompt, source, None, image, strength, **settings | {"seconds": MAX_SECONDS})
    return first, lambda session: session.audio_to_video(prompt, source, None, image, strength, **settings)


def _longer(
    entry: Model, clip: Path, seconds: float, direction: str, prompt: str | None, audio: Path | None, settings: Any
) -> tuple[ClipRequest, Callable[[Session], Clip] | None]:
    """The request of an extension, or that of its one pass and how to make all, where that is over 20 s."""
    from ltx_nb.pipeline.long_clips import split_to_extend

    split = split_to_extend(clip, seconds, direction, settings)
    near = clip if split is None else split.near
    wanted = _tasks().extend(entry, near, seconds, direction, prompt, audio=audio, **settings)
    return wanted, None if split is None else lambda session: split.joined(session.run(wanted))


def _asked_again(path: Path, prompt: str | None, settings: dict[str, Any]) -> ClipRequest:
    """The request in a JSON file or a clip, with what else is asked for in its place."""
    from ltx_nb import ClipRequest
    from ltx_nb.local_files import open_local
    from ltx_nb.request import spelt_out

    if path.suffix.lower() == ".json":
        try:
            with open_local(path) as file:
                found = ClipRequest.from_json(file.read()).found_beside(path)
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}") from None
    else:
        found = ClipRequest.from_file(path)
    references = settings.pop("references", None)
    found = found.replace(**spelt_out(settings | ({} if prompt is None else {"prompt": prompt})))
    return _tasks().with_references(found, references) if references else found


def _timed(item: str) -> tuple[float, Path]:
    time, equals, picture = item.partition("=")
    try:
        if equals and picture:
            return float(time), Path(picture)
    except ValueError:
        pass
    raise ValueError(f"--keyframe {item!r} is no TIME=PICTURE; nearest: 1.0={picture or item}")


def _prompts_over_time(items: list[str]) -> list[TimedPrompt]:
    from ltx_nb import TimedPrompt

    found = []
    for item in items:
        match = re.fullmatch(r"\s*([\d.]+)\s*-\s*([\d.]+)\s*=(.+)", item, re.DOTALL)
        if match is None:
            raise ValueError(f"--timed-prompt {item!r} is no START-END=PROMPT; nearest: '1.0-2.0=A blue ball bounces.'")
        try:
            start_s, end_s = float(match[1]), float(match[2])
        except ValueError:
            raise ValueError(f"--timed-prompt {item!r} does not begin with two times in s, such as 1.0-2.0=") from None
        found.append(TimedPrompt(match[3].strip(), start_s, end_s))
    return found


def _weighted(items: list[str]) -> list[tuple[str, float]]:
    """FILE or FILE:SCALE each, for LoRAs and references; a name may have a colon where what follows is no number."""
    found = []
    for item in items:
        path, colon, scale = item.rpartition(":")
        try:
            found.append((path, float(scale)) if colon and path else (item, 1.0))
        except ValueError:
            found.append((item, 1.0))
    return found


def _check_out(out: Path, sound: bool = False) -> None:
    suffixes = (".mp4", ".mov", ".webm", ".mkv", *((".wav", ".flac", ".mp3") if sound else ()))
    if out.suffix.lower() not in suffixes:
        nearest = out.with_suffix(suffixes[0])
        raise ValueError(f"--out {out} does not end in .mp4; nearest: {nearest}, or one of {', '.join(suffixes[1:])}")


def _make(
    outcome: Outcome,
    out: Path,
    entry: Model,
    model: str,
    wanted: ClipRequest,
    *,
    preset: str = "auto",
    text_encoder: str | None = None,
    yes: bool = False,
    make: Callable[[Session], Clip] | None = None,
    embed: str | None = None,
    **loaded: Any,
) -> Clip:
    """Make and save a clip and say so in `outcome`. make: how, if not by one run of `wanted`.

    The request is checked before the model is loaded, which may take minutes.
    """
    start_s = perf_counter()
    import ltx_nb

    check_before_run(entry, wanted, preset, text_encoder, yes)
    upscalers = upscalers_for(entry, wanted)
    session = ltx_nb.load(model, preset, text_encoder=text_encoder, upscalers=upscalers, **loaded)
    load_s = perf_counter() - start_s
    clip = session.run(wanted) if make is None else make(session)
    clip.save(out, embed=embed)
    run_s = perf_counter() - start_s - load_s
    outcome.data = {
        "path": str(out),
        "num_frames": clip.num_frames,
        "duration_s": clip.duration_s,
        "seed": wanted.seed,
        "load_s": round(load_s, 3),
        "run_s": round(run_s, 3),
        "notes": list(clip.notes),
        "request": None if clip.request is None else clip.request.without_media().to_dict(),
    }
    size = f"{clip.num_frames} frames of {clip.width}x{clip.height} px, {clip.duration_s:.2f} s with sound"
    size = f"{clip.duration_s:.2f} s of sound" if clip.frames is None else size
    outcome.text = "\n".join([f"{out}: {size}; loaded in {load_s:.1f} s, made in {run_s:.1f} s", *clip.notes])
    return clip
