"""A clip as a file that a browser keeps: the picture with sound, the picture alone, the sound, one frame."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from PIL import Image

from ltx_nb.checks import choice
from ltx_nb.clip import Clip
from ltx_nb.display import reduced

MEDIA_TYPES = {"mp4": "video/mp4", "gif": "image/gif", "wav": "audio/wav", "png": "image/png"}


def exported(clip: Clip, suffix: str) -> bytes:
    """The content of the file. An MP4 and a WAV hold the clip's request, as `Clip.save` writes them; a PNG is its frame
    in the middle.

    Raises ValueError for a suffix that is none of MEDIA_TYPES, and for sound or picture that the clip has not.
    """
    if choice("suffix", suffix, MEDIA_TYPES) == "gif":
        return _gif(clip)
    with tempfile.TemporaryDirectory(prefix="ltx-nb-export-") as folder:
        return clip.save(Path(folder) / f"clip.{suffix}").read_bytes()


def file_name(name: str, suffix: str) -> str:
    """A clip's name as that of a file: "#7 · seed 13" becomes "7-seed-13.mp4"."""
    stem = re.sub(r"[^\w.]+", "-", name).strip("-.") or "clip"
    return f"{stem}.{suffix}"


def _gif(clip: Clip) -> bytes:
    """All frames, each as long as it is in the clip, to the 10 ms that a GIF counts in."""
    first, *others = [Image.fromarray(frame) for frame in reduced(clip.export_frames())]
    ends_ms = [round(100 * (index + 1) / clip.frame_rate) * 10 for index in range(len(others) + 1)]
    lengths_ms = [end - start for start, end in zip([0, *ends_ms], ends_ms, strict=False)]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=lengths_ms, loop=0)
    return file.getvalue()
