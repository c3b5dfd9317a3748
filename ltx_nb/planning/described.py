"""A machine in words, as one asks for it: "RTX 3070, 16 GB RAM, 60 GB disk". Knows the usual cards by name."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from difflib import get_close_matches

from ltx_nb.planning.machine import Accelerator, Machine, usable_dtypes
from ltx_nb.planning.presets import RAM_SHARE

EXAMPLE = "RTX 3070, 16 GB RAM, 60 GB disk"
# Compute capability by NVIDIA's list of CUDA GPUs, and GB of memory as sold.
GPUS = {
    (7, 0): {"V100": 16},
    (7, 5): {"T4": 16, "RTX 2060": 6, "RTX 2070": 8, "RTX 2080": 8, "RTX 2080 Ti": 11},
    (8, 0): {"A100": 80, "A30": 24},
    (8, 6): {
        "RTX 3050": 8,
        "RTX 3060": 12,
        "RTX 3060 Ti": 8,
        "RTX 3070": 8,
        "RTX 3070 Ti": 8,
        "RTX 3080": 10,
        "RTX 3080 Ti": 12,
        "RTX 3090": 24,
        "RTX 3090 Ti": 24,
        "RTX A4000": 16,
        "RTX A5000": 24,
        "RTX A6000": 48,
        "A10": 24,
        "A10G": 24,
        "A40": 48,
    },
    (8, 9): {
        "RTX 4060": 8,
        "RTX 4060 Ti": 16,
        "RTX 4070": 12,
        "RTX 4070 Super": 12,
        "RTX 4070 Ti": 12,
        "RTX 4070 Ti Super": 16,
        "RTX 4080": 16,
        "RTX 4080 Super": 16,
        "RTX 4090": 24,
        "RTX 6000 Ada": 48,
        "L4": 24,
        "L40S": 48,
    },
    (9, 0): {"H100": 80, "H200": 141, "GH200": 96},
    (10, 0): {"B200": 180},
    (12, 0): {
        "RTX 5060": 8,
        "RTX 5060 Ti": 16,
        "RTX 5070": 12,
        "RTX 5070 Ti": 16,
        "RTX 5080": 16,
        "RTX 5090": 32,
        "RTX PRO 6000": 96,
    },
}
BY_NAME = {name: (capability, gb) for capability, cards in GPUS.items() for name, gb in cards.items()}
_GB = {"G": 1, "T": 1000}
METAL_SHARE = 0.75  # of a Mac's memory, what Metal recommends not to exceed


def described_machine(text: str) -> Machine:
    """The machine that the words describe, with nothing else running on it.

    text: parts between commas, in any order: a card ("RTX 3070", "RTX 3080 12 GB", "Apple M3 Max", "no GPU"), RAM
        ("16 GB RAM") and, if it is to count, free disk ("60 GB disk", "1 TB disk").

    Raises ValueError for a part that says none of these, says one a second time, or leaves out the card or the RAM.
    """
    found: dict[str, str | float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        amount = re.fullmatch(r"(\d+(?:\.\d+)?) ?([GT])B(?: of)? (RAM|disk)(?: free)?", part, re.IGNORECASE)
        name, value = ("card", part) if not amount else (amount[3].lower(), float(amount[1]) * _GB[amount[2].upper()])
        if name in found:
            raise ValueError(f"machine={text!r} names the {name} twice: {found[name]} and {value}")
        found[name] = value
    if missing := [name for name in ("card", "ram") if name not in found]:
        raise ValueError(f"machine={text!r} says nothing of {' and '.join(missing)}; for example {EXAMPLE!r}")
    ram_gb, disk_gb = float(found["ram"]), found.get("disk")
    return Machine(
        accelerator=_accelerator(str(found["card"]), ram_gb),
        cpu_count=1,
        ram_total_gb=ram_gb,
        ram_free_gb=ram_gb * RAM_SHARE,
        cache="the hub's cache",
        disk_free_gb=None if disk_gb is None else float(disk_gb),
        python=platform.python_version(),
        system="as described",
        libraries={},
        has_token=False,
    )


def _accelerator(card: str, ram_gb: float) -> Accelerator | None:
    if re.fullmatch(r"no (GPU|card)|CPU( only)?", card, re.IGNORECASE):
        return None
    if re.fullmatch(r"(Apple )?M\d+( Pro| Max| Ultra)?", card, re.IGNORECASE):
        gb = METAL_SHARE * ram_gb
        return Accelerator("mps", card, None, gb, gb, {"fp16": True, "int8": False, "bf16": True, "fp8": False})
    named = re.fullmatch(r"(?:NVIDIA )?(?:GeForce |Tesla )?(.+?)(?: (\d+(?:\.\d+)?) ?GB)?", card, re.IGNORECASE)
    names = {name.lower(): name for name in BY_NAME}
    if named is None or named[1].lower() not in names:
        near = _nearest(named[1] if named else card, names)
        hint = f"did you mean {near!r}?" if near else f"for example {EXAMPLE!r}"
        raise ValueError(f"{card!r} is no card that is known here, no 'no GPU', no GB of RAM and no GB of disk; {hint}")
    name = names[named[1].lower()]
    capability, gb = BY_NAME[name]
    gb = float(named[2]) if named[2] else gb
    return Accelerator("cuda", name, capability, gb, gb, usable_dtypes(capability))


def _nearest(card: str, names: Mapping[str, str]) -> str | None:
    """The card whose name is spelt most like the words, which may say that it is a laptop's."""
    if apple := re.search(r"\bM\d+( Pro| Max| Ultra)?\b", card, re.IGNORECASE):
        return apple[0]
    desktop = re.sub(r" (laptop|mobile|max-q)( gpu)?\b", "", card.lower())
    close = get_close_matches(desktop, names, n=1)
    return names[close[0]] if close else None
