"""Many requests become clips in a folder: in a session, in processes that may die, on a Dask cluster."""

import csv
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psutil
import pytest
from typer.testing import CliRunner

from ltx_nb import Cancelled, Clip, ClipRequest, Given, Source, plots
from ltx_nb.cli import app
from ltx_nb.sweep import grid, sweep, to_csv, to_frame

SMALL = {"width": 64, "height": 64, "num_frames": 9, "num_inference_steps": 2}


def requests(count):
    return grid(prompt="A red ball bounces.", seed=range(count), **SMALL)


def test_a_grid_is_every_combination_the_last_name_fastest():
    found = grid(prompt=["a", "b"], seed=range(2), guidance_scale=[1.0, 3.0])
    assert [(r.prompt, r.seed, r.sampling.guidance_scale) for r in found[:3]] == [("a", 0, 1), ("a", 0, 3), ("a", 1, 1)]
    assert len(found) == 8


def test_what_is_one_value_is_not_taken_apart():
    (request,) = grid(prompt="a ball", sigmas=(1.0, 0.5), seconds=1, size="720p")
    assert (request.sampling.sigmas, request.num_frames, request.width) == ((1.0, 0.5), 25, 1280)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"prompt": []}, "prompt is an empty list"),
        ({"prompt": "a", "sed": [1]}, "seed"),
        ({"seed": [1]}, "prompt"),
        ({"prompt": "a", "seed": [-5]}, "seed=-5"),
    ],
)
def test_a_grid_that_no_request_can_have_is_refused(values, error):
    with pytest.raises(ValueError, match=error):
        grid(**values)


def test_a_sweep_makes_what_is_not_there_and_records_it(session, tmp_path):
    first = sweep(session, requests(2), tmp_path, progress=False)
    assert [row.error for row in first] == [None, None] and all(row.seconds > 0 for row in first)
    stored = [ClipRequest.from_file(row.path) for row in first]
    assert [request.replace(model=None) for request in stored] == requests(2)
    times = [row.path.stat().st_mtime_ns for row in first]
    again = sweep(session, requests(3), tmp_path, progress=False)
    assert [row.seconds is None for row in again] == [True, True, False]
    assert [row.path.stat().st_mtime_ns for row in again[:2]] == times
    lines = [json.loads(line) for line in (tmp_path / "sweep.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [row.path.name for row in again]


def test_a_request_that_fails_is_recorded_and_ends_no_other(session, tmp_path):
    good = requests(2)
    bad = good[0].replace(given=[Given("video", Source.from_bytes(b"no picture", "image/png"), 0.0)])
    rows = sweep(session, [good[0], bad, good[1]], tmp_path, progress=False)
    assert [row.error is None for row in rows] == [True, False, True]
    assert "cannot" in rows[1].error and not rows[1].path.exists()


def test_cancel_ends_the_run_in_progress_and_keeps_what_is_made(session, tmp_path):
    def cancel_later():
        while not list(tmp_path.glob("0000-*.mp4")):
            time.sleep(0.01)
        while not session.is_cancelled:
            session.cancel()
            time.sleep(0.001)

    thread = threading.Thread(target=cancel_later)
    thread.start()
    with pytest.raises(Cancelled):
        sweep(session, requests(50), tmp_path, progress=False)
    thread.join()
    made = len(list(tmp_path.glob("*.mp4")))
    assert 1 <= made < 50


def test_a_worker_that_dies_is_replaced_and_its_request_made_again(tmp_path):
    def kill_one():
        """The first worker that computes, once."""
        while True:
            for child in psutil.Process().children(recursive=True):
                try:
                    busy = "spawn_main" in " ".join(child.cmdline()) and child.cpu_times().user > 1
                except psutil.Error:
                    continue
                if busy:
                    os.kill(child.pid, signal.SIGKILL)
                    return
            time.sleep(0.02)

    thread = threading.Thread(target=kill_one)
    thread.start()
    rows = sweep(2, requests(3), tmp_path, model="tiny", progress=False)
    thread.join()
    assert [row.error for row in rows] == [None] * 3
    assert all(ClipRequest.from_file(row.path).seed == row.request.seed for row in rows)


def test_anything_with_submit_makes_clips(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        rows = sweep(pool, requests(1), tmp_path, model="tiny", progress=False)
    assert rows[0].error is None and rows[0].path.is_file()


def test_a_dask_client_makes_clips_though_a_worker_is_killed(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install ltx-nb[sweep]")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(cluster.workers.values())).pid
        killer = threading.Timer(3.0, os.kill, (victim, signal.SIGKILL))
        killer.start()
        rows = sweep(client, requests(3), tmp_path, model="tiny", progress=False)
        killer.join()
    assert [row.error for row in rows] == [None] * 3


def test_workers_that_do_not_fit_are_refused(session, tmp_path):
    with pytest.raises(ValueError, match="there are no requests"):
        sweep(session, [], tmp_path)
    with pytest.raises(ValueError, match="request 0 is a str"):
        sweep(session, ["a ball"], tmp_path)
    with pytest.raises(ValueError, match="leave out model"):
        sweep(session, requests(1), tmp_path, model="tiny")
    with pytest.raises(ValueError, match="name the model"):
        sweep(2, requests(1), tmp_path)
    with pytest.raises(ValueError, match="workers=0"):
        sweep(0, requests(1), tmp_path, model="tiny")


def test_the_table_has_a_column_a_setting_that_differs(session, tmp_path):
    table = to_frame(sweep(session, requests(2), tmp_path, progress=False))
    rows = table if isinstance(table, list) else table.to_dict("records")
    assert [row["seed"] for row in rows] == [0, 1]
    assert "prompt" not in rows[0]


def test_measures_are_columns_of_the_table_and_of_a_csv(session, tmp_path):
    rows = sweep(session, requests(2), tmp_path / "clips", progress=False)
    rows.append(replace(rows[0], error="ValueError: no picture"))
    measures = {"frames": lambda clip: clip.num_frames, "loudest": lambda clip: float(abs(clip.audio).max())}
    table = to_frame(rows, **measures)
    table = table if isinstance(table, list) else table.astype(object).where(table.notna(), None).to_dict("records")
    wanted = Clip.load(rows[1].path)
    assert table[1]["frames"] == wanted.num_frames and table[1]["loudest"] == float(abs(wanted.audio).max())
    assert table[2]["frames"] is None and table[2]["error"] == "ValueError: no picture"
    with open(to_csv(rows, tmp_path / "table.csv", **measures), encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["frames"] for row in read] == [str(wanted.num_frames)] * 2 + [""]
    assert list(read[0]) == list(table[0])
    with pytest.raises(ValueError, match="no rows are given"):
        to_csv([], tmp_path / "empty.csv")


def test_the_command_reads_a_request_a_line(tmp_path):
    file = tmp_path / "requests.jsonl"
    one_line = [json.dumps(json.loads(request.to_json())) for request in requests(2)]
    file.write_text("\n".join(one_line) + "\n")
    command = ["sweep", str(file), "--out", str(tmp_path / "clips"), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    clips = json.loads(result.stdout.splitlines()[-1])["clips"]
    assert [(clip["seed"], clip["error"]) for clip in clips] == [(0, None), (1, None)]
    file.write_text(one_line[0] + "\n{}\n")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2 and "line 2" in result.stderr


def test_a_contact_sheet_shows_what_was_made_and_why_not(session, tmp_path):
    rows = sweep(session, requests(2), tmp_path, progress=False)
    failed = replace(rows[0], error="ValueError: no picture")
    figure = plots.contact_sheet([*rows, failed])
    shown, second, third = figure.axes[:3]
    assert shown.get_title(loc="left") == "A red ball bounces.\nseed 0"
    assert [len(axes.images) for axes in (shown, second, third)] == [1, 1, 0]
    assert [text.get_text() for text in third.texts] == ["ValueError: no picture"]
    with pytest.raises(ValueError, match="no rows are given"):
        plots.contact_sheet([])
