"""Memory, disk and time of a run, before anything is loaded: `plan()` says them, line by line. Knows no tensors.

from ltx_nb.planning import plan
print(plan("2.3-distilled", "8gb", size="1080p").text())
"""

from ltx_nb.planning.described import described_machine
from ltx_nb.planning.examples import TASKS
from ltx_nb.planning.machine import Accelerator, Machine, this_machine, usable_dtypes
from ltx_nb.planning.planner import fitting_presets, plan
from ltx_nb.planning.plans import DoesNotFit, OutOfMemory, Plan
from ltx_nb.planning.presets import PRESETS, Preset
from ltx_nb.planning.training import plan_training

__all__ = [
    "PRESETS",
    "TASKS",
    "Accelerator",
    "DoesNotFit",
    "Machine",
    "OutOfMemory",
    "Plan",
    "Preset",
    "described_machine",
    "fitting_presets",
    "plan",
    "plan_training",
    "this_machine",
    "usable_dtypes",
]
