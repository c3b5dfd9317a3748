"""load(): a model of the catalogue, a folder or an official file, as a Session that fits where it is to run.

Puts the steps in their order; each is a module of its own: which files (`files`, `download`), what is in them
(`folder`, `single_file`, `text_encoder`), what becomes of the weights (`loras`, `quantised`), where they lie (`place`).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from diffusers.utils import logging as diffusers_logging
from huggingface_hub import constants
from transformers.utils import logging as transformers_logging

from ltx_nb.applied_lora import AppliedLora
from ltx_nb.catalogue.checkpoints import find_model
from ltx_nb.catalogue.models import Model
from ltx_nb.catalogue.parameters import GEMMA, ParameterCounts, counts_of_parts, parameter_counts, text_dimensions
from ltx_nb.checks import choice
from ltx_nb.loading.download import naming
from ltx_nb.loading.folder import read_folder, write_folder
from ltx_nb.loading.loras import (
    LoraSource,
    applied_loras,
    listed,
    parameters_of_loras,
    reference_factor,
    switched_loras,
)
from ltx_nb.loading.model_files import (
    TOKENIZER_ALONE,
    Located,
    converted_folder,
    files_of,
    located,
    stage_2_lora_of,
    to_download,
)
from ltx_nb.loading.official import read_upscalers
from ltx_nb.loading.place import change_weights, place
from ltx_nb.loading.session_loras import LoraNotes, found_loras, lora_notes, use_loras
from ltx_nb.loading.single_file import single_file_components
from ltx_nb.loading.text_encoder import read_text_encoder, read_tokenizer
from ltx_nb.loading.weight_files import opened
from ltx_nb.pipeline.blocks import ClipBlocks
from ltx_nb.pipeline.out_of_memory import Fit
from ltx_nb.pipeline.prompt_cache import PromptCache, fingerprint
from ltx_nb.pipeline.session import Session
from ltx_nb.planning import Plan, this_machine
from ltx_nb.planning.fitting import lacks, on_machine
from ltx_nb.planning.planner import chosen_preset, plan_to_load
from ltx_nb.planning.presets import ALL_BLOCKS, COMPUTES, Preset
from ltx_nb.planning.storage import needs_int8_files
from ltx_nb.remote.services import is_remote
from ltx_nb.request import DEFAULT_UPSCALER
from ltx_nb.running.attention import attend_by, best_attention, check_attention, check_name, head_channels
from ltx_nb.running.products import can_multiply

__all__ = ["LoraNotes", "found_loras", "load", "lora_notes", "use_loras"]

if TYPE_CHECKING:
    from ltx_nb.remote.embedding import PromptEndpoint

OFFLOADS = ("none", "ram", "disk")
BLOCK_SOURCES = OFFLOADS[1:]
TEXTS = ("cached", "stream", "resident")
KEPT = Path(constants.HF_HOME) / "ltx-nb"  # what is made here, as long as nobody removes it
COMPUTE_DTYPES = {2: torch.bfloat16, 4: torch.float32}
DTYPES = (torch.bfloat16, torch.float16, torch.float32)


def load(
    model: str | os.PathLike[str] = "tiny",
    preset: str | Preset = "auto",
    *,
    dtype: torch.dtype | None = None,
    compute: str | None = None,
    attention: str | None = None,
    offload: str | None = None,
    text: str | PromptEndpoint | None = None,
    loras: LoraSource | Sequence[LoraSource] = (),
    stage_2_loras: LoraSource | Sequence[LoraSource] | None = None,
    upscalers: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    folder: str | os.PathLike[str] | None = None,
    parts: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    text_encoder: str | os.PathLike[str] | None = None,
    prompt_cache: str | os.PathLike[str] | None = None,
    converted: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
) -> Session:
    """Load a model and return its Session.

    model: a name in `ltx_nb.catalogue.models`, the path of an official single file, or that of a folder. A file may be
        GGUF, and one of the transformer alone. Or a service that is paid, "fal:ltx-2.3/fast" or
        "ltx-api:ltx-2-3-pro": then a `ltx_nb.remote.RemoteSession`, which takes nothing of the rest.
    preset: how it is to fit: a name in `ltx_nb.planning.presets`, one of your own, or "auto" for what this machine has
        free; a model that is small beside that is left as it is.
    dtype: of activations and of all weights but those of one byte, instead of the preset's.
    compute: how attention and feed-forward are multiplied, instead of the preset's: "int8" or "fp8" brings their
        weights to that, and activations by token; "float" multiplies in the dtype of activations, as layers of files
        whose int8 is rotated do in any case.
    attention: a backend of diffusers, such as "native", "_native_cudnn" or "sage", instead of the best that works here:
        torch's own, or SageAttention's int8 where that is installed and the card is a GeForce of Ampere or later.
        Backends that are downloaded from the hub are not run.
    offload: where blocks wait that do not stay on the accelerator, instead of the preset's: page-locked "ram"; "disk",
        from which they are read anew in every forward; "none" keeps everything on the accelerator.
    text: "resident" keeps the text encoder and the connectors on the accelerator, the default for a small model;
        "stream" has a few of their layers there at a time; "cached", else the default, also keeps encoded prompts on
        disk. Or a `ltx_nb.remote.PromptEndpoint`, to which prompts are sent instead, so that an official single file
        does without Gemma; what a LoRA changes of the connectors is then without effect.
    loras: a path, or (path, scale), or several, added to the weights before those are quantised. An IC-LoRA is one by
        its metadata; its session asks for `references`.
    stage_2_loras: the same, on in second stages alone and kept beside the weights. By default the one that the model's
        second stage is made for, where it lies beside the model's file or in the hub's cache; () for none.
    upscalers: latent upscalers beside x2: "spatial-x1.5", "temporal-x2", or files of such. Where these lie beside the
        model's file, or where others of its files are looked for, they come along unasked.
    folder: where the files of a model in the catalogue lie, instead of its repository.
    parts: further files of a model that is split; what none of them has is taken from the catalogue's folder.
    text_encoder: Gemma 3 instead of the catalogue's: a folder, a safetensors or GGUF file, or a hub repository.
    prompt_cache: the folder of encoded prompts; by default one beside the hub's cache, for text="cached".
    converted: a folder in which the model is kept as it was changed, so that the next load reads that; by default
        there is one, beside the hub's cache, only where blocks stream in int8 from the disk.
    device: "cpu" tries a card's preset without the card.

    Files are looked for in the folders that LTX_NB_MODELS names, ComfyUI's `models` for one, and in the hub's cache.
    What is not here is downloaded, after licence, size and free disk were printed. Raises ValueError for an unknown
    name and for a file that is not whole, DoesNotFit (a ValueError) before any download where the preset has no room
    for the model, FileNotFoundError where weights are missing, PermissionError for a gated repository.
    """
    if isinstance(model, str) and is_remote(model):
        return cast(Session, _remote_session(model, locals()))
    entry, loras = find_model(model), listed(loras)
    follows = reference_factor(loras)
    if folder is not None:
        entry = replace(entry, weights=os.path.abspath(folder))
    parts = (parts,) if isinstance(parts, (str, os.PathLike)) else tuple(parts)
    upscalers = (upscalers,) if isinstance(upscalers, (str, os.PathLike)) else tuple(upscalers)
    if text_encoder is not None and entry.file is None and entry.text_encoder is None:
        raise ValueError(f"text_encoder is for official single files; the folder of {entry.name!r} has its own")
    if parts and entry.file is None:
        raise ValueError(f"parts are for official files that are split; {entry.name!r} is a folder")
    if offload is not None:
        choice("offload", offload, OFFLOADS)
    if compute is not None:
        choice("compute", compute, COMPUTES)
    if attention is not None:
        check_name(attention)
    endpoint = None
    if text is not None and not isinstance(text, str):
        endpoint, text = text, "stream"
        text_encoder = text_encoder or TOKENIZER_ALONE
        if entry.file is None:
            raise ValueError(
                f"text={endpoint!r} is for official single files; the folder of {entry.name!r} has its own"
            )
    elif text == "ltx-api":
        raise ValueError(
            "prompts would leave this machine, to api.ltx.video; agree with text=ltx_nb.remote.PromptEndpoint(yes=True)"
        )
    elif text is not None:
        choice("text", text, TEXTS)
    if dtype is not None and dtype not in DTYPES:
        raise ValueError(
            f"dtype={dtype!r} is not one of {', '.join(map(str, DTYPES))}; one-byte weights are a preset's"
        )
    # With a device named, a card's preset is tried without the card, on what the preset says of its machine.
    machine = this_machine() if device is None else None

    def planned(counts: ParameterCounts) -> tuple[Preset, Plan]:
        """The preset as this machine can use it and as it was asked for, and the plan to load with it."""
        base = chosen_preset(preset, counts, machine)
        _check_device(base, device)
        missing = lacks(base if dtype is None else base.computing_in(4), machine) if machine else ()
        base = on_machine(base, machine) if machine else base
        chosen = _adapted(base, dtype, compute, offload, text)
        made = plan_to_load(entry, chosen, counts, machine, lacks=missing, falls_back=offload is None)
        return (replace(chosen, offload=made.offload) if made.offload in BLOCK_SOURCES else chosen), made

    wanted: Sequence[Any] = ()
    if files_of(entry, text_encoder, parts, upscalers):  # before anything is downloaded, by the catalogue's sizes
        fits, made = planned(parameter_counts(entry))
        entry, wanted = to_download(entry, fits.weight_bytes), made.download
    with _quiet_libraries():
        with naming(wanted):
            found = located(entry, text_encoder, parts, upscalers)
        components, others = _read(entry, found, parts, endpoint is None), read_upscalers(found.upscalers)
        if DEFAULT_UPSCALER in others:
            components["latent_upsampler"] = others.pop(DEFAULT_UPSCALER)
        no_text = dict.fromkeys(GEMMA, 0)
        text_sizes = no_text if endpoint else text_dimensions(components["text_encoder"].config.text_config)
        counts = counts_of_parts(components, text_sizes)
        chosen, plan = planned(counts)
        refining = stage_2_lora_of(entry) if stage_2_loras is None else listed(stage_2_loras)
        if refining:
            counts = with_loras(counts, parameters_of_loras(refining), chosen)
            chosen, plan = planned(counts)
        if converted is None and needs_int8_files(entry, chosen, plan.blocks - plan.resident_blocks):
            converted = KEPT / "converted"
        runs_on = torch.device(device or chosen.kind)
        _check_compute(compute, runs_on)
        if converted is None:
            change_weights(components["transformer"], components["connectors"], loras, chosen)
        else:
            kept = converted_folder(converted, entry, found.model, chosen, loras)
            components |= _converted(kept, components, loras, chosen)
        computes_in = dtype or COMPUTE_DTYPES[chosen.compute_bytes]
        elsewhere = _prompts_elsewhere(endpoint, found.model, components, computes_in)
        return session_of(
            entry,
            components,
            Fit(chosen, counts, plan.resident_blocks),
            device=runs_on,
            dtype=computes_in,
            text=text or ("resident" if chosen.keeps_text else "cached"),
            attention=attention,
            prompt_cache=prompt_cache,
            stage_2_loras=refining,
            reference_downscale_factor=follows,
            upscalers=others,
            elsewhere=elsewhere,
            applied=(*applied_loras(loras), *applied_loras(() if stage_2_loras is None else refining, True)),
        )


def _prompts_elsewhere(endpoint: Any, file: Path, components: dict[str, Any], dtype: torch.dtype) -> Any:
    """Return what encodes a session's prompts, where there is an endpoint; the connectors, which it replaces, go."""
    if endpoint is None:
        return None
    from ltx_nb.remote.embedding import PromptsElsewhere  # what it speaks with is an extra

    config = components["connectors"].config
    components["connectors"] = None
    with opened(file) as read:
        return PromptsElsewhere(endpoint, read.metadata(), (config.video_hidden_dim, config.audio_hidden_dim), dtype)


def _remote_session(model: str, given: Mapping[str, Any]) -> Any:
    """Return the session of a service. Raises ValueError for an argument of `load` that says how a model runs here."""
    for name, parameter in inspect.signature(load).parameters.items():
        if name != "model" and given[name] != parameter.default:
            raise ValueError(f"{name} is for models that run here; {model!r} is a service's, so leave it out")
    from ltx_nb.remote.session import RemoteSession  # what it speaks with is an extra

    return RemoteSession(model)


def session_of(
    entry: Model,
    components: dict[str, Any],
    fit: Fit,
    *,
    device: torch.device,
    dtype: torch.dtype,
    text: str,
    attention: str | None = None,
    prompt_cache: str | os.PathLike[str] | None = None,
    stage_2_loras: Sequence[LoraSource] = (),
    reference_downscale_factor: int | None = None,
    upscalers: Mapping[str, torch.nn.Module] | None = None,
    elsewhere: Any = None,
    applied: Sequence[AppliedLora] = (),
) -> Session:
    """A Session of components that have their final form already, brought to where they run.

    fit: with the number of transformer blocks that stay on `device`. Everything else as for `load`.
    """
    pipe = ClipBlocks().init_pipeline()
    pipe.update_components(**components)
    cache = None
    if elsewhere is not None:
        cache = PromptCache(prompt_cache or KEPT / "prompts", elsewhere.name)
    elif text == "cached" or prompt_cache is not None:
        cache = PromptCache(prompt_cache or KEPT / "prompts", fingerprint([pipe.text_encoder, pipe.connectors]))
    preset, channels = fit.preset, head_channels(pipe.transformer)
    if attention is not None:
        check_attention(attention, device, dtype, channels)
    switched = switched_loras(pipe.transformer, stage_2_loras) if stage_2_loras else None
    how = {"device": device, "dtype": dtype, "text": text, "block_source": preset.offload}
    attend_by(pipe.transformer, attention or best_attention(device, dtype, channels))
    place(pipe, preset, resident=fit.resident, upscalers=(upscalers or {}).values(), **how)
    return Session(pipe, entry, cache, fit, switched, reference_downscale_factor, upscalers, elsewhere, applied)


def with_loras(counts: ParameterCounts, added: int, preset: Preset) -> ParameterCounts:
    """The counts with LoRAs beside the blocks' weights, which are in the dtype that the preset computes in."""
    share = added * preset.compute_bytes / preset.weight_bytes / counts.blocks
    return replace(counts, block=counts.block + round(share))


def _read(
    entry: Model, found: Located, parts: Sequence[str | os.PathLike[str]], with_text: bool = True
) -> dict[str, Any]:
    """Every component of the pipeline, as stored, its bytes mapped from the files."""
    if entry.file is None:
        components = read_folder(found.model)
    else:
        components = single_file_components(entry, found.model, found.upscaler, parts, found.rest)
    if not with_text:
        return components | {"text_encoder": None, "tokenizer": read_tokenizer(found.tokenizer)}
    return components | read_text_encoder(found.text_encoder, found.tokenizer, components["connectors"].config)


def _converted(kept: Path, components: dict[str, Any], loras: Sequence[LoraSource], preset: Preset) -> dict[str, Any]:
    """The components as changed, read from the folder that keeps them; it is written first if it is not there."""
    if not kept.is_dir():
        change_weights(components["transformer"], components["connectors"], loras, preset)
        try:
            write_folder(kept, components)
        except OSError:
            if not kept.is_dir():  # else another process was first, with the same
                raise
    return read_folder(kept)


def _adapted(
    preset: Preset, dtype: torch.dtype | None, compute: str | None, offload: str | None, text: str | None
) -> Preset:
    """The preset with what else was asked for."""
    if dtype is not None:
        preset = preset.computing_in(dtype.itemsize)
    if compute is not None:
        preset = replace(preset, compute=compute, weight_bytes=preset.weight_bytes if compute == "float" else 1)
    if text is not None:
        preset = replace(preset, keeps_text=text == "resident")
    if offload == "none":
        return replace(preset, resident_blocks=ALL_BLOCKS, keeps_all=True)
    return preset if offload is None else replace(preset, offload=offload)


def _check_compute(compute: str | None, device: torch.device) -> None:
    """Raise ValueError where eight-bit products were asked for by name and the device has none."""
    if compute is not None and not can_multiply(compute, device):
        works = [it for it in reversed(COMPUTES) if can_multiply(it, device)]
        raise ValueError(f"compute={compute!r} is nothing that this {device.type} device does; nearest: {works[0]!r}")


def _check_device(preset: Preset, device: str | torch.device | None) -> None:
    """Raise ValueError where the device that was named, or the one that the preset is for, is not here."""
    is_here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device is not None:
        if not is_here.get(torch.device(device).type, True):
            why = "has no CUDA" if torch.device(device).type == "cuda" and torch.version.cuda is None else "sees none"
            raise ValueError(f"device={str(device)!r} is not here: torch {torch.__version__} {why}; nearest: 'cpu'")
        return
    if not is_here.get(preset.kind, True):
        raise ValueError(
            f"preset {preset.name!r} is for a {preset.kind} device, which this machine has not; nearest: "
            "preset='auto', or device='cpu' to try it without one"
        )


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Without the libraries' own bars and remarks: a load takes seconds and is all or nothing."""
    loggers = (diffusers_logging, transformers_logging)
    before = [logger.get_verbosity() for logger in loggers]
    for logger in loggers:
        logger.set_verbosity_error()
        logger.disable_progress_bar()
    try:
        yield
    finally:
        for logger, verbosity in zip(loggers, before, strict=True):
            logger.set_verbosity(verbosity)
            logger.enable_progress_bar()
