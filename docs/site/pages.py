"""Pages made from data: the course's contents, the gallery, benchmarks, the API. Markdown and HTML in files."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import nbformat
from gallery import FRONT, cards_html, entries

ROOT = Path(__file__).parents[2]
BENCHMARKS = {
    "overhead": "What a session costs over diffusers' own pipeline",
    "tasks": "What the tasks cost",
    "inspection": "What looking inside a clip costs",
    "studio": "The studio in the browser",
}
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
    _fill(source / "gallery.md", "gallery", _html(cards_html(entries(source / "gallery.json"), "")))
    _fill(source / "course.md", "course", _course(source / "course"))
    _fill(
        source / "guides.md", "guides", "\n".join(f"guides/{path.stem}" for path in sorted(source.glob("guides/*.md")))
    )
    _fill(source / "benchmarks.md", "benchmarks", "\n\n".join(_benchmark(*one) for one in BENCHMARKS.items()))
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
    rows = ["| | | the question |", "|---:|---|---|"]
    for path in sorted(folder.glob("*.ipynb")):
        head = nbformat.read(path, as_version=4).cells[0].source
        number, title = re.match(r"# (\d+) · (.+)", head).groups()
        question = re.search(r"\*\*(.+?)\*\*", head, re.DOTALL)[1].replace("\n", " ")
        rows.append(f"| {number} | [{title}](course/{path.name}) | {question} |")
    return "\n".join(rows)


def _benchmark(name: str, title: str) -> str:
    """A table of benchmarks/<name>.json: plain numbers by name, or a row of numbers each."""
    measured = json.loads((ROOT / "benchmarks" / f"{name}.json").read_text("utf-8"))
    machine = ", ".join(f"{key} {value}" for key, value in measured.pop("machine").items())
    rows = [value for value in measured.values() if isinstance(value, dict)]
    columns = list(rows[0]) if rows else ["measured"]
    lines = [f"## {title}", f"`benchmarks/{name}.py`, on {machine}.", ""]
    lines += [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for what, value in measured.items():
        cells = [value[column] for column in columns] if rows else [value]
        lines.append(f"| {what} | {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:,}"


def _api(module: str, title: str) -> str:
    """A page on every public name of a module."""
    package = importlib.import_module(module)
    parts = [f"# {module}", f"{title}.", ""]
    for name in (name for name in package.__all__ if not name.startswith("_")):
        value = getattr(package, name)
        if inspect.ismodule(value):
            continue
        kind = "autoclass" if inspect.isclass(value) else "autofunction"
        options = ":members:\n:inherited-members: object, tuple, Exception\n" if kind == "autoclass" else ""
        options = ":members:\n" if kind == "autoclass" else ""
        parts.append(f"## {name}\n\n```{{eval-rst}}\n.. {kind}:: {module}.{name}\n{_indented(options)}```\n")
    return "\n".join(parts)


def _indented(text: str) -> str:
    return "".join(f"   {line}\n" for line in text.splitlines())
