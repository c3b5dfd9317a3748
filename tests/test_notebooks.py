"""The stored notebooks are in normal form, and the normal form is what execute.py says it is.

pytest itself runs every notebook, a fresh kernel each, and compares all text: see addopts in pyproject.toml.
"""

import base64
import importlib.util
import io
import json
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


def test_only_tags_stay_of_the_metadata():
    cell = code_cell("x = 1", tags=["nbval-ignore-output"])
    cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    assert execute.normalised(v4.new_notebook(cells=[cell]), "n").cells[0].metadata == {"tags": ["nbval-ignore-output"]}


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
    assert (
        execute.faults(stored(tmp_path, code_cell("%pip install x", tags=["nbval-skip"], execution_count=None))) == []
    )


def test_fault_too_large(tmp_path):
    path = stored(tmp_path, code_cell("print('a')", v4.new_output("stream", text="a" * 250_000)))
    (fault,) = execute.faults(path)
    assert "over 200000: make its figures smaller" in fault


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


def test_a_changed_output_fails(tmp_path):
    path = stored(tmp_path, code_cell("print(6 * 7)", v4.new_output("stream", text="41\n")))
    assert strict_nbval(path) == pytest.ExitCode.TESTS_FAILED


def test_what_execute_leaves_of_media_compares_equal(tmp_path):
    source = f"from IPython.display import HTML\nHTML({json.dumps(PLAYER)})"
    path = stored(tmp_path, code_cell(source, execution_count=None))
    execute.main([str(path)])
    assert strict_nbval(path) == pytest.ExitCode.OK
