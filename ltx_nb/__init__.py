"""LTX-2.3 joint audio-video diffusion, opened up for notebooks.

`load("tiny")` gives a `Session`; its verbs turn a `ClipRequest` into a `Clip`. The public names are imported when they
are first used, and so are the packages `comfy`, `inspect`, `plots`, `remote`, `sweep` and `training`, so that
`import ltx_nb` stays quick and pulls in no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltx_nb.lazy import lazily

if TYPE_CHECKING:
    from ltx_nb import comfy, inspect, plots, remote, sweep, training
    from ltx_nb.catalogue.prompting import lint_prompt
    from ltx_nb.clip import Clip
    from ltx_nb.loading import load
    from ltx_nb.loading.chat import LocalChat
    from ltx_nb.pipeline.session import Session
    from ltx_nb.remote.enhancing import enhance_prompt
    from ltx_nb.request import ClipRequest, Given, Reference, ReferenceSound, Sampling, Source, TimedPrompt
    from ltx_nb.spoken import speech
    from ltx_nb.trace import Cancelled, Trace

__version__ = "0.1.0"

_MODULE_OF = {
    "Cancelled": "trace",
    "Clip": "clip",
    "ClipRequest": "request",
    "Given": "request",
    "LocalChat": "loading.chat",
    "Reference": "request",
    "ReferenceSound": "request",
    "Sampling": "request",
    "Session": "pipeline.session",
    "Source": "request",
    "TimedPrompt": "request",
    "Trace": "trace",
    "enhance_prompt": "remote.enhancing",
    "lint_prompt": "catalogue.prompting",
    "load": "loading",
    "speech": "spoken",
}

_PACKAGES = ("comfy", "inspect", "plots", "remote", "sweep", "training")

__all__ = [
    "Cancelled",
    "Clip",
    "ClipRequest",
    "Given",
    "LocalChat",
    "Reference",
    "ReferenceSound",
    "Sampling",
    "Session",
    "Source",
    "TimedPrompt",
    "Trace",
    "comfy",
    "enhance_prompt",
    "inspect",
    "lint_prompt",
    "load",
    "plots",
    "remote",
    "speech",
    "sweep",
    "training",
]

__getattr__, _public_names = lazily(__name__, _MODULE_OF, _PACKAGES)


def __dir__() -> list[str]:
    return [*_public_names(), "__version__"]
