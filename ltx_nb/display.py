"""Pictures and sound as HTML for a notebook: a player with sound in JupyterLab, Notebook 7, VS Code and Colab.

The media are inside the HTML, since a notebook may lie anywhere. The same media give the same HTML. Knows no IPython,
and nothing of how media are encoded (`ltx_nb.media`).
"""

from __future__ import annotations

import os
from base64 import b64encode
from html import escape
from math import ceil, sqrt

import numpy as np
from PIL import Image

from ltx_nb.media import Media, encode_preview, encode_sound, poster

# Width times height times frames: some seconds of encoding on one core, and a few MB in the notebook.
PREVIEW_BUDGET_PX = 64_000_000
LEAST_WIDTH_PX = 256


def player_html(media: Media, label: str) -> str:
    """A player of decoded media, muted until its speaker button is pressed; a still picture where no video can play.

    label: its name for a screen reader. Where the picture is too large to embed, a smaller preview is, and a line below
    says so.
    """
    label, frames = escape(label, quote=True), media.frames
    if frames is None:
        sound = _data_url("audio/mpeg", encode_sound(media.audio, media.sample_rate))
        return f'<audio controls preload="metadata" aria-label="{label}" src="{sound}"></audio>'
    height, width = frames.shape[1:3]
    preview = reduced(frames)
    # The webview of VS Code plays MP3 in an MP4, but not AAC.
    in_vscode = "VSCODE_PID" in os.environ or "VSCODE_CWD" in os.environ
    video = encode_preview(preview, media.frame_rate, media.audio, media.sample_rate, aac=not in_vscode)
    still = _data_url("image/jpeg", poster(preview))
    style = f"width:{width * ceil(LEAST_WIDTH_PX / width)}px;max-width:100%;image-rendering:auto"
    html = (
        f'<video controls muted playsinline preload="metadata" aria-label="{label}" style="{style}" poster="{still}">'
        f'<source src="{_data_url("video/mp4", video)}" type="video/mp4">'
        f'<img src="{still}" alt="{label}" style="{style}"></video>'
    )
    if preview is not frames:
        html += f"<div>A preview at {preview.shape[2]}x{preview.shape[1]}; the clip itself is {width}x{height}.</div>"
    return html


def reduced(frames: np.ndarray) -> np.ndarray:
    """The frames, averaged over squares of pixels, as large as the budget allows; the same array if it allows all."""
    pixels = frames.size // 3
    if pixels <= PREVIEW_BUDGET_PX:
        return frames
    side = ceil(sqrt(pixels / PREVIEW_BUDGET_PX))
    return np.stack([np.asarray(Image.fromarray(frame).reduce(side)) for frame in frames])


def _data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(content).decode()}"
