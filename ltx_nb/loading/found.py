"""Files that lie on this machine already, in folders that the user names: ComfyUI's `models`, LTX-Desktop's.

Looked for by the names that the publisher gave them, in the folders given and nowhere else. Knows names; opens nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "LTX_NB_MODELS"  # folders, separated as in PATH
# Of ComfyUI (folder_paths.py), the older names among them; "" for a folder without any, as LTX-Desktop's.
FOLDERS = (
    "",
    "checkpoints",
    "diffusion_models",
    "unet",
    "text_encoders",
    "clip",
    "vae",
    "loras",
    "latent_upscale_models",
)


def models_folders() -> list[Path]:
    """The folders that the environment names. Raises FileNotFoundError for one that is not there."""
    folders = [Path(name).expanduser() for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"{VARIABLE} names {os.fspath(folder)!r}, which is no folder")
    return folders


def find(name: str, is_folder: bool = False) -> Path | None:
    """The file, or folder, of this name, and a line on stderr that says where; None where there is none."""
    for place in _places():
        path = place / name
        if (path / "config.json").is_file() if is_folder else path.is_file():
            print(f"found: {path}", file=sys.stderr)
            return path.absolute()
    return None


def known_files(names: list[str]) -> list[str]:
    """Find which of these files and folders lie in the folders, as paths."""
    return [str(place / name) for name in names for place in _places() if (place / name).exists()]


def _places() -> Iterator[Path]:
    for folder in models_folders():
        yield from (folder / name for name in FOLDERS)
