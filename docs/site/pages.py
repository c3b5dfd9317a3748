"""Pages made from data: the course's contents, the gallery, benchmarks, the API. Markdown and HTML in files."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path

import nbformat
from gallery import FRONT, cards_html, entries
from tables import measurement

ROOT = Path(__file__).parents[2]
BENCHMARKS = {
    "overhead": "What a session costs over diffusers' own pipeline",
    "tasks": "What the tasks cost",
    "inspection": "What looking inside a clip costs",
    "presets": "What the presets are built on: peaks of memory, and forwards on a card",
    "studio": "The studio in the browser",
    "try_page": "The tiny model in a web page",
}
TRY = (
    '<p><a href="try/index.html"><strong>Type a sentence</strong></a>, and the tiny model makes the clip in this '
    "browser: nothing is installed and nothing is sent.</p>"
)
API = {
    "ltx_nb": "Loading, requests, sessions and clips",
    "ltx_nb.inspect": "Latents, attention, sound, sync, guidance and precision, as numbers",
    "ltx_nb.plots": "The same as figures",
    "ltx_nb.training": "LoRAs",
    "ltx_nb.sweep": "Many clips",
    "ltx_nb.comfy": "ComfyUI workflows",
    "ltx_widgets": "Widgets",
}


def write_pages(source: Path, recorded: Path) -> None:
    """All of them, below the folder that Sphinx reads."""
    _fill(source / "index.md", "front-clips", _html(cards_html(entries(source / "gallery.json")[:FRONT], "")))
    _fill(source / "index.md", "try", _html(TRY) if (source / "extra" / "try" / "index.html").exists() else "")
    _fill(source / "gallery.md", "gallery", _html(cards_html(entries(source / "gallery.json"), "")))
    _fill(source / "course.md", "course", _course(source / "course"))
    _fill(source / "guides.md", "guides", "\n".join(_guides(source)))
    benchmarks = [ROOT / "benchmarks" / f"{name}.json" for name in sorted(BENCHMARKS)]
    _fill(source / "benchmarks.md", "benchmarks", "\n\n".join(map(_benchmark, benchmarks)))
    (source / "api").mkdir()
    for module, title in API.items():
        (source / "api" / f"{module}.md").write_text(_api(module, title), "utf-8")


def _fill(path: Path, name: str, content: str) -> None:
    """Put content where the page has the comment <!-- name -->. Raises ValueError if it has none."""
    text, mark = path.read_text("utf-8"), f"<!-- {name} -->"
    if mark not in text:
        raise ValueError(f"{path.name} has no {mark}")
    path.write_text(text.replace(mark, content), "utf-8")


def _html(content: str) -> str:
    return f"```{{raw}} html\n{content}\n```"


def _course(folder: Path) -> str:
    rows = ["| number | notebook | question |", "|---:|---|---|"]
    for path in sorted(folder.glob("*.ipynb")):
        head = nbformat.read(path, as_version=4).cells[0].source
        number, title = re.match(r"# (\d+) · (.+)", head).groups()
        question = re.search(r"\*\*(.+?)\*\*", head, re.DOTALL)[1].replace("\n", " ")
        rows.append(f"| {number} | [{title}](course/{path.name}) | {question} |")
    return "\n".join(rows)


def _guides(source: Path) -> list[str]:
    """Pages in guides/, then those that no other contents name."""
    named = {line for name in ("index", "about") for line in (source / f"{name}.md").read_text("utf-8").splitlines()}
    others = sorted(path.stem for path in source.glob("*.md") if path.stem not in {*named, "index"})
    return [*sorted(f"guides/{path.stem}" for path in source.glob("guides/*.md")), *others]


def _benchmark(path: Path) -> str:
    measured = json.loads(path.read_text("utf-8"))
    machine = ", ".join(f"{key} {value}" for key, value in measured.pop("machine", {}).items())
    by = f"`benchmarks/{path.stem}.py`{f' on {machine}' if machine else ''}"
    return f"## {BENCHMARKS.get(path.stem, path.stem)}\n\nBy {by}.\n\n{measurement(measured, 3)}"


def _api(module: str, title: str) -> str:
    """A page on every public name of a module."""
    package = importlib.import_module(module)
    parts = [f"# {module}", f"{title}.", ""]
    for name in (name for name in package.__all__ if not name.startswith("_")):
        value = getattr(package, name)
        if inspect.ismodule(value):
            continue
        kind = "autoclass" if inspect.isclass(value) else "autofunction"
        options = ":members:\n" if kind == "autoclass" else ""
        parts.append(f"## {name}\n\n```{{eval-rst}}\n.. {kind}:: {module}.{name}\n{_indented(options)}```\n")
    return "\n".join(parts)


def _indented(text: str) -> str:
    return "".join(f"   {line}\n" for line in text.splitlines())
