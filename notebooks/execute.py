"""Runs the notebooks and stores them in a normal form, so that a difference in git is a difference in what they show.

    python notebooks/execute.py [NOTEBOOK ...]            run them (default: all) and rewrite them
    python notebooks/execute.py --check [NOTEBOOK ...]    run nothing; name what is not in normal form, exit with 1

Normal form: cell ids from the file's name, no metadata but cell tags, one stream per name, text outputs and small still
pictures of few colours, tracebacks of one line. Videos and sounds leave their poster or a word behind, widgets their
text. Below the title stands a badge that opens the notebook in Colab. Answers, the cells with the tag `answer`, are
folded below their heading. A fresh run is compared to what is stored, after sanitize.cfg, so every code cell has to be
stored as run, and one that is not compared has a tag that says why.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from base64 import b64decode, b64encode
from copy import deepcopy
from io import BytesIO
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).parent
PROJECT = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
CELL_TIMEOUT_S = 300
SIZE_LIMIT_BYTES = 300_000
PICTURE_COLOURS = 64  # enough for curves, maps and small frames, at less than half the bytes of true colour
SKIP_TAG = "nbval-skip"
UNCOMPARED_TAG = "nbval-ignore-output"
REASON_TAGS = ("shows-time", "shows-machine")  # why an output is not compared
ANSWER_TAG = "answer"
FOLDED = {"heading_collapsed": True, "jp-MarkdownHeadingCollapsed": True}  # in Colab; in JupyterLab and Notebook 7
COLAB_GUARD = 'if "google.colab" in sys.modules:'

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_MIME_TYPES = {"text/plain", "text/html", "text/markdown", "text/latex", "application/json", "image/png"}
MEDIA_ELEMENT = re.compile(r"<(video|audio)\b(.*?)</\1>", re.DOTALL)
POSTER = re.compile(r'\bposter="(data:image/[^"]+)"')
BADGE = re.compile(r"\[!\[Open in Colab\].*\n*")
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|Users|work|opt|var|mnt)/[\w.-]+")


def run(path: Path) -> NotebookNode:
    """The notebook with fresh outputs, from a fresh kernel that starts in the notebook's folder.

    Raises nbclient's CellExecutionError when a cell fails, CellTimeoutError when it needs more than CELL_TIMEOUT_S.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        skip_cells_with_tag=SKIP_TAG,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    return client.execute()


def normalised(notebook: NotebookNode, stem: str) -> NotebookNode:
    """A copy in normal form; `stem` is the file's name without its ending. Changes nothing that is already normal."""
    notebook = deepcopy(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    if notebook.cells and notebook.cells[0].cell_type == "markdown":
        notebook.cells[0].source = _with_badge(notebook.cells[0].source, stem)
    runs = 0
    for index, cell in enumerate(notebook.cells):
        cell.id = f"{stem}-{index:02d}"
        tags = cell.metadata.get("tags", [])
        folds = ANSWER_TAG in tags and cell.cell_type == "markdown" and cell.source.startswith("## ")
        cell.metadata = ({"tags": tags} if tags else {}) | (FOLDED if folds else {})
        if cell.cell_type != "code":
            continue
        if SKIP_TAG in tags:
            cell.execution_count, cell.outputs = None, []
        elif cell.execution_count is not None:
            runs += 1
            cell.execution_count = runs
        cell.outputs = [_normalised_output(output, cell.execution_count) for output in cell.outputs]
    return notebook


def _with_badge(opening: str, stem: str) -> str:
    """The first cell's text with the badge below its first line, the title; in place of one that is there."""
    title, _, rest = BADGE.sub("", opening).partition("\n")
    page = f"https://colab.research.google.com/github/{REPOSITORY.removeprefix('https://github.com/')}"
    picture = "https://colab.research.google.com/assets/colab-badge.svg"
    badge = f"[![Open in Colab]({picture})]({page}/blob/main/notebooks/{stem}.ipynb)"
    return f"{title}\n\n{badge}\n\n{rest.lstrip()}".rstrip()


def _normalised_output(output: NotebookNode, execution_count: int | None) -> NotebookNode:
    if output.output_type == "error":
        output.traceback = [f"{output.ename}: {output.evalue}"]
    if output.output_type == "execute_result":
        output.execution_count = execution_count
    if "data" in output:
        output.metadata = {}
        output.data.pop(WIDGET_VIEW, None)
        if "text/html" in output.data:
            output.data["text/html"] = MEDIA_ELEMENT.sub(_still, output.data["text/html"])
        if "image/png" in output.data:
            output.data["image/png"] = _with_palette(output.data["image/png"])
    return output


def _with_palette(png_base64: str) -> str:
    """The picture in PICTURE_COLOURS colours; as it is if it has a palette already."""
    picture = Image.open(BytesIO(b64decode(png_base64)))
    if picture.mode == "P":
        return png_base64
    small = BytesIO()
    flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA")).convert("RGB")
    # It begins with the colours furthest apart, as the commonest would take the red from a small ball; k-means refines.
    few = flat.quantize(PICTURE_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    few.save(small, "PNG", optimize=True)
    return b64encode(small.getvalue()).decode()


def _still(element: re.Match[str]) -> str:
    kind, rest = element.groups()
    poster = POSTER.search(rest)
    return f'<img alt="{kind}" src="{poster[1]}">' if poster else f"<em>{kind}: run the cell to play it</em>"


def faults(path: Path) -> list[str]:
    """What is wrong with a stored notebook, a sentence each; empty when nothing is."""
    size_bytes = path.stat().st_size
    notebook = nbformat.read(path, as_version=4)
    found = []
    if notebook != normalised(notebook, path.stem):
        found.append("is not in normal form: run `make notebooks`")
    if size_bytes > SIZE_LIMIT_BYTES:
        found.append(f"has {size_bytes} bytes, over {SIZE_LIMIT_BYTES}: make its figures smaller")
    found += _unanswered(notebook)
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.get("tags", [])
        if cell.execution_count is None and SKIP_TAG not in tags:
            found.append(f"cell {index} was not run, so no test compares it: run `make notebooks`")
        if SKIP_TAG in tags and COLAB_GUARD not in cell.source:
            found.append(f"cell {index} is skipped, which is for what does nothing outside Colab: take {SKIP_TAG} away")
        if "# NBVAL_" in cell.source:
            found.append(f"cell {index} steers nbval by a comment; a tag does it without showing")
        if UNCOMPARED_TAG in tags and not set(REASON_TAGS) & set(tags):
            found.append(f"cell {index} is not compared and does not say why: add a tag, {' or '.join(REASON_TAGS)}")
        for output in cell.outputs:
            kinds = set(output.get("data", ())) - KEPT_MIME_TYPES
            found += [f"cell {index} stores {kind}" for kind in sorted(kinds)]
            text = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            found += [f"cell {index} shows a path of one machine: {shown}" for shown in MACHINE_PATH.findall(text)]
    return found


def _unanswered(notebook: NotebookNode) -> list[str]:
    """What is wrong with the answers, where there are any: each question has a heading with code below it."""
    asked = "".join(cell.source.partition("## To break\n")[2] for cell in notebook.cells)
    questions = [line for line in asked.splitlines() if line.startswith("- ")]
    answers = [cell for cell in notebook.cells if ANSWER_TAG in cell.metadata.get("tags", [])]
    headings = [cell for cell in answers if cell.source.startswith("### ")]
    code = [cell for cell in answers if cell.cell_type == "code"]
    if not answers or len(questions) == len(headings) <= len(code):
        return []
    return [f"asks {len(questions)} questions, answers {len(headings)}, in {len(code)} cells of code"]


def _write(notebook: NotebookNode, path: Path) -> None:
    unfinished = path.with_suffix(".unfinished")
    nbformat.write(notebook, unfinished)
    os.replace(unfinished, path)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 1 when a notebook has a fault, which is named on stderr."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="run nothing, only look at what is stored")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in this folder")
    options = parser.parse_args(arguments)
    sound = True
    for path in options.notebooks or sorted(FOLDER.glob("*.ipynb")):
        if not options.check:
            print(path, flush=True)
            _write(normalised(run(path), path.stem), path)
        for fault in faults(path):
            sound = False
            print(f"{path} {fault}", file=sys.stderr)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
