"""How well the tiny model continues, fills in and answers what it is given: each task on held-out rendered scenes.

The scenes are the given media, so that what belongs in the result is known. How a clip is read is in `detect`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from ltx_nb.clip import LANES, Clip

from .detect import Seen, lags_s
from .evaluate import draw_cases
from .report import Metric, as_result, mean, median, share
from .scores import Case, heard_in, seen_in
from .seams import clicks, jumps_px
from .truth import Truth
from .world import FRAME_RATE, SAMPLE_RATE_HZ, SOUNDS, Scene

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session

EXTENSION_S = 1.0
RETAKE_S = (0.8, 1.3)
# A frame and a sample last a while: what begins this much before the stretch still lies in it.
RETAKE_MARGIN_S = {"video": 1 / FRAME_RATE, "audio": 1 / SAMPLE_RATE_HZ}
JUMP_PX = 3.0  # more than the object's own step that it may jump at a seam

Found = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One number of a task, made from what every case found under `key`: a flag, a number or an array of numbers."""

    key: str
    name: str
    unit: str  # "%" of flags, "dB" as a mean, "ms" as a median
    counted: str = "clips"
    goal: float | None = None

    def over(self, task: str, found: Sequence[Found]) -> Metric:
        name, values = f"{task}: {self.name}", [one[self.key] for one in found]
        if self.unit == "%":
            return share(name, values, self.counted, self.goal)
        if self.unit == "ms":
            return median(name, np.abs(np.concatenate(values)), self.unit, self.counted, self.goal)
        return mean(name, values, self.unit, self.counted, self.goal)


def evaluate_tasks(session: Session, cases: int = 24, seed: int = 30_000, progress: bool = True) -> dict[str, Any]:
    """Run every task on every case: `cases` moving, sounding scenes of the model's own size.

    Returns:
        Plain data as `evaluate`: "measured_on", "metrics", "failures" (task, prompt, seed, what missed) and "seconds".
    """
    began = time.perf_counter()
    drawn = source_cases(cases, seed)
    rendered: Any = Truth(drawn)
    metrics, failures = [], []
    with tqdm(total=len(TASKS) * cases, desc="evaluate tasks", disable=not progress) as bar:
        for task, (measure, rows) in TASKS.items():
            found = []
            for case in drawn:
                found.append(measure(session, case))
                bar.update()
                missed = [row.name for row in rows if row.unit == "%" and not found[-1][row.key]]
                if missed:
                    failures.append({"task": task, "prompt": case.prompt, "seed": case.seed, "wrong": missed})
            truth = [measure(rendered, case) for case in drawn]
            metrics += [replace(row.over(task, found), rendered=row.over(task, truth).value) for row in rows]
    return as_result(
        f"{cases} held-out rendered scenes for each task, drawn with seed {seed}. Beside them what the "
        "detectors say where the answer is the rendered scene itself.",
        metrics,
        failures,
        began,
    )


def source_cases(count: int, seed: int) -> list[Case]:
    """Cases whose scene is complete: it moves, sounds, and starts anywhere."""
    rng = np.random.default_rng((seed, 2))
    cases = []
    for index, case in enumerate(draw_cases(count, seed)):
        scene = replace(
            case.scene,
            motion=("bounce", "slide")[index % 2],
            silent=False,
            width=128,
            height=128,
            num_frames=49,
            start=rng.random(),
            phase=rng.random(),
            energy=rng.random(),
        )
        cases.append(Case(scene.caption(rng), case.seed, scene))
    return cases


def _source_clip(scene: Scene) -> Clip:
    return Clip(frames=scene.frames(), audio=scene.audio(), frame_rate=FRAME_RATE, sample_rate=SAMPLE_RATE_HZ)


def psnr_db(picture: np.ndarray, reference: np.ndarray) -> float:
    """PSNR of uint8 pictures in dB; at most 88, where no pixel differs."""
    error = np.square(picture.astype(float) - reference).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-4)))


def _kept(seen: Seen, case: Case) -> bool:
    return (seen.colour, seen.shape) == (case.scene.colour, case.scene.shape)


def _image_to_video(session: Session, case: Case) -> Found:
    image = case.scene.frames()[0]
    clip = session.image_to_video(case.prompt, image, seed=case.seed, progress=False)
    seen = seen_in(clip)
    return {
        "kept": _kept(seen, case),
        "first_frame_db": psnr_db(np.asarray(clip.frame(0)), image),
        "motion": seen.motion == case.scene.motion,
    }


def _extend(session: Session, case: Case, direction: str) -> Found:
    source = _source_clip(case.scene)
    clip = session.extend(source, EXTENSION_S, direction=direction, prompt=case.prompt, seed=case.seed, progress=False)
    added_s = clip.duration_s - source.duration_s
    start_s, end_s = (0.0, added_s) if direction == "before" else (source.duration_s, clip.duration_s)
    added = clip.slice(start_s, end_s)
    seen, heard = seen_in(clip), heard_in(clip)
    own_step_px = np.hypot(*np.diff(case.scene.positions(), axis=0).T).max()
    new = seen.contacts_s[(seen.contacts_s >= start_s) & (seen.contacts_s < end_s)]
    return {
        "kept": _kept(seen_in(added), case),
        "smooth": bool(np.all(jumps_px(clip, seen.track_px) <= own_step_px + JUMP_PX)),
        "lags_ms": _lags_ms(new, heard.onsets_s, clip),
        "no_click": not clicks(clip),
    }


def _retake(session: Session, case: Case) -> Found:
    scene = case.scene
    clip = session.retake(_source_clip(scene), *RETAKE_S, prompt=case.prompt, seed=case.seed, progress=False)
    frames, audio = np.asarray(clip.frames), np.asarray(clip.audio)
    same = {"video": (frames == scene.frames()).all((1, 2, 3)), "audio": (audio == scene.audio()).all(0)}
    outside, inside = [], []
    for lane, rate in zip(LANES, (FRAME_RATE, SAMPLE_RATE_HZ), strict=True):
        moment_s = np.arange(len(same[lane])) / rate
        distance_s = np.maximum(RETAKE_S[0] - moment_s, moment_s - RETAKE_S[1])
        outside.append(same[lane][distance_s > RETAKE_MARGIN_S[lane]].all())
        inside.append(not same[lane][distance_s < 0].all())
    return {
        "outside": all(outside),
        "inside": all(inside),
        "kept": _kept(seen_in(clip.slice(*RETAKE_S)), case),
        "no_click": not clicks(clip),
    }


def _audio_to_video(session: Session, case: Case) -> Found:
    sound = Clip(audio=case.scene.audio(), sample_rate=SAMPLE_RATE_HZ)
    clip = session.audio_to_video(case.prompt, sound, num_frames=49, seed=case.seed, progress=False)
    seen = seen_in(clip)
    return {
        "lags_ms": _lags_ms(case.scene.contacts_s, seen.contacts_s, clip),
        "motion": seen.motion == case.scene.motion,
        "kept": _kept(seen, case),
    }


def _foley(session: Session, case: Case) -> Found:
    picture = Clip(frames=case.scene.frames(), frame_rate=FRAME_RATE)
    clip = session.video_to_audio(picture, case.prompt, seed=case.seed, progress=False)
    heard = heard_in(clip)
    return {
        "lags_ms": _lags_ms(heard.onsets_s, case.scene.contacts_s, clip),
        "sound": heard.sound == SOUNDS[case.scene.shape],
        "counted": abs(len(heard.onsets_s) - len(case.scene.contacts_s)) <= 1,
    }


def _two_stages(session: Session, case: Case) -> Found:
    width, height = case.scene.width, case.scene.height
    clip = session.text_to_video(
        case.prompt, width=width, height=height, num_frames=49, two_stage=True, seed=case.seed, progress=False
    )
    seen = seen_in(clip)
    found = {name: getattr(seen, name) == getattr(case.scene, name) for name in ("colour", "shape", "motion")}
    return found | {"size": (clip.width, clip.height) == (width, height)}


def _lags_ms(moments_s: np.ndarray, others_s: np.ndarray, clip: Clip) -> np.ndarray:
    """From each moment to the nearest other one; the whole clip where there is none."""
    lags = lags_s(moments_s, others_s)
    return 1000 * np.where(np.isinf(lags), clip.duration_s, lags)


_KEPT = Row("kept", "colour and shape kept", "%", goal=95)
_NO_CLICK = Row("no_click", "no click at a seam", "%", goal=100)
_EXTENSION = (
    _KEPT,
    Row("smooth", "object jumps no more than 3 px at a seam", "%", goal=90),
    Row("lags_ms", "median distance from new contact to sound", "ms", "contacts", goal=80),
    _NO_CLICK,
)
_MOTION = Row("motion", "motion", "%")

# What each task measures on a case, and the numbers made from that.
TASKS: dict[str, tuple[Callable[[Session, Case], Found], tuple[Row, ...]]] = {
    "image to video": (_image_to_video, (_KEPT, Row("first_frame_db", "first frame, PSNR", "dB", goal=28), _MOTION)),
    "extension after": (lambda session, case: _extend(session, case, "after"), _EXTENSION),
    "extension before": (lambda session, case: _extend(session, case, "before"), _EXTENSION),
    "retake": (
        _retake,
        (
            Row("outside", "nothing outside changes", "%", goal=100),
            Row("inside", "picture and sound inside change", "%", goal=100),
            replace(_KEPT, goal=None),
            replace(_NO_CLICK, goal=None),
        ),
    ),
    "audio to video": (
        _audio_to_video,
        (
            Row("lags_ms", "median distance from given sound to contact", "ms", "sounds", goal=80),
            _MOTION,
            replace(_KEPT, goal=None),
        ),
    ),
    "foley": (
        _foley,
        (
            Row("lags_ms", "median distance from sound to visible contact", "ms", "sounds", goal=80),
            Row("sound", "sound class", "%", goal=85),
            Row("counted", "contacts counted within one", "%"),
        ),
    ),
    "two stages": (
        _two_stages,
        (
            Row("size", "twice the first stage's size", "%", goal=100),
            Row("colour", "colour", "%", goal=95),
            Row("shape", "shape", "%", goal=95),
            Row("motion", "motion", "%", goal=95),
        ),
    ),
}
