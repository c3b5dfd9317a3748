"""A learner changes prompt or seed: the checks of notebooks 1, 2 and 6 hold in the tiny world, or say what is other.

Their code runs cell by cell in one process, with a model that is loaded once, so that a change costs its clips alone.
LTX_NB_COURSE_CHANGES=1 takes every prompt with every seed, some 15 minutes; else each notebook takes a few of them.
"""

import os
import re
from pathlib import Path

import matplotlib
import nbformat
import pytest

import ltx_nb

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PROMPTS = [
    "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump.",
    "One green triangle slides from side to side on a black background. Every wall makes a bright bell sound.",
    "The white square stands still against a teal background, in silence.",
    "A yellow square bounces up and down in front of a black background. Every bounce makes a woody knock.",
    "A purple triangle bounces on the floor in front of a gray background in silence.",
]
SEEDS = range(5)
BETWEEN = "\n# the next cell\n"
FEW = {  # pairs of prompt and seed: what each costs is a second a clip
    "01_first_clip": [(1, 0), (2, 1), (3, 2), (4, 3), (0, 4)],
    "02_step_by_step": [(1, 1)],
    "06_one_mask_two_timelines": [(1, 2)],
}
EVERY = {name: [(prompt, seed) for prompt in range(len(PROMPTS)) for seed in SEEDS] for name in FEW}
CHOSEN = EVERY if os.environ.get("LTX_NB_COURSE_CHANGES") else FEW


def code_of(name, prompt, seed):
    """The notebook's lesson as cells of plain Python, with another prompt and seed in the place of its own."""
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    lesson = [
        cell
        for cell in cells
        if cell.cell_type == "code" and not {"answer", "nbval-skip"} & set(cell.metadata.get("tags", []))
    ]
    code = BETWEEN.join(cell.source for cell in lesson)
    code, prompts = re.subn(r'^PROMPT = ".*"$', lambda _: f"PROMPT = {prompt!r}", code, flags=re.MULTILINE)
    code, seeds = re.subn(r"^SEED = \d+$", f"SEED = {seed}", code, flags=re.MULTILINE)
    assert (prompts, seeds) == (1, 1)
    return code.split(BETWEEN)


@pytest.fixture
def in_notebook(session, monkeypatch, tmp_path):
    """What a kernel has and a test has not: its folder, figures that nobody sees, and one model for all."""
    import matplotlib.pyplot as plt
    import torch

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ltx_nb, "load", lambda name: session, raising=False)
    was_on = torch.is_grad_enabled()
    with matplotlib.rc_context():
        plt.switch_backend("Agg")
        yield
        plt.close("all")
    torch.set_grad_enabled(was_on)


@pytest.mark.parametrize(
    ("name", "prompt", "seed"), [(name, *pair) for name, pairs in CHOSEN.items() for pair in pairs]
)
def test_the_checks_hold_for_another_prompt_and_seed(in_notebook, name, prompt, seed):
    names = {"__name__": "__main__"}
    for number, cell in enumerate(code_of(name, PROMPTS[prompt], seed)):
        exec(compile(cell, f"{name}, cell {number}", "exec"), names)


@pytest.mark.parametrize("name", FEW)
def test_a_check_that_fails_says_what_it_means(name):
    """Where a check hangs on the clip, its message begins with that; those of arithmetic alone need none."""
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    checks = [line for cell in cells for line in cell.source.splitlines() if "your clip is another one" in line]
    assert len(checks) >= (1 if name == "02_step_by_step" else 4)
