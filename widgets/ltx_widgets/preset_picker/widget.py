"""PresetPicker: what a clip takes of memory, stage by stage, with every preset, and which of them to load with.

The sums are the planner's; here they are made again as the clip's size and length change. Knows no widget of its
neighbours, and loads no model.
"""

from __future__ import annotations

from typing import Any

import traitlets

from ltx_nb.catalogue.models import MODELS, Model, named_model
from ltx_nb.checks import choice, finite_number, keys
from ltx_nb.planning import PRESETS, TASKS, Machine, plan, this_machine
from ltx_nb.planning.examples import named_task
from ltx_nb.planning.fitting import lacks
from ltx_nb.request import ClipRequest
from ltx_widgets.base import KitWidget
from ltx_widgets.offered_sizes import offered_sizes

PRESET_NAMES = ("auto", *PRESETS)
SHAPE = ("width", "height", "num_frames", "frame_rate", "two_stage")


class PresetPicker(KitWidget):
    """The planner's sums for one clip, for all presets; `preset` is the one that was picked.

    model: a name in the catalogue, or an entry of it. request: the clip; by default text-to-video at the model's own
    size and length. machine: whose memory and disk decide, by default this one; a preset that it cannot use is planned
    for the machine that the preset describes. has_files: the model's files are on it already.

    Raises ValueError for names that are unknown and for sizes that no clip can have. The first plan of a model counts
    its parameters, which takes seconds.
    """

    _name = "preset_picker"

    preset = traitlets.Unicode("auto").tag(sync=True)
    """The preset that was picked: one of PRESET_NAMES."""

    model = traitlets.Unicode().tag(sync=True)
    """The model's name in the catalogue."""

    models = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Names of the models to choose from."""

    job = traitlets.Dict().tag(sync=True)
    """The clip: {width, height, num_frames, frame_rate, two_stage, task}. Values left out keep their value."""

    sizes = traitlets.List(traitlets.Dict()).tag(sync=True)
    """Sizes by name: {name, width, height, crop_width, crop_height} in pixels."""

    plans = traitlets.List(traitlets.Dict()).tag(sync=True)
    """For each preset Plan.to_dict() with its card: the words in which the preset describes its hardware."""

    machine_text = traitlets.Unicode().tag(sync=True)
    """The machine's accelerator and memory, in words."""

    controls = traitlets.Bool(True).tag(sync=True)
    """Whether model, size and length can be changed in the widget; False where another widget sets them."""

    def __init__(
        self,
        model: str | Model = "2.3-distilled",
        request: ClipRequest | None = None,
        *,
        machine: Machine | None = None,
        has_files: bool = False,
        **traits: Any,
    ) -> None:
        entry = named_model(model) if isinstance(model, str) else model
        self._entry = entry
        self._machine = machine or this_machine()
        self._model_here = entry.name if has_files else None
        if request is None:
            request = ClipRequest("", width=entry.width, height=entry.height, num_frames=entry.num_frames)
        job = job_of(request) | traits.pop("job", {})
        self._pace = 1.0
        self._offered = list(dict.fromkeys([entry.name, *MODELS]))  # a browser can write over `models`
        super().__init__(models=self._offered, machine_text=_machine_text(self._machine), job=job, **traits)
        self.model = entry.name

    def show(self, request: ClipRequest) -> None:
        """Plan for this request from now on."""
        self.job = job_of(request)

    def learn(self, request: ClipRequest, took_s: float) -> None:
        """Take how long a run took here as the measure, in place of what the preset assumes."""
        planned = plan(self._entry, "auto", machine=self._machine, **job_of(request), has_files=True)
        self._pace = finite_number("took_s", took_s, least=0) / planned.seconds
        self._plan(None)

    def __repr__(self) -> str:
        try:
            picked = {made["preset"]: made for made in self.plans}[self.preset]
            sums = picked["sums"]
            verdict = "fits" if sums["fits"] else "does not fit"
            peak = f"peak {sums['peak_gb']:.1f} of {picked['limit_gb']:.1f} GB in {sums['peak_part']}"
        except (LookupError, TypeError, ValueError):  # what a browser can make of `plans`
            return f"PresetPicker({self.model}, preset {self.preset})"
        return f"PresetPicker({self.model}, preset {self.preset} {verdict}: {peak})"

    @traitlets.validate("preset")
    def _checked_preset(self, proposal: Any) -> str:
        return choice("preset", proposal["value"], PRESET_NAMES)

    @traitlets.validate("model")
    def _checked_model(self, proposal: Any) -> str:
        return choice("model", proposal["value"], self._offered)

    @traitlets.validate("job")
    def _checked_job(self, proposal: Any) -> dict[str, Any]:
        job = {**self.job, **keys("job", proposal["value"], (*SHAPE, "task"))}
        request = ClipRequest("", **{name: value for name, value in job.items() if name != "task"})
        return job_of(request) | {"task": choice("task", job["task"], TASKS)}

    @traitlets.observe("model", "job")
    def _plan(self, change: Any) -> None:
        if not self.model:  # not yet, while the widget is made
            return
        if self.model != self._entry.name:
            self._entry = named_model(self.model)
        self.sizes = offered_sizes(self._entry)
        it = self._machine.accelerator
        here = "this machine: " + ("no GPU" if it is None else it.name)
        clip = self.job | {"has_files": self.model == self._model_here}
        auto = plan(self._entry, "auto", machine=self._machine, **clip).to_dict()
        made = [{"card": here} | (_at_pace(auto, self._pace) if clip["has_files"] else auto)]
        for name, preset in PRESETS.items():
            machine = None if lacks(preset, self._machine) else self._machine
            made.append({"card": preset.card} | plan(self._entry, name, machine=machine, **clip).to_dict())
        self.plans = made

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind != "choose":
            return super()._on_message(kind, content, buffers)
        keys("choose", content, ("type", "preset", "model", "job"))
        if "preset" in content:
            self.preset = choice("preset", content["preset"], PRESET_NAMES)
        if "model" in content:
            self.model = choice("model", content["model"], self._offered)
        if "job" in content:
            self.job = dict(keys("job", content["job"], (*SHAPE, "task")))


def job_of(request: ClipRequest) -> dict[str, Any]:
    """The part of a request that the planner asks for: its shape, and the task that is given on its lanes."""
    return {name: getattr(request, name) for name in SHAPE} | {"task": named_task(request)}


def _at_pace(made: dict[str, Any], pace: float) -> dict[str, Any]:
    """A plan with the seconds that a run here has measured."""
    if pace == 1:
        return made
    parts = [part | {"seconds": pace * part["seconds"], "assuming": "as the last run here"} for part in made["parts"]]
    return made | {"parts": parts, "sums": made["sums"] | {"seconds": pace * made["sums"]["seconds"]}}


def _machine_text(machine: Machine) -> str:
    it, ram = machine.accelerator, f"{machine.ram_free_gb:.1f} of {machine.ram_total_gb:.1f} GB of RAM free"
    card = "no GPU" if it is None else f"{it.name}, {it.free_gb:.1f} of {it.total_gb:.1f} GB free"
    disk = "" if machine.disk_free_gb is None else f"; {machine.disk_free_gb:.1f} GB of disk free"
    return f"{card}; {ram}{disk}"
