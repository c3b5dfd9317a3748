"""One training loop for every stage: resumable, logged, seeded. Knows no model and no loss."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch

from .. import architecture

WORKDIR = Path("outputs/tiny-training")
WARM_UP_STEPS = 20
MAX_GRADIENT = 1.0  # a batch of rare, loud errors must not undo many quiet ones


class Stage:
    """What a stage supplies. `phases` are (steps, *settings); the settings in force come from `phase_at(step)`."""

    name: str
    phases: tuple[tuple, ...]

    def build(self):
        """Return ({name: module}, optimizer)."""
        raise NotImplementedError

    def loss(self, rng: np.random.Generator, step: int):
        """Return (loss, {name: number to log}) of one fresh batch."""
        raise NotImplementedError

    def finish(self) -> dict:
        """Measure, store what derives from the weights; return numbers for the record."""
        raise NotImplementedError

    def lr_factor(self, progress: float) -> float:
        return 1.0

    @property
    def total_steps(self) -> int:
        return sum(phase[0] for phase in self.phases)

    def phase_at(self, step: int) -> tuple:
        for steps, *settings in self.phases:
            if step < steps:
                return tuple(settings)
            step -= steps
        return tuple(self.phases[-1][1:])


def parse_arguments(description: str | None) -> argparse.Namespace:
    """`--workdir` and `--threads`, the latter set at once."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--workdir", type=Path, default=WORKDIR)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    return args


def run_stage(stage: Stage, workdir: Path, save_every_s: float = 120) -> dict:
    """Train `stage` to its end, resuming from `workdir` where a checkpoint is; return what `finish` measured."""
    folder = workdir / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / "checkpoint.pt", folder / "log.jsonl"

    torch.manual_seed(0)
    modules, optimizer = stage.build()
    step = 0
    if checkpoint.exists():
        stored = torch.load(checkpoint, weights_only=True)
        step = stored["step"]
        for name, module in modules.items():
            module.load_state_dict(stored[name])
        optimizer.load_state_dict(stored["optimizer"])

    def save():
        states = {name: module.state_dict() for name, module in modules.items()}
        torch.save({"step": step, "optimizer": optimizer.state_dict(), **states}, folder / "checkpoint.tmp")
        os.replace(folder / "checkpoint.tmp", checkpoint)

    saved = time.monotonic()
    while step < stage.total_steps:
        began = time.monotonic()
        rng = np.random.default_rng((1, step))
        torch.manual_seed(step)
        optimizer.scale_lr(min(1.0, (step + 1) / WARM_UP_STEPS) * stage.lr_factor(step / stage.total_steps))
        loss, numbers = stage.loss(rng, step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for module in modules.values() for p in module.parameters()], MAX_GRADIENT)
        optimizer.step()
        step += 1
        if step % 10 == 0:
            row = {"step": step, "loss": float(loss.detach()), **numbers, "seconds": time.monotonic() - began}
            row = {key: round(value, 5) for key, value in row.items()}
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
        if time.monotonic() - saved > save_every_s:
            save()
            saved = time.monotonic()
    result = stage.finish()
    save()
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    print(result, flush=True)
    return result


def trained_components(workdir: Path) -> dict[str, torch.nn.Module]:
    """The components trained so far by their names in a pipeline, ready for use; untrained ones are left out."""
    makers = {
        "video_vae": {"vae": architecture.video_vae},
        "audio_vae": {"audio_vae": architecture.audio_vae},
        "vocoder": {"vocoder": architecture.vocoder},
        "latent_upsampler": {"latent_upsampler": architecture.latent_upsampler},
        "transformer": {"transformer": architecture.transformer, "connectors": architecture.connectors},
    }
    made = {}
    for stage, components in makers.items():
        path = workdir / stage / "checkpoint.pt"
        if path.exists():
            stored = torch.load(path, weights_only=True)
            for name, make in components.items():
                made[name] = make().eval().requires_grad_(False)
                made[name].load_state_dict(stored[name])
    distilled = workdir / "distillation" / "checkpoint.pt"
    if distilled.exists():
        stored = torch.load(distilled, weights_only=True)
        for name in makers["transformer"]:
            made[name].load_state_dict(stored[name])
    refined = workdir / "video_decoder" / "checkpoint.pt"
    if refined.exists():
        made["vae"].decoder.load_state_dict(torch.load(refined, weights_only=True)["decoder"])
    return made
