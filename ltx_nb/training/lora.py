"""train_lora(): a LoRA of a loaded model, learned from clips with captions.

peft's adapters on diffusers' transformer, AdamW, flow matching. Resumable, cancelled within a step, and the session is
as it was before when it ends, however it ends. Knows no media: `encoded` makes latents of them.
"""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear as LoraLinear
from tqdm.auto import tqdm

from ltx_nb.checks import choice, finite_number, text, whole_number
from ltx_nb.clip import LANES, Clip
from ltx_nb.loading.loras import REFERENCE
from ltx_nb.pipeline.session import Session
from ltx_nb.request import ClipRequest
from ltx_nb.running.attention import attending_natively
from ltx_nb.running.gguf_linear import GgufLinear
from ltx_nb.running.one_byte import ScaledLinear
from ltx_nb.running.streaming import is_streamed
from ltx_nb.trace import Cancelled
from ltx_nb.training.dataset import read_dataset, reference_columns
from ltx_nb.training.encoded import encode_dataset
from ltx_nb.training.flow import GIVEN, LatentClip, batch_loss
from ltx_nb.training.lora_file import ADAPTER, DATA, adapter_weights, read_state, restore, write_lora, write_state

# Module names that ltx-trainer adapts, by what learns: all attention, or that of one lane with its feed-forward.
TARGETS = {
    "attention": ("to_k", "to_q", "to_v", "to_out.0"),
    "video": tuple(f"{part}.{layer}" for part in ("attn1", "attn2") for layer in ("to_k", "to_q", "to_v", "to_out.0")),
    "audio": tuple(
        f"{part}.{layer}" for part in ("audio_attn1", "audio_attn2") for layer in ("to_k", "to_q", "to_v", "to_out.0")
    ),
}
FEW_CLIPS = 2
WARM_UP_STEPS = 10
MAX_GRADIENT = 1.0
SAVE_EVERY_S = 60.0


@dataclass
class TrainingLog:
    """Record of a training so far: `losses` a step, by lane, and `samples`, (step, clip) pairs, made as it went."""

    losses: list[dict[str, float]] = field(default_factory=list)
    samples: list[tuple[int, Clip]] = field(default_factory=list)


def train_lora(
    session: Session,
    dataset: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    steps: int = 2000,
    rank: int = 16,
    targets: str | Sequence[str] = "attention",
    lr: float = 1e-4,
    batch_size: int = 1,
    lanes: Sequence[str] = LANES,
    given: Mapping[str, float] | None = None,
    trigger: str = "",
    reference: str | Sequence[str] | None = None,
    reference_downscale_factor: int = 1,
    width: int | None = None,
    height: int | None = None,
    num_frames: int | None = None,
    frame_rate: float = 24.0,
    seed: int = 0,
    samples: Sequence[ClipRequest] = (),
    sample_every: int = 250,
    on_step: Callable[[int, TrainingLog], None] | None = None,
    gradient_checkpointing: bool = False,
    resume: bool = True,
    progress: bool = True,
) -> Path:
    """Learn a LoRA from clips and write it to `out`, a .safetensors file; return its path.

    dataset: a folder or table, as `read_dataset` takes it. steps: of AdamW, each on batch_size clips. rank: of the
    matrices; alpha is equal to it. targets: a name in TARGETS, or names of layers as peft matches them. lr: learning
    rate. lanes: what is learned, "video", "audio" or both; another lane is given whole. given: how often, of 1, each
    of GIVEN stands at the start of a clip, so that the LoRA serves those tasks too; default: the first frame, 0.1.
    trigger: a word put before every caption. reference: the table's column that names what each clip is made after,
    "reference_video" or "reference_audio" in ltx-trainer's, or one column for each of several; the LoRA is then an
    IC-LoRA, which asks for `references` where it is used, as many and in that order.
    reference_downscale_factor: by how much smaller than the clips those are encoded. width, height, num_frames: in
    pixels and frames, default the model's; pictures are cropped, and a shorter clip gives the largest 8k + 1 frames
    that it has. seed: of every draw.
    samples, sample_every: requests made with the LoRA as it is, every so many steps. on_step: called after each with
    the number of steps done and the log; what it raises ends the training. gradient_checkpointing: less memory for
    a third more time; what streams needs it. resume: go on from where a training to the same `out` was stopped, lr
    and steps alone may be others.

    Encoded clips and the state to resume from lie in a folder beside `out` that ends in .training.

    Raises ValueError for a dataset or settings that cannot be used, and where the loss stops being a number (the last
    good state is kept); OSError where the disk has no room, what was there kept; Cancelled after `session.cancel()` or
    Ctrl-C, the state kept.
    """
    out = _checked_out(out)
    whole_number("steps", steps, least=1)
    whole_number("rank", rank, least=1)
    whole_number("batch_size", batch_size, least=1)
    finite_number("lr", lr, least=0)
    text("trigger", trigger)
    lanes = (lanes,) if isinstance(lanes, str) else tuple(lanes)
    for lane in lanes:
        choice("lanes", lane, LANES)
    layers = _checked_targets(session.pipe.transformer, targets)
    rates = _checked_rates({"first_frame": 0.1} if given is None else given)
    _check_trainable(session, gradient_checkpointing)
    whole_number("reference_downscale_factor", reference_downscale_factor, least=1)
    examples = read_dataset(dataset, reference)
    if len(examples) < FEW_CLIPS:
        raise ValueError(
            f"{dataset} has {len(examples)} clip; a LoRA needs {FEW_CLIPS} at the least, and 10 to 50 do well"
        )
    work = out.with_suffix(".training")
    clips = encode_dataset(
        session,
        examples,
        work / "clips",
        width=width or session.model.width,
        height=height or session.model.height,
        num_frames=num_frames or session.model.num_frames,
        frame_rate=frame_rate,
        trigger=trigger,
        needs_sound="audio" in lanes,
        reference_downscale_factor=reference_downscale_factor,
        progress=progress,
    )
    about: dict[str, Any] = {
        "base_model": session.model.name,
        "trigger": trigger,
        "rank": rank,
        "targets": layers,
        "lr": lr,
        "batch_size": batch_size,
        "lanes": list(lanes),
        "given": rates,
        "seed": seed,
        DATA: _data_hash(clips),
    }
    if reference is not None:
        about[REFERENCE] = reference_downscale_factor
        about["references"] = list(reference_columns(reference))
    log = TrainingLog()
    transformer = session.pipe.transformer
    adapter = _adapter(transformer, rank, layers, seed, gradient_checkpointing)
    with attending_natively(transformer), adapter:
        optimizer = torch.optim.AdamW([p for p in transformer.parameters() if p.requires_grad], lr=lr, weight_decay=0.0)
        state_file, done = work / "state.safetensors", 0
        must_equal = {name: value for name, value in about.items() if name != "lr"}
        stored = read_state(state_file, must_equal) if resume else None
        if stored is not None:
            restore(stored, transformer, optimizer)
            done, log.losses = stored.step, stored.losses

        def keep(step: int) -> None:
            write_state(state_file, transformer, optimizer, about | {"step": step, "losses": log.losses})

        def after_step(step: int) -> None:
            if samples and (step % sample_every == 0 or step == steps):
                log.samples += [(step, session.run(request, progress=False)) for request in samples]
            if on_step is not None:
                on_step(step, log)

        trainer = _Trainer(session, transformer, optimizer, _by_kind(clips), about, log)
        trainer.run(range(done, steps), keep, after_step, progress)
        return write_lora(out, adapter_weights(transformer), about | {"steps": max(done, steps)}, transformer.dtype)


class _NoNumber(ValueError):
    """A loss that is NaN or infinite."""


@dataclass
class _Trainer:
    session: Session
    transformer: torch.nn.Module
    optimizer: torch.optim.Optimizer
    kinds: list[list[LatentClip]]
    about: Mapping[str, Any]
    log: TrainingLog

    def run(self, steps: range, keep: Callable[[int], None], after_step: Callable[[int], None], progress: bool) -> None:
        """Take the steps, keeping the state from time to time and however they end."""
        self.session.begin()
        done, kept, kept_at = steps.start, steps.start, monotonic() if steps.start else -math.inf

        def is_good(step: int) -> None:
            # A state is kept once the loss that it gives is known to be a number.
            nonlocal kept, kept_at
            if monotonic() - kept_at > SAVE_EVERY_S:
                keep(step)
                kept, kept_at = step, monotonic()

        try:
            bar = tqdm(steps, desc="training", initial=steps.start, total=steps.stop, disable=not progress)
            for step in bar:
                with self.session.exclusively():
                    losses = self._step(step, is_good)
                self.log.losses.append(losses)
                done = step + 1
                bar.set_postfix({lane: f"{loss:.3f}" for lane, loss in losses.items()}, refresh=False)
                after_step(done)
                if self.session.is_cancelled:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            keep(done)
            raise Cancelled(f"the training was cancelled after {done} steps; call it again to go on", None) from None
        except _NoNumber as error:
            nearest = (
                "begin anew with resume=False and a smaller lr"
                if done == steps.start > 0
                else f"the state after {kept} steps is kept: call it again with a smaller lr"
            )
            raise ValueError(f"{error}; {nearest} than {self.about['lr']:g}") from None
        except BaseException:
            keep(done)
            raise
        keep(done)

    def _step(self, step: int, is_good: Callable[[int], None]) -> dict[str, float]:
        # The draws of a step depend on its number alone, so that a resumed training takes the same ones.
        generator = torch.Generator().manual_seed(self.about["seed"] * 1_000_003 + step)
        shares = torch.tensor([float(len(clips)) for clips in self.kinds])
        clips = self.kinds[int(torch.multinomial(shares, 1, generator=generator))]
        picked = torch.randint(len(clips), (min(self.about["batch_size"], len(clips)),), generator=generator)
        for group in self.optimizer.param_groups:
            group["lr"] = self.about["lr"] * min(1.0, (step + 1) / WARM_UP_STEPS)
        self.optimizer.zero_grad(set_to_none=True)
        losses = batch_loss(
            self.transformer, [clips[i] for i in picked], generator, self.about["given"], self.about["lanes"]
        )
        loss = torch.stack(list(losses.values())).sum()
        if not math.isfinite(float(loss.detach())):
            raise _NoNumber(f"the loss of step {step + 1} is {float(loss.detach())}")
        is_good(step)
        loss.backward()
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(trained, MAX_GRADIENT)
        self.optimizer.step()
        return {lane: float(value.detach()) for lane, value in losses.items()}


@contextmanager
def _adapter(
    transformer: torch.nn.Module, rank: int, targets: Sequence[str], seed: int, checkpointing: bool
) -> Iterator[None]:
    """Give the transformer a new adapter, the only weights that learn, and take it out again."""
    learned_before = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
    transformer.requires_grad_(False)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unsupported layer type")  # ScaledLinear, which is a Linear to peft
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(targets))
        config._register_custom_module({ScaledLinear: LoraLinear})
        transformer.add_adapter(config, ADAPTER)
    for parameter in transformer.parameters():
        if (
            parameter.requires_grad
        ):  # in bf16 most steps would be rounded away, and peft takes fp8 where the base has it
            parameter.data = parameter.data.float()
    if checkpointing:
        transformer.enable_gradient_checkpointing()
    try:
        yield
    finally:
        if checkpointing:
            transformer.disable_gradient_checkpointing()
        transformer.unload_lora()
        for parameter in learned_before:
            parameter.requires_grad_(True)


def _by_kind(clips: Sequence[LatentClip]) -> list[list[LatentClip]]:
    kinds: dict[Any, list[LatentClip]] = defaultdict(list)
    for clip in clips:
        kinds[clip.kind].append(clip)
    return list(kinds.values())


def _data_hash(clips: Sequence[LatentClip]) -> str:
    """SHA-256 over everything that is learned from, in order."""
    digest = hashlib.sha256()
    for clip in clips:
        for tensor in (
            clip.video,
            clip.audio,
            *(clip.text[name] for name in sorted(clip.text)),
            *clip.references,
            *clip.reference_sounds,
        ):
            digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _checked_out(out: str | os.PathLike[str]) -> Path:
    path = Path(out)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path.name} does not end in .safetensors; nearest: {path.with_suffix('.safetensors').name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ValueError(f"{path.parent} is a file, and {path.name} needs a folder there; give another out") from None
    return path


def _checked_targets(transformer: torch.nn.Module, targets: str | Sequence[str]) -> list[str]:
    """Return names of layers to adapt. Raises ValueError for one that none of the transformer's has."""
    if isinstance(targets, str):
        return list(TARGETS[choice("targets", targets, TARGETS)])
    names = [
        name for name, module in transformer.named_modules() if isinstance(module, (torch.nn.Linear, ScaledLinear))
    ]
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in names):
            raise ValueError(
                f"targets={target!r} is no layer of the transformer; nearest: one of {', '.join(TARGETS)}, or ends of "
                f"names such as {names[-1]!r}"
            )
    return list(targets)


def _checked_rates(given: Mapping[str, float]) -> dict[str, float]:
    rates = {choice("given", name, GIVEN): finite_number(name, rate, 0, 1) for name, rate in given.items()}
    if sum(rates.values()) > 1:
        raise ValueError(
            f"the rates of given add up to {sum(rates.values()):g}; they share 1, and the rest is for nothing"
        )
    return rates


def _check_trainable(session: Session, checkpointing: bool) -> None:
    transformer = session.pipe.transformer
    if any(isinstance(module, GgufLinear) for module in transformer.modules()):
        raise ValueError(
            "this session's transformer is GGUF, which nothing is learned through yet; nearest: the same model in bf16 "
            "or fp8"
        )
    if getattr(transformer, "peft_config", None):
        raise ValueError(
            f"the transformer has the adapters {', '.join(transformer.peft_config)}; nearest: "
            "load(model, loras=[...]), which adds them to the weights that are learned on"
        )
    if is_streamed(transformer) and not checkpointing:
        raise ValueError(
            "this session's blocks stream, and what they make is not kept for the way back; nearest: "
            "gradient_checkpointing=True"
        )
