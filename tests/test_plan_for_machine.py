"""A plan for one machine: everything has to fit, and plan, doctor, auto and load say the same of it."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from ltx_nb.cli import app
from ltx_nb.loading import load
from ltx_nb.planning import PRESETS, DoesNotFit, described_machine, plan, this_machine
from ltx_nb.planning.planner import fitting_plans, full_size_plan

SMALL_PC = "RTX 3070, 16 GB RAM, 60 GB disk"
FP8 = "2.3-distilled-official-fp8"


def answers(machine):
    """What each way to ask says of the machine: the model, where blocks come from, and how many stay."""
    doctor = {made.preset: made for made in fitting_plans(machine)}
    auto = full_size_plan("auto", machine)
    return {
        "doctor": doctor,
        "auto": auto,
        "plan": {name: plan(made.model, name, machine=machine) for name, made in doctor.items()},
    }


@pytest.mark.parametrize(
    "words, presets, model, offload",
    [
        (SMALL_PC, ["8gb"], "2.3-distilled", "disk"),
        ("RTX 3070, 16 GB RAM", ["8gb"], "2.3-distilled", "disk"),
        ("RTX 3070, 32 GB RAM, 200 GB disk", ["8gb"], "2.3-distilled", "ram"),
        ("RTX 3070, 16 GB RAM, 40 GB disk", [], "2.3-distilled", None),
        ("RTX 4090, 64 GB RAM, 70 GB disk", ["8gb", "12gb", "16gb", "24gb"], "2.3-distilled", "ram"),
        ("H100, 180 GB RAM, 60 GB disk", ["80gb"], FP8, "none"),
        ("Tesla T4, 13 GB RAM, 200 GB disk", ["colab-t4"], "2.3-distilled", "disk"),
        ("Apple M3 Max, 64 GB RAM, 200 GB disk", ["mps", "cpu"], "2.3-distilled", "none"),
        ("Apple M2, 24 GB RAM, 200 GB disk", ["mps"], "2.3-distilled", "disk"),
        ("no GPU, 48 GB RAM, 200 GB disk", ["cpu"], "2.3-distilled", "none"),
        ("no GPU, 16 GB RAM, 200 GB disk", [], "2.3-distilled", None),
    ],
)
def test_plan_doctor_and_auto_say_the_same(words, presets, model, offload):
    said = answers(described_machine(words))
    assert [name for name in said["doctor"] if name in presets] == presets
    assert bool(presets) == bool(said["doctor"]) == said["auto"].fits
    assert said["auto"].model == model
    for made in [*said["doctor"].values(), *said["plan"].values()]:
        assert made.fits
    for name in presets[:1]:
        assert (said["doctor"][name].model, said["doctor"][name].offload) == (model, offload)
        assert said["plan"][name] == said["doctor"][name]
    if said["auto"].fits:
        assert said["auto"].offload == offload


def test_a_card_without_bf16_is_as_slow_as_in_its_preset():
    machine = described_machine("Tesla T4, 13 GB RAM, 200 GB disk")
    auto, named = (plan("2.3-distilled", preset, machine=machine) for preset in ("auto", "colab-t4"))
    assert auto.part("stage 1").seconds == pytest.approx(named.part("stage 1").seconds, rel=0.3)


def test_what_does_not_fit_is_told_what_this_machine_could_do():
    machine = described_machine("H100, 180 GB RAM, 60 GB disk")
    made = plan("2.3-distilled", "80gb", machine=machine)
    assert made.shortages == ("71.5 GB go to the disk, 60.0 GB of disk are free",)
    assert made.would_fit == (f"model {FP8}", "preset 8gb")
    assert plan(FP8, "80gb", machine=machine).fits and plan("2.3-distilled", "8gb", machine=machine).fits


def test_no_card_is_named_where_there_is_none():
    made = plan("2.3-distilled", "8gb", machine=described_machine("no GPU, 48 GB RAM, 200 GB disk"))
    assert made.shortages[0] == "preset 8gb is for a CUDA card, and this machine has no GPU"
    assert made.would_fit == ("preset auto",)
    nothing = plan("2.3-distilled", "8gb", machine=described_machine("no GPU, 8 GB RAM, 200 GB disk"))
    assert not nothing.fits and nothing.would_fit == ()


@pytest.mark.parametrize(
    "preset, card, lack",
    [
        ("24gb", "RTX 3070", "preset 24gb is for a card of 24 GB, and RTX 3070 has 8.0 GB"),
        ("12gb", "T4", "preset 12gb computes in bf16, which T4 does not multiply in"),
        ("mps", "RTX 3070", "preset mps is for an Apple GPU, and this machine has RTX 3070"),
    ],
)
def test_a_preset_for_other_hardware_is_refused_by_name(preset, card, lack):
    made = plan("2.3-distilled", preset, machine=described_machine(f"{card}, 32 GB RAM, 500 GB disk"))
    assert not made.fits and lack in made.shortages
    assert made.would_fit == ("preset auto",)


def test_a_busy_card_leaves_fewer_blocks_to_a_named_preset():
    machine = described_machine("RTX 3070, 32 GB RAM, 200 GB disk")
    busy = replace(machine, accelerator=replace(machine.accelerator, free_gb=6.5))
    idle, taken = (plan("2.3-distilled", "8gb", machine=it) for it in (machine, busy))
    assert idle.resident_blocks > taken.resident_blocks and taken.limit_gb == pytest.approx(5.7)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_plans_for_a_machine_in_words():
    done = invoke("plan", "--machine", "H100, 180 GB RAM, 60 GB disk", "--preset", "80gb")
    assert done.exit_code == 3
    assert f"Would fit: model {FP8}" in done.stdout
    done = invoke("plan", "--machine", SMALL_PC, "--preset", "8gb")
    assert done.exit_code == 0, done.output
    assert "Those that stream are read from the disk in every forward." in done.stdout


def test_the_command_prices_the_steps_that_it_is_asked_for():
    made = json.loads(invoke("plan", "--preset", "24gb", "--model", "2.3-dev", "--steps", 80, "--json").stdout)
    (stage,) = [part for part in made["parts"] if part["name"] == "stage 1"]
    assert stage["calls"] == 80 * 4


@pytest.mark.parametrize(
    "words, message",
    [
        ("RTX 3070", "says nothing of ram; for example 'RTX 3070, 16 GB RAM, 60 GB disk'"),
        ("16 GB RAM", "says nothing of card"),
        ("RTX 3070 Tie, 16 GB RAM", "'RTX 3070 Tie' is no card that is known here, .*; did you mean 'RTX 3070 Ti'?"),
        ("RTX 3070 Laptop GPU, 16 GB RAM", "did you mean 'RTX 3070'?"),
        ("MacBook Air M2, 16 GB RAM", "did you mean 'M2'?"),
        ("RTX 3070, 16 GB RAM, 8 GB RAM", "names the ram twice"),
        ("Radeon, 16 GB RAM", "'Radeon' is no card that is known here"),
        ("", "says nothing of card and ram"),
    ],
)
def test_words_that_describe_no_machine_are_bad_input(words, message):
    with pytest.raises(ValueError, match=message):
        described_machine(words)


def test_words_in_any_order_and_case():
    machine = described_machine("1.5 tb disk free, nvidia geforce rtx 3080 12 GB, 32 GB of RAM")
    assert (machine.accelerator.name, machine.accelerator.total_gb, machine.disk_free_gb) == ("RTX 3080", 12, 1500)
    assert machine.accelerator.dtypes == {"fp16": True, "int8": True, "bf16": True, "fp8": False}


@pytest.fixture
def small_pc(monkeypatch):
    """This machine has too little RAM for anything, and no card."""
    machine = replace(this_machine(), ram_free_gb=1.0, accelerator=None)
    for module in ("ltx_nb.planning.planner", "ltx_nb.planning", "ltx_nb.loading"):
        monkeypatch.setattr(f"{module}.this_machine", lambda: machine)
    return machine


@pytest.mark.parametrize("preset", ["auto", "cpu", replace(PRESETS["cpu"], name="mine")])
def test_load_asks_for_the_ram_that_is_free(small_pc, preset):
    with pytest.raises(DoesNotFit, match=r"GB of RAM are needed, 1\.0 GB can be used"):
        load("tiny", preset)


@pytest.mark.parametrize("model", ["tiny", "folder"])
def test_run_never_skips_the_check(small_pc, tmp_path, model):
    from ltx_nb.catalogue.models import TINY

    model = TINY.weights if model == "folder" else model
    done = invoke("run", "--model", model, "--prompt", "a ball", "--out", tmp_path / "ball.mp4")
    assert done.exit_code == 3, done.output
    assert "GB of RAM are needed, 1.0 GB can be used" in done.stderr
    assert list(tmp_path.iterdir()) == []
