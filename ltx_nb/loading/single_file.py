"""From an official single file to all that a pipeline needs: with it a text encoder, a tokenizer and a scheduler.

Knows where files are found; not what is in the single file (`ltx_nb.loading.official`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import AutoTokenizer, Gemma3ForConditionalGeneration

from ltx_nb.loading.official import read_components, read_latent_upsampler
from ltx_nb.models import TEXT_ENCODER, UPSCALER, Model

# diffusers' scripts/convert_ltx2_to_diffusers.py: dev shifts by the number of tokens, distilled uses the sigmas given.
SHIFT = {"base_shift": 0.95, "max_shift": 2.05, "base_image_seq_len": 1024, "max_image_seq_len": 4096}


def single_file_components(
    model: Model, place: str, text_encoder: str | os.PathLike[str] | None, dtype: torch.dtype
) -> dict[str, Any]:
    """Every component of the pipeline, in the dtypes stored but for the text encoder, which is in `dtype`.

    place: the folder or the hub repository that has the model's file. A folder may have the upscaler's file too; one
        that has not gives no `latent_upsampler`.
    text_encoder: a folder with Gemma 3, or one in diffusers' layout, or a repository's id.
    """
    assert model.file is not None
    components: dict[str, Any] = dict(read_components(_located(place, model.file)))
    upscaler_repository, upscaler_file = UPSCALER
    if not Path(place).is_dir():
        components["latent_upsampler"] = read_latent_upsampler(_located(upscaler_repository, upscaler_file))
    elif (Path(place) / upscaler_file).is_file():
        components["latent_upsampler"] = read_latent_upsampler(Path(place) / upscaler_file)
    source = os.fspath(text_encoder or TEXT_ENCODER)
    inside = (Path(source) / "text_encoder").is_dir()
    places = {"text_encoder": source, "tokenizer": source}
    if inside:
        places = {name: str(Path(source) / name) for name in places}
    is_distilled = model.sigmas_of is not None
    return components | {
        "text_encoder": Gemma3ForConditionalGeneration.from_pretrained(
            places["text_encoder"], dtype=dtype, use_safetensors=True
        ),
        "tokenizer": AutoTokenizer.from_pretrained(places["tokenizer"]),
        "scheduler": FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=not is_distilled, shift_terminal=None if is_distilled else 0.1, **SHIFT
        ),
    }


def _located(place: str, file: str) -> Path:
    if Path(place).is_dir():
        return Path(place) / file
    try:
        return Path(hf_hub_download(place, file))
    except (HFValidationError, LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise FileNotFoundError(
            f"no {file} in {place!r}, neither a folder here nor within reach on the hub; where you have the file, "
            f"give its path: load('.../{file}')"
        ) from error
