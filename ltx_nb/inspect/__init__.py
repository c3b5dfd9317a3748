"""See and hear inside: latents, sound, sync, attention, guidance, precision. Arrays, clips, traces and sessions in,
small frozen results out; `ltx_nb.plots` draws them.

The public names are imported when they are first used: some need torch, some librosa.
"""

from __future__ import annotations

from ltx_nb.lazy import lazily

_MODULE_OF = {
    "audio_cell_footprint": "footprint",
    "audio_view": "audio",
    "av_sync": "sync",
    "bandwidth_extension": "coding",
    "capture_attention": "attention",
    "capture_bytes": "attention",
    "cell_footprint": "footprint",
    "compare": "comparison",
    "compare_audio": "audio",
    "compression": "sizes",
    "decode": "coding",
    "guidance_terms": "guidance",
    "interpolate": "edits",
    "latent_stats": "latents",
    "moment_map": "attention_maps",
    "noise_to": "edits",
    "pca_rgb": "colour",
    "precision_report": "precision",
    "preview_rgb": "colour",
    "reference_map": "attention_maps",
    "round_trip": "fidelity",
    "scale_grid": "guidance",
    "shift_time": "edits",
    "swap": "edits",
    "time_map": "attention_maps",
    "trajectory": "paths",
    "without_terms": "guidance",
    "word_map": "attention_maps",
    "zero_channel": "edits",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = lazily(__name__, _MODULE_OF)
