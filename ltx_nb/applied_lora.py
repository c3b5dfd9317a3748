"""LoRAs that a clip was made with: names, strengths and hashes of their files, as its request keeps them.

Knows no model and opens no file (`ltx_nb.loading.loras` does).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from ltx_nb.checks import finite_number, flag, keys, text

_SHA256 = re.compile(r"[0-9a-f]{64}")
SHOWN_DIGITS = 8  # of a hash, in words


@dataclass(frozen=True)
class AppliedLora:
    """One LoRA and how much of it there was.

    name: of its file, without folders. sha256: of the file's bytes, 64 hexadecimal digits. second_stage_only: whether
    it was on in second stages alone.

    Raises ValueError for anything else.
    """

    name: str
    strength: float
    sha256: str
    second_stage_only: bool = False

    def __post_init__(self) -> None:
        text("name", self.name)
        object.__setattr__(self, "strength", finite_number("strength", self.strength))
        if not isinstance(self.sha256, str) or not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256={self.sha256!r} of the LoRA {self.name} is not 64 hexadecimal digits")
        flag("second_stage_only", self.second_stage_only)

    def __str__(self) -> str:
        where = " in second stages" if self.second_stage_only else ""
        return f"{self.name} at {self.strength:g}{where} (sha256 {self.sha256[:SHOWN_DIGITS]}...)"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> AppliedLora:
        names = [f.name for f in fields(cls)]
        return cls(**keys("LoRA", values, names, required=names[:3]))


def check_applied(wanted: Iterable[AppliedLora], here: Iterable[AppliedLora]) -> None:
    """Raise ValueError where a clip was made with other LoRAs than there are here. Their order does not count."""
    wanted, here = tuple(wanted), tuple(here)
    if not wanted or set(wanted) == set(here):
        return
    lacking = [lora for lora in wanted if lora not in here] or wanted
    has = ", ".join(map(str, here)) or "none"
    beside = [lora for lora in wanted if not lora.second_stage_only]
    calls = ", ".join(f"({lora.name!r}, {lora.strength:g})" for lora in beside)
    nearest = f"load(model, loras=[{calls}])" if beside else "load(model, stage_2_loras=...)"
    raise ValueError(
        f"this request was made with {', '.join(map(str, lacking))}, and this session's LoRAs are: {has}; nearest: "
        f"{nearest} with those files, or request.replace(loras=()) to make it with what is here"
    )
