"""How well the tiny model does what a prompt says: clips of held-out prompt-and-seed pairs, read by the detectors.

Every pair that is drawn is counted. Beside each number stands the same one of a second draw, which nothing was ever
chosen on, and of the same scenes as rendered: what the detectors themselves get wrong. How a clip is read is in
`detect`, what is counted in `scores`, how numbers are shown in `report`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from tqdm.auto import tqdm

from ltx_nb.clip import Clip

from .evaluate_autoencoders import measure_autoencoders
from .report import as_result
from .scores import Case, Outcome, failures, score
from .world import BACKGROUNDS, COLOURS, FRAME_RATE, SAMPLE_RATE_HZ, SHAPES, Scene

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session

# width, height, frames: 20 of 32 clips have the size the model is made for, the others differ in one thing
SIZES = ((128, 128, 49),) * 20 + ((160, 96, 49), (96, 160, 49), (128, 128, 25), (128, 128, 97)) * 3
# motion, and whether the caption says "in silence"
BEHAVIOURS = (("bounce", False), ("slide", False)) * 5 + (("bounce", True), ("slide", True))
BEHAVIOURS += (("still", False),) * 3 + (("still", True),)

T = TypeVar("T")


def evaluate(
    session: Session, cases: int = 96, seed: int = 20_000, second_seed: int = 50_000, progress: bool = True
) -> dict[str, Any]:
    """Make a clip of every case of two draws and measure them, and the autoencoders on a quarter as many scenes.

    Args:
        cases: how many in each draw; multiples of 96 are balanced in sizes and behaviours.
        seed, second_seed: of the draws; the clips take the seeds that follow.

    Returns:
        Plain data: "measured_on" (in words), "metrics" (of `report.Metric`), "failures" (prompt, seed, size, what is
        wrong; of both draws) and "seconds".
    """
    began = time.perf_counter()
    drawn = draw_cases(cases, seed) + draw_cases(cases, second_seed)
    outcomes = [Outcome.of(case, _made(session, case)) for case in tqdm(drawn, "evaluate", disable=not progress)]
    first, second = outcomes[:cases], outcomes[cases:]
    rendered = [Outcome.of(case, rendered_clip(case.scene)) for case in rendered_cases(drawn[:cases], seed)]
    columns = zip(score(first), score(second), score(rendered), strict=True)
    metrics = [replace(one, second=other.value, rendered=truth.value) for one, other, truth in columns]
    metrics += measure_autoencoders(session.pipe, seed, num_scenes=-(-cases // 4))
    sizes = Counter(f"{o.case.scene.width}x{o.case.scene.height}x{o.case.scene.num_frames}" for o in first)
    mix = ", ".join(f"{count} of {size}" for size, count in sizes.most_common())
    return as_result(
        f"{cases} held-out pairs of prompt and seed, drawn with seed {seed}: {mix} frames. Beside them "
        f"{cases} drawn with seed {second_seed}, on which nothing was chosen, and the first {cases} as rendered "
        "scenes, which tell what the detectors get wrong themselves.",
        metrics,
        failures(outcomes),
        began,
    )


def rendered_cases(cases: Sequence[Case], seed: int) -> list[Case]:
    """The cases with their scenes complete: each starts anywhere."""
    rng = np.random.default_rng((seed, 3))
    return [
        replace(case, scene=replace(case.scene, start=rng.random(), phase=rng.random(), energy=rng.random()))
        for case in cases
    ]


def rendered_clip(scene: Scene) -> Clip:
    return Clip(frames=scene.frames(), audio=scene.audio(), frame_rate=FRAME_RATE, sample_rate=SAMPLE_RATE_HZ)


def _made(session: Session, case: Case) -> Clip:
    scene = case.scene
    return session.text_to_video(
        case.prompt,
        width=scene.width,
        height=scene.height,
        num_frames=scene.num_frames,
        seed=case.seed,
        progress=False,
    )


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


def _deal(options: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """`count` options in random order, each as often as the others give or take one."""
    order = np.concatenate([rng.permutation(len(options)) for _ in range(-(-count // len(options)))])[:count]
    return [options[index] for index in rng.permutation(order)]
