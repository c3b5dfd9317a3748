"""The tree in CONTRIBUTING names every module and nothing that is gone, the course in README every notebook."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TREE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## What is where\n")[2].split("```")[1]


def named():
    """Paths that the tree names, relative to the root; an indented one lies in ltx_nb/."""
    paths = set()
    for line in TREE.splitlines():
        names = re.match(r"( {2})?((?:[\w/]+(?:/|\.py) ?)+)", line)
        if names:
            paths |= {("ltx_nb/" if names[1] else "") + name for name in names[2].split()}
    return paths


def test_all_that_is_named_exists():
    assert [path for path in sorted(named()) if not (ROOT / path).exists()] == []


def test_every_module_is_named():
    modules = {f"ltx_nb/{path.name}" for path in (ROOT / "ltx_nb").glob("[a-z]*.py")}
    packages = {f"ltx_nb/{path.parent.name}/" for path in (ROOT / "ltx_nb").glob("*/__init__.py")}
    assert sorted((modules | packages) - named()) == []


def test_every_notebook_is_in_the_course_with_its_title_question_and_badge():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        head = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        number, title = re.match(r"# (\d+) · (.+)", head).groups()
        badge = re.search(r"^\[!\[Open in Colab\].+$", head, re.MULTILINE)[0]
        question = re.search(r"\*\*(.+?)\*\*", head, re.DOTALL)[1].replace("\n", " ")
        assert f"| {number} | [{title}](notebooks/{path.name}) | {question} | {badge} |" in README
