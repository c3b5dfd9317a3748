"""Widgets on ltx_nb for JupyterLab, Notebook, VS Code and Colab: they know traits and plain data, never torch.

`studio(session)` puts all of them together in one cell; each also works alone. Imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ltx_widgets.latent_explorer import LatentExplorer
    from ltx_widgets.player import Player
    from ltx_widgets.preset_picker import PresetPicker
    from ltx_widgets.prompt import Prompt
    from ltx_widgets.run_panel import RunPanel
    from ltx_widgets.studio_box import studio
    from ltx_widgets.timeline import Timeline

_MODULE_OF = {
    "LatentExplorer": "ltx_widgets.latent_explorer",
    "Player": "ltx_widgets.player",
    "PresetPicker": "ltx_widgets.preset_picker",
    "Prompt": "ltx_widgets.prompt",
    "RunPanel": "ltx_widgets.run_panel",
    "Timeline": "ltx_widgets.timeline",
    "studio": "ltx_widgets.studio_box",
}

__all__ = ["LatentExplorer", "Player", "PresetPicker", "Prompt", "RunPanel", "Timeline", "studio"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
