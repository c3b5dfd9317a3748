"""From official files to a pipeline's components: the scheduler that is not inside, and the upscaler's file beside.

Knows which parts an official model has; not what is in the files (`ltx_nb.loading.official`), nor where they come from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffusers import FlowMatchEulerDiscreteScheduler

from ltx_nb.catalogue.models import Model
from ltx_nb.loading.official import read_components, read_latent_upsampler

# diffusers' scripts/convert_ltx2_to_diffusers.py, whose pipelines have dev shift by the number of tokens. A run here is
# given its sigmas; what is written tells dev from distilled.
SHIFT = {"base_shift": 0.95, "max_shift": 2.05, "base_image_seq_len": 1024, "max_image_seq_len": 4096}


def single_file_components(
    model: Model,
    file: Path,
    upscaler: Path | None,
    parts: Sequence[str | os.PathLike[str]] = (),
    rest: Path | None = None,
) -> dict[str, Any]:
    """Every component but the text encoder and its tokenizer, in the dtypes stored; without an upscaler's file no
    `latent_upsampler`. parts, rest: as `others` and `rest` of `read_components`."""
    components: dict[str, Any] = dict(read_components(file, parts, rest))
    if upscaler is not None:
        components["latent_upsampler"] = read_latent_upsampler(upscaler)
    return components | {
        "scheduler": FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=not model.is_distilled, shift_terminal=None if model.is_distilled else 0.1, **SHIFT
        )
    }
