"""Running: how weights and activations lie while a model runs. Knows no requests and no files of a model.

What is for a notebook is imported when it is first used: most of it needs torch, and plans, which use `tiles`, do not.
"""

from __future__ import annotations

from ltx_nb.lazy import lazily

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

__getattr__, __dir__ = lazily(__name__, _MODULE_OF)
