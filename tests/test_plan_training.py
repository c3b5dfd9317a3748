"""A plan of a training: what it counts, what fits where, and what the command does with it."""

import json

import pytest
from typer.testing import CliRunner

from ltx_nb.catalogue.models import TINY
from ltx_nb.catalogue.parameters import lora_parameters
from ltx_nb.cli import app
from ltx_nb.planning import Plan, described_machine, plan_training
from ltx_nb.planning.training import ATTENTION
from ltx_nb.training.lora import TARGETS

REAL = "2.3-distilled"
SMALL = {"width": 512, "height": 320, "num_frames": 49}
MIDDLE = {"width": 768, "height": 512, "num_frames": 49}


def gb_of(plan, what):
    return sum(line.gb for line in plan.part("train").lines if what in line.what)


@pytest.mark.parametrize("preset, size", [("16gb", SMALL), ("24gb", MIDDLE), ("80gb", {})])
def test_what_is_promised_fits(preset, size):
    made = plan_training(REAL, preset, **size)
    assert made.fits and made.task == "train-lora"
    assert [part.name for part in made.parts] == ["text, once", "encode, once", "encode sound, once", "train"]
    assert made.part("train").calls == 2000


def test_the_lora_is_counted_as_peft_makes_it(session):
    from peft import LoraConfig

    transformer = session.pipe.transformer
    transformer.add_adapter(LoraConfig(r=4, target_modules=list(ATTENTION)), "counted")
    try:
        made = sum(weight.numel() for name, weight in transformer.named_parameters() if ".lora_" in name)
    finally:
        transformer.unload_lora()
    assert lora_parameters(TINY, 4, ATTENTION) == made
    assert TARGETS["attention"] == ATTENTION


def test_more_clips_a_step_and_references_take_more():
    one, two, seen = (
        plan_training(REAL, "80gb", **MIDDLE, **more) for more in ({}, {"batch_size": 2}, {"references": 1})
    )
    assert gb_of(one, "activations") < gb_of(seen, "activations") <= gb_of(two, "activations")
    assert one.seconds < seen.seconds


def test_a_higher_rank_is_a_larger_lora():
    assert gb_of(plan_training(REAL, "80gb", rank=32), "LoRA") == 2 * gb_of(plan_training(REAL, "80gb"), "LoRA")


def test_without_checkpointing_all_blocks_keep_theirs_and_none_streams():
    made = plan_training(REAL, "24gb", **SMALL, gradient_checkpointing=False)
    assert not made.fits and made.resident_blocks == made.blocks
    assert gb_of(made, "activations of 48 blocks") > 30


def test_what_has_no_room_says_what_would():
    made = plan_training(REAL, "8gb", width=1920, height=1088, num_frames=241)
    assert not made.fits and any("512x320" in it for it in made.would_fit)
    assert Plan.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_a_machine_in_words_decides():
    machine = described_machine("RTX 3060, 32 GB RAM, 20 GB disk")
    assert "20.0 GB of disk are free" in "; ".join(plan_training(REAL, "12gb", machine=machine, **SMALL).shortages)


def test_the_command_says_it_line_by_line():
    done = CliRunner().invoke(app, ["plan", "--train-lora", "--preset", "24gb", "--size", "768x512", "--frames", "49"])
    assert done.exit_code == 0
    assert "train-lora, 768x512 px, 49 frames" in done.stdout and "the LoRA (107 M of rank 16" in done.stdout


def test_a_training_that_does_not_fit_is_refused_before_anything_is_loaded(tmp_path):
    command = ["train-lora", "--data", str(tmp_path), "--out", str(tmp_path / "x.safetensors"), "--model", REAL]
    done = CliRunner().invoke(app, [*command, "--preset", "8gb", "--size", "1920x1088", "--frames", "241"])
    assert done.exit_code != 0 and "2.3-distilled does not fit with preset '8gb'" in done.stderr
