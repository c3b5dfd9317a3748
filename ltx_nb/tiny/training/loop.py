"""One training loop for every stage: seeded, logged, within a time, on a card or a CPU. Knows no model and no loss.

What it goes on from is one file, `training.safetensors`, of at most 60 MB, so that training can move between machines:
the weights in training as they are, their averages in fp16, the optimizer's moments in bf16, and the position. Every
`save_every` steps what is in memory is rounded to what the file holds, whether or not it is written then. So a run that
was stopped anywhere and goes on ends, on a CPU, at the same weights bit for bit.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ltx_nb.whole_files import whole_file

from .. import architecture

WORKDIR = Path("outputs/tiny-training")
STATE_NAME, WEIGHTS_NAME, LOG_NAME = "training.safetensors", "weights.safetensors", "log.jsonl"
MAX_STATE_BYTES = 60_000_000  # without the moments where they would be too much
WRITE_S = 20.0  # the file is written no more often, but where a run stops
WARM_UP_STEPS = 20
MAX_GRADIENT = 1.0  # a batch of rare, loud errors must not undo many quiet ones
CARD_BATCHES = 8  # times the batch of a CPU, which a card does in little more than the time of one


class TrainingStage:
    """Parts that a stage supplies. `phases` are (steps, *settings); the settings in force come from `phase_at(step)`.

    device: where it computes; `scale`: how many times larger its batches are there than on a CPU.
    """

    name: str
    phases: tuple[tuple, ...]
    save_every = 20  # steps
    device = torch.device("cpu")
    scale = 1

    def build(self):
        """Return ({name: module}, optimizer)."""
        raise NotImplementedError

    def loss(self, rng: np.random.Generator, step: int):
        """Return (loss, {name: number to log}) of one fresh batch."""
        raise NotImplementedError

    def finish(self) -> dict:
        """Measure, store what derives from the weights; return numbers for the record."""
        raise NotImplementedError

    def hot_modules(self) -> list[torch.nn.Module]:
        """Modules that are worth compiling where there is a card."""
        return []

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

    def move_to(self, device: torch.device) -> None:
        """Bring every module and tensor that the stage holds to a device, and compile there what is hot."""
        self.device = device
        for name, value in vars(self).items():
            if isinstance(value, torch.nn.Module):
                value.to(device)
            elif isinstance(value, torch.Tensor):
                setattr(self, name, value.to(device))
        if device.type == "cuda":
            self.scale = CARD_BATCHES
            for module in self.hot_modules():
                module.compile(dynamic=False)


def run_stage(
    stage: TrainingStage, workdir: Path, device: str | torch.device = "cpu", until_s: float | None = None
) -> dict | None:
    """Train `stage` to its end, going on from `workdir` where it was left; return what `finish` measured.

    until_s: a moment of `time.monotonic` from which on to stop, at the next of every `save_every` steps; then None is
        returned.
    """
    folder = workdir / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    modules, optimizer = stage.build()
    for module in modules.values():
        module.to(device)
    stage.move_to(torch.device(device))
    step, spent_s = _load(workdir / STATE_NAME, stage, modules, optimizer)
    learned = [p for module in modules.values() for p in module.parameters() if p.requires_grad]
    began = written = time.monotonic()
    began -= spent_s
    while step < stage.total_steps:
        if step % stage.save_every == 0 and until_s is not None and time.monotonic() > until_s:
            return None
        before = time.monotonic()
        rng = np.random.default_rng((1, step))
        torch.manual_seed(step)
        optimizer.scale_lr(min(1.0, (step + 1) / WARM_UP_STEPS) * stage.lr_factor(step / stage.total_steps))
        with torch.autocast(stage.device.type, torch.bfloat16, enabled=stage.device.type == "cuda"):
            loss, numbers = stage.loss(rng, step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, MAX_GRADIENT)
        optimizer.step()
        step += 1
        if step % 10 == 0:
            now = time.monotonic()
            row = {"step": step, "loss": float(loss.detach()), **numbers, "seconds": now - before, "at_s": now - began}
            row = {key: round(value, 5) for key, value in row.items()}
            with (folder / LOG_NAME).open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(stage.name, row, flush=True)
        if step % stage.save_every == 0:
            now = time.monotonic()
            state = _rounded_state(modules, optimizer)
            if now - written > WRITE_S or (until_s is not None and now > until_s):
                _write(workdir / STATE_NAME, state, stage, step, now - began)
                written = now
    result = stage.finish()
    _write(workdir / STATE_NAME, _rounded_state(modules, optimizer), stage, step, time.monotonic() - began)
    weights = {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    kept = {key: value.detach().cpu().contiguous() for key, value in weights.items() if not key.startswith("training/")}
    with whole_file(folder / WEIGHTS_NAME) as part:
        save_file(kept, part)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    print(stage.name, result, flush=True)
    return result


@torch.no_grad()
def _rounded_state(modules: dict[str, torch.nn.Module], optimizer: Any) -> dict[str, torch.Tensor]:
    """State that `_load` goes on from, with what is in memory rounded to it."""
    tensors = {}
    for name, module in modules.items():
        is_learned = any(p.requires_grad for p in module.parameters())
        for key, value in module.state_dict().items():
            is_average = value.is_floating_point() and not is_learned
            tensors[f"{name}/{key}"] = _rounded(value, torch.float16) if is_average else value
    moments = {}
    for index, parameter in enumerate(_parameters(optimizer)):
        for key, value in optimizer.state.get(parameter, {}).items():
            moment = _rounded(value, torch.bfloat16) if torch.is_tensor(value) else torch.tensor(value)
            moments[f"optimizer/{index}/{key}"] = moment
    if sum(tensor.nbytes for tensor in (*tensors.values(), *moments.values())) > MAX_STATE_BYTES:
        optimizer.state.clear()
        moments = {}
    return tensors | moments


def _rounded(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    short = value.to(dtype)
    value.copy_(short)
    return short


def _write(path: Path, state: dict[str, torch.Tensor], stage: TrainingStage, step: int, spent_s: float) -> None:
    position = {"stage": stage.name, "step": str(step), "spent_s": f"{spent_s:.1f}"}
    with whole_file(path) as part:
        save_file({key: value.detach().cpu().contiguous() for key, value in state.items()}, part, position)


def _load(path: Path, stage: TrainingStage, modules: dict[str, torch.nn.Module], optimizer: Any) -> tuple[int, float]:
    """Steps done and seconds spent; 0 where the file is not there or of another stage."""
    if not path.is_file():
        return 0, 0.0
    with safe_open(path, "pt") as file:
        position = file.metadata()
        if position["stage"] != stage.name:
            return 0, 0.0
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    for name, module in modules.items():
        module.load_state_dict({key: stored[f"{name}/{key}"] for key in module.state_dict()})
    parameters = list(_parameters(optimizer))
    for key, value in stored.items():
        if key.startswith("optimizer/"):
            _, index, name = key.split("/")
            parameter = parameters[int(index)]
            moment = value.item() if value.ndim == 0 else value.to(parameter.device, parameter.dtype)
            optimizer.state[parameter][name] = moment
    return int(position["step"]), float(position["spent_s"])


def _parameters(optimizer: Any):
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def is_done(workdir: Path, name: str) -> bool:
    return (workdir / name / WEIGHTS_NAME).is_file()


def stage_weights(workdir: Path, name: str, component: str) -> dict[str, torch.Tensor]:
    """The weights of one component that a stage has finished, by their names in it."""
    stored = load_file(workdir / name / WEIGHTS_NAME)
    return {key.partition("/")[2]: value for key, value in stored.items() if key.startswith(f"{component}/")}


def trained_components(workdir: Path) -> dict[str, torch.nn.Module]:
    """The components trained so far by their names in a pipeline, ready for use; untrained ones are left out."""
    makers = {
        "video_vae": {"vae": architecture.video_vae},
        "audio_vae": {"audio_vae": architecture.audio_vae},
        "vocoder": {"vocoder": lambda: architecture.vocoder(channels=1)},
        "latent_upsampler": {"latent_upsampler": architecture.latent_upsampler},
        "transformer": {"transformer": architecture.transformer, "connectors": architecture.connectors},
    }
    made = {}
    for stage, components in makers.items():
        if is_done(workdir, stage):
            for name, make in components.items():
                made[name] = make().eval().requires_grad_(False)
                made[name].load_state_dict(stage_weights(workdir, stage, name))
    if "vocoder" in made:
        made["vocoder"] = architecture.both_ears(made["vocoder"]).eval().requires_grad_(False)
    if is_done(workdir, "distillation"):
        for name in makers["transformer"]:
            made[name].load_state_dict(stage_weights(workdir, "distillation", name))
    if is_done(workdir, "video_decoder"):
        made["vae"].decoder.load_state_dict(stage_weights(workdir, "video_decoder", "decoder"))
    return made


def table(workdir: Path, names: tuple[str, ...]) -> str:
    """A line for each stage that has begun: steps, seconds, its loss, and when it was first that near to it."""
    near = (2.0, 1.2, 1.05)
    lines = [f"{'stage':<18}{'steps':>7}{'seconds':>9}{'loss':>10}" + "".join(f"{f'to x{one}':>10}" for one in near)]
    for name in names:
        path = workdir / name / LOG_NAME
        if not path.is_file():
            continue
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        loss = np.array([row["loss"] for row in rows])
        smooth = np.array([loss[max(0, at - 9) : at + 1].mean() for at in range(len(loss))])  # of a hundred steps
        when = [rows[int(np.argmax(smooth <= one * smooth[-1]))]["at_s"] for one in near]
        last = f"{name:<18}{rows[-1]['step']:>7}{rows[-1]['at_s']:>9.0f}{smooth[-1]:>10.4g}"
        lines.append(last + "".join(f"{one:>8.0f} s" for one in when))
    return "\n".join(lines)
