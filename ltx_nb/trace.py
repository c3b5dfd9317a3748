"""Records of a run, step by step, of both modalities; and the ways in which a run ends early.

Latents are the model's own: normalised by the VAE's statistics, video [C, F, H, W] and audio [C, L, M] a step.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ltx_nb.checks import finite_number
from ltx_nb.whole_files import whole_file

if TYPE_CHECKING:
    import torch

FORMAT = "ltx-nb-trace/1"
_LATENTS = ("latents", "audio_latents")
_X0 = ("x0", "audio_x0")


@dataclass(frozen=True)
class StepEvent:
    """One denoising step. As it happens, its tensors are views of the run's own on its device: copy what you keep, and
    return what is to be other than it is.

    sigma: the noise level of `latents`, which this step started from; `x0` is what it predicts of the clean latents,
    after guidance and blending. predictions: x0 of every transformer pass before guidance, by LTX2Guidance's names
    (pred_cond, pred_uncond, pred_cond_stg, pred_cond_modality) as (video, audio); empty where there is one pass.
    stage: 1, or 2 for the refinement at double size. In a Trace, tensors are fp16 on the CPU, and what its budget had
    no room for is None or empty.
    """

    index: int
    num_steps: int
    stage: int
    sigma: float
    latents: torch.Tensor | None
    audio_latents: torch.Tensor | None
    x0: torch.Tensor | None
    audio_x0: torch.Tensor | None
    predictions: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor there is, with a name that is unique in the step."""
        for name in (*_LATENTS, *_X0):
            if getattr(self, name) is not None:
                yield name, getattr(self, name)
        for name, (video, audio) in self.predictions.items():
            yield f"{name}.video", video
            yield f"{name}.audio", audio


class Trace:
    """The steps of a run, as `StepEvent`s in fp16 on the CPU, within a budget of memory.

    Where the budget is short, the passes before guidance are left out first, then the noisy latents, then all tensors
    of some of the steps, evenly, the last step kept; `notes` says so.
    """

    def __init__(self, budget_mb: float = 512, num_stages: int = 1):
        self.steps: list[StepEvent] = []
        self.notes: list[str] = []
        self._budget_bytes = finite_number("trace_budget_mb", budget_mb, least=0) * 1e6 / num_stages
        self._every = 1
        self._left_out: set[str] = set()

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        stages = {step.stage for step in self.steps}
        return f"Trace({len(self)} steps, {len(stages)} stage(s), {self.num_bytes / 1e6:.3g} MB)"

    @property
    def num_bytes(self) -> int:
        return sum(tensor.nbytes for step in self.steps for _, tensor in step.tensors())

    def record(self, event: StepEvent) -> None:
        """Copy a step as it happens."""
        if event.index == 0:
            self._plan(event)
        whole = (event.num_steps - 1 - event.index) % self._every == 0
        left_out = self._left_out if whole else {*_LATENTS, *_X0, "predictions"}
        kept = {name: _half(getattr(event, name)) for name in (*_LATENTS, *_X0) if name not in left_out}
        predictions = {} if "predictions" in left_out else event.predictions
        copies = {name: (_half(video), _half(audio)) for name, (video, audio) in predictions.items()}
        nothing = dict.fromkeys((*_LATENTS, *_X0))
        self.steps.append(replace(event, **(nothing | kept), predictions=copies))

    def _plan(self, event: StepEvent) -> None:
        """Decide what of each step of this stage fits into the budget, from the sizes in its first."""
        sizes = {name: 2 * tensor.numel() for name, tensor in event.tensors()}
        x0, latents = (sum(sizes[name] for name in names) for names in (_X0, _LATENTS))
        room = self._budget_bytes / event.num_steps
        self._every, self._left_out = 1, set()
        if sum(sizes.values()) <= room:
            return
        self._left_out = {"predictions"}
        if x0 + latents <= room:
            self.notes.append(f"stage {event.stage}: the budget has no room for the passes before guidance")
            return
        self._left_out |= set(_LATENTS)
        self._every = max(-(-x0 // max(int(room), 1)), 1)
        fits = f"x0 of every {self._every}th step" if self._every > 1 else "x0"
        self.notes.append(f"stage {event.stage}: the budget has room for {fits} only")
        if x0 > self._budget_bytes:
            self._left_out |= set(_X0)
            self.notes[-1] = f"stage {event.stage}: the budget has no room for the tensors of one step"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a .safetensors file, whole or not at all."""
        from safetensors.torch import save_file

        path = Path(path)
        tensors = {
            f"{n}.{name}": tensor.contiguous() for n, step in enumerate(self.steps) for name, tensor in step.tensors()
        }
        scalars = [
            {name: getattr(step, name) for name in ("index", "num_steps", "stage", "sigma")} for step in self.steps
        ]
        with whole_file(path) as unfinished:
            content = json.dumps({"steps": scalars, "notes": self.notes})
            save_file(tensors, unfinished, {"format": FORMAT, "trace": content})
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Read what `save` wrote. Raises ValueError for another file."""
        from safetensors import SafetensorError, safe_open

        trace = cls()
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ValueError(f"{os.fspath(path)!r} is not a trace; Trace.save writes them")
                names = sorted(file.keys())
                content = json.loads(metadata["trace"])
                for n, scalars in enumerate(content["steps"]):
                    mine = {name.split(".", 1)[1]: file.get_tensor(name) for name in names if name.startswith(f"{n}.")}
                    passes = sorted({name.split(".")[0] for name in mine if "." in name})
                    predictions = {name: (mine[f"{name}.video"], mine[f"{name}.audio"]) for name in passes}
                    plain = {name: mine.get(name) for name in (*_LATENTS, *_X0)}
                    trace.steps.append(StepEvent(**scalars, **plain, predictions=predictions))
                trace.notes = content["notes"]
        except (SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{os.fspath(path)!r} is not a trace: {error!r}") from error
        return trace


class Cancelled(BaseException):
    """The run was cancelled. `trace` holds the steps so far, or is None if none was asked for.

    As KeyboardInterrupt, it is no Exception, so that a loop that goes on after errors ends with it.
    """

    def __init__(self, message: str, trace: Trace | None = None):
        super().__init__(message)
        self.trace = trace


def stop_if_cancelled(cancel_event: threading.Event | None) -> None:
    """End a run once the event is set, as Ctrl-C does; `Session.run` makes Cancelled of it.

    KeyboardInterrupt passes through diffusers' blocks without their error logs.
    """
    if cancel_event is not None and cancel_event.is_set():
        raise KeyboardInterrupt


def _half(tensor: torch.Tensor) -> torch.Tensor:
    import torch

    return tensor.detach().to("cpu", torch.float16, copy=True)
