"""The course in a folder: copied once, never over what a learner wrote, and opened in JupyterLab."""

import json
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from ltx_nb.cli import app
from ltx_nb.cli.lab import course

NOTEBOOKS = sorted(path.name for path in (Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def lab(folder, *options):
    done = CliRunner().invoke(app, ["lab", str(folder), "--no-open", *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_all_notebooks_are_copied(tmp_path):
    assert f"{len(NOTEBOOKS)} notebooks copied" in lab(tmp_path / "deep" / "course")
    copied = sorted((tmp_path / "deep" / "course").iterdir())
    assert [path.name for path in copied] == NOTEBOOKS
    assert all(path.read_bytes() == (course() / path.name).read_bytes() for path in copied)


def test_a_class_gets_the_questions_without_the_answers(tmp_path):
    lab(tmp_path, "--no-answers")
    for name in NOTEBOOKS:
        cells, all_cells = (
            json.loads((folder / name).read_text(encoding="utf-8"))["cells"] for folder in (tmp_path, course())
        )
        assert cells == [cell for cell in all_cells if "answer" not in cell["metadata"].get("tags", [])]
        assert len(cells) < len(all_cells), name
        assert any("## To break" in "".join(cell["source"]) for cell in cells)


def test_what_was_written_there_stays(tmp_path):
    (tmp_path / NOTEBOOKS[0]).write_text("my own")
    found = json.loads(lab(tmp_path, "--json"))
    assert found["copied"] == NOTEBOOKS[1:] and (tmp_path / NOTEBOOKS[0]).read_text() == "my own"
    assert "0 notebooks copied; " in lab(tmp_path)


def test_a_file_is_no_folder_to_work_in(tmp_path):
    (tmp_path / "a.ipynb").write_text("my own")
    done = CliRunner().invoke(app, ["lab", str(tmp_path / "a.ipynb"), "--no-open"])
    assert done.exit_code == 2 and "a.ipynb is a file; give the folder to work in, nearest: " in done.stderr


def test_jupyterlab_is_opened_on_the_first(tmp_path, monkeypatch):
    asked = []

    def run(command):
        asked.append(command)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    done = CliRunner().invoke(app, ["lab", str(tmp_path)])
    assert done.exit_code == 3
    ((python, *command),) = asked
    assert python == sys.executable and command[:2] == ["-m", "jupyterlab"]
    assert command[-1] == str(tmp_path / NOTEBOOKS[0])
