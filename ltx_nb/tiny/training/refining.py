"""The loop that goes on from finished weights for a given time: what a card is used for.

Where `loop.run_stage` counts steps and resumes bit for bit, this one fits its learning rate to the time it is given,
and what it keeps is an average of the weights. It never waits for the card but to log.
"""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from ltx_nb.whole_files import whole_file

from .muon import Muon

WARM_UP_STEPS = 60
LOG_STEPS, WRITE_S = 50, 60.0
MAX_GRADIENT = 1.0
FILE_BYTES = 15_000_000  # what is written is split, so that it is easily moved


class Refinement:
    """Parts that a refinement supplies; `learned` are its modules in training by the names of a pipeline."""

    name: str
    learned: torch.nn.ModuleDict
    optimizer: Muon
    ema = 0.998

    def __init__(self, folder: Path, device: torch.device, scale: float = 1.0, share: float = 1.0):
        """Load what `folder`, a diffusers folder, holds. scale: of batches; share: of the world that is encoded."""
        raise NotImplementedError

    def loss(self, progress: float) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of a fresh batch and numbers to log, all on the device."""
        raise NotImplementedError

    def kept(self, average: torch.nn.ModuleDict) -> dict[str, torch.Tensor]:
        """State to write, by component and name."""
        return {key.replace(".", "/", 1): value for key, value in average.state_dict().items()}

    def average_changed(self, average: torch.nn.ModuleDict, progress: float) -> None:
        """Take note of the average, if a part of the time needs it."""

    def lr_factor(self, progress: float) -> float:
        return 1 - progress


def refine(part: Refinement, out: Path, until_s: float, max_steps: int | None = None) -> None:
    """Train until a moment of `time.monotonic`, and write `out`/NAME.safetensors (bf16) every minute and at the end."""
    out.mkdir(parents=True, exist_ok=True)
    device = next(part.learned.parameters()).device
    average = copy.deepcopy(part.learned).requires_grad_(False)
    pairs = list(zip(average.parameters(), part.learned.parameters(), strict=True))
    averages, values = [[p.detach() for p in side] for side in zip(*pairs, strict=True)]
    learned = [p for p in part.learned.parameters() if p.requires_grad]
    began = written = logged = time.monotonic()
    step = logged_step = 0
    try:
        while (now := time.monotonic()) < until_s and step != max_steps:
            progress = (now - began) / (until_s - began) if max_steps is None else step / max_steps
            part.average_changed(average, progress)
            part.optimizer.scale_lr(min(1.0, (step + 1) / WARM_UP_STEPS) * part.lr_factor(progress))
            with torch.autocast(device.type, torch.bfloat16):
                loss, numbers = part.loss(progress)
            part.optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(learned, MAX_GRADIENT)
            part.optimizer.step()
            step += 1
            torch._foreach_lerp_(averages, values, 1 - min(part.ema, (1 + step) / (10 + step)))
            if step % LOG_STEPS == 0 or step in (1, 2, 3, 5, 10, 20):
                row = {"loss": loss.detach(), "norm": norm, **numbers}
                row = {key: round(float(value), 5) for key, value in row.items()}
                now = time.monotonic()
                rate, logged, logged_step = (step - logged_step) / (now - logged), now, step
                memory = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
                row |= {"step": step, "at_s": round(now - began, 1)}
                row |= {"steps_per_s": round(rate, 2), "gib": round(memory, 1)}
                print(part.name, json.dumps(row), flush=True)
            if time.monotonic() - written > WRITE_S:
                _write(part, average, out)
                written = time.monotonic()
    finally:  # whatever happens, what there is is written
        _write(part, average, out)
        print(part.name, f"{step} steps in {time.monotonic() - began:.0f} s", flush=True)


def _write(part: Refinement, average: torch.nn.ModuleDict, out: Path) -> None:
    state = {key: value.detach() for key, value in part.kept(average).items()}
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        print(part.name, "has numbers that are not finite: not written", flush=True)
        return
    chunks: list[dict[str, torch.Tensor]] = [{}]
    for key, value in state.items():
        short = value.to(torch.bfloat16).cpu().contiguous()
        if sum(one.nbytes for one in chunks[-1].values()) + short.nbytes > FILE_BYTES:
            chunks.append({})
        chunks[-1][key] = short
    for number, chunk in enumerate(chunks):
        with whole_file(out / f"{part.name}-{number}.safetensors") as path:
            save_file(chunk, path)
