"""The command `ltx-nb`, run for real: what it writes, what it prints where, and its exit status."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from PIL import Image
from typer.testing import CliRunner

from ltx_nb import ClipRequest, __version__
from ltx_nb.catalogue.models import TINY
from ltx_nb.cli import app
from ltx_nb.media import probe
from ltx_nb.planning import PRESETS
from ltx_nb.tiny.evaluate_tasks import TASKS

PROMPT = "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump."


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_short(out, *arguments):
    """The smallest clip: 9 frames of 64x64 px in 2 steps."""
    small = ("--frames", 9, "--width", 64, "--height", 64, "--steps", 2)
    return invoke("run", "--prompt", PROMPT, "--out", out, *small, *arguments)


def imported_by(*arguments):
    """Top-level packages that a command has imported when it ends."""
    code = (
        "import sys\nfrom ltx_nb.cli import main\ntry:\n    main()\nfinally:\n"
        "    print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["run", "--no-such-option"]], ids=" ".join)
def test_help_and_usage_errors_import_no_engine(arguments):
    assert not imported_by(*arguments) & {"torch", "diffusers", "numpy"}


def test_help_names_every_command():
    output = invoke("--help").output
    assert all(command in output for command in ("demo", "run", "evaluate"))


def test_the_version_is_printed():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"ltx-nb {__version__}\n")


def test_demo_writes_a_clip_and_its_poster(tmp_path):
    out = tmp_path / "outputs" / "demo.mp4"
    command = [sys.executable, "-m", "ltx_nb.cli", "demo", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    info = probe(out)
    assert (info.num_frames, info.width, info.height, info.sample_rate) == (49, 128, 128, 48_000)
    assert Image.open(out.with_suffix(".png")).size == (128, 128)
    assert f"{out}: 49 frames of 128x128 px" in done.stdout
    assert "8/8" in done.stderr


def test_json_is_one_object_that_describes_the_file(tmp_path):
    out = tmp_path / "ball.mp4"
    done = run_short(out, "--seed", 5, "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["path"], result["num_frames"], result["seed"], result["warnings"]) == (str(out), 9, 5, [])
    assert ClipRequest.from_dict(result["request"]) == ClipRequest.from_file(out)


def test_every_option_reaches_the_request(tmp_path):
    settings = {"--frame-rate": 12, "--negative-prompt": "a green ball", "--seed": 3}
    result = json.loads(run_short(tmp_path / "ball.mp4", *sum(settings.items(), ()), "--json").stdout)["request"]
    assert (result["frame_rate"], result["negative_prompt"], result["seed"]) == (12, "a green ball", 3)
    assert (result["width"], result["height"], result["num_frames"]) == (64, 64, 9)
    assert result["sampling"] == {"num_inference_steps": 2}


def test_seconds_become_the_nearest_frames(tmp_path):
    arguments = ("--seconds", 1, "--width", 64, "--height", 64, "--steps", 1, "--json")
    done = invoke("run", "--prompt", PROMPT, "--out", tmp_path / "ball.mp4", *arguments)
    assert json.loads(done.stdout)["num_frames"] == 25


def test_a_size_is_asked_for_by_name(tmp_path):
    arguments = ("--frames", 9, "--size", "square", "--steps", 1, "--json")
    done = invoke("run", "--prompt", PROMPT, "--out", tmp_path / "ball.mp4", *arguments)
    assert probe(tmp_path / "ball.mp4").width == json.loads(done.stdout)["request"]["height"] == 768


def test_a_word_that_the_model_does_not_know_is_a_warning(tmp_path):
    done = run_short(tmp_path / "ball.mp4", "--prompt", "A red zeppelin bounces on the floor.")
    assert done.exit_code == 0
    assert "ltx-nb: warning: tiny does not know 'zeppelin'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", 120], "num_frames=120 is not 8k + 1; nearest: 113, 121"),
        (["--width", 100], "width=100 is not a multiple of 32 from 32 to 4096; nearest: 96, 128"),
        (["--seconds", 1], "seconds and num_frames are both given; give one of the two"),
        (["--size", "1080p"], "size and width are both given; give one of the two"),
        (["--steps", 0], "num_inference_steps=0 is too small; the least is 1"),
        (["--model", "tinny"], "model='tinny' is not one of"),
        (["--preset", "9gb"], "preset='9gb' is not one of"),
        (["--out", "ball.gif"], "--out ball.gif does not end in .mp4; nearest: ball.mp4"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_status_2(tmp_path, arguments, message):
    done = run_short(tmp_path / "ball.mp4", *arguments)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ltx-nb: error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_a_model(tmp_path):
    done = run_short(tmp_path / "ball.mp4", "--model", TINY.weights, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["request"]["model"] == "tiny"


def test_a_preset_without_room_is_status_3(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "cpu", replace(PRESETS["cpu"], ram_gb=0.5))
    done = run_short(tmp_path / "ball.mp4", "--preset", "cpu")
    assert done.exit_code == 3
    assert done.stderr.startswith("ltx-nb: error: tiny does not fit with preset 'cpu': ")


def test_usage_error_is_status_2():
    assert invoke("run", "--prompt", PROMPT).exit_code == 2


def test_a_failure_is_one_line_and_status_1(tmp_path):
    (tmp_path / "file").touch()
    done = run_short(tmp_path / "file" / "ball.mp4")
    assert done.exit_code == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("ltx-nb: error: ")]
    assert "Traceback" not in done.stderr


def test_json_tells_an_error_too(tmp_path):
    done = run_short(tmp_path / "ball.mp4", "--frames", 120, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"].startswith("num_frames=120 is not 8k + 1")


def test_evaluate_prints_its_table_and_fills_the_card(tmp_path):
    card = tmp_path / "README.md"
    card.write_text("before\n<!-- tiny-card:start -->\n<!-- tiny-card:end -->\nafter\n")
    done = invoke("evaluate", "tiny", "--cases", 1, "--write-card", card)
    assert done.exit_code == 0, done.stderr
    assert "| measured | value | second draw | as rendered | goal | on |" in done.stdout
    filled = card.read_text()
    assert done.stdout.strip() in filled
    assert (filled.splitlines()[0], filled.splitlines()[-1]) == ("before", "after")


def test_evaluate_measures_every_other_task(tmp_path):
    card = tmp_path / "card.md"
    marks = [f"<!-- {name}:{end} -->" for name in ("tiny-card", "tiny-tasks") for end in ("start", "end")]
    card.write_text("\n".join(marks))
    done = invoke("evaluate", "tiny", "--tasks", "--cases", 1, "--write-card", card)
    assert done.exit_code == 0, done.output
    above, below = card.read_text().split("<!-- tiny-tasks:start -->")
    assert above.split() == "\n".join(marks[:2]).split()
    for task in TASKS:
        assert f"| {task}: " in below


def test_evaluate_knows_only_the_tiny_model():
    done = invoke("evaluate", "2.3-dev")
    assert (done.exit_code, done.stderr) == (2, "ltx-nb: error: model='2.3-dev' is not one of tiny\n")
