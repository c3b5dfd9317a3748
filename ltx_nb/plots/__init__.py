"""Figures of what `ltx_nb.inspect` finds: results in, a matplotlib Figure out, which a notebook shows.

Each function has the name of the inspector whose result it draws and takes size_in, width and height in inches. None
computes, and none shows. `use_style` gives their style to figures that are made by hand. The public names are imported
when they are first used.
"""

from __future__ import annotations

from ltx_nb.lazy import lazily

_MODULE_OF = {
    "audio_cell_footprint": "coding",
    "audio_view": "sound",
    "av_sync": "synchrony",
    "cell_footprint": "coding",
    "clips": "guidance",
    "compare": "comparison",
    "compare_audio": "sound",
    "compression": "latents",
    "contact_sheet": "comparison",
    "guidance_terms": "guidance",
    "latent_stats": "latents",
    "moment_map": "attention",
    "pca_rgb": "latents",
    "plan": "memory",
    "plans": "memory",
    "precision_report": "precision",
    "preview_rgb": "latents",
    "reference_map": "attention",
    "round_trip": "coding",
    "time_map": "attention",
    "training_log": "training",
    "trajectory": "paths",
    "use_style": "style",
    "word_map": "attention",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = lazily(__name__, _MODULE_OF)
