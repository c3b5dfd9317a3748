"""The sizes that a widget offers for a model, by name. Knows names and pixels only."""

from __future__ import annotations

import dataclasses
from typing import Any

from ltx_nb.catalogue.models import TINY, Model
from ltx_nb.shapes import NAMED_SIZES, Size

# What the tiny model was trained at.
TINY_SIZES = {"square": Size(128, 128), "wide": Size(160, 96), "portrait": Size(96, 160)}


def offered_sizes(model: Model) -> list[dict[str, Any]]:
    """Plain data: {name, width, height, crop_width, crop_height} in pixels."""
    if model.weights == TINY.weights:
        named = TINY_SIZES
    else:  # "portrait" is another name of 1080p-portrait
        named = {"standard": Size(model.width, model.height)} | NAMED_SIZES
        named = {name: size for name, size in named.items() if name != "portrait"}
    return [{"name": name} | dataclasses.asdict(size) for name, size in named.items()]
