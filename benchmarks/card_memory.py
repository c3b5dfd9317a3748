"""A device's memory: capped, and measured since the last look. On a CPU, where the jobs are rehearsed, all is 0."""

from __future__ import annotations

import torch

GB = 1e9
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def context_gb() -> float:
    """Return what CUDA takes beside the allocator: contexts, kernels and libraries, this process's if it is alone."""
    if DEVICE.type == "cpu":
        return 0.0
    free, total = torch.cuda.mem_get_info()
    return (total - free - torch.cuda.memory_reserved()) / GB


def cap_at(gb: float) -> None:
    """Let the allocator have what is left of so many GB beside the context, as it is after a first product."""
    if DEVICE.type == "cpu":
        return
    torch.ones(64, 64, device=DEVICE) @ torch.ones(64, 64, device=DEVICE)  # brings cuBLAS in
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, (gb - context_gb()) * GB / total))


def memory_since() -> dict[str, float]:
    """Return the most GB allocated and reserved since the last call; what is free is let go of."""
    if DEVICE.type == "cpu":
        return {"allocated_gb": 0.0, "reserved_gb": 0.0}
    torch.cuda.synchronize()
    found = {
        "allocated_gb": torch.cuda.max_memory_allocated() / GB,
        "reserved_gb": torch.cuda.max_memory_reserved() / GB,
    }
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return found
