"""compare(): what a second of clip takes on your card, on Colab, on a rented card, and of a service's price list.

Seconds are projected by `plan`; prices are those of `prices.json`, with the month in which they were read. Electricity
and the hours in which nothing is made are left out. Knows no tensors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

from ltx_nb.catalogue.models import Model, named_model
from ltx_nb.checks import finite_number
from ltx_nb.planning.examples import example_of
from ltx_nb.planning.machine import Machine
from ltx_nb.planning.planner import plan
from ltx_nb.request import ClipRequest

RENTED, COLAB = "80gb", "colab-t4"


@dataclass(frozen=True)
class Offer:
    """One way to make a second of clip.

    seconds: of computing for each of clip, None where a service does it or it does not fit. usd: for each second of
    clip, None where nobody is paid. why: where the figures come from, or why it does not go.
    """

    where: str
    size: str
    seconds: float | None
    usd: float | None
    why: str

    def __str__(self) -> str:
        takes = f"{self.seconds:,.0f} s of computing" if self.seconds is not None else ""
        costs = f"${self.usd:.4f}" if self.usd is not None else ""
        return f"{self.where}, {self.size}: {' and '.join(filter(None, (takes, costs))) or '-'} ({self.why})"


def compare(
    model: str | Model,
    preset: str = "auto",
    request: ClipRequest | None = None,
    *,
    machine: Machine | None = None,
    usd_per_hour: float | None = None,
) -> list[Offer]:
    """Return what a second of the clip takes here and elsewhere.

    preset, machine: of the card that is yours, as for `plan`. request: the clip, by default the model's own size and
    length. usd_per_hour: of a rented H100, left out if not given.

    Raises ValueError for names that are unknown and a price below 0.
    """
    entry = named_model(model) if isinstance(model, str) else model
    request = request or example_of("text-to-video", entry)
    offers = [_planned("your card", entry, preset, request, machine), _planned("Colab", entry, COLAB, request)]
    if usd_per_hour is not None:
        hourly = finite_number("usd_per_hour", usd_per_hour, least=0)
        offers.append(_planned(f"a rented H100 at ${hourly:g} an hour", entry, RENTED, request, usd_per_hour=hourly))
    prices = json.loads(resources.files("ltx_nb.planning").joinpath("prices.json").read_text("utf-8"))
    offers += [
        Offer(one["name"], one["size"], None, one["usd_per_second"], f"{one['source']}, read {prices['read']}")
        for one in prices["services"]
    ]
    return offers


def _planned(
    where: str,
    model: Model,
    preset: str,
    request: ClipRequest,
    machine: Machine | None = None,
    usd_per_hour: float | None = None,
) -> Offer:
    made = plan(model, preset, request, machine=machine, has_files=True)
    size = f"{request.width}x{request.height} px"
    where = f"{where}, preset {made.preset}"
    if not made.fits:
        return Offer(where, size, None, None, f"does not fit: {'; '.join(made.shortages)}")
    seconds = made.seconds / request.duration_s
    usd = None if usd_per_hour is None else seconds * usd_per_hour / 3600
    return Offer(where, size, seconds, usd, f"projected, of {request.duration_s:.3g} s made at once")
