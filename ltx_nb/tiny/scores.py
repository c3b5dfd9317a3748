"""Scores of clips that a prompt asked for: outcomes of the detectors, and the numbers made from many.

How a clip is read is in `detect`, which cases there are in `evaluate`, how numbers are shown in `report`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltx_nb.clip import Clip
from ltx_nb.inspect.sync import AvSync, av_sync

from .detect import Heard, Outline, Seen, hear, lags_s, outline, see
from .report import Metric, largest_share, median, middle, share
from .world import SOUNDS, Scene

LAG_LIMIT_MS = 60.0  # beyond it a clip is wrong
ONSET_NEAR_S = 0.05  # of `av_sync`'s times and those of `hear`


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
    """Findings of the detectors in a case's clip."""

    case: Case
    seen: Seen
    heard: Heard
    outline: Outline
    sync: AvSync

    @classmethod
    def of(cls, case: Case, clip: Clip) -> Outcome:
        assert clip.frames is not None
        return cls(case, seen_in(clip), heard_in(clip), outline(clip.frames), av_sync(clip))

    @property
    def lags_ms(self) -> np.ndarray:
        """How late each sound is after the nearest visible contact; by the whole clip where there is none."""
        lags = lags_s(self.heard.onsets_s, self.seen.contacts_s)
        return 1000 * np.where(np.isinf(lags), self.case.scene.duration_s, lags)

    @property
    def first_rise_db(self) -> float:
        """By how much the first strike rises out of what was there before, as `av_sync` measures it; 0 without one."""
        if len(self.heard.onsets_s) == 0:
            return 0.0
        near = np.abs(self.sync.onset_s - self.heard.onsets_s[0]) <= ONSET_NEAR_S
        return float(self.sync.onset_db[near].max(initial=0.0))

    @property
    def aside(self) -> np.ndarray:
        """How far each sound is heard from where its contact is seen, as a share of the width."""
        times_s, seen = self.seen.contacts_s, self.seen
        if len(times_s) == 0:
            return np.zeros(0)
        frames = np.arange(len(seen.track_px)) * self.case.scene.duration_s / self.case.scene.num_frames
        known = np.isfinite(seen.track_px[:, 0])
        x = np.interp(times_s, frames[known], seen.track_px[known, 0]) / self.case.scene.width
        nearest = np.abs(self.heard.onsets_s[:, None] - times_s).argmin(1)
        return np.abs(self.heard.onsets_x - x[nearest])

    @property
    def may_be_quiet(self) -> bool:
        """Moves as it should, but so that it touches nothing before the clip ends: then nothing should sound."""
        return self.seen.motion == self.case.scene.motion and len(self.seen.contacts_s) == 0 and self.heard.silent

    def wrongs(self) -> list[str]:
        """List what is not as the prompt says, in words."""
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
        if len(self.lags_ms) and np.median(np.abs(self.lags_ms)) > LAG_LIMIT_MS:
            found.append(f"sounds come {np.median(np.abs(self.lags_ms)):.0f} ms from the contacts")
        return found


def seen_in(clip: Clip) -> Seen:
    assert clip.frames is not None and clip.frame_rate is not None
    return see(clip.frames, clip.frame_rate)


def heard_in(clip: Clip) -> Heard:
    assert clip.audio is not None and clip.sample_rate is not None
    return hear(clip.audio, clip.sample_rate)


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

    drawn = [outcome.outline for outcome in outcomes]
    balls = [o.outline.roundness for o in outcomes if o.case.scene.shape == "ball"]
    sliding = [o.aside for o in sounding if o.case.scene.motion == "slide"]
    clips, should, not_ = "clips", "clips that should sound", "clips that should not"
    return [
        share("colour", right("colour"), clips, goal=99),
        share("background", right("background"), clips),
        share("shape", right("shape"), clips, goal=99),
        share("motion", right("motion"), clips, goal=99),
        share("sound class", named, should, goal=98),
        share("silence kept", [o.heard.silent for o in silent], not_, goal=98),
        share("contacts counted within one", [d <= 1 for d in difference], should, goal=97),
        share("contacts counted exactly", [d == 0 for d in difference], should, goal=85),
        median("median distance from sound to contact", lags_ms, "ms", "sounds", goal=20),
        largest_share("90th percentile of that distance", lags_ms, 90, "ms", "sounds", goal=60),
        share("everything right", [not o.wrongs() for o in outcomes], clips, goal=90),
        median("outline: 10 to 90 % across the edge", _known(one.rise_px for one in drawn), "px", clips, goal=2.5),
        middle("roundness of balls, 4 pi area / perimeter^2", _known(balls), "", "clips", goal=0.89),
        median("flicker where nothing moves", _known(one.flicker_levels for one in drawn), "levels", clips, goal=1.5),
        median(
            "heard from where it is seen, sliding",
            np.concatenate([np.zeros(0), *sliding]),
            "of the width",
            "sounds",
            goal=0.15,
        ),
        middle("rise of the first strike", [o.first_rise_db for o in sounding], "dB", should, goal=10),
        share("`av_sync` gives a lag without doubt", [not o.sync.is_low for o in sounding], should, goal=90),
        median("loudest 10 ms of a silent clip", [o.heard.level_dbfs for o in silent], "dBFS", not_, goal=-50),
    ]


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if np.isfinite(value)]


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
