"""README's tree names what there is: nothing that is gone, and no module left out."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TREE = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What is where\n")[2].split("```")[1]


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
