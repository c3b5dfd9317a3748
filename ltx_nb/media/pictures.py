"""Single pictures, and frames brought to another size. Knows nothing of sound and of video files."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ltx_nb.arrays import check_frames
from ltx_nb.checks import choice, whole_number
from ltx_nb.whole_files import whole_file

MediaSource = str | os.PathLike[str] | bytes | BinaryIO

_POSTER_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
POSTER_SUFFIXES = tuple(_POSTER_FORMATS)


def file_of(source: MediaSource) -> Any:
    """What Pillow and PyAV open: an absolute path (which cannot be taken for a URL) or a binary file at its start."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, (str, os.PathLike)):
        return os.path.abspath(source)
    source.seek(0)
    return source


def name_of(source: MediaSource) -> str:
    """What to call a source in a message."""
    if isinstance(source, bytes):
        return f"the given {len(source)} bytes"
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "the given file object"))


def read_image(source: MediaSource) -> np.ndarray:
    """A PNG, JPEG or WebP picture as uint8 [H, W, 3], turned as its EXIF says, transparency over black.

    Raises ValueError if it cannot be read.
    """
    try:
        with Image.open(file_of(source), formats=("PNG", "JPEG", "WEBP")) as image:
            image = ImageOps.exif_transpose(image)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
            return np.array(image.convert("RGB"))
    except FileNotFoundError:
        raise ValueError(f"cannot read {name_of(source)}: no such file; check the path") from None
    except UnidentifiedImageError:
        message = f"{name_of(source)} is not a PNG or JPEG picture; of a video, take a frame of read_video(...)"
        raise ValueError(message) from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot read {name_of(source)}: {error}; save the picture again as PNG") from error


def is_image(source: MediaSource) -> bool:
    """Whether `source` begins like a picture that `read_image` reads."""
    try:
        with Image.open(file_of(source), formats=("PNG", "JPEG", "WEBP")):
            return True
    except OSError:
        return False


def fit_frames(frames: np.ndarray, width: int, height: int, fit: str = "crop") -> tuple[np.ndarray, str]:
    """Frames [F, H, W, 3] as [F, height, width, 3] with their proportions, and in words what was done ("" if nothing).

    fit: "crop" cuts equally from both sides, "pad" adds black bars on both sides. Raises ValueError for anything else.
    """
    frames = check_frames(frames)
    size = whole_number("width", width, least=1), whole_number("height", height, least=1)
    choice("fit", fit, ("crop", "pad"))
    given = frames.shape[2], frames.shape[1]
    if given == size:
        return frames, ""
    fitted = ImageOps.fit if fit == "crop" else ImageOps.pad
    resized = [np.asarray(fitted(Image.fromarray(frame), size, Image.Resampling.LANCZOS)) for frame in frames]

    scales = size[0] / given[0], size[1] / given[1]
    if fit == "crop":
        kept = round(size[0] / max(scales)), round(size[1] / max(scales))
        steps = [("cropped", kept), ("scaled", size)]
    else:
        inner = round(given[0] * min(scales)), round(given[1] * min(scales))
        steps = [("scaled", inner), ("padded", size)]
    done, now = [f"picture {given[0]}x{given[1]}"], given
    for step, to in steps:
        if to != now:
            done.append(f"{step} to {to[0]}x{to[1]}")
        now = to
    return np.stack(resized), ", ".join(done)


def poster(frames: np.ndarray, picture_format: str = "JPEG") -> bytes:
    """The middle frame of [F, H, W, 3] as the bytes of a "PNG" (exact) or "JPEG" file."""
    frames = check_frames(frames)
    file = io.BytesIO()
    Image.fromarray(frames[len(frames) // 2]).save(file, choice("picture_format", picture_format, ("PNG", "JPEG")))
    return file.getvalue()


def write_poster(path: str | os.PathLike[str], frames: np.ndarray) -> Path:
    """Write the `poster` of `frames` to a .png or .jpg file. Raises ValueError for another suffix."""
    path = Path(path)
    picture_format = _POSTER_FORMATS[choice("suffix", path.suffix.lower(), _POSTER_FORMATS)]
    content = poster(frames, picture_format)
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)
    return path
