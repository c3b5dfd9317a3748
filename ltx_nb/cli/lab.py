"""The command `ltx-nb lab`: the course in a folder of yours, and JupyterLab on its first notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ltx_nb.cli.commands import AsJson, app
from ltx_nb.cli.outcome import outcome_of_command

FOLDER = "ltx-nb-course"


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(help="Folder to work in; it is made if need be.")] = Path(FOLDER),
    answers: Annotated[bool, typer.Option(help="With the answers to what there is to break, folded.")] = True,
    opens: Annotated[bool, typer.Option("--open/--no-open", help="Open JupyterLab there.")] = True,
    as_json: AsJson = False,
) -> None:
    """Copy the notebooks of the course into a folder, those that are not there, and open JupyterLab on the first."""
    with outcome_of_command(as_json) as outcome:
        from ltx_nb.local_files import local_path

        if opens and find_spec("jupyterlab") is None:
            raise ValueError("JupyterLab is not installed; nearest: pip install 'ltx-nb[lab]', or --no-open")
        folder = Path(local_path(folder))
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file; give the folder to work in, nearest: {folder.parent}")
        names = sorted(path.name for path in course().glob("*.ipynb"))
        copied = [name for name in names if _copy(course() / name, folder / name, answers)]
        outcome.data = {"folder": str(folder), "notebooks": names, "copied": copied}
        kept = f"; {len(names) - len(copied)} were there and stay as they are" if len(copied) < len(names) else ""
        outcome.text = f"{folder}: {len(copied)} notebooks copied{kept}"
    if opens:
        root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # as in a container
        command = [sys.executable, "-m", "jupyterlab", *root, str(folder / names[0])]
        raise typer.Exit(subprocess.run(command).returncode)


def course() -> Path:
    """The folder of the notebooks: in the wheel, or beside the package where it runs from the repository."""
    import ltx_nb

    package = Path(ltx_nb.__file__).parent
    inside = package / "course"
    return inside if inside.is_dir() else package.parent / "notebooks"


def _copy(source: Path, target: Path, answers: bool) -> bool:
    """Copy a notebook whole, unless there is one of its name; return whether it was copied."""
    from ltx_nb.whole_files import whole_file

    if target.exists():
        return False
    content = source.read_bytes() if answers else _without_answers(source)
    with whole_file(target) as unfinished:
        Path(unfinished).write_bytes(content)
    return True


def _without_answers(source: Path) -> bytes:
    notebook = json.loads(source.read_text(encoding="utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if "answer" not in cell["metadata"].get("tags", ())]
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()
