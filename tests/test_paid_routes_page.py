"""docs/paid_routes.md: every command and every line of Python on it runs, against services on this machine."""

import re
import shlex
from pathlib import Path

import pytest
from test_remote import QUICK, mp4, service  # noqa: F401, fixtures
from typer.testing import CliRunner

from ltx_nb.cli import app
from ltx_nb.remote import services

PAGE = (Path(__file__).parents[1] / "docs" / "paid_routes.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def quick(monkeypatch, tmp_path, service):  # noqa: F811
    monkeypatch.setattr("ltx_nb.remote.session.Patience", lambda: QUICK)
    monkeypatch.chdir(tmp_path)
    return service


def test_every_command_runs(quick):
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("ltx-nb ")]
    assert len(commands) >= 3
    for command in commands:
        command = command.replace("http://localhost:11434", quick.url)
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        is_agreed = "--yes" in command or "enhance" in command
        assert done.exit_code == (0 if is_agreed else 2), done.stderr
        assert is_agreed or "nothing was sent" in done.stderr


def test_every_line_of_python_runs(quick):
    names = {}
    for block in blocks("python"):
        exec(compile(block.replace("http://localhost:11434", quick.url), "paid_routes.md", "exec"), names)


def test_every_service_and_price_is_on_the_page():
    for it in services.SERVICES.values():
        (row,) = re.findall(rf"^\| `{re.escape(it.name)}` \|.*$", PAGE, re.MULTILINE)
        of_sizes = [it.price("text-to-video", size)[0] for size in it.sizes]
        prices = [float(found) for found in re.findall(r"0\.\d\d", row.rpartition("| $")[2])]
        assert prices[: len(of_sizes)] == of_sizes
        assert prices[len(of_sizes) :] == [0.10] * ("retake" in it.verbs)
