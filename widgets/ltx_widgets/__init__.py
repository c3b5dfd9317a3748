"""Widgets on ltx_nb for JupyterLab, Notebook, VS Code and Colab: they know traits and plain data, never torch.

`studio(session)` puts all of them together in one cell; each also works alone. Imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltx_nb.lazy import lazily

if TYPE_CHECKING:
    from ltx_widgets.clip_grid import ClipGrid
    from ltx_widgets.latent_explorer import LatentExplorer
    from ltx_widgets.player import Player
    from ltx_widgets.preset_picker import PresetPicker
    from ltx_widgets.prompt import Prompt
    from ltx_widgets.run_panel import RunPanel
    from ltx_widgets.storyboard import Storyboard
    from ltx_widgets.studio_box import studio
    from ltx_widgets.timeline import Timeline
    from ltx_widgets.training_panel import TrainingPanel

_MODULE_OF = {
    "ClipGrid": "clip_grid",
    "LatentExplorer": "latent_explorer",
    "Player": "player",
    "PresetPicker": "preset_picker",
    "Prompt": "prompt",
    "RunPanel": "run_panel",
    "Storyboard": "storyboard",
    "Timeline": "timeline",
    "TrainingPanel": "training_panel",
    "studio": "studio_box",
}

__all__ = [
    "ClipGrid",
    "LatentExplorer",
    "Player",
    "PresetPicker",
    "Prompt",
    "RunPanel",
    "Storyboard",
    "Timeline",
    "TrainingPanel",
    "studio",
]
__getattr__, __dir__ = lazily(__name__, _MODULE_OF)
