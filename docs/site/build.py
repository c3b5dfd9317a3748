"""Builds the site into outputs/site: `make docs`, or python docs/site/build.py.

Lays out the sources in outputs/site-source (docs/, the notebooks, pages made from JSON), records clips and widgets with
the tiny model, and calls Sphinx. Needs no network; the pages load nothing from elsewhere.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
os.environ.setdefault("MPLBACKEND", "agg")
sys.path.insert(0, str(ROOT / "widgets"))

import nbformat  # noqa: E402
import pages  # noqa: E402
from course import page_of, record_notebook  # noqa: E402
from gallery import record_gallery  # noqa: E402
from sphinx.cmd.build import main as sphinx  # noqa: E402

from ltx_widgets.assets import joined_module, joined_style  # noqa: E402

DOCS, NOTEBOOKS = ROOT / "docs", ROOT / "notebooks"
REPOSITORY = "https://github.com/ltx-nb/ltx-nb"
WIDGETS = ("player", "latent_explorer", "timeline")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
COPIED = ("*.md", "*.png", "*.webp", "*.gif", "*.json", "conf.py", "_static/*", "guides/*")


def record(source: Path, notebooks: list[Path]) -> None:
    """Clips of the gallery, and what these notebooks show, into source/extra/recorded."""
    recorded = source / "extra" / "recorded"
    shutil.rmtree(recorded, ignore_errors=True)
    for what, make in [
        ("gallery", lambda: record_gallery(DOCS / "gallery.json", recorded)),
        *((path.stem, lambda path=path: record_notebook(path, recorded)) for path in notebooks),
    ]:
        began = time.monotonic()
        make()
        print(f"recorded {what} in {time.monotonic() - began:.1f} s", flush=True)


def add_try_page(source: Path) -> None:
    """The page that runs the model in the browser, where docs/try can build it; else say why there is none."""
    folder = source / "extra" / "try"
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run([sys.executable, str(DOCS / "try" / "build.py"), str(folder)], capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        print("no page that runs the model:", (done.stderr.strip() or "docs/try has none").splitlines()[-1])


def lay_out(source: Path) -> None:
    """Sources as Sphinx takes them; what was recorded stays."""
    (source / "extra").mkdir(parents=True, exist_ok=True)
    for path in source.glob("*"):
        if path.name != "extra":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    recorded = source / "extra" / "recorded"
    staged = {path: path.relative_to(DOCS) for pattern in COPIED for path in DOCS.glob(pattern) if path.is_file()}
    staged |= {path: Path("course") / path.name for path in NOTEBOOKS.glob("*.ipynb")}
    for path, place in staged.items():
        target = source / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(linked(path.read_text("utf-8"), path, staged), "utf-8")
        elif path.suffix == ".ipynb":
            notebook = page_of(path, recorded)
            for cell in notebook.cells:
                if cell.cell_type == "markdown":
                    cell.source = linked(cell.source, path, staged)
            nbformat.write(notebook, target)
        else:
            shutil.copy(path, target)
    pages.write_pages(source, recorded)
    widgets = source / "_static" / "widgets"
    widgets.mkdir(parents=True)
    for name in WIDGETS:
        module = joined_module(name).replace("export default {", "return {")
        (widgets / f"{name}.js").write_text(f'ltxReplay.widget("{name}", (() => {{\n{module}\n}})());\n', "utf-8")
        (widgets / f"{name}.css").write_text(joined_style(name), "utf-8")


def linked(text: str, path: Path, staged: dict[Path, Path]) -> str:
    """Markdown of a file whose relative links lead to pages of the site, and else to the repository."""

    def place(found: re.Match[str]) -> str:
        target, anchor = (path.parent / found[1]).resolve(), found[2] or ""
        if target in staged:
            return f"]({os.path.relpath(staged[target], staged[path].parent)}{anchor})"
        if target.exists() and not target.is_relative_to(DOCS):
            kind = "tree" if target.is_dir() else "blob"
            return f"]({REPOSITORY}/{kind}/main/{target.relative_to(ROOT)}{anchor})"
        return found[0]

    return LINK.sub(place, text)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status of Sphinx, for which every warning is an error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "outputs" / "site", help="folder of the finished pages")
    parser.add_argument("--notebooks", nargs="*", help="record the clips of these alone, as 01_first_clip")
    parser.add_argument("--try", action="store_true", dest="tries", help="with the page that runs the model")
    parser.add_argument("--keep-recordings", action="store_true", help="make no clip anew")
    options = parser.parse_args(arguments)
    out, source = options.out.resolve(), options.out.resolve().with_name(f"{options.out.name}-source")
    chosen = options.notebooks
    if not options.keep_recordings:
        record(source, [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if chosen is None or path.stem in chosen])
    if options.tries:
        add_try_page(source)
    lay_out(source)
    shutil.rmtree(out, ignore_errors=True)
    return sphinx(["-q", "-W", "--keep-going", "-b", "html", "-d", str(source / ".doctrees"), str(source), str(out)])


if __name__ == "__main__":
    sys.exit(main())
