"""A control LoRA of the tiny world: a silhouette says where and when, the prompt says what.

`python -m ltx_nb.tiny.control --train silhouette.safetensors` makes pairs of clip and silhouette and gives them to
`train_lora`; without --train it measures the LoRA that ships. Every eighth path of the world is held out: no clip on it
is learned from, and all that is measured is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm.auto import tqdm

import ltx_nb
from ltx_nb.clip import Clip
from ltx_nb.media import Media
from ltx_nb.whole_files import whole_file

from .detect import lags_s, see
from .report import as_result, median, share, to_markdown
from .scores import heard_in, seen_in
from .world import FRAME_RATE, SAMPLE_RATE_HZ, SHAPES, SOUNDS, Scene, random_scene

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session

SILHOUETTE = Path(__file__).parent / "loras" / "silhouette.safetensors"
HELD_OUT = 8  # every so many-th path
OTHER_SHAPE = 0.5  # of the pairs, the silhouette has any shape, and the caption says which the clip has
NEAR_PX = 6.0
# Queries and keys find the place in the reference, values and feed-forward bring what is there.
SETTINGS: dict[str, Any] = {
    "rank": 32,
    "targets": [*(f"attn1.{layer}" for layer in ("to_k", "to_q", "to_v", "to_out.0")), "ff.net.0.proj", "ff.net.2"],
    "lr": 2e-3,
    "batch_size": 8,
    "num_frames": 25,
}


@dataclass(frozen=True)
class Pair:
    """A scene, its caption, and the scene whose silhouette it follows: on the same path, maybe of another shape."""

    scene: Scene
    caption: str
    seen: Scene


def draw_pairs(count: int, seed: int, *, held_out: bool, num_frames: int = 49) -> list[Pair]:
    """`count` pairs on paths that are held out, or on those that are not."""
    rng = np.random.default_rng(seed)
    return [
        next(pair for pair in _pairs(rng, num_frames) if _is_held_out(pair.scene) == held_out) for _ in range(count)
    ]


def _pairs(rng: np.random.Generator, num_frames: int) -> Iterator[Pair]:
    while True:
        scene = random_scene(rng, num_frames=num_frames)
        shape = SHAPES[rng.integers(len(SHAPES))] if rng.random() < OTHER_SHAPE else scene.shape
        yield Pair(scene, scene.caption(rng), replace(scene, shape=shape))


def _is_held_out(scene: Scene) -> bool:
    """By where the object is, rounded so that every machine says the same; one path has one answer at any length."""
    path = np.round(replace(scene, num_frames=49).positions()).astype(np.int32)
    return zlib.crc32(path.tobytes()) % HELD_OUT == 0


def write_pairs(folder: Path, pairs: Sequence[Pair]) -> Path:
    """Render the pairs into files, and return the table that names them."""
    rows = []
    for number, pair in enumerate(pairs):
        clip = Clip(
            frames=pair.scene.frames(), audio=pair.scene.audio(), frame_rate=FRAME_RATE, sample_rate=SAMPLE_RATE_HZ
        )
        clip.save(folder / f"{number}.mp4")
        Clip(frames=pair.seen.silhouette(), frame_rate=FRAME_RATE).save(folder / f"{number}-silhouette.mp4")
        rows.append({"caption": pair.caption, "video": f"{number}.mp4", "reference_video": f"{number}-silhouette.mp4"})
    path = folder / "pairs.json"
    path.write_text(json.dumps(rows))
    return path


def train(session: Session, out: Path, work: Path, clips: int = 400, steps: int = 800, seed: int = 0) -> Path:
    """Train the LoRA on pairs in the folder `work`, written there unless they are; return the file."""
    table_of_pairs = work / "pairs.json"
    if not table_of_pairs.is_file():
        work.mkdir(parents=True, exist_ok=True)
        write_pairs(work, draw_pairs(clips, seed, held_out=False, num_frames=SETTINGS["num_frames"]))
    path = ltx_nb.training.train_lora(
        session, table_of_pairs, out, steps=steps, reference="reference_video", seed=seed, **SETTINGS
    )
    return halved(path)


def halved(path: Path) -> Path:
    """Bring the file from float32, in which the tiny model is, to float16, half the size, and return its path."""
    with safe_open(path, framework="pt") as file:
        notes = file.metadata()
        tensors = {name: file.get_tensor(name).half() for name in file.keys()}  # noqa: SIM118, it is no mapping
    with whole_file(path) as unfinished:
        save_file(tensors, unfinished, notes)
    return path


def evaluate_control(session: Session, cases: int = 48, seed: int = 70_000, progress: bool = True) -> dict[str, Any]:
    """Make a clip after the silhouette of each held-out pair and say how well it follows.

    The track is compared with the detector's own of the rendered scene, frame by frame.

    Returns:
        Plain data as `evaluate`: "measured_on", "metrics", "failures" (prompt, seed, what is wrong) and "seconds".
    """
    began = time.perf_counter()
    failures = []
    near, onto, lags = [], [], []
    right: dict[str, list[bool]] = {"colour": [], "shape": [], "sound": []}
    pairs = draw_pairs(cases, seed, held_out=True)
    for number, pair in enumerate(tqdm(pairs, "follow", disable=not progress)):
        scene = pair.scene
        reference = Media(frames=pair.seen.silhouette(), frame_rate=FRAME_RATE)
        clip = session.text_to_video(pair.caption, references=[reference], seed=seed + number, progress=False)
        found, heard = seen_in(clip), heard_in(clip)
        off_px = np.hypot(*(found.track_px - see(scene.frames(), FRAME_RATE).track_px).T)
        near.append(np.nan_to_num(off_px, nan=np.inf) <= NEAR_PX)
        onto.append(float(np.nanmedian(off_px)) if np.isfinite(off_px).any() else float(scene.width))
        right["colour"].append(found.colour == scene.colour)
        right["shape"].append(found.shape == scene.shape)
        if scene.sounds:
            right["sound"].append(heard.sound == SOUNDS[scene.shape])
            late = np.abs(lags_s(scene.contacts_s, heard.onsets_s))
            lags.append(1000 * np.where(np.isinf(late), scene.duration_s, late))
        wrong = [name for name, known in right.items() if known and not known[-1]]
        wrong += [] if near[-1].mean() >= 0.9 else [f"{near[-1].mean():.0%} of frames near the track"]
        if wrong:
            failures.append({"prompt": pair.caption, "seed": seed + number, "wrong": wrong})
    metrics = [
        share(f"object within {NEAR_PX:g} px of the reference's track", np.concatenate(near).tolist(), "frames", 90),
        median("median distance from that track", onto, "px", "clips"),
        share("colour by the prompt", right["colour"], "clips", 95),
        share("shape by the prompt", right["shape"], "clips", 95),
        share("sound by the prompt", right["sound"], "clips that should sound"),
        median("median distance from the reference's contact to the sound", np.concatenate(lags), "ms", "contacts", 60),
    ]
    return as_result(
        f"{cases} pairs on held-out paths, drawn with seed {seed}; half of the silhouettes have any shape.",
        metrics,
        failures,
        began,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, metavar="OUT", help="train it, to this file, instead of measuring")
    parser.add_argument("--lora", type=Path, default=SILHOUETTE, help="what is measured")
    parser.add_argument("--work", type=Path, help="where the pairs lie or are made, to go on from; else thrown away")
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--cases", type=int, default=48)
    args = parser.parse_args()
    if args.train is None:
        print(to_markdown(evaluate_control(ltx_nb.load("tiny", loras=[args.lora]), args.cases)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(train(ltx_nb.load("tiny"), args.train, args.work or Path(folder), args.clips, args.steps))


if __name__ == "__main__":
    main()
