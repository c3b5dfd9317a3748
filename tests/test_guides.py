"""Every command and line of Python shown in README and the guides does what is written beside it.

The blocks of a page run in their order, in one folder that has what a reader has: a photo and a voice. Python blocks
share their names, as cells do; a block of text below one is what it shows, and is compared. Commands of the kit run as
they stand; of make, pip and conda it is checked that what they name is there, since the gate itself runs them. A block
that cannot run here has a comment before it: <!-- not run: why -->. Three pages have a person who comes for something,
a teacher, a creator and a researcher: there it is also checked that they leave with it.
"""

import ast
import contextlib
import csv
import doctest
import io
import os
import pydoc
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import ltx_nb
from ltx_nb.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<why>.+?) -->\n+)?^ *```(?P<language>\w*)\n(?P<code>.*?)^ *```$", re.DOTALL | re.MULTILINE
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ELSEWHERE = {  # commands that take minutes or need what a test has not, and the test that runs them smaller
    "ltx-nb evaluate tiny": "test_evaluate.py",
    "ltx-nb demo": "test_cli.py",
    "ltx-nb enhance a dog runs --endpoint http://localhost:11434/v1 --chat-model llama3.2": "test_paid_routes_page.py",
}
DOES_NOT_FIT = 3  # the exit code of a plan that is an answer all the same


def blocks_of(page):
    """(language, code, why it is not run, text that it shows) of each fenced block that is no such text."""
    found = [(m["language"], m["code"], m["why"]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    for index, (language, code, why) in enumerate(found):
        after = found[index + 1] if index + 1 < len(found) else ("", "", None)
        if language in ("python", "sh", "powershell"):
            yield language, code, why, after[1] if after[0] == "text" else None


@pytest.fixture
def reader(session, monkeypatch, tmp_path):
    """A reader's folder and machine: the tiny model loaded once, no browser to open, no figure to look at."""
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ltx_nb, "load", lambda *_, **__: session, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    plt.switch_backend("Agg")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (96, 160, 3), np.uint8)).save("photo.jpg")
    times_s = np.arange(96_000) / 48_000
    voice = ltx_nb.Clip(
        audio=np.tile(np.sin(2 * np.pi * 200 * times_s) * 0.2, (2, 1)).astype(np.float32), sample_rate=48_000
    )
    voice.save("voice.wav")
    yield tmp_path
    plt.close("all")


def run_python(code, names):
    """What the block prints, and below it the repr of its last line if that is an expression, as in a cell."""
    body = ast.parse(code).body
    last = ast.Expression(body.pop().value) if body and isinstance(body[-1], ast.Expr) else None
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(ast.Module(body, []), "block", "exec"), names)
        value = eval(compile(last, "block", "eval"), names) if last is not None else None
    return out.getvalue() + ("" if value is None else f"{value!r}\n")


def run_command(line, monkeypatch):
    """What a command prints. Of one that is not the kit's, only what it names is checked."""
    words = shlex.split(line, comments=True)
    if not words or " ".join(words) in ELSEWHERE:
        return ""
    if words[0] == "ltx-nb":
        with monkeypatch.context() as patched:
            if words[1] == "lab":  # it would open JupyterLab, and wait for its end
                patched.setattr("subprocess.run", lambda command: subprocess.CompletedProcess(command, 0))
            done = CliRunner().invoke(app, words[1:])
        allowed = (0, DOES_NOT_FIT) if words[1] == "plan" else (0,)
        assert done.exit_code in allowed, f"{line}\n{done.output}"
        return done.stdout
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets), line
    elif words[:2] == ["pip", "install"]:
        for extra in re.findall(r"\[(.+?)\]", line):
            assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"]), line
        assert all((ROOT / words[n + 1]).is_file() for n, word in enumerate(words) if word == "-c"), line
    elif words[:3] == ["conda", "env", "create"]:
        assert (ROOT / words[words.index("-f") + 1]).is_file(), line
    else:
        raise AssertionError(f"no rule for {line!r}: run it, or say why not in a comment before its block")
    return ""


def teacher_leaves_with_a_class(folder, names):
    """Questions for the students, answers for the teacher, both of every lesson."""
    asked, answered = folder / "course", folder / "course_with_answers"
    lessons = sorted(path.name for path in asked.glob("*.ipynb"))
    assert len(lessons) >= 10 and lessons == sorted(path.name for path in answered.glob("*.ipynb"))
    for name in lessons:
        with_answers, without = (
            [(cell.cell_type, cell.source) for cell in nbformat.read(place / name, 4).cells]
            for place in (answered, asked)
        )
        assert any("## To break" in source for _, source in without)
        assert not any(source.startswith("## Answers") for _, source in without)
        answers = [kind for kind, source in with_answers if (kind, source) not in without]
        assert answers.count("code") >= 3, name


def creator_leaves_with_a_clip(folder, names):
    """A clip that begins with the photo and sounds as the voice, and one with half a second made anew."""
    made, better = (ltx_nb.Clip.load(folder / name) for name in ("talking.mp4", "better.mp4"))
    assert names["clip"].audio.shape[1] == round(names["clip"].duration_s * 48_000)
    voice = ltx_nb.Clip.load(folder / "voice.wav")
    start = voice.audio[:, :48_000]
    assert np.array_equal(names["clip"].audio[:, :48_000], start), "the voice stays as it is"
    assert np.corrcoef(made.audio[0, :48_000], start[0])[0, 1] > 0.99, "in the file, but for AAC"
    given = {item.lane for item in names["clip"].request.given}
    assert given == {"video", "audio"}
    assert better.num_frames == made.num_frames and not np.array_equal(better.frames[24], made.frames[24])


def researcher_leaves_with_a_table(folder, names):
    """Twenty rows with what differs and what was measured, and parameters that explain themselves."""
    with open(folder / "clips.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20 and {row["seed"] for row in rows} == {str(seed) for seed in range(10)}
    assert all(float(row["motion"]) > 0 and Path(row["path"]).exists() for row in rows)
    assert sum(row["lag_ms"] != "" for row in rows) >= 5, "most lags are without doubt"
    shown = pydoc.plain(pydoc.render_doc(names["session"].text_to_video)).replace("'", "")
    assert all(word in shown for word in ("seconds: float | None = None", "seed: int | None = 0", "frames/s"))


LEAVES = {
    "in_class": teacher_leaves_with_a_class,
    "photo_and_voice": creator_leaves_with_a_clip,
    "measure_twenty_clips": researcher_leaves_with_a_table,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_a_page_shows_runs(reader, page, monkeypatch):
    names = {"__name__": "__main__"}
    ran = 0
    for language, code, why, shown in blocks_of(page):
        if why is not None:
            continue
        assert language != "powershell", "mark it as not run, with the reason"
        ran += 1
        if language == "python":
            printed = run_python(code, names)
        else:
            printed = "".join(run_command(line, monkeypatch) for line in code.replace("\\\n", " ").splitlines())
        if shown is not None:
            same = doctest.OutputChecker().check_output(shown, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
            assert same, f"{page.name} says\n{shown}\nand it is\n{printed}"
    assert ran, f"{page.name} shows nothing that runs"
    if page.stem in LEAVES:
        LEAVES[page.stem](reader, names)


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_a_guide_is_a_page_and_its_links_lead_somewhere(page):
    content = page.read_text(encoding="utf-8")
    assert len(content.splitlines()) <= 110
    links = [link for link in re.findall(r"\]\(([^)#]+)", content) if "://" not in link]
    assert [link for link in links if not (page.parent / os.path.normpath(link)).exists()] == []


def test_every_guide_is_named_on_the_front_page():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = readme + "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert [page.name for page in PAGES[1:] if f"guides/{page.name}" not in linked] == []
