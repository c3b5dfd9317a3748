"""The course as pages: the stored notebooks, with the clips and widgets that their cells made in place of stills.

A cell's own outputs stay as they are stored. Where a clip or a widget stands, the cells up to it are run again at build
time, in this process; without that a page shows the stored picture.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.io import capture_output
from nbformat import NotebookNode
from record import RECORDED, write_clip, write_recording

from ltx_nb.clip import Clip

BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]")  # its picture lies elsewhere, and pages load nothing from there
SHOWN = re.compile(rf"({'|'.join(kind.__name__ for kind in (Clip, *RECORDED))})\(")


def shown_cells(notebook: NotebookNode) -> list[int]:
    """Indices of the code cells whose stored output stands for a clip or a widget that can be recorded."""
    return [
        index
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and any(SHOWN.match(_plain(output)) for output in cell.outputs)
    ]


def record_notebook(path: Path, recorded: Path) -> None:
    """Run the cells up to the last shown one, and write what they show to recorded/course/<stem>-<cell>.*.

    Raises RuntimeError for a cell that fails, or that shows something else than what is stored.
    """
    notebook = nbformat.read(path, as_version=4)
    shown = shown_cells(notebook)
    if not shown:
        return
    shell, folder = InteractiveShell.instance(), os.getcwd()
    shell.reset()
    os.chdir(path.parent)
    try:
        for index, cell in enumerate(notebook.cells[: shown[-1] + 1]):
            if cell.cell_type != "code" or "nbval-skip" in cell.metadata.get("tags", []):
                continue
            with capture_output():
                done = shell.run_cell(cell.source, store_history=False)
            if not done.success:
                raise RuntimeError(f"{path.name}, cell {index}: {done.error_before_exec or done.error_in_exec!r}")
            if index in shown:
                _record(done.result, path.name, index, recorded, f"course/{path.stem}-{index:02d}")
    finally:
        os.chdir(folder)
        shell.reset()
        torch.set_grad_enabled(True)  # some lessons turn gradients off, and the next may train


def _record(value: Any, file: str, index: int, recorded: Path, name: str) -> None:
    if isinstance(value, Clip) and value.frames is None:
        return  # sound alone: the page shows what is stored
    if isinstance(value, Clip):
        write_clip(value, recorded / name)
    elif isinstance(value, RECORDED):
        write_recording(value, recorded / name, name)
    else:
        raise RuntimeError(f"{file}, cell {index} shows a {type(value).__name__}; a clip or a widget is stored there")


def page_of(path: Path, recorded: Path) -> NotebookNode:
    """The notebook as the site shows it: without the cell for Colab, with media where there is a recording."""
    notebook = nbformat.read(path, as_version=4)
    shown = shown_cells(notebook)
    for index in shown:
        stem = recorded / "course" / f"{path.stem}-{index:02d}"
        for output in notebook.cells[index].outputs:
            html = _replayed(stem, output) if SHOWN.match(_plain(output)) else None
            if html:
                output.data = {"text/html": html, "text/plain": output.data["text/plain"]}
    notebook.cells[0].source = BADGE.sub("[Open in Colab]", notebook.cells[0].source)
    notebook.cells = [cell for cell in notebook.cells if "nbval-skip" not in cell.metadata.get("tags", [])]
    return notebook


def _replayed(stem: Path, output: NotebookNode) -> str | None:
    """HTML for what was recorded under a stem; None if nothing was."""
    name = f"course/{stem.name}"
    if stem.with_suffix(".mp4").exists():
        return video_html(f"../recorded/{name}", _plain(output))
    if stem.with_suffix(".js").exists():
        still = output.data.get("image/png")
        picture = f'<img class="ltx-replay-still" alt="" src="data:image/png;base64,{still.strip()}">' if still else ""
        return f'<div class="ltx-replay" data-recording="{name}">{picture}</div>'
    return None


def video_html(stem: str, label: str, height_per_width: float = 1) -> str:
    """A player of stem.mp4 that loads nothing but stem.jpg until it is pressed; a tall one is as high as a square."""
    shape = 1 / (min(height_per_width, 1) + 0.25)
    return (
        f'<video class="ltx-clip" controls playsinline preload="none" poster="{stem}.jpg" '
        f'style="--ltx-shape: {shape:.3f}" aria-label="{label}"><source src="{stem}.mp4" type="video/mp4"></video>'
    )


def _plain(output: NotebookNode) -> str:
    return output.get("data", {}).get("text/plain", "")
