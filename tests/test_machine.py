"""What the machine is said to have: true of this one, and right for cards that are not here."""

import json

import pytest

from ltx_nb.planning.machine import free_disk_gb, this_machine, usable_dtypes

# Capability of each card, and what its generation multiplies in: Turing has neither bf16 nor fp8, Ampere no fp8.
CARDS = [
    ("Tesla P100", (6, 0), set()),
    ("Tesla T4", (7, 5), {"fp16", "int8"}),
    ("RTX 3070", (8, 6), {"fp16", "int8", "bf16"}),
    ("RTX 4090", (8, 9), {"fp16", "int8", "bf16", "fp8"}),
    ("H100", (9, 0), {"fp16", "int8", "bf16", "fp8"}),
]


@pytest.mark.parametrize("card, capability, expected", CARDS, ids=[card for card, *_ in CARDS])
def test_dtypes_are_those_of_the_hardware(card, capability, expected):
    assert {dtype for dtype, works in usable_dtypes(capability).items() if works} == expected


def test_this_machine_is_described_without_its_token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    described = json.dumps(this_machine().to_dict())
    assert json.loads(described)["has_token"] is True
    assert "secret" not in described


def test_numbers_of_this_machine_are_possible():
    machine = this_machine()
    assert 0 < machine.ram_free_gb <= machine.ram_total_gb
    assert machine.disk_free_gb > 0
    assert machine.cpu_count >= 1
    assert machine.libraries["torch"]


def test_disk_is_measured_where_a_folder_would_be(tmp_path):
    assert free_disk_gb(tmp_path / "not" / "yet") == pytest.approx(free_disk_gb(tmp_path), rel=0.01)
