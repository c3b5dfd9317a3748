"""How docstrings begin: with a verb or with a noun phrase that names the thing."""

import ast
from pathlib import Path

import ltx_nb

ROOT = Path(ltx_nb.__file__).parent
WIDGETS = ROOT.parent / "widgets" / "ltx_widgets"
FRAGMENTS = {"Of", "That", "Them", "Those", "Until", "What"}  # what follows them leaves the reader to guess of what


def docstrings():
    for path in sorted([*ROOT.rglob("*.py"), *WIDGETS.rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield path.relative_to(ROOT.parent), ast.get_docstring(node) or ""


def test_docstrings_begin_with_what_they_name():
    found = [f"{path}: {text.splitlines()[0]}" for path, text in docstrings() if text.split(" ")[0] in FRAGMENTS]
    assert found == []
