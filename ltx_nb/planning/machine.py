"""Facts of this machine: accelerator, memory, disk, which dtypes really work, versions, whether a hub token is set.

Looks and does not change anything; knows no models. GB is 1e9 bytes.
"""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

GB = 1e9
LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "huggingface_hub", "torchao", "av")

# Compute capability from which the hardware multiplies in a dtype: CUDA C++ Programming Guide, "Arithmetic
# Instructions". torch.cuda.is_bf16_supported() also says yes where bf16 is emulated, at a fraction of the speed.
NEEDED_CAPABILITY = {"fp16": (7, 0), "int8": (7, 5), "bf16": (8, 0), "fp8": (8, 9)}


@dataclass(frozen=True)
class Accelerator:
    """kind: "cuda" or "mps". capability: of a CUDA device. dtypes: which of NEEDED_CAPABILITY it multiplies in."""

    kind: str
    name: str
    capability: tuple[int, int] | None
    total_gb: float
    free_gb: float
    dtypes: dict[str, bool]


@dataclass(frozen=True)
class Machine:
    """accelerator: None on a machine with a CPU alone. disk_free_gb: where the hub's downloads go, `cache`; None where
    that is not known."""

    accelerator: Accelerator | None
    cpu_count: int
    ram_total_gb: float
    ram_free_gb: float
    cache: str
    disk_free_gb: float | None
    python: str
    system: str
    libraries: dict[str, str | None]
    has_token: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """A line for each thing, for a person."""
        card = "no GPU"
        if (it := self.accelerator) is not None:
            dtypes = ", ".join(f"{name} {'yes' if works else 'no'}" for name, works in it.dtypes.items())
            capability = "" if it.capability is None else f", compute capability {it.capability[0]}.{it.capability[1]}"
            card = f"{it.name}, {it.free_gb:.1f} of {it.total_gb:.1f} GB free{capability}; multiplies in: {dtypes}"
        rows = {
            "GPU": card,
            "CPU": f"{self.cpu_count} cores",
            "RAM": f"{self.ram_free_gb:.1f} of {self.ram_total_gb:.1f} GB free",
            "disk": "not known" if self.disk_free_gb is None else f"{self.disk_free_gb:.1f} GB free at {self.cache}",
            "system": f"{self.system}, Python {self.python}",
            "libraries": ", ".join(f"{name} {version or 'missing'}" for name, version in self.libraries.items()),
            "hub token": "set" if self.has_token else "none; only gated repositories need one",
        }
        return "\n".join(f"{name:<10} {what}" for name, what in rows.items())


def this_machine() -> Machine:
    import psutil
    from huggingface_hub import get_token
    from huggingface_hub.constants import HF_HUB_CACHE

    memory = psutil.virtual_memory()
    return Machine(
        accelerator=_accelerator(),
        cpu_count=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        ram_total_gb=memory.total / GB,
        ram_free_gb=memory.available / GB,
        cache=str(HF_HUB_CACHE),
        disk_free_gb=free_disk_gb(HF_HUB_CACHE),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        libraries={name: _version(name) for name in LIBRARIES},
        has_token=get_token() is not None,
    )


def usable_dtypes(capability: tuple[int, int]) -> dict[str, bool]:
    """Which dtypes a CUDA device of this compute capability multiplies in hardware."""
    return {dtype: capability >= needed for dtype, needed in NEEDED_CAPABILITY.items()}


def free_disk_gb(folder: str | os.PathLike[str]) -> float:
    """Free space where the folder is, or would be made."""
    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free / GB


def _accelerator() -> Accelerator | None:
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        capability = torch.cuda.get_device_capability()
        name = torch.cuda.get_device_name()
        return Accelerator("cuda", name, capability, total / GB, free / GB, usable_dtypes(capability))
    if torch.backends.mps.is_available():
        # Unified memory: what Metal recommends not to exceed, less what this process holds.
        total = torch.mps.recommended_max_memory()
        free = total - torch.mps.driver_allocated_memory()
        # Metal has bf16 from macOS 14 on, and no fp8 and no int8 product.
        dtypes = {"fp16": True, "int8": False, "bf16": int(platform.mac_ver()[0].split(".")[0]) >= 14, "fp8": False}
        return Accelerator("mps", platform.processor() or "Apple GPU", None, total / GB, free / GB, dtypes)
    return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
