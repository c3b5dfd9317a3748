"""How far the tiny model reaches: clips that go on, storyboards, and every size, those outside its training too.

Each clip is judged beside the same one as rendered, so that a miss is the model's. How a clip is read is in `detect`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from ltx_nb.clip import Clip

from .detect import see
from .detect.picture import cover_of
from .evaluate import rendered_clip
from .report import Metric, as_result, share
from .scores import Case, Outcome
from .train import trained_vocabulary
from .world import FRAME_RATE, MOTIONS, SHAPES, Scene, random_scene

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session

SHOT_S, SHOTS = 1.0, 10  # of a storyboard
EXTENSION_S = 1.0
END_FRAMES = 12  # at the far end of an extension, over which the object is measured
SIZE_TOLERANCE = 0.15  # of the object's area
DIRECTIONS = ("after", "before")
SIDES = ((96, 96), (128, 128), (192, 192), (256, 256), (160, 96), (96, 160), (256, 160), (160, 256))
LENGTHS = (25, 49, 97)


@dataclass(frozen=True)
class Trial:
    """One clip to be made, the same one as rendered, and a judge: a list of what is wrong for each thing judged."""

    row: str
    prompt: str
    seed: int
    make: Callable[[Session], Clip]
    rendered: Callable[[], Clip]
    judge: Callable[[Clip], list[list[str]]]


def evaluate_reach(session: Session, rounds: int = 3, seed: int = 60_000, progress: bool = True) -> dict[str, Any]:
    """Extend scenes of every shape and motion both ways, make storyboards of ten shots, and clips of every size.

    Args:
        rounds: in each, 18 extensions, two storyboards and 24 sizes.
        seed: of the scenes; the clips take the seeds that follow.

    Returns:
        Plain data as `evaluate`.
    """
    began = time.perf_counter()
    rng = np.random.default_rng((seed, 4))
    trials: list[Trial] = []
    for _ in range(rounds):
        trials += [_extension(rng, seed + len(trials), *one) for one in product(DIRECTIONS, SHAPES, MOTIONS)]
        trials += [_storyboard(rng, seed + len(trials)) for _ in range(2)]
        trials += [_size(rng, seed + len(trials), *sides, length) for sides, length in product(SIDES, LENGTHS)]
    wrong = [trial.judge(trial.make(session)) for trial in tqdm(trials, "evaluate reach", disable=not progress)]
    truth = [trial.judge(trial.rendered()) for trial in trials]
    return as_result(
        f"{rounds} rounds drawn with seed {seed}, each of 18 scenes extended by {EXTENSION_S:g} s, 2 "
        f"storyboards of {SHOTS} shots of one object, and {len(SIDES) * len(LENGTHS)} sizes: "
        f"{', '.join(f'{width}x{height}' for width, height in SIDES)} px of {', '.join(map(str, LENGTHS))} frames.",
        _metrics(trials, wrong, truth),
        [
            {"task": trial.row, "prompt": trial.prompt, "seed": trial.seed, "wrong": list(chain(*found))}
            for trial, found in zip(trials, wrong, strict=True)
            if any(found)
        ],
        began,
    )


ROWS = {  # what is counted, and the goal in per cent
    "extension after: object whole and itself at the far end": ("clips", 95),
    "extension before: object whole and itself at the far end": ("clips", 95),
    "storyboard: the shot still shows its object": ("shots", 90),
    "sizes inside its training: everything right": ("clips", 80),
    "sizes outside it, which a run warns of: everything right": ("clips", None),
}


def _metrics(trials: list[Trial], wrong: list[list[list[str]]], truth: list[list[list[str]]]) -> list[Metric]:
    metrics = []
    for row, (counted, goal) in ROWS.items():
        made, rendered = (
            [not one for trial, found in zip(trials, judged, strict=True) if trial.row == row for one in found]
            for judged in (wrong, truth)
        )
        metrics.append(replace(share(row, made, counted, goal), rendered=share(row, rendered, counted).value))
    return metrics


def _extension(rng: np.random.Generator, seed: int, direction: str, shape: str, motion: str) -> Trial:
    scene = random_scene(rng, shape=shape, motion=motion, silent=False)
    prompt = scene.caption(rng)
    area = _area(scene.frames())

    def make(session: Session) -> Clip:
        return session.extend(
            rendered_clip(scene), EXTENSION_S, direction=direction, prompt=prompt, seed=seed, progress=False
        )

    def judge(clip: Clip) -> list[list[str]]:
        assert clip.frames is not None
        end = clip.frames[-END_FRAMES:] if direction == "after" else clip.frames[:END_FRAMES]
        found, ratio = _not_itself(end, scene), _area(end) / area
        return [found if abs(ratio - 1) <= SIZE_TOLERANCE else [*found, f"area is {ratio:.2f} of what it was"]]

    return Trial(list(ROWS)[DIRECTIONS.index(direction)], prompt, seed, make, lambda: rendered_clip(scene), judge)


def _storyboard(rng: np.random.Generator, seed: int) -> Trial:
    scene = random_scene(rng, silent=False)
    scenes = [replace(random_scene(rng, silent=False), **_same_object(scene)) for _ in range(SHOTS)]
    prompts = [scene.caption(rng) for scene in scenes]
    frames = round(SHOT_S * FRAME_RATE)

    def judge(clip: Clip) -> list[list[str]]:
        assert clip.frames is not None
        shots = (clip.frames[index * frames :][:frames] for index in range(SHOTS))
        return [[f"shot {index}: {what}" for what in _not_itself(shot, scene)] for index, shot in enumerate(shots)]

    def rendered() -> Clip:
        pictures = np.concatenate([one.frames()[:frames] for one in scenes])
        return Clip(frames=pictures, frame_rate=FRAME_RATE)

    return Trial(
        list(ROWS)[2],
        prompts[0],
        seed,
        lambda session: session.storyboard(prompts, seconds=SHOT_S, seed=seed, progress=False),
        rendered,
        judge,
    )


def _size(rng: np.random.Generator, seed: int, width: int, height: int, num_frames: int) -> Trial:
    scene = random_scene(rng, width=width, height=height, num_frames=num_frames)
    case = Case(scene.caption(rng), seed, scene)
    inside = not trained_vocabulary().doubts_of_size(width, height, num_frames)
    return Trial(
        list(ROWS)[3 if inside else 4],
        case.prompt,
        seed,
        lambda session: session.text_to_video(
            case.prompt, width=width, height=height, num_frames=num_frames, seed=seed, progress=False
        ),
        lambda: rendered_clip(scene),
        lambda clip: [[f"{width}x{height}x{num_frames}: {what}" for what in Outcome.of(case, clip).wrongs()]],
    )


def _same_object(scene: Scene) -> dict[str, Any]:
    return {name: getattr(scene, name) for name in ("shape", "colour", "background")}


def _not_itself(frames: np.ndarray, scene: Scene) -> list[str]:
    """List what of the object is not as in `scene`, in words."""
    seen = see(frames, FRAME_RATE)
    pairs = ((name, getattr(seen, name), getattr(scene, name)) for name in ("colour", "shape"))
    return [f"{name} is {shown}, not {wanted}" for name, shown, wanted in pairs if shown != wanted]


def _area(frames: np.ndarray) -> float:
    """How many pixels the object covers in the middle one of the frames; 0 without one."""
    covers = cover_of(frames)[2]
    return 0.0 if covers is None else float(np.median(covers.sum((1, 2))))
