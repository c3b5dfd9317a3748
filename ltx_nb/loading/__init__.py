"""load(): a model's weights from a folder or the hub, as a Session ready to run."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from ltx_nb.models import named_model
from ltx_nb.pipeline.blocks import ClipBlocks
from ltx_nb.pipeline.session import Session

# The bandwidth-extending vocoder drifts in bf16, so the reference runs it in fp32; its input comes from the audio VAE.
FP32_COMPONENTS = ("audio_vae", "vocoder")


def load(
    model: str = "tiny",
    *,
    folder: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Session:
    """A Session of a model in the catalogue (`ltx_nb.models`).

    folder: where its weights lie in diffusers' layout, instead of the catalogue's place.
    device: "cuda" where there is one, else "cpu". dtype: bf16 on a GPU, fp32 on a CPU.

    Raises ValueError for an unknown name, FileNotFoundError where the weights are missing.
    """
    entry = named_model(model)
    weights = os.fspath(folder) if folder is not None else entry.weights
    is_local = folder is not None or os.path.isabs(weights)
    if is_local and not (Path(weights) / "model_index.json").is_file():
        raise FileNotFoundError(f"no weights of {model!r} in {weights!r}: it has no model_index.json")
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if dtype is None:
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    with _quiet_libraries():
        pipe = ClipBlocks().init_pipeline(weights)
        pipe.load_components(dtype={"default": dtype, **dict.fromkeys(FP32_COMPONENTS, torch.float32)})
        pipe.to(device)
    return Session(pipe, entry)


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
