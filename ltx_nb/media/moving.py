"""Write moving pictures without sound: GIF, animated WebP, and a folder of PNGs. Through Pillow."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from ltx_nb.checks import choice
from ltx_nb.whole_files import whole_file, whole_folder

# GIF counts hundredths of a second, of which browsers take less than two for ten; WebP counts thousandths.
_TICKS_S = {".gif": 0.01, ".webp": 0.001}
ANIMATION_SUFFIXES = tuple(_TICKS_S)
WEBP_QUALITY = 85


def write_animation(path: str | os.PathLike[str], frames: np.ndarray, frame_rate: float) -> Path:
    """Write frames uint8 [F, H, W, 3] as .gif (256 colours) or .webp, repeated for ever, in the clip's own time.

    Raises ValueError for another suffix, OSError if it cannot write.
    """
    path = Path(path)
    suffix = choice("suffix", path.suffix.lower(), ANIMATION_SUFFIXES)
    tick_s = _TICKS_S[suffix]
    # Rounded where frames end, so that what each is off does not add up.
    ends = np.round(np.arange(1, len(frames) + 1) / frame_rate / tick_s)
    lengths_ms = np.diff(ends, prepend=0.0) * tick_s * 1000
    pictures = [Image.fromarray(frame) for frame in frames]
    if suffix == ".gif":
        pictures = [picture.quantize(256, Image.Quantize.MEDIANCUT) for picture in pictures]
    options = {"quality": WEBP_QUALITY, "method": 4} if suffix == ".webp" else {"optimize": False, "disposal": 1}
    with whole_file(path) as unfinished:
        pictures[0].save(
            unfinished,
            suffix[1:].upper(),
            save_all=True,
            append_images=pictures[1:],
            duration=[round(length_ms) for length_ms in lengths_ms],
            loop=0,
            **options,
        )
    return path


def write_frames(folder: str | os.PathLike[str], frames: np.ndarray) -> list[Path]:
    """Write frames uint8 [F, H, W, 3] as frame-0000.png and so on into a new folder; return their paths.

    Raises FileExistsError where there is something already, OSError if it cannot write.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    names = [f"frame-{index:04d}.png" for index in range(len(frames))]
    with whole_folder(folder) as unfinished:
        for name, frame in zip(names, frames, strict=True):
            Image.fromarray(frame).save(unfinished / name)
    return [folder / name for name in names]
