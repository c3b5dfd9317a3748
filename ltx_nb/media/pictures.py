"""Single pictures, and frames brought to another size. Knows nothing of sound and of video files."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ltx_nb.arrays import check_frames
from ltx_nb.checks import choice, whole_number
from ltx_nb.media.opening import MediaSource, check_decoded_size, file_of, name_of
from ltx_nb.shapes import FITS
from ltx_nb.whole_files import whole_file

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
READABLE_PICTURES = "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"
_POSTER_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
POSTER_SUFFIXES = tuple(_POSTER_FORMATS)
# What Pillow raises for damaged files, by its plugins and their parsers.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)


@contextmanager
def open_picture(source: MediaSource) -> Iterator[Any]:
    """Pillow's image of a picture file, whose size is within the limits. Raises ValueError if it cannot be read."""
    name, file = name_of(source), file_of(source)
    if not isinstance(file, str):
        yield from _picture_in(file, name)
        return
    with open(file, "rb") as opened:  # what Pillow has the name of it maps, and then forgets how a TIFF is turned
        yield from _picture_in(opened, name)


def _picture_in(file: Any, name: str) -> Iterator[Any]:
    try:
        image = Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError:
        raise ValueError(
            f"{name} is not a {READABLE_PICTURES} picture; of a video, take a frame of read_video(...)"
        ) from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"cannot read {name}: {error}; PIL.Image.MAX_IMAGE_PIXELS says how many are") from None
    except _DAMAGE as error:
        raise _damaged(name, error) from error
    with image:
        check_decoded_size(
            name, f"pictures of {image.width}x{image.height} px", 3 * image.width * image.height, "scale it"
        )
        try:
            yield image
        except _Told as error:
            raise ValueError(f"cannot read {name}: {error}") from None
        except _DAMAGE as error:
            raise _damaged(name, error) from error


class _Told(ValueError):
    """An error whose text already says all."""


def _damaged(name: str, error: Exception) -> ValueError:
    return ValueError(f"cannot read {name}: {error}; save the picture again as PNG")


def read_image(source: MediaSource) -> np.ndarray:
    """A picture file as uint8 [H, W, 3], turned as its EXIF says, transparency over black; of a moving one the first.

    PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF. Raises ValueError if it cannot be read.
    """
    with open_picture(source) as image:
        return pixels_of(image)


def pixels_of(image: Image.Image) -> np.ndarray:
    """A PIL image as uint8 [H, W, 3], as `read_image` gives its file. Raises ValueError for 32-bit numbers."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise _Told("the picture has more than 16 bits a channel, whose white is not known; save it as 16-bit PNG")
        return np.repeat(np.rint(grey / 257).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == "F":
        raise _Told("the picture has floating-point numbers, whose white is not known; save it as 16-bit PNG")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return np.array(image.convert("RGB"))


def is_picture(source: MediaSource) -> bool:
    """Whether `source` begins like a picture file, still or moving. Raises ValueError for what is no file."""
    file = file_of(source)
    try:
        with Image.open(file, formats=_FORMATS):
            return True
    except Image.DecompressionBombError:
        return True  # reading it says so
    except _DAMAGE:
        return False


def fit_frames(frames: np.ndarray, width: int, height: int, fit: str = "crop") -> tuple[np.ndarray, str]:
    """Frames [F, H, W, 3] as [F, height, width, 3], and in words what was done ("" if nothing).

    fit: "crop" cuts equally from both sides, "pad" adds black bars on both sides, "stretch" gives up the proportions.
    Raises ValueError for anything else.
    """
    frames = check_frames(frames)
    size = whole_number("width", width, least=1), whole_number("height", height, least=1)
    choice("fit", fit, FITS)
    given = frames.shape[2], frames.shape[1]
    if given == size:
        return frames, ""
    pictures = map(Image.fromarray, frames)
    if fit == "stretch":
        resized = [np.asarray(picture.resize(size, Image.Resampling.LANCZOS)) for picture in pictures]
        return np.stack(resized), f"picture {given[0]}x{given[1]}, stretched to {size[0]}x{size[1]}"
    fitted = ImageOps.fit if fit == "crop" else ImageOps.pad
    resized = [np.asarray(fitted(picture, size, Image.Resampling.LANCZOS)) for picture in pictures]

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
