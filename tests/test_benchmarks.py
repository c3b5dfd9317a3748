"""What the benchmarks measure with: peaks that the planner is held to, random weights, stages of a run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ltx_nb.catalogue.components import CONFIGS
from ltx_nb.planning import plan
from ltx_nb.running.one_byte import ScaledLinear
from ltx_nb.sampling import Sampling
from ltx_nb.tiny import architecture
from ltx_nb.tiny.report import card_marks

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import card_jobs
import cards
import presets
import random_weights
import reliability
from peaks import peaks


def test_the_planner_is_within_a_tenth_of_every_peak_on_the_meta_device():
    ratios = {row["what"]: round(row["ratio"], 3) for row in peaks()}
    assert {what: ratio for what, ratio in ratios.items() if not 0.9 <= ratio <= 1.1} == {}


def test_the_page_has_the_table_that_the_planner_makes():
    page = (Path(__file__).parents[1] / "docs" / "presets.md").read_text(encoding="utf-8")
    start, end = presets.MARKERS
    assert page.partition(start)[2].partition(end)[0].strip() == f"{presets.HEAD}\n\n{presets.table()}"


def test_the_page_has_the_sum_that_the_plan_prints():
    page = (Path(__file__).parents[1] / "docs" / "presets.md").read_text(encoding="utf-8")
    block = page.partition(presets.MARKERS[1])[2].split("```")[1].strip("\n")
    assert "stage 1" in block
    assert block in plan(presets.MODEL, "8gb", width=1920, height=1088, num_frames=121).text()


def test_the_page_on_reliability_has_the_tables_of_what_was_measured():
    page = reliability.PAGE.read_text(encoding="utf-8")
    start, end = card_marks(reliability.CARD)
    measured = json.loads(reliability.MEASURED.read_text(encoding="utf-8"))
    assert page.partition(start)[2].partition(end)[0].strip() == reliability.tables(measured)


def test_a_file_without_markers_is_left_alone(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("no table here")
    with pytest.raises(ValueError, match=r"has no <!-- presets:start --> \.\.\. <!-- presets:end --> for the table"):
        presets.write_between_markers(path, "a table")
    assert path.read_text() == "no table here"


def test_without_a_card_it_is_said_that_cards_were_not_measured(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    path = tmp_path / "presets.json"
    presets.measure(path, ["cards"], seconds=1)
    found = json.loads(path.read_text())
    assert found["cards"] == {"gpu": None, "jobs": [], "why": "not measured: no CUDA device"}
    measured = {"gpu": "a card", "jobs": [{"job": {"card": "8gb"}, "rows": [], "ended": "done"}]}
    path.write_text(json.dumps(found | {"cards": measured}))
    presets.measure(path, ["cards"], seconds=1)
    assert json.loads(path.read_text())["cards"] == measured


@pytest.mark.parametrize("weights, dtype", [("int8", torch.int8), ("fp8", torch.float8_e4m3fn)])
def test_random_weights_fill_every_tensor_in_its_form(monkeypatch, weights, dtype):
    monkeypatch.setitem(CONFIGS, "transformer", dict(architecture.transformer().config))
    model = random_weights.transformer(weights, "cpu")
    assert not any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])
    layers = [layer for layer in model.modules() if isinstance(layer, ScaledLinear)]
    assert {layer.weight.dtype for layer in layers} == {dtype}
    assert all(0.01 < layer.dequantised(torch.float32).std() < 0.04 for layer in layers)


@pytest.mark.parametrize("task", ["text-to-video", "image-to-video", "two stages", "extend"])
def test_every_stage_of_a_run_is_measured_beside_its_plan(session, task):
    request = card_jobs.request_of(64, 64, 17, task).replace(sampling=Sampling(num_inference_steps=1))
    found = card_jobs.measured_run(session, request, lambda: {"reserved_gb": 1.0})
    planned = {part.name for part in session.fit.plan(session.model, request).parts}
    assert "failed" not in found and set(found["stages"]) == planned
    assert all(
        it["seconds"] > 0 and it["reserved_gb"] == 1.0 and it["planned_gb"] > 0 for it in found["stages"].values()
    )
    assert not isinstance(session.pipe.blocks.sub_blocks["text"], card_jobs.Measured)


KINDS_OF_JOBS = {
    "forwards": 0,
    "products": 1,
    "fp8": 3,
    "decode": 4,
    "whole": 5,
    "smallest cap": 6,
    "diffusers": 8,
    "others": 11,
}


@pytest.mark.parametrize("number", KINDS_OF_JOBS.values(), ids=KINDS_OF_JOBS)
def test_every_kind_of_job_is_rehearsed_without_a_card(number, capsys):
    card_jobs.main(cards.JOBS[number] | {"rehearses": True})
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert len(rows) >= 2 and not any("failed" in row for row in rows)


REHEARSAL = f"""
import sys
sys.modules |= dict.fromkeys(("av", "librosa", "pyloudnorm", "soundfile", "soxr", "matplotlib", "IPython"), None)
sys.path.insert(0, {str(Path(presets.__file__).parent)!r})
import card_jobs, cards
card_jobs.main(cards.JOBS[int(sys.argv[1])] | {{"rehearses": True}})
"""


@pytest.mark.parametrize("number", [5, 12], ids=["whole", "single file"])
def test_the_jobs_need_nothing_that_reads_or_writes_media(number):
    done = subprocess.run([sys.executable, "-c", REHEARSAL, str(number)], capture_output=True, text=True, check=True)
    assert "failed" not in done.stdout and len(done.stdout.splitlines()) >= 4


def test_a_job_that_was_cut_off_is_done_anew_and_others_are_not(monkeypatch):
    jobs = [{"card": name} for name in ("first", "second", "third")]
    monkeypatch.setattr(cards, "JOBS", tuple(jobs))
    found = [{"job": jobs[0], "rows": [], "ended": "done"}, {"job": jobs[1], "rows": [{"shape": "half"}]}]
    monkeypatch.setattr(cards, "rows_of", lambda job, seconds, *_: iter([{"shape": job["card"]}, {"ended": "done"}]))
    saves = []
    cards.measure_cards(found, lambda: saves.append(len(found)), 1e6)
    assert [record["job"] for record in found] == jobs
    assert [record["rows"] for record in found] == [[], [{"shape": "second"}], [{"shape": "third"}]]
    assert saves == [2, 2, 3, 3]


@pytest.mark.parametrize(
    "script, seconds, rows",
    [
        ("print('{\"a\": 1}', flush=True)", 60, [{"a": 1}, {"ended": "done"}]),
        (
            "print('{\"a\": 1}', flush=True); raise ValueError('broken')",
            60,
            [{"a": 1}, {"ended": "ValueError: broken"}],
        ),
        ("import time; print('{\"a\": 1}', flush=True); time.sleep(60)", 6, [{"a": 1}]),
    ],
    ids=["done", "failed", "cut off"],
)
def test_rows_come_as_they_are_found_and_the_end_says_how(monkeypatch, tmp_path, script, seconds, rows):
    (tmp_path / "card_jobs.py").write_text(script)
    monkeypatch.setattr(cards, "__file__", str(tmp_path / "cards.py"))
    assert list(cards.rows_of({}, seconds)) == rows


def test_what_is_kept_of_the_full_size_is_what_readme_says_of_it():
    found = json.loads((Path(presets.__file__).with_suffix(".json")).read_text(encoding="utf-8"))
    assert all(0.9 <= row["ratio"] <= 1.1 for row in found["peaks"])
    assert found["blocks"]["lean equals stock"] and found["blocks"]["streamed equals resident"]
    assert found["cards"]["gpu"] or found["cards"]["why"]
