"""load(): a model's weights from a folder or the hub, as a Session ready to run."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from ltx_nb.checks import choice
from ltx_nb.loading.quantised import quantise_blocks
from ltx_nb.loading.single_file import single_file_components
from ltx_nb.models import MODELS, model_of_file, named_model
from ltx_nb.pipeline.blocks import ClipBlocks
from ltx_nb.pipeline.lean import make_lean
from ltx_nb.pipeline.prompt_cache import PromptCache, fingerprint
from ltx_nb.pipeline.session import Session

# The bandwidth-extending vocoder drifts in bf16, so the reference runs it in fp32; its input comes from the audio VAE.
FP32_COMPONENTS = ("audio_vae", "vocoder")
WEIGHTS = ("as-stored", "int8-row")


def load(
    model: str | os.PathLike[str] = "tiny",
    *,
    folder: str | os.PathLike[str] | None = None,
    text_encoder: str | os.PathLike[str] | None = None,
    weights: str = "as-stored",
    prompt_cache: str | os.PathLike[str] | None = None,
    lean: bool = False,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Session:
    """A Session of a model in the catalogue (`ltx_nb.models`), or of an official single file by its path.

    folder: where its weights lie, instead of the catalogue's place.
    text_encoder: for an official file, which has none: a folder with Gemma 3, or a hub repository.
    weights: "as-stored" keeps scaled fp8 at one byte a weight and takes all else in `dtype`; "int8-row" brings
        attention and feed-forward of the transformer to int8 with a scale per output row.
    prompt_cache: a folder in which encoded prompts are kept, so that a prompt is encoded once.
    lean: bound the memory of denoising by chunks of tokens; same result (`ltx_nb.pipeline.lean`).
    device: "cuda" where there is one, else "cpu". dtype: bf16 on a GPU, fp32 on a CPU.

    Raises ValueError for an unknown name and for a file that is not whole, FileNotFoundError where weights are missing.
    """
    model = os.fspath(model)
    is_path = model not in MODELS and (model.endswith(".safetensors") or Path(model).is_file())
    entry = model_of_file(model) if is_path else named_model(model)
    if text_encoder is not None and entry.file is None:
        raise ValueError(f"text_encoder is for official single files; the folder of {model!r} has its own")
    choice("weights", weights, WEIGHTS)
    place = os.fspath(folder) if folder is not None else entry.weights
    is_local = folder is not None or os.path.isabs(place)
    if entry.file is None and is_local and not (Path(place) / "model_index.json").is_file():
        raise FileNotFoundError(f"no weights of {model!r} in {place!r}: it has no model_index.json")
    place_on = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if dtype is None:
        dtype = torch.float32 if place_on.type == "cpu" else torch.bfloat16
    dtypes = {"default": dtype, **dict.fromkeys(FP32_COMPONENTS, torch.float32)}
    with _quiet_libraries():
        if entry.file is None:
            pipe = ClipBlocks().init_pipeline(place)
            # Published folders are in bf16, and are quantised from there.
            pipe.load_components(dtype=dtypes if weights == "as-stored" else dtypes | {"transformer": torch.bfloat16})
            upsampler = Path(place) / "latent_upsampler"  # not in model_index.json: LTX2Pipeline has no place for it
            if upsampler.is_dir():
                pipe.update_components(latent_upsampler=LTX2LatentUpsamplerModel.from_pretrained(upsampler))
        else:
            pipe = ClipBlocks().init_pipeline()
            pipe.update_components(**single_file_components(entry, place, text_encoder, dtype))
        if weights == "int8-row":
            quantise_blocks(pipe.transformer)
        for name, component in pipe.components.items():
            if isinstance(component, torch.nn.Module) and name != "text_encoder":
                component.to(dtypes.get(name, dtype))
        pipe.to(place_on)
    if lean:
        make_lean(pipe.transformer)
    cache = None
    if prompt_cache is not None:
        cache = PromptCache(prompt_cache, fingerprint([pipe.text_encoder, pipe.connectors]))
    return Session(pipe, entry, cache)


@contextmanager
def _quiet_libraries():
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
