"""The commands `doctor` and `plan`: what they print, and their exit status."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from ltx_nb.cli import app
from ltx_nb.planning import Plan, this_machine


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_plan_prints_its_sums():
    done = invoke("plan", "--preset", "8gb", "--size", "1080p", "--frames", 121)
    assert done.exit_code == 0, done.output
    assert "2.3-distilled, preset 8gb: text-to-video, 1920x1088 px, 121 frames at 24/s" in done.stdout
    assert "2 stay and 46 stream" in done.stdout
    assert "With one more, text would take 7.45 GB" in done.stdout
    assert "It fits: peak 7.1 of 7.2 GB in text" in done.stdout


def test_plan_json_is_the_plan():
    arguments = ("--preset", "24gb", "--size", "1280x704", "--frames", 49, "--two-stage", "--task", "image-to-video")
    data = json.loads(invoke("plan", *arguments, "--json").stdout)
    assert data.pop("warnings") == []
    made = Plan.from_dict(data)
    assert (made.preset, made.width, made.height, made.num_frames) == ("24gb", 1280, 704, 49)
    assert (made.two_stage, made.task) == (True, "image-to-video")


def test_a_plan_that_does_not_fit_exits_with_3_and_names_what_would():
    done = invoke("plan", "--preset", "8gb", "--size", "1080p", "--frames", 481)
    assert done.exit_code == 3
    assert "It does not fit: stage 1 needs" in done.stdout
    assert "Would fit: preset 16gb (RTX 4060 Ti)" in done.stdout


def test_a_plan_for_this_machine_is_about_this_machine():
    data = json.loads(invoke("plan", "--model", "tiny", "--json").stdout)
    assert (data["preset"], data["width"], data["num_frames"]) == ("auto", 128, 49)
    assert data["disk_free_gb"] > 0


@pytest.mark.parametrize("is_downloaded, exit_code", [(False, 3), (True, 0)])
def test_a_small_disk_is_enough_for_files_that_are_here(monkeypatch, is_downloaded, exit_code):
    machine = replace(this_machine(), ram_free_gb=64.0, disk_free_gb=10.0, accelerator=None)
    monkeypatch.setattr("ltx_nb.planning.planner.this_machine", lambda: machine)
    monkeypatch.setattr("ltx_nb.loading.model_files.is_downloaded", lambda model: is_downloaded)
    done = invoke("plan", "--size", "768x512", "--frames", 9)
    assert done.exit_code == exit_code, done.output
    assert ("44.1 GB go to the disk, 10.0 GB of disk are free" in done.stdout) is not is_downloaded


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--preset", "9gb"), "did you mean '8gb'"),
        (("--size", "4k"), "size='4k' is not one of"),
        (("--frames", 120), "nearest: 113, 121"),
    ],
)
def test_bad_input_is_one_line_and_exits_with_2(arguments, message):
    done = invoke("plan", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_doctor_says_what_is_here_and_hides_the_token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    for arguments in ((), ("--json",)):
        done = invoke("doctor", *arguments)
        assert done.exit_code == 0, done.output
        assert "secret" not in done.output
    data = json.loads(done.stdout)
    assert data["has_token"] is True and data["ram_total_gb"] > 0 and isinstance(data["presets"], list)
