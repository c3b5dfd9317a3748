"""How well the tiny model does what a prompt says: clips of held-out prompt-and-seed pairs, read by the detectors.

Every pair that is drawn is counted. How a clip is read is in `detect`, how numbers are shown in `report`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from tqdm.auto import tqdm

from .detect import Heard, Seen, hear, lags_s, see
from .evaluate_autoencoders import measure_autoencoders
from .report import Metric, median, share
from .world import BACKGROUNDS, COLOURS, SHAPES, SOUNDS, Scene

if TYPE_CHECKING:
    from ltx_nb.clip import Clip
    from ltx_nb.pipeline.session import Session

# width, height, frames: 20 of 32 clips have the size the model is made for, the others differ in one thing
SIZES = ((128, 128, 49),) * 20 + ((160, 96, 49), (96, 160, 49), (128, 128, 25), (128, 128, 97)) * 3
# motion, and whether the caption says "in silence"
BEHAVIOURS = (("bounce", False), ("slide", False)) * 5 + (("bounce", True), ("slide", True))
BEHAVIOURS += (("still", False),) * 3 + (("still", True),)
LAG_GOAL_MS = 60.0

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One prompt and seed. Of `scene`, only what the prompt says is asked for: not where it starts, nor how fast."""

    prompt: str
    seed: int
    scene: Scene

    @property
    def is_silent(self) -> bool:
        return self.scene.silent or self.scene.motion == "still"


@dataclass(frozen=True)
class Outcome:
    """What the detectors find in a case's clip."""

    case: Case
    seen: Seen
    heard: Heard

    @classmethod
    def of(cls, case: Case, clip: Clip) -> Outcome:
        return cls(case, seen_in(clip), heard_in(clip))

    @property
    def lags_ms(self) -> np.ndarray:
        """How late each sound is after the nearest visible contact; by the whole clip where there is none."""
        lags = lags_s(self.heard.onsets_s, self.seen.contacts_s)
        return 1000 * np.where(np.isinf(lags), self.case.scene.duration_s, lags)

    @property
    def may_be_quiet(self) -> bool:
        """Moves as it should, but so that it touches nothing before the clip ends: then nothing should sound."""
        return self.seen.motion == self.case.scene.motion and len(self.seen.contacts_s) == 0 and self.heard.silent

    def wrongs(self) -> list[str]:
        """What is not as the prompt says, in words."""
        scene, seen, heard = self.case.scene, self.seen, self.heard
        found = [
            f"{name} is {getattr(seen, name)}, not {getattr(scene, name)}"
            for name in ("colour", "background", "shape", "motion")
            if getattr(seen, name) != getattr(scene, name)
        ]
        if self.case.is_silent:
            return found if heard.silent else [*found, f"sounds at {heard.level_dbfs:.0f} dBFS"]
        if heard.sound != SOUNDS[scene.shape] and not self.may_be_quiet:
            found.append(f"sound is {'silence' if heard.silent else heard.sound}, not {SOUNDS[scene.shape]}")
        if abs(len(seen.contacts_s) - len(heard.onsets_s)) > 1:
            found.append(f"{len(seen.contacts_s)} contacts are seen, {len(heard.onsets_s)} heard")
        if len(self.lags_ms) and np.median(np.abs(self.lags_ms)) > LAG_GOAL_MS:
            found.append(f"sounds come {np.median(np.abs(self.lags_ms)):.0f} ms from the contacts")
        return found


def evaluate(session: Session, cases: int = 96, seed: int = 20_000, progress: bool = True) -> dict[str, Any]:
    """Make a clip of every case and measure them all, and the autoencoders on a quarter as many rendered scenes.

    Args:
        cases: how many; multiples of 96 are balanced in sizes and behaviours.
        seed: of the draw; the clips take the seeds that follow it.

    Returns:
        Plain data: "measured_on" (in words), "metrics" (of `report.Metric`), "failures" (prompt, seed, size, what is
        wrong) and "seconds".
    """
    began = time.perf_counter()
    outcomes = []
    for case in tqdm(draw_cases(cases, seed), desc="evaluate", disable=not progress):
        scene = case.scene
        size = {"width": scene.width, "height": scene.height, "num_frames": scene.num_frames}
        outcomes.append(Outcome.of(case, session.text_to_video(case.prompt, seed=case.seed, progress=False, **size)))
    metrics = score(outcomes) + measure_autoencoders(session.pipe, seed, num_scenes=-(-cases // 4))
    sizes = Counter(f"{o.case.scene.width}x{o.case.scene.height}x{o.case.scene.num_frames}" for o in outcomes)
    mix = ", ".join(f"{count} of {size}" for size, count in sizes.most_common())
    return {
        "measured_on": f"{cases} held-out pairs of prompt and seed, drawn with seed {seed}: {mix} frames.",
        "metrics": [metric.as_dict() for metric in metrics],
        "failures": failures(outcomes),
        "seconds": round(time.perf_counter() - began, 1),
    }


def seen_in(clip: Clip) -> Seen:
    assert clip.frames is not None and clip.frame_rate is not None
    return see(clip.frames, clip.frame_rate)


def heard_in(clip: Clip) -> Heard:
    assert clip.audio is not None and clip.sample_rate is not None
    return hear(clip.audio, clip.sample_rate)


def draw_cases(count: int, seed: int) -> list[Case]:
    """`count` cases in which every shape, colour, background, behaviour and size has its share."""
    rng = np.random.default_rng(seed)
    drawn = zip(
        _deal(SHAPES, count, rng),
        _deal(tuple(COLOURS), count, rng),
        _deal(tuple(BACKGROUNDS), count, rng),
        _deal(BEHAVIOURS, count, rng),
        _deal(SIZES, count, rng),
        strict=True,
    )
    cases = []
    for index, (shape, colour, background, (motion, silent), (width, height, num_frames)) in enumerate(drawn):
        scene = Scene(shape, colour, background, motion, silent, width, height, num_frames)
        cases.append(Case(scene.caption(rng), seed + 1 + index, scene))
    return cases


def score(outcomes: Sequence[Outcome]) -> list[Metric]:
    """The numbers that a text-to-video model is judged by."""
    scenes = [outcome.case.scene for outcome in outcomes]
    seen = [outcome.seen for outcome in outcomes]
    silent = [outcome for outcome in outcomes if outcome.case.is_silent]
    sounding = [outcome for outcome in outcomes if not outcome.case.is_silent]
    named = [o.heard.sound == SOUNDS[o.case.scene.shape] for o in sounding if not o.may_be_quiet]
    difference = [abs(len(o.seen.contacts_s) - len(o.heard.onsets_s)) for o in sounding]
    lags_ms = np.concatenate([np.zeros(0), *(np.abs(o.lags_ms) for o in sounding)])

    def right(field: str) -> list[bool]:
        return [getattr(one, field) == getattr(scene, field) for one, scene in zip(seen, scenes, strict=True)]

    return [
        share("colour", right("colour"), "clips", goal=95),
        share("background", right("background"), "clips"),
        share("shape", right("shape"), "clips", goal=90),
        share("motion", right("motion"), "clips", goal=95),
        share("sound class", named, "clips that should sound", goal=90),
        share("silence kept", [o.heard.silent for o in silent], "clips that should not", goal=90),
        share("contacts counted within one", [d <= 1 for d in difference], "clips that should sound", goal=85),
        share("contacts counted exactly", [d == 0 for d in difference], "clips that should sound"),
        median("median distance from sound to contact", lags_ms, "ms", "sounds", goal=LAG_GOAL_MS),
        share("everything right", [not o.wrongs() for o in outcomes], "clips"),
    ]


def failures(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The cases in which anything is wrong, and what."""
    return [
        {
            "prompt": outcome.case.prompt,
            "seed": outcome.case.seed,
            "width": outcome.case.scene.width,
            "height": outcome.case.scene.height,
            "num_frames": outcome.case.scene.num_frames,
            "wrong": outcome.wrongs(),
        }
        for outcome in outcomes
        if outcome.wrongs()
    ]


def _deal(options: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """`count` options in random order, each as often as the others give or take one."""
    order = np.concatenate([rng.permutation(len(options)) for _ in range(-(-count // len(options)))])[:count]
    return [options[index] for index in rng.permutation(order)]
