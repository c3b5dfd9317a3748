"""`ltx-nb run --model fal:...`: the same options, made into a call of a service; its price is agreed by --yes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from ltx_nb.cli.outcome import Outcome


def run_paid(
    outcome: Outcome,
    out: Path,
    model: str,
    prompt: str | None,
    given: Mapping[str, Any],
    settings: Mapping[str, Any],
    here: Mapping[str, Any],
    *,
    embed: str | None,
    yes: bool,
) -> None:
    """Make and save a clip of a service and say so in `outcome`.

    given: image, keyframe, extend, before, retake, start, end, keep and audio, as the options have them. here: options
    that say how a model runs here, which are refused. Raises ValueError where the price is not agreed.
    """
    for name, value in here.items():
        if value:
            raise ValueError(f"--{name.replace('_', '-')} is for models that run here, and {model} is a service's")
    import ltx_nb
    from ltx_nb.remote import NotAgreed

    begun_s = perf_counter()
    call, arguments = _call(prompt, given)
    session: Any = ltx_nb.load(model)
    try:
        clip = getattr(session, call)(**arguments, **settings, yes=yes)
    except NotAgreed as told:
        raise ValueError(f"{told.quote}; nothing was sent; add --yes to send it and pay for it") from None
    clip.save(out, embed=embed)
    run_s = perf_counter() - begun_s
    outcome.data = {
        "path": str(out),
        "num_frames": clip.num_frames,
        "duration_s": clip.duration_s,
        "run_s": round(run_s, 3),
        "notes": list(clip.notes),
    }
    size = f"{clip.num_frames} frames of {clip.width}x{clip.height} px, {clip.duration_s:.2f} s"
    outcome.text = "\n".join([f"{out}: {size}; here after {run_s:.0f} s", *clip.notes])


def _call(prompt: str | None, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The verb that the options ask for, and its arguments."""
    if given["extend"]:
        direction = "before" if given["before"] else "after"
        return "extend", {"clip": given["extend"], "direction": direction, "prompt": prompt}
    if prompt is None:
        raise ValueError("--prompt is missing; say what to see and hear")
    if given["retake"]:
        if given["start"] is None or given["end"] is None:
            raise ValueError("--retake needs --start and --end, in s")
        lanes = {"video": given["keep"] != "video", "audio": given["keep"] != "audio"}
        return "retake", {
            "clip": given["retake"],
            "start": given["start"],
            "end": given["end"],
            "prompt": prompt,
        } | lanes
    if given["keyframe"]:
        pictures = dict(given["keyframe"]) | ({0.0: given["image"]} if given["image"] else {})
        return "keyframes_to_video", {"prompt": prompt, "keyframes": pictures}
    if given["audio"]:
        return "audio_to_video", {"prompt": prompt, "audio": given["audio"], "image": given["image"]}
    if given["image"]:
        return "image_to_video", {"prompt": prompt, "image": given["image"]}
    return "text_to_video", {"prompt": prompt}
