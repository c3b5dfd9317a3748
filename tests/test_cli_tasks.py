"""Every task from the command line, and one JSON object whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_media import RATE, made, tone
from PIL import Image
from typer.testing import CliRunner

from ltx_nb import Clip, ClipRequest
from ltx_nb.cli import app
from ltx_nb.media import probe, read_request_json

PROMPT = "A red ball bounces on the floor in front of a navy background."
SMALL = ("--width", 64, "--height", 64, "--steps", 1)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def made_request(out, *arguments):
    """The request that a command's clip was made from."""
    done = invoke("run", "--out", out, *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["path"] == str(out)
    return ClipRequest.from_dict(result["request"])


def spans(request):
    return [(item.lane, round(item.start_s, 3), item.end_s and round(item.end_s, 3)) for item in request.given]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    Image.new("RGB", (64, 64), (200, 30, 30)).save(folder / "a.png")
    soundfile.write(folder / "a.wav", tone(1.0).T, RATE, subtype="FLOAT")
    made(folder / "a.mp4", np.arange(25) / 24, [(0, tone(25 / 24))], sound_codec="aac")
    return folder


def test_pictures_and_sound(given, tmp_path):
    request = made_request(
        tmp_path / "a.mp4", "--prompt", PROMPT, "--image", given / "a.png", "--audio", given / "a.wav", *SMALL
    )
    assert (spans(request), request.num_frames) == ([("video", 0, None), ("audio", 0, 1.042)], 25)
    request = made_request(
        tmp_path / "b.mp4", "--prompt", PROMPT, "--image", given / "a.png", "--keyframe", f"0.5={given / 'a.png'}",
        "--frames", 25, "--fit", "pad", *SMALL
    )  # fmt: skip
    assert [(item.start_s, item.fit) for item in request.given] == [(0, "pad"), (0.5, "pad")]


def test_clips_that_are_given(given, tmp_path):
    clip = given / "a.mp4"
    extended = made_request(tmp_path / "a.mp4", "--prompt", PROMPT, "--extend", clip, "--seconds", 0.4, "--steps", 1)
    assert (extended.num_frames, extended.width) == (33, 64)
    retake = ("--retake", clip, "--start", 0.3, "--end", 0.6, "--keep", "audio")
    again = made_request(tmp_path / "b.mp4", "--prompt", PROMPT, *retake, "--steps", 1)
    assert spans(again) == [("video", 0, 0.3), ("video", 0.6, 1.042), ("audio", 0, 1.042)]
    heard = made_request(tmp_path / "c.mp4", "--prompt", PROMPT, "--foley", clip, "--steps", 1)
    assert spans(heard) == [("video", 0, 1.042)]


def test_sound_alone_and_a_request_again(tmp_path):
    sound = ("--audio-only", "--frames", 9, *SMALL, "--seed", -1)
    request = made_request(tmp_path / "a.wav", "--prompt", PROMPT, *sound)
    assert (request.outputs, probe(tmp_path / "a.wav").has_video) == (("audio",), False)
    (tmp_path / "r.json").write_text(request.replace(outputs=("video", "audio")).to_json())
    again = made_request(tmp_path / "b.mp4", "--request", tmp_path / "r.json", "--seed", 7)
    assert (again.seed, again.prompt, again.num_frames) == (7, PROMPT, 9)
    first = made_request(tmp_path / "c.mp4", "--request", tmp_path / "b.mp4")
    assert first == again
    np.testing.assert_array_equal(Clip.load(tmp_path / "b.mp4").frames, Clip.load(tmp_path / "c.mp4").frames)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "a.png", "--extend", "a.mp4"], "--image and --extend are both given; give one of the two"),
        (["--extend", "a.mp4"], "--extend needs --seconds, which says by how much"),
        (["--retake", "a.mp4", "--start", "1"], "--retake needs --start and --end, in s"),
        (["--keyframe", "b.png"], "--keyframe 'b.png' is no TIME=PICTURE; nearest: 1.0=b.png"),
        (["--request", "none.json"], "cannot read none.json: No such file or directory"),
        (["--lora", "none.safetensors:0.8", "--frames", "9"], "none.safetensors"),
        (["--stage-2-lora", "none-2.safetensors:0.8", "--frames", "9"], "none-2.safetensors"),
        ([], "--prompt is missing; say what to see and hear"),
    ],
)
def test_what_cannot_be_made_is_said_in_json_too(arguments, message, tmp_path):
    prompt = ["--prompt", PROMPT] if arguments else []
    done = invoke("run", "--out", tmp_path / "a.mp4", *prompt, *arguments, "--json")
    assert done.exit_code == 2, done.stderr
    assert message in json.loads(done.stdout)["error"]


def test_strip_forgets_the_request(given, tmp_path):
    made_request(tmp_path / "a.mp4", "--prompt", PROMPT, "--image", given / "a.png", "--frames", 9, *SMALL)
    assert read_request_json(tmp_path / "a.mp4") is not None
    done = invoke("strip", tmp_path / "a.mp4", "--json")
    assert (done.exit_code, json.loads(done.stdout)["path"]) == (0, str(tmp_path / "a.mp4"))
    assert read_request_json(tmp_path / "a.mp4") is None
    assert invoke("strip", tmp_path / "none.mp4").exit_code == 2


def command(*arguments, **settings):
    words = [sys.executable, "-m", "ltx_nb.cli", *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)


def test_a_usage_error_is_one_json_object():
    for arguments in (["run", "--json", "--nope"], ["strip", "--json"], ["nope", "--json"]):
        with command(*arguments) as done:
            out, err = done.communicate()
        assert done.returncode == 2
        assert set(json.loads(out)) == {"error", "warnings"}
        assert b"Traceback" not in err


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="asks /proc what the command has imported")
def test_ctrl_c_while_it_imports_is_one_json_object(tmp_path):
    run = command("run", "--prompt", PROMPT, "--out", tmp_path / "a.mp4", "--seconds", 10, "--steps", 500, "--json")
    with run as done:
        while done.poll() is None and b"libtorch" not in Path(f"/proc/{done.pid}/maps").read_bytes():
            time.sleep(0.05)
        done.send_signal(signal.SIGINT)
        out, err = done.communicate()
    assert done.returncode == 1, err
    assert json.loads(out)["error"] == "cancelled"
    assert b"Traceback" not in err
    assert not list(tmp_path.iterdir())


# An import of this name is where Ctrl-C comes.
INTERRUPTED = """
import os, signal, sys
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
sys.argv = ["ltx-nb", "doctor", "--json"]
from ltx_nb.cli import main
main()
"""


@pytest.mark.parametrize("name", ["typer", "ltx_nb.cli.sweep", "ltx_nb.planning"])
def test_ctrl_c_in_the_first_moments_is_one_json_object(name):
    words = [sys.executable, "-c", INTERRUPTED.format(name)]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["error"] == "cancelled"
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("target", ["/dev/full", None])
def test_a_stdout_that_takes_nothing_ends_without_a_traceback(target):
    words = [sys.executable, "-m", "ltx_nb.cli", "evaluate", "2.3-dev", "--json"]
    with open(target or os.devnull, "w") as out:
        close = {} if target else {"preexec_fn": lambda: os.close(1)}
        done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, check=False, **close)
    assert done.returncode == (1 if target else 2)
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


def test_json_is_ascii_whatever_stdout_is(tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    with command("run", "--prompt", "ball", "--out", tmp_path / "бал.gif", "--json", env=environment) as done:
        out, err = done.communicate()
    assert done.returncode == 2, err
    assert "бал.gif" in json.loads(out.decode("ascii"))["error"]
