"""A second of clip here, on Colab, rented and of a service: from the plan and from one list of prices."""

import json

import pytest
from typer.testing import CliRunner

from ltx_nb.cli import app
from ltx_nb.planning import described_machine, plan
from ltx_nb.planning.compare import compare

REAL = "2.3-distilled"


def test_seconds_are_the_plans_and_prices_follow_from_them():
    mine, colab, rented, *services = compare(REAL, "24gb", usd_per_hour=2.0)
    per_second = {name: plan(REAL, name).seconds / (121 / 24) for name in ("24gb", "80gb")}
    assert mine.seconds == pytest.approx(per_second["24gb"]) and mine.usd is None
    assert rented.usd == pytest.approx(per_second["80gb"] * 2.0 / 3600)
    assert colab.where == "Colab, preset colab-t4"
    assert [service.usd for service in services] == [0.04, 0.08, 0.16]
    assert all("read 2026-08 to 2026-10" in service.why and service.why.startswith("https://") for service in services)


def test_nothing_is_rented_without_a_price():
    assert not any("rented" in offer.where for offer in compare(REAL, "24gb"))


def test_a_card_without_room_says_why():
    machine = described_machine("RTX 3050, 2 GB RAM, 60 GB disk")
    (mine, *_) = compare(REAL, "auto", machine=machine)
    assert mine.seconds is None and mine.why.startswith("does not fit: ")


def test_the_command_prints_a_line_for_each_and_json():
    command = ["plan", "--compare", "--preset", "8gb", "--usd-per-hour", "2.5"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    assert "fal-ai/ltx-2.3/text-to-video/fast, 1080p: $0.0400 (https://" in done.stdout
    offers = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)["offers"]
    assert len(offers) == 6 and offers[2]["where"].startswith("a rented H100 at $2.5 an hour")
