"""A clip as one small picture: its middle frame, or the spectrogram of sound alone. Knows no widget."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ltx_nb.clip import Clip
from ltx_widgets.sound_picture import spectrogram_levels

THUMBNAIL_PX = (192, 128)  # twice as fine as it is shown, for dense screens


def thumbnail(clip: Clip) -> bytes:
    """A JPEG, at most 192 x 128 px."""
    if clip.frames is not None:
        return thumbnail_of(clip.export_frames()[clip.num_frames // 2])
    levels = spectrogram_levels(clip.audio, clip.sample_rate)[::-1]
    return thumbnail_of(np.asarray(Image.fromarray(levels).resize(THUMBNAIL_PX)))


def thumbnail_of(picture: np.ndarray) -> bytes:
    """The same of uint8 [H, W, 3] or [H, W]."""
    image = Image.fromarray(picture)
    image.thumbnail(THUMBNAIL_PX)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()
