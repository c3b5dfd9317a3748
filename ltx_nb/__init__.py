"""LTX-2.3 joint audio-video diffusion, opened up for notebooks.

`load("tiny")` gives a `Session`; its verbs turn a `ClipRequest` into a `Clip`. The public names are imported when they
are first used, and so are the packages `comfy`, `inspect`, `plots`, `sweep` and `training`, so that `import ltx_nb`
stays quick and pulls in no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ltx_nb import comfy, inspect, plots, sweep, training
    from ltx_nb.catalogue.prompting import lint_prompt
    from ltx_nb.clip import Clip
    from ltx_nb.loading import load
    from ltx_nb.pipeline.session import Session
    from ltx_nb.request import ClipRequest, Given, Reference, Sampling, Source
    from ltx_nb.trace import Cancelled, Trace

__version__ = "0.1.0"

_MODULE_OF = {
    "Cancelled": "ltx_nb.trace",
    "Clip": "ltx_nb.clip",
    "ClipRequest": "ltx_nb.request",
    "Given": "ltx_nb.request",
    "Reference": "ltx_nb.request",
    "Sampling": "ltx_nb.request",
    "Session": "ltx_nb.pipeline.session",
    "Source": "ltx_nb.request",
    "Trace": "ltx_nb.trace",
    "lint_prompt": "ltx_nb.catalogue.prompting",
    "load": "ltx_nb.loading",
}

_PACKAGES = ("comfy", "inspect", "plots", "sweep", "training")

__all__ = [
    "Cancelled",
    "Clip",
    "ClipRequest",
    "Given",
    "Reference",
    "Sampling",
    "Session",
    "Source",
    "Trace",
    "comfy",
    "inspect",
    "lint_prompt",
    "load",
    "plots",
    "sweep",
    "training",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
