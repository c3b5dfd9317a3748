"""What nobody should send, and what came of it: damaged files, odd requests, messages to widgets, metadata that stays.

    python benchmarks/reliability.py [ROUNDS]

ROUNDS: damaged files of each kind, and a multiple of it of what is quicker to try; by default 100. Draws by the
generators of the tests, so that a fault is found again there with LTX_NB_FUZZ_ROUNDS. Writes reliability.json beside
this file, in which "Counted once" stays as it is, and its tables into docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from measuring import keep

sys.path.extend(str(Path(__file__).parents[1] / folder) for folder in ("tests", "docs/site", "widgets"))
from hostile import FILES, kill_savers, try_damaged, try_messages, try_requests, try_states, whole_files, widgets
from made_media import made, numbered, tone
from PIL import Image
from tables import measurement
from test_media_blanking import SECRET, with_tags

from ltx_nb.clip import Clip
from ltx_nb.source import Source
from ltx_nb.tiny.report import write_card

ROOT = Path(__file__).parents[1]
MEASURED, PAGE, CARD = Path(__file__).with_suffix(".json"), ROOT / "docs" / "reliability.md", "reliability"
ONCE = "Counted once, every fault mended"
KILLED = 12
VIDEOS = {
    "MP4": ("a.mp4", "libx264", "aac"),
    "MOV": ("a.mov", "libx264", "aac"),
    "MKV": ("a.mkv", "libx264", "aac"),
    "WebM": ("a.webm", "libvpx-vp9", "libopus"),
    "AVI": ("a.avi", "mpeg4", "libmp3lame"),
}
SOUNDS = {
    "M4A": ("a.m4a", "aac"),
    "MP3": ("a.mp3", "libmp3lame"),
    "AAC": ("a.aac", "aac"),
    "FLAC": ("a.flac", "flac"),
    "WAV": ("a.wav", "pcm_s16le"),
    "AIFF": ("a.aiff", "pcm_s16be"),
    "OGG": ("a.ogg", "libopus"),
}
PICTURES = ("JPEG", "PNG", "WebP", "TIFF", "AVIF", "GIF")
OPTIONS = {"MOV": {"movflags": "use_metadata_tags"}, "AAC": {"write_id3v2": "1"}, "AIFF": {"write_id3v2": "1"}}


def main(rounds: int = 100) -> None:
    once = json.loads(MEASURED.read_text("utf-8"))[ONCE]
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(Path(scratch), rounds)
    keep(__file__, {"measured on": date.today().isoformat(), **found, ONCE: once})
    shown = tables(json.loads(MEASURED.read_text("utf-8")))
    write_card(PAGE, shown, CARD)
    print(shown)


def tables(found: dict[str, Any]) -> str:
    """Return the part of docs/reliability.md that is made of the JSON."""
    shown = {name: value for name, value in found.items() if name not in ("machine", "measured on")}
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    begin = f"Measured by `benchmarks/reliability.py` on {found['measured on']} ({machine}), but for what is dated."
    return f"{begin}\n\n{measurement(shown, 3)}"


def measured(folder: Path, rounds: int) -> dict[str, Any]:
    """Try everything, with its files in this folder."""
    os.environ["LTX_NB_MEDIA_LIMIT_GB"] = "0.05"
    whole = whole_files(_new(folder / "whole"))
    damaged = [row(name, rounds, try_damaged(name, whole[name], _new(folder / name), rounds)) for name in FILES]
    shown = widgets(_new(folder / "widgets"))
    del os.environ["LTX_NB_MEDIA_LIMIT_GB"]
    return {
        "Damaged files, each by six readers and every fifth by `strip`": damaged,
        "Requests with fields of any type and value": [row("requests", 40 * rounds, try_requests(40 * rounds))],
        "Messages and states of any shape that a browser gives a widget": [
            row(name, 20 * rounds, try_messages(one, 10 * rounds) + try_states(one, 10 * rounds))
            for name, one in shown.items()
        ],
        "Writers killed at a random moment of a save": [killed(_new(folder / "killed"))],
        "Place, date, device and titles of a file that is given to a request": metadata(_new(folder / "metadata")),
    }


def row(what: str, inputs: int, found: Counter[str]) -> dict[str, Any]:
    """Count outcomes, with what is no answer in words."""
    faults = {fault: times for fault, times in found.items() if fault not in ("read", "taken", "refused")}
    for fault in faults:
        print(f"{what}: {fault}", file=sys.stderr)
    taken = found["read"] + found["taken"]
    return {"what": what, "inputs": inputs, "taken": taken, "refused": found["refused"], "faults": sum(faults.values())}


def killed(folder: Path) -> dict[str, Any]:
    """Save a clip over itself in a process that is killed; the file must be whole each time."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (25, 32, 32, 3), dtype=np.uint8)
    clip = Clip(frames=frames, audio=tone(25 / 24), frame_rate=24, sample_rate=48_000)
    path = clip.save(folder / "a.mkv", lossless=True)
    whole = sum(np.array_equal(Clip.load(path).frames, frames) for _ in kill_savers(path, KILLED))
    clip.save(path, lossless=True)
    left = len(list(folder.iterdir())) - 1
    return {"what": "lossless MKV", "killed": KILLED, "whole afterwards": whole, "files left after the next save": left}


def metadata(folder: Path) -> dict[str, str]:
    """Look for a written place in what a request embeds of a file, in each format."""
    pictures = {}
    for kind in PICTURES:
        pictures[kind] = folder / f"still.{kind.lower()}"
        exif = Image.Exif()
        exif[0x010F] = SECRET  # the maker of the camera
        more = {"comment": SECRET.encode()} if kind == "GIF" else {"exif": exif}
        Image.fromarray(numbered(1)).save(pictures[kind], kind, **more)
    films = {}
    for kind, (name, codec, sound_codec) in VIDEOS.items():
        plain = made(
            folder / f"plain-{name}", np.arange(12) / 24, [(0, tone(0.5))], codec=codec, sound_codec=sound_codec
        )
        films[kind] = with_tags(folder / name, plain, OPTIONS.get(kind))
    for kind, (name, sound_codec) in SOUNDS.items():
        plain = made(folder / f"plain-{name}", (), [(0, tone(0.5))], sound_codec=sound_codec)
        films[kind] = with_tags(folder / name, plain, OPTIONS.get(kind))
    found: dict[str, list[str]] = {"are left out of": [], "stay in": []}
    for kind, path in (pictures | films).items():
        if SECRET.encode() not in path.read_bytes():
            raise ValueError(f"{path.name} holds no metadata to begin with")
        is_left = SECRET.encode() in Source.from_path(path).open().read()
        found["stay in" if is_left else "are left out of"].append(kind)
    return {where: ", ".join(kinds) for where, kinds in found.items()}


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
