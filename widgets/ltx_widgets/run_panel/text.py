"""Runs in words: a request in one line, an error with what would work, warnings as they come. Knows no widget."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ltx_nb.planning import OutOfMemory
from ltx_nb.request import ClipRequest
from ltx_nb.shapes import TIME_TOLERANCE_S
from ltx_widgets.base import error_text

MOST_PROMPT_LETTERS = 60


def title_of(request: ClipRequest) -> str:
    """A request in one line: its prompt, size, length and seed."""
    prompt = " ".join(request.prompt.split()) or "no prompt"
    if len(prompt) > MOST_PROMPT_LETTERS:
        prompt = prompt[: MOST_PROMPT_LETTERS - 1].rstrip() + "…"
    return f"{prompt} · {request.width} × {request.height} · {request.duration_s:.1f} s · seed {request.seed}"


def what_of(request: ClipRequest) -> str:
    """Say what a request makes anew, in a few words, from what it is given: "retake 0.4–1.4 s"."""
    if request.first_stage is not None:
        return "upscale"
    if "video" not in request.outputs:
        return "sound from text"
    spans = [item for item in request.given if not item.is_image]
    if not spans:
        return "from images" if request.given else "from text"
    video_s, audio_s = request.generated_spans_s("video"), request.generated_spans_s("audio")
    if not video_s and not any(item.lane == "audio" for item in spans):
        return "foley"
    if not any(item.lane == "video" for item in spans):
        return "audio to video"
    generated_s = video_s or audio_s
    if not generated_s:
        return "all given"
    start_s, end_s = generated_s[0][0], generated_s[-1][1]
    if end_s > request.duration_s - TIME_TOLERANCE_S:
        return f"extended from {start_s:.1f} s"
    if start_s < TIME_TOLERANCE_S:
        return f"extended before {end_s:.1f} s"
    return f"retake {start_s:.1f}–{end_s:.1f} s"


def explained(error: Exception) -> str:
    """An exception for a reader, with what would work; the kit's own errors say that themselves."""
    if isinstance(error, OutOfMemory):
        return str(error)
    if "OutOfMemory" in type(error).__name__:  # torch.cuda's, which is not imported here
        advice = "take a smaller size or fewer frames, or load the model with a preset for less memory"
        return f"The memory of the card is too small for this; {advice}. ({error})"
    return error_text(error)


@contextmanager
def warnings_to(note: Callable[[str], None]) -> Iterator[None]:
    """note(text) for every UserWarning of this thread, also where it came before; others go where they went."""
    mine = threading.get_ident()
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        elsewhere = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **options: Any) -> None:
            if threading.get_ident() == mine and issubclass(category, UserWarning):
                note(str(message))
            else:
                elsewhere(message, category, *place, **options)

        warnings.showwarning = show
        yield
