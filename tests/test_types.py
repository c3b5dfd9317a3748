"""Types are published: mypy, as strict as it can be, takes a user's program, and finds what is wrong in another."""

import subprocess
import sys
from pathlib import Path

import ltx_nb

ROOT = Path(ltx_nb.__file__).parents[1]
HEAVY = "accelerate.*,diffusers.*,peft.*,torch.*,torchao.*,transformers.*"  # following these would cost minutes

RIGHT = """
from __future__ import annotations

import ltx_nb as ltx
from ltx_nb import inspect
from ltx_nb.sweep import grid, sweep, to_csv
from ltx_nb.trace import StepEvent


def longest(clips: list[ltx.Clip]) -> ltx.Clip:
    return max(clips, key=lambda clip: clip.duration_s)


def watch(step: StepEvent) -> None:
    print(step.index, step.sigma)


session: ltx.Session = ltx.load("tiny")
clip = session.text_to_video("A red ball bounces.", seconds=1, seed=3, on_step=watch)
again = session.run(ltx.ClipRequest.from_file(clip.save("ball.mp4")), trace=True)
longer = session.extend(clip, seconds=1)
request: ltx.ClipRequest | None = longer.request
lag: float = inspect.av_sync(longest([clip, again, longer])).lag_ms
rows = sweep(session, grid(prompt="A red ball.", seed=range(2)), "clips")
to_csv(rows, "clips.csv", frames=lambda one: one.num_frames)
"""

WRONG = """
import ltx_nb as ltx

session = ltx.load("tiny")
session.text_to_video("A red ball bounces.", seconds="1")
session.text_to_video("A red ball bounces.", fps=24)
name: str = session.text_to_video("A red ball bounces.").num_frames
"""


def test_a_users_program_is_checked_strictly(tmp_path):
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = True\nmypy_path = {ROOT}\n[mypy-{HEAVY}]\nfollow_imports = skip\n")
    command = [sys.executable, "-m", "mypy", "--config-file", config, "--follow-imports=silent", "--cache-dir"]
    found = subprocess.run(
        [*command, tmp_path / "cache", "right.py", "wrong.py"], cwd=tmp_path, capture_output=True, text=True
    ).stdout.splitlines()
    assert not [line for line in found if line.startswith("right.py")]
    wrong = [line for line in found if line.startswith("wrong.py") and "error" in line]
    assert [int(line.split(":")[1]) for line in wrong] == [5, 6, 7], found
