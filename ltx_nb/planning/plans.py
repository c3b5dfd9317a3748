"""Plan: what a run needs, as sums whose every line is shown, with a JSON and a plain text form.

Plain data; knows no models and no cards: `ltx_nb.planning.planner` makes plans. GB is 1e9 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ltx_nb.checks import choice, keys


@dataclass(frozen=True)
class Line:
    """One summand and where its figure comes from."""

    what: str
    gb: float
    why: str = ""


@dataclass(frozen=True)
class Part:
    """A part of a run: what lies on the accelerator at its peak, and how long it takes if `assuming` holds.

    name: "text", "encode", "encode sound", "stage 1", "upsample", "stage 2", "decode" or "audio". calls: how often its
    network runs: prompts, tiles, sounds, forwards.
    """

    name: str
    lines: tuple[Line, ...]
    seconds: float
    assuming: str
    calls: int

    @property
    def gb(self) -> float:
        return sum(line.gb for line in self.lines)


@dataclass(frozen=True)
class Plan:
    """All figures are projected from configs, not measured.

    task: what the request amounts to, by its name in TASKS. parts: those of the run, in their order; one of a name may
    come once for each stage. resident_blocks: of `blocks` transformer blocks, those that stay on the accelerator; the
    others stream, from "ram" or "disk" as `offload` says. limit_gb, ram_limit_gb: what may be used. download: all that
    goes to the disk. lacks: what the machine cannot do that the preset needs. reasons: how resident_blocks came about.
    would_fit: where the plan does not fit, what would.
    """

    model: str
    preset: str
    width: int
    height: int
    num_frames: int
    frame_rate: float
    two_stage: bool
    task: str
    blocks: int
    resident_blocks: int
    offload: str
    parts: tuple[Part, ...]
    limit_gb: float
    ram: tuple[Line, ...]
    ram_limit_gb: float
    download: tuple[Line, ...]
    disk_free_gb: float | None
    lacks: tuple[str, ...]
    reasons: tuple[str, ...]
    would_fit: tuple[str, ...] = ()

    def part(self, name: str) -> Part:
        """The part of this name; of two, the one before the last stage. Raises ValueError where there is none."""
        by_name = {part.name: part for part in self.parts}
        return by_name[choice("part", name, by_name)]

    @property
    def peak(self) -> Part:
        """The part that needs most."""
        return max(self.parts, key=lambda part: part.gb)

    @property
    def ram_gb(self) -> float:
        return sum(line.gb for line in self.ram)

    @property
    def download_gb(self) -> float:
        return sum(line.gb for line in self.download)

    @property
    def seconds(self) -> float:
        return sum(part.seconds for part in self.parts)

    @property
    def shortages(self) -> tuple[str, ...]:
        """Shortages in words; none if the plan fits."""
        found = list(self.lacks)
        if self.peak.gb > self.limit_gb:
            found.append(f"{self.peak.name} needs {self.peak.gb:.1f} GB, {self.limit_gb:.1f} GB can be used")
        if self.ram_gb > self.ram_limit_gb:
            found.append(f"{self.ram_gb:.1f} GB of RAM are needed, {self.ram_limit_gb:.1f} GB can be used")
        if self.disk_free_gb is not None and self.download_gb > self.disk_free_gb:
            found.append(f"{self.download_gb:.1f} GB go to the disk, {self.disk_free_gb:.1f} GB of disk are free")
        return tuple(found)

    @property
    def fits(self) -> bool:
        return not self.shortages

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: the fields, and the sums for readers that do not add."""
        sums = {
            "peak_gb": self.peak.gb,
            "peak_part": self.peak.name,
            "ram_gb": self.ram_gb,
            "download_gb": self.download_gb,
            "seconds": self.seconds,
            "fits": self.fits,
            "shortages": list(self.shortages),
        }
        return asdict(self) | {"sums": sums}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` wrote; the sums are made again."""
        names = list(cls.__dataclass_fields__)
        fields = {name: keys("a plan", data, [*names, "sums"], names)[name] for name in names}
        parts = tuple(Part(**{**part, "lines": _lines(part["lines"])}) for part in fields["parts"])
        lines = {name: _lines(fields[name]) for name in ("ram", "download")}
        texts = {name: tuple(fields[name]) for name in ("lacks", "reasons", "would_fit")}
        return cls(**fields | {"parts": parts} | lines | texts)

    def text(self) -> str:
        """The sums as a person reads them."""
        size = f"{self.width}x{self.height} px, {self.num_frames} frames at {self.frame_rate:g}/s"
        head = f"{self.model}, preset {self.preset}: {self.task}, {size}{', two stages' if self.two_stage else ''}"
        rows = [head, "Projected from the configs; not measured.", *self.reasons, ""]
        for part in self.parts:
            rows.append(f"{part.gb:6.2f} GB  {part.name}, about {_duration(part.seconds)} ({part.assuming})")
            rows += _rows(part.lines)
        rows += [f"{self.ram_gb:6.2f} GB  RAM", *_rows(self.ram)]
        rows += [f"{self.download_gb:6.2f} GB  download and disk", *_rows(self.download), ""]
        if self.fits:
            rows.append(
                f"It fits: peak {self.peak.gb:.1f} of {self.limit_gb:.1f} GB in {self.peak.name}, "
                f"RAM {self.ram_gb:.1f} of {self.ram_limit_gb:.1f} GB, about {_duration(self.seconds)} in all."
            )
        else:
            rows += [f"It does not fit: {'; '.join(self.shortages)}.", *(f"Would fit: {it}" for it in self.would_fit)]
        return "\n".join(rows)


class DoesNotFit(ValueError):
    """There is no room for what `plan` says."""

    def __init__(self, plan: Plan):
        self.plan = plan
        would_fit = f"; would fit: {', or '.join(plan.would_fit)}" if plan.would_fit else ""
        super().__init__(
            f"{plan.model} does not fit with preset {plan.preset!r}: {'; '.join(plan.shortages)}{would_fit}"
        )


class OutOfMemory(RuntimeError):
    """Memory ran out in `stage`, whatever `plan` said. advice: what to do next."""

    def __init__(self, stage: str, plan: Plan, advice: str):
        super().__init__(
            f"out of memory in {stage}; {advice}. Reckoned were {plan.peak.gb:.1f} GB in {plan.peak.name}, of "
            f"{plan.limit_gb:.1f} GB:\n{plan.text()}"
        )
        self.stage, self.plan, self.advice = stage, plan, advice


def _lines(data: Any) -> tuple[Line, ...]:
    return tuple(Line(**line) for line in data)


def _rows(lines: tuple[Line, ...]) -> list[str]:
    return [f"{line.gb:12.2f}  {line.what}{f' ({line.why})' if line.why else ''}" for line in lines]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
