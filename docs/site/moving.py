"""Draws README's moving picture, docs/moving.webp, and its still, docs/moving.png, from the site's front clips.

    python docs/site/moving.py

Each clip runs over the waveform of its sound, 12 frames a second.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "widgets")]

from gallery import FRONT, entries, made  # noqa: E402

import ltx_nb  # noqa: E402
from ltx_nb.clip import Clip  # noqa: E402

SIDE_PX, WAVE_PX, GAP_PX = 256, 56, 8
EVERY = 2  # of 24 frames a second
BACKGROUND, PLAYED, TO_COME, HEAD = "#10141c", "#f5965a", "#5f4a3d", "#e6e8eb"
QUALITY = 55
STILL = 15  # of the frames drawn: at a landing of the first clip


def panel(clip: Clip, index: int) -> Image.Image:
    """The frame over the waveform up to it and, paler, after it."""
    picture = Image.new("RGB", (SIDE_PX, SIDE_PX + WAVE_PX), BACKGROUND)
    picture.paste(Image.fromarray(clip.frames[index]).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))
    columns = np.array_split(np.abs(clip.audio).max(0), SIDE_PX // 2)
    peaks = np.sqrt([column.max() for column in columns]) / max(np.sqrt(np.abs(clip.audio).max()), 1e-6)
    draw, middle = ImageDraw.Draw(picture), SIDE_PX + WAVE_PX // 2
    head = round((index + 0.5) / clip.num_frames * SIDE_PX)
    for column, peak in enumerate(peaks):
        half = max(round(peak * (WAVE_PX / 2 - 4)), 1)
        colour = PLAYED if 2 * column <= head else TO_COME
        draw.line([(2 * column, middle - half), (2 * column, middle + half)], colour)
    draw.line([(head, SIDE_PX), (head, SIDE_PX + WAVE_PX)], HEAD)
    return picture


def drawn(clips: list[Clip]) -> list[Image.Image]:
    """Frames of all clips side by side."""
    frames = []
    for index in range(0, clips[0].num_frames, EVERY):
        whole = Image.new("RGB", (len(clips) * (SIDE_PX + GAP_PX) - GAP_PX, SIDE_PX + WAVE_PX), BACKGROUND)
        for place, clip in enumerate(clips):
            whole.paste(panel(clip, index), (place * (SIDE_PX + GAP_PX), 0))
        frames.append(whole)
    return frames


def main() -> None:
    session = ltx_nb.load("tiny")
    clips = [made(session, entry) for entry in entries(ROOT / "docs" / "gallery.json")[:FRONT]]
    first, *others = frames = drawn(clips)
    duration_ms = round(1000 * EVERY / clips[0].frame_rate)
    first.save(
        ROOT / "docs" / "moving.webp",
        save_all=True,
        append_images=others,
        duration=duration_ms,
        loop=0,
        quality=QUALITY,
        method=6,
    )
    frames[STILL].quantize(128, dither=Image.Dither.NONE).save(ROOT / "docs" / "moving.png", optimize=True)


if __name__ == "__main__":
    main()
