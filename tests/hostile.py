"""What nobody should send: damaged files, requests with fields of any value, messages and states of any shape.

All drawn by seeded generators. Each `try_*` counts what came of it: "read" or "taken", "refused" where the reason is
told, and else the fault itself, in words.
"""

import random
import re
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from anywidget import AnyWidget
from made_media import made, numbered, tone
from PIL import Image

from ltx_nb import media
from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest
from ltx_widgets import (
    ClipGrid,
    LatentExplorer,
    Player,
    PresetPicker,
    Prompt,
    RunPanel,
    Storyboard,
    Timeline,
    TrainingPanel,
)

READERS = (media.probe, Clip.load, media.read_still, media.read_audio, media.read_image, ClipRequest.from_file)
FILES = ["clip.mp4", "clip.webm", "clip.mkv", "clip.wav", "clip.flac", "clip.mp3"]
FILES += ["a.avi", "a.ts", "a.ogg", "a.aiff", "a.aac"]
FILES += [f"still.{fmt}" for fmt in ("png", "jpeg", "webp", "gif", "bmp", "tiff", "avif")]
FILES += ["moving.gif", "moving.webp", "moving.png"]
VALUES = [None, -1, 0, 1.5, 1e999, 2**70, "", "x", "\ud800", [], [[]], {}, {"a": {}}, True, float("nan")]
# What a widget is told, and with which fields.
MESSAGES = {
    "ClipGrid": {"want": ["id", "aac"], "take": ["index"]},
    "LatentExplorer": {"pick": ["picked"], "footprint": ["picked"], "capture": []},
    "Player": {"step": ["index"], "retake": ["span_s"], "unplayable": ["id"]},
    "PresetPicker": {"choose": ["preset", "model", "job"]},
    "Prompt": {"edit": ["id", "value"], "enhance": [], "generate": ["how"]},
    "RunPanel": {
        **{kind: ["id"] for kind in ("reload", "retake", "extend", "delete", "take", "drop")},
        **{"generate": ["how"], "cancel": [], "give": ["id", "time_s"]},
        **{"change": ["id", "name", "starred"], "export": ["id", "suffix", "view"]},
    },
    "Storyboard": {"edit": ["id", "value"], "make": [], "retake": ["index"]},
    "Timeline": {"edit": ["id", "value"]},
    "TrainingPanel": {"start": [], "cancel": []},
}
CHUNK = ["name", "index", "count", "detail"]
REQUEST = ClipRequest("a ball", width=64, height=64, num_frames=9, seed=3)

# How a widget shows what is no ValueError; traitlets' own error names the trait and what it takes.
_UNTOLD = re.compile(r"(?!TraitError)[A-Z]\w*(Error|Exception): ")
_SAVER = """
import sys
from ltx_nb.clip import Clip
clip = Clip.load(sys.argv[1])
print('ready', flush=True)
while True:
    clip.save(sys.argv[1], lossless=True)
"""


def small_clip(**more):
    frames = np.stack([numbered(index) for index in range(9)])
    more = {"request": REQUEST, **more}
    return Clip(frames=frames, frame_rate=24, audio=tone(9 / 24), sample_rate=48_000, **more)


def whole_files(folder):
    """One small file of each kind, by name."""
    frames = np.stack([numbered(index) for index in range(4)])
    clip = Clip(frames=frames, frame_rate=24, audio=tone(4 / 24), sample_rate=48_000, request=REQUEST)
    for suffix in (".mp4", ".webm", ".mkv", ".wav", ".flac", ".mp3"):
        clip.save(folder / f"clip{suffix}")
    for name, codec in (("a.avi", "mpeg4"), ("a.ts", "libx264")):
        made(folder / name, np.arange(4) / 30, [(0, tone(0.2))], codec=codec, sound_codec="libmp3lame")
    for name, codec in (("a.ogg", "libopus"), ("a.aiff", "pcm_s16be"), ("a.aac", "aac")):
        made(folder / name, (), [(0, tone(0.2))], sound_codec=codec)
    pictures = [Image.fromarray(frame) for frame in frames]
    for fmt in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        pictures[0].save(folder / f"still.{fmt.lower()}", fmt)
    for fmt in ("GIF", "WEBP", "PNG"):
        pictures[0].save(folder / f"moving.{fmt.lower()}", fmt, save_all=True, append_images=pictures[1:], duration=40)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def damaged(content, rng):
    """Cut off, changed, doubled, or with numbers where sizes stand that no file has."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = int(len(content) * rng.random() ** rng.choice([1, 3]))  # headers more often
        kind = rng.randrange(5)
        if kind == 0:
            del content[max(at, 1) :]
        elif kind == 1 and content:
            content[min(at, len(content) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 2:
            content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\x80\0\0\0"])
        elif kind == 3:
            content[at : at + rng.randrange(64)] = rng.randbytes(rng.randrange(64))
        else:
            content[at:at] = content[at : at + rng.randrange(256)]
    return bytes(content)


def try_damaged(name, content, folder, rounds):
    """By every reader, and by `strip` now and then. A file that is refused must be named."""
    rng, path, found = random.Random(name), folder / name, Counter()
    for round_ in range(rounds):
        path.write_bytes(damaged(content, rng))
        if not path.stat().st_size:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.update(_outcome(read, path) for read in READERS)
            if round_ % 5 == 0:
                found[_outcome(media.strip, path, folder / "stripped.mkv")] += 1
    return found


def _outcome(read, path, *arguments):
    try:
        read(path, *arguments)
    except ValueError as error:
        is_told = path.name in str(error) or "holds no request" in str(error)
        return "refused" if is_told else f"{read.__name__}: {error}"
    except Exception as error:
        return f"{read.__name__}: {type(error).__name__}: {error}"
    return "read"


def try_requests(rounds):
    """Requests with one or two fields of any value."""
    rng, whole, found = random.Random(0), ClipRequest("a ball", given=(), seed=3).to_dict(), Counter()
    for _ in range(rounds):
        changed = dict(whole)
        for _ in range(rng.choice([1, 2])):
            changed[rng.choice([*whole, "other"])] = rng.choice(VALUES)
        try:
            ClipRequest.from_dict(changed).to_json()
        except ValueError as error:
            found["refused" if str(error) else "a ValueError without words"] += 1
        except Exception as error:
            found[f"{type(error).__name__}: {error}"] += 1
        else:
            found["taken"] += 1
    return found


def widgets(folder):
    """One of each widget, with something in it, and nothing behind it that works for long."""
    clip = small_clip()
    path = clip.save(folder / "a.mp4")
    latents = {"latents": np.zeros((128, 2, 2, 2), np.float32), "audio_latents": np.zeros((8, 10, 16), np.float32)}
    panel = RunPanel(lambda request, *, on_step: clip, request=REQUEST, give=_idle, retake=_idle, extend=_idle)
    panel.generate()
    made = {
        "ClipGrid": ClipGrid([_Row(REQUEST, path)]),
        "LatentExplorer": LatentExplorer(small_clip(**latents), capture=_idle),
        "Player": Player(clip, clip, retake=_idle),
        "PresetPicker": PresetPicker(request=REQUEST),
        "Prompt": Prompt(REQUEST, generate=_idle),
        "RunPanel": panel,
        "Storyboard": Storyboard(["a ball", "a square"], make=_idle, retake=_idle),
        "Timeline": Timeline(REQUEST, media=[clip]),
        "TrainingPanel": TrainingPanel(_idle, steps=2),
    }
    for widget in made.values():
        widget.send = _idle
    return made


@dataclass(frozen=True)
class _Row:
    request: ClipRequest
    path: Path
    error: str | None = None


def _idle(*_, **__):
    pass


def try_messages(widget, rounds):
    """Messages as a browser could send them: known ones and others, fields missing, too many, and of any value."""
    name, found = type(widget).__mro__[1].__name__, Counter()
    rng, known = random.Random(name), MESSAGES[name] | {"chunk": CHUNK, "ready": []}
    fields = sorted({field for fields in known.values() for field in fields} | {"other"})
    for _ in range(rounds):
        kind = rng.choice([*known, rng.choice(VALUES)])
        names = known.get(kind, []) if isinstance(kind, str) else []
        chosen = [field for field in names if rng.random() < 0.9] + rng.choices(fields, k=rng.choice([0, 0, 0, 1]))
        content = {"type": kind, **{field: rng.choice(VALUES) for field in chosen}}
        found[_said(widget, widget._receive, widget, content, [b"x"] * rng.choice([0, 1]))] += 1
    return found


def try_states(widget, rounds):
    """Traits that the browser shares, of any value, one or two at a time."""
    rng, found = random.Random(type(widget).__name__), Counter()
    names = sorted(set(widget.traits(sync=True)) - set(AnyWidget.class_trait_names()))
    for _ in range(rounds):
        state = {rng.choice(names): rng.choice(VALUES) for _ in range(rng.choice([1, 2]))}
        found[_said(widget, widget.set_state, state)] += 1
    return found


def _said(widget, tell, *told):
    widget.error = ""
    try:
        tell(*told)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if _UNTOLD.match(widget.error):
        return widget.error
    return "refused" if widget.error else "taken"


def kill_savers(path, count):
    """Kill a process that saves the clip at `path` over itself, at a random moment; yield after each."""
    rng = random.Random(0)
    for _ in range(count):
        with subprocess.Popen([sys.executable, "-c", _SAVER, str(path)], stdout=subprocess.PIPE, text=True) as saver:
            saver.stdout.readline()
            time.sleep(rng.uniform(0, 0.2))
            saver.send_signal(signal.SIGKILL)
        yield
