"""Running: how weights and activations lie while a model runs. Knows no requests and no files of a model.

What is for a notebook is imported when it is first used: most of it needs torch, and plans, which use `tiles`, do not.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULE_OF = {
    "ScaledLinear": "one_byte",
    "make_lean": "lean",
    "make_stock": "lean",
    "stop_streaming": "streaming",
    "stream_blocks": "streaming",
    "tile_shape": "tiles",
    "tiles_of": "tiles",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
