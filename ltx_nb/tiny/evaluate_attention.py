"""Meaning of the tiny model's attention: do sound and picture meet at contacts, the object and its colour?

Chance is what attention would give if it looked at everything alike. The best block of each question is chosen on one
half of the cases and measured on the other. How a clip is read is in `detect`, attention in `ltx_nb.inspect`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from ltx_nb.inspect.attention import AttentionMaps, TokenGrid, capture_attention
from ltx_nb.inspect.attention_maps import time_map, word_map
from ltx_nb.shapes import VIDEO_TEMPORAL_COMPRESSION

from .detect import Seen
from .report import Metric, as_result, mean
from .scores import Case, seen_in
from .world import RADIUS, Scene, random_scene

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session

STRIKE_LATENTS = 2  # audio latents in which a strike begins: 80 ms
QUESTIONS = {
    "sound": "sound at a contact looks at the contact's latent frame",
    "picture": "the contact's latent frame looks at the sound there",
    "colour": "the object's cells look at the word of its colour, against all cells",
}
CONTACT_GOAL = 2.0


def evaluate_attention(session: Session, cases: int = 24, seed: int = 40_000, progress: bool = True) -> dict[str, Any]:
    """Make `cases` clips of things that bounce and sound, and compare where attention falls with chance.

    Returns:
        Plain data as `evaluate`; "failures" names the cases in which no contact was seen, which count for nothing.
    """
    began = time.perf_counter()
    found: dict[str, list[np.ndarray]] = {question: [] for question in QUESTIONS}
    failures = []
    for case in tqdm(_cases(cases, seed), desc="evaluate attention", disable=not progress):
        with capture_attention(session) as maps:
            clip = session.text_to_video(case.prompt, num_frames=case.scene.num_frames, seed=case.seed, progress=False)
        seen = seen_in(clip)
        if len(seen.contacts_s) == 0:
            failures.append({"prompt": case.prompt, "seed": case.seed, "wrong": ["no contact is seen"]})
            continue
        found["sound"].append(sound_to_contact(maps, seen.contacts_s))
        found["picture"].append(contact_to_sound(maps, seen.contacts_s))
        found["colour"].append(colour_on_object(maps, case, seen))
    return as_result(
        f"{cases} held-out pairs of prompt and seed, drawn with seed {seed}, of which "
        f"{cases - len(failures)} show a contact. Shares of attention as multiples of chance.",
        [metric for question, ratios in found.items() for metric in _metrics(question, ratios)],
        failures,
        began,
    )


def sound_to_contact(maps: AttentionMaps, contacts_s: np.ndarray) -> np.ndarray:
    """For each block: attention of audio latents where strikes begin to the contact's latent frame, over chance."""
    return _at_contacts(maps, "video_to_audio", contacts_s) * maps.grid.video_shape[0]


def contact_to_sound(maps: AttentionMaps, contacts_s: np.ndarray) -> np.ndarray:
    """For each block: attention of a contact's latent frame to audio latents where the strike begins, over chance."""
    return _at_contacts(maps, "audio_to_video", contacts_s) * (len(maps.grid.audio_edges_s) - 1)


def colour_on_object(maps: AttentionMaps, case: Case, seen: Seen) -> np.ndarray:
    """For each block: attention to the colour's word in the cells that the object covers, over that in all cells."""
    covered = object_cells(maps.grid, case.scene, seen)
    heats = (word_map(maps, case.prompt, case.scene.colour, block).video for block in maps.blocks)
    return np.array([heat[covered].mean() / heat.mean() for heat in heats])


def object_cells(grid: TokenGrid, scene: Scene, seen: Seen) -> np.ndarray:
    """Which cells [F, H, W] hold the middle of the object's box, or more than half of its width and height."""
    frames, rows, columns = grid.video_shape
    last = np.minimum(VIDEO_TEMPORAL_COMPRESSION * np.arange(frames), len(seen.track_px) - 1)
    middle = np.maximum(last - VIDEO_TEMPORAL_COMPRESSION // 2, 0)
    x, y = np.nan_to_num(seen.track_px[middle], nan=-1e6).T
    reach_x, reach_y = scene.width / columns / 2, scene.height / rows / 2
    centre_x = (2 * np.arange(columns) + 1) * reach_x
    centre_y = (2 * np.arange(rows) + 1) * reach_y
    reach = max(reach_x, RADIUS * scene.unit_px / 2)
    near_x = np.abs(centre_x - x[:, None]) <= reach
    near_y = np.abs(centre_y - y[:, None]) <= reach
    return near_y[:, :, None] & near_x[:, None, :]


def _cases(count: int, seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    scenes = [random_scene(rng, motion="bounce", silent=False) for _ in range(count)]
    return [Case(scene.caption(rng), seed + 1 + index, scene) for index, scene in enumerate(scenes)]


def _at(grid: TokenGrid, contacts_s: np.ndarray) -> tuple[np.ndarray, list[slice]]:
    """The latent frame of each contact and the audio latents in which its strike begins."""
    frames = np.searchsorted(grid.video_edges_s, contacts_s, side="right") - 1
    first = np.searchsorted(grid.audio_edges_s, contacts_s, side="right") - 1
    first = np.minimum(first, len(grid.audio_edges_s) - 1 - STRIKE_LATENTS)
    return np.minimum(frames, grid.video_shape[0] - 1), [slice(one, one + STRIKE_LATENTS) for one in first]


def _at_contacts(maps: AttentionMaps, kind: str, contacts_s: np.ndarray) -> np.ndarray:
    """For each block: mean attention where the latent frames of contacts and the audio latents of strikes meet."""
    frames, latents = _at(maps.grid, contacts_s)
    shares = []
    for block in maps.blocks:
        matrix = time_map(maps, kind, block).matrix
        of_frames = matrix.T if kind == "video_to_audio" else matrix  # [latent frames, audio latents]
        shares.append(np.mean([of_frames[frame, some].mean() for frame, some in zip(frames, latents, strict=True)]))
    return np.array(shares)


def _metrics(question: str, ratios: list[np.ndarray]) -> list[Metric]:
    """The block that is best on every other case, on the rest; and the mean of all blocks on all cases."""
    name = QUESTIONS[question]
    goal = None if question == "colour" else CONTACT_GOAL
    if len(ratios) < 2:
        return [mean(f"{name}: best block", [], "x chance", "clips", goal)]
    chosen = int(np.mean(ratios[::2], axis=0).argmax())
    rest = [one[chosen] for one in ratios[1::2]]
    return [
        mean(f"{name}: block {chosen}, the best", rest, "x chance", "clips it was not chosen on", goal),
        mean(f"{name}: all blocks", [float(one.mean()) for one in ratios], "x chance", "clips"),
    ]
