"""The stored notebooks are in normal form, and the normal form is what execute.py says it is.

pytest itself runs every notebook, a fresh kernel each, and compares all text: see addopts in pyproject.toml.
"""

import base64
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat import v4
from PIL import Image

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

_spec = importlib.util.spec_from_file_location("execute", NOTEBOOKS / "execute.py")
execute = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(execute)

PLAYER = (
    '<div><video controls poster="data:image/jpeg;base64,AAAA"><source src="data:video/mp4;base64,BBBB"></video></div>'
)


def code_cell(source, *outputs, tags=None, execution_count=1):
    metadata = {"tags": tags} if tags else {}
    return v4.new_code_cell(source, outputs=list(outputs), metadata=metadata, execution_count=execution_count)


def displayed(**data):
    return v4.new_output("display_data", {name.replace("_", "/", 1): value for name, value in data.items()})


def stored(folder, *cells, stem="01_example", normal=True):
    notebook = v4.new_notebook(cells=list(cells))
    path = folder / f"{stem}.ipynb"
    nbformat.write(execute.normalised(notebook, stem) if normal else notebook, path)
    return path


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_stored_notebook_has_no_fault(path):
    assert execute.faults(path) == []


def test_normal_form_is_stable():
    once = execute.normalised(v4.new_notebook(cells=[code_cell("1 + 1"), v4.new_markdown_cell("text")]), "01_example")
    assert execute.normalised(once, "01_example") == once


def test_cell_ids_come_from_the_file_name():
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("a"), v4.new_markdown_cell("b")])
    assert [cell.id for cell in execute.normalised(notebook, "02_shapes").cells] == ["02_shapes-00", "02_shapes-01"]


BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/someone/else/blob/main/notebooks/03_clips.ipynb)"
)


@pytest.mark.parametrize(
    "opening",
    [
        "# 3 · Clips\n\nText.",
        f"# 3 · Clips\n\n{BADGE}\n\nText.",
        f"{BADGE}\n\n# 3 · Clips\nText.",
        f"# 3 · Clips\n{BADGE.replace('03', '02')}\nText.",
    ],
)
def test_the_badge_is_made_from_the_repositorys_address(opening, monkeypatch):
    monkeypatch.setattr(execute, "REPOSITORY", "https://github.com/someone/else")
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(opening)])
    assert execute.normalised(notebook, "03_clips").cells[0].source == f"# 3 · Clips\n\n{BADGE}\n\nText."


def test_the_address_is_in_one_place():
    """Besides pyproject.toml it is in what is made from it, and in the line with which Colab installs: no history."""
    for path in NOTEBOOKS.glob("*.ipynb"):
        install = nbformat.read(path, as_version=4).cells[1].source
        assert f'%pip install -q "ltx-nb @ {execute.REPOSITORY}/archive/refs/heads/main.zip"' in install, path.name


def test_only_tags_stay_of_the_metadata():
    cell = code_cell("x = 1", tags=["nbval-ignore-output"])
    cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    assert execute.normalised(v4.new_notebook(cells=[cell]), "n").cells[0].metadata == {"tags": ["nbval-ignore-output"]}


def test_answers_are_folded_below_their_heading():
    cells = [v4.new_markdown_cell("## Answers"), v4.new_markdown_cell("### 1"), code_cell("1")]
    for cell in cells:
        cell.metadata["tags"] = ["answer"]
    folded, *others = execute.normalised(v4.new_notebook(cells=cells), "n").cells
    assert folded.metadata == {"tags": ["answer"], "heading_collapsed": True, "jp-MarkdownHeadingCollapsed": True}
    assert all(cell.metadata == {"tags": ["answer"]} for cell in others)


def test_fault_a_question_without_an_answer(tmp_path):
    question = v4.new_markdown_cell("## To break\n\n- Why?\n- Why not?")
    answer = v4.new_markdown_cell("### 1 \u00b7 Because")
    answer.metadata["tags"] = ["answer"]
    path = stored(tmp_path, question, answer, code_cell("1", tags=["answer"]))
    assert execute.faults(path) == ["asks 2 questions, answers 1, in 1 cells of code"]


def test_a_video_leaves_its_poster():
    notebook = v4.new_notebook(cells=[code_cell("clip", displayed(text_html=PLAYER, text_plain="Clip"))])
    data = execute.normalised(notebook, "n").cells[0].outputs[0].data
    assert data == {"text/html": '<div><img alt="video" src="data:image/jpeg;base64,AAAA"></div>', "text/plain": "Clip"}


def test_a_sound_leaves_a_word():
    html = '<audio controls><source src="data:audio/wav;base64,CCCC"></audio>'
    notebook = v4.new_notebook(cells=[code_cell("sound", displayed(text_html=html))])
    data = execute.normalised(notebook, "n").cells[0].outputs[0].data
    assert data["text/html"] == "<em>audio: run the cell to play it</em>"


def test_a_picture_keeps_few_colours_and_stays_as_it_is():
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    png = base64.b64encode(file.getvalue()).decode()
    notebook = v4.new_notebook(cells=[code_cell("figure", displayed(image_png=png, text_plain="Figure"))])
    once = execute.normalised(notebook, "n")
    picture = Image.open(io.BytesIO(base64.b64decode(once.cells[0].outputs[0].data["image/png"])))
    assert picture.size == (30, 20) and len(picture.getcolors()) <= execute.PICTURE_COLOURS
    assert execute.normalised(once, "n") == once


def test_a_widget_leaves_its_text():
    view = v4.new_output("display_data", {execute.WIDGET_VIEW: {"model_id": "1"}, "text/plain": "Player()"})
    notebook = execute.normalised(v4.new_notebook(cells=[code_cell("player", view)]), "n")
    assert notebook.cells[0].outputs[0].data == {"text/plain": "Player()"}


def test_fault_not_normal(tmp_path):
    path = stored(tmp_path, v4.new_markdown_cell("text"), normal=False)
    assert execute.faults(path) == ["is not in normal form: run `make notebooks`"]


def test_fault_cell_not_run(tmp_path):
    path = stored(tmp_path, code_cell("print(1)", execution_count=None))
    assert execute.faults(path) == ["cell 0 was not run, so no test compares it: run `make notebooks`"]


def test_skipped_cell_need_not_be_run(tmp_path):
    source = f"import sys\n\n{execute.COLAB_GUARD}\n    %pip install x"
    assert execute.faults(stored(tmp_path, code_cell(source, tags=["nbval-skip"], execution_count=None))) == []


def test_fault_skipped_outside_colab(tmp_path):
    (fault,) = execute.faults(stored(tmp_path, code_cell("print(1)", tags=["nbval-skip"], execution_count=None)))
    assert fault.startswith("cell 0 is skipped, which is for what does nothing outside Colab")


def test_fault_comment_that_steers_the_comparison(tmp_path):
    (fault,) = execute.faults(stored(tmp_path, code_cell("# NBVAL_IGNORE_OUTPUT\nprint(1)")))
    assert fault == "cell 0 steers nbval by a comment; a tag does it without showing"


def test_fault_not_compared_without_a_reason(tmp_path):
    cells = [
        code_cell("1", tags=["nbval-ignore-output", *reason], execution_count=1) for reason in ([], ["shows-time"])
    ]
    assert [execute.faults(stored(tmp_path, cell)) for cell in cells] == [
        ["cell 0 is not compared and does not say why: add a tag, shows-time or shows-machine"],
        [],
    ]


def test_fault_too_large(tmp_path):
    path = stored(tmp_path, code_cell("print('a')", v4.new_output("stream", text="a" * 350_000)))
    (fault,) = execute.faults(path)
    assert "over 300000: make its figures smaller" in fault


def test_fault_embedded_video(tmp_path):
    video = v4.new_output("display_data", {"video/mp4": "AAAA", "text/plain": "video"})
    assert execute.faults(stored(tmp_path, code_cell("video", video))) == ["cell 0 stores video/mp4"]


def test_fault_path_of_a_machine(tmp_path):
    path = stored(tmp_path, code_cell("path", v4.new_output("stream", text="saved /home/someone/ball.mp4\n")))
    assert execute.faults(path) == ["cell 0 shows a path of one machine: /home/someone"]


def test_runs_and_rewrites_a_notebook(tmp_path):
    path = stored(tmp_path, code_cell("print(6 * 7)", execution_count=None))
    assert execute.main([str(path)]) == 0
    (output,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert (output.output_type, output.text) == ("stream", "42\n")


def test_check_fails_on_a_fault(tmp_path, capsys):
    path = stored(tmp_path, code_cell("print(1)", execution_count=None))
    assert execute.main(["--check", str(path)]) == 1
    assert "01_example.ipynb cell 0 was not run" in capsys.readouterr().err


def strict_nbval(path):
    """pytest's exit status for one notebook, under the options that the whole suite uses."""
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider", str(path)]
    return subprocess.run(command, cwd=NOTEBOOKS.parent, capture_output=True).returncode


@pytest.mark.parametrize("source", ["print(6 * 7)", "f'{6 * 7} frames'"])
def test_a_changed_number_fails(tmp_path, source):
    path = stored(tmp_path, code_cell(source, execution_count=None))
    execute.main([str(path)])
    assert strict_nbval(path) == pytest.ExitCode.OK
    path.write_text(path.read_text().replace("42", "43"))
    assert strict_nbval(path) == pytest.ExitCode.TESTS_FAILED


def test_every_notebook_is_compared():
    """Those found by glob are those that pytest collects, every code cell a test of its own."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "notebooks"]
    collected = subprocess.run(command, cwd=NOTEBOOKS.parent, capture_output=True, text=True, check=True).stdout
    for path in NOTEBOOKS.glob("*.ipynb"):
        code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert collected.count(f"{path.name}::") == len(code), path.name


def test_what_execute_leaves_of_media_compares_equal(tmp_path):
    source = f"from IPython.display import HTML\nHTML({json.dumps(PLAYER)})"
    path = stored(tmp_path, code_cell(source, execution_count=None))
    execute.main([str(path)])
    assert strict_nbval(path) == pytest.ExitCode.OK


def test_a_notebook_runs_from_an_installed_wheel(tmp_path):
    """Outside the repository, as on Colab: all that it needs is in the package, weights and browser modules too."""
    site, folder = tmp_path / "site", tmp_path / "elsewhere"
    folder.mkdir()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=NOTEBOOKS.parent, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(site)}

    code = "import ltx_nb, ltx_widgets.timeline as widget; print(ltx_nb.__file__, widget.__file__)"
    run = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
    found = subprocess.run([sys.executable, "-c", code], check=True, **run).stdout.split()
    assert [Path(file).is_relative_to(site) for file in found] == [True, True]
    carried = sorted(path.name for path in (site / "ltx_nb" / "course").glob("*.ipynb"))
    assert carried == sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))

    command = "from ltx_nb.cli import main; main()"
    lab = [sys.executable, "-c", command, "lab", ".", "--no-open", "--no-answers"]
    subprocess.run(lab, check=True, **run)
    nbval = ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={NOTEBOOKS / 'sanitize.cfg'}"]
    test = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *nbval, "01_first_clip.ipynb"]
    done = subprocess.run(test, **run)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
