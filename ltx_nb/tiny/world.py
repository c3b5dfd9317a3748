"""The world the tiny model knows: one object that moves, and the sound it makes where it touches.

A `Scene` is plain data; from it come the frames, the waveform, the caption and the exact ground truth (where the object
is in each frame, when and where it touches). Nothing here knows a tensor or a file.

Lengths are in units of 1/128 of the frame's shorter side, so that a scene looks the same at every size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ltx_nb.catalogue.vocabulary import Vocabulary

SHAPES = ("ball", "square", "triangle")
COLOURS = {
    "red": (220, 45, 40),
    "green": (45, 175, 75),
    "blue": (60, 105, 235),
    "yellow": (235, 205, 55),
    "purple": (165, 75, 205),
    "white": (240, 240, 240),
}
BACKGROUNDS = {
    "black": (12, 12, 14),
    "navy": (18, 28, 84),
    "gray": (112, 112, 116),
    "teal": (12, 98, 100),
}
# The two pairs that are nearest, 87 and 101 apart in RGB: shapes and motions come out wrong (docs/tiny_weights.md).
FAINT = (("green", "teal"), ("green", "gray"))
MOTIONS = ("bounce", "slide", "still")
SOUNDS = {"ball": "thump", "square": "knock", "triangle": "bell"}

FRAME_RATE = 24.0
SAMPLE_RATE_HZ = 48_000

RADIUS = 20.0  # half the object's width
EDGE = 2.0  # width of the soft edge
FLOOR_MARGIN = 6.0  # gap between the object at rest and the lower edge
WALL_MARGIN = 2.0
# The world keeps to a grid, so that a small model can learn it: periods are whole latent frames (8 frames each),
# contacts fall on frames 2, 6, 10 and so on, and what bounces or stands does so in one of eight places.
PHASE_FRAMES = 4
PLACES = 8
GRAVITY = 0.45  # per frame^2: a bounce of p frames is g p^2 / 8 high and lands at g p / 2 a frame
BOUNCE_FRAMES = (16, 24)  # 14 or 32 high, landing at 3.6 or 5.4 a frame
SLIDE_FRAMES = (48, 64)  # there and back: 3.5 or 2.6 a frame in a square picture


@dataclass(frozen=True)
class Scene:
    """One clip of the world, complete: the same scene always renders the same pixels and samples.

    `start` is where along its range the object bounces or stands, `phase` how far into its period it begins, and
    `energy` picks the period: below 0.5 the shorter one, that is a low bounce or a fast slide. All are 0..1 and taken
    to the step of the world's grid that they lie in.
    """

    shape: str = "ball"
    colour: str = "red"
    background: str = "navy"
    motion: str = "bounce"
    silent: bool = False
    width: int = 128
    height: int = 128
    num_frames: int = 49
    start: float = 0.5
    phase: float = 0.0
    energy: float = 0.5

    @property
    def unit_px(self) -> float:
        return min(self.width, self.height) / 128

    @property
    def duration_s(self) -> float:
        return self.num_frames / FRAME_RATE

    @property
    def radius_px(self) -> float:
        return RADIUS * self.unit_px

    @property
    def sounds(self) -> bool:
        """Whether anything can be heard."""
        return not self.silent and len(self.contacts_s) > 0

    @property
    def contacts_s(self) -> np.ndarray:
        """Times in seconds at which the object touches the floor (bounce) or a wall (slide)."""
        return self._contacts()[0] / FRAME_RATE

    @property
    def contacts_x(self) -> np.ndarray:
        """Horizontal position of each contact as a fraction of the width: 0 is left, 1 is right."""
        return self._contacts()[1] / self.width

    def _x_range_px(self) -> tuple[float, float]:
        margin = self.radius_px + WALL_MARGIN * self.unit_px
        return margin, self.width - margin

    def _period_frames(self) -> int:
        if self.motion == "bounce":
            return BOUNCE_FRAMES[_step(self.energy, len(BOUNCE_FRAMES))]
        return SLIDE_FRAMES[_step(self.energy, len(SLIDE_FRAMES))]

    def _phase(self) -> float:
        steps = self._period_frames() // PHASE_FRAMES
        return (_step(self.phase, steps) + 0.5) / steps  # a contact is never on the first or the last frame

    def positions(self, frames: np.ndarray | None = None) -> np.ndarray:
        """Centre of the object in pixels, [F, 2] as (x, y), at these (fractional) frames, by default all of them."""
        t = np.arange(self.num_frames, dtype=float) if frames is None else np.asarray(frames, dtype=float)
        low, high = self._x_range_px()
        floor = self.height - (FLOOR_MARGIN + RADIUS) * self.unit_px
        x = np.full_like(t, _between((low, high), _step(self.start, PLACES) / (PLACES - 1)))
        y = np.full_like(t, floor)
        if self.motion == "bounce":
            period = self._period_frames()
            since = np.mod(t + self._phase() * period, period)
            y = floor - 0.5 * GRAVITY * since * (period - since) * self.unit_px
        elif self.motion == "slide":
            turn = np.mod(t / self._period_frames() + self._phase(), 1.0)
            x = low + (high - low) * (1 - np.abs(1 - 2 * turn))
        return np.stack([x, y], axis=1)

    def _contacts(self) -> tuple[np.ndarray, np.ndarray]:
        if self.motion == "still":
            return np.zeros(0), np.zeros(0)
        per_period = 1 if self.motion == "bounce" else 2
        step = self._period_frames() / per_period
        first = (-self._phase() * per_period) % 1.0
        frames = (first + np.arange(int(self.num_frames / step) + 2)) * step
        frames = frames[frames < self.num_frames - 1]
        return frames, self.positions(frames)[:, 0]

    def frames(self) -> np.ndarray:
        """The picture: uint8 [F, H, W, 3]."""
        back = np.array(BACKGROUNDS[self.background], dtype=np.float32)
        front = np.array(COLOURS[self.colour], dtype=np.float32)
        return np.round(back + self._cover() * (front - back)).astype(np.uint8)

    def silhouette(self) -> np.ndarray:
        """Where the object is, white on black: uint8 [F, H, W, 3]."""
        return np.round(255 * self._cover()).astype(np.uint8).repeat(3, axis=-1)

    def _cover(self) -> np.ndarray:
        """How far the object covers each pixel: float32 [F, H, W, 1] in 0..1."""
        y, x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32) + 0.5
        centre = self.positions().astype(np.float32)
        dx = x[None] - centre[:, 0, None, None]
        dy = y[None] - centre[:, 1, None, None]
        r = self.radius_px
        if self.shape == "ball":
            inside = r - np.hypot(dx, dy)
        elif self.shape == "square":
            inside = r - np.maximum(np.abs(dx), np.abs(dy))
        else:  # the apex up, as high as wide, standing on its base
            slope = np.float32(1 / np.sqrt(5))
            inside = np.minimum(r - dy, (r + dy - 2 * np.abs(dx)) * slope)
        edge = EDGE * self.unit_px
        return np.clip(inside / edge + 0.5, 0, 1)[..., None]

    def audio(self, shift_s: float = 0.0) -> np.ndarray:
        """The sound: float32 [2, N] in [-1, 1] at 48 kHz; `shift_s` > 0 makes every sound late by that much."""
        out = np.zeros((2, round(self.duration_s * SAMPLE_RATE_HZ)), dtype=np.float64)
        if not self.silent:
            for time_s, x in zip(self.contacts_s + shift_s, self.contacts_x, strict=True):
                start = round(time_s * SAMPLE_RATE_HZ)
                part = strike(SOUNDS[self.shape], start)[max(-start, 0) : max(out.shape[1] - start, 0)]
                angle = x * np.pi / 2  # equal power between the speakers
                at = max(start, 0)
                out[0, at : at + len(part)] += np.cos(angle) * part
                out[1, at : at + len(part)] += np.sin(angle) * part
        return np.clip(out, -1, 1).astype(np.float32)

    def caption(self, rng: np.random.Generator | None = None) -> str:
        """An English description; with `rng` in varied wording, otherwise the plainest one."""
        return _caption(self, rng)


def _step(fraction: float, steps: int) -> int:
    """Which of `steps` equal parts of 0..1 this is in."""
    return min(int(fraction * steps), steps - 1)


def _between(span: tuple[float, float], fraction: float) -> float:
    return span[0] + (span[1] - span[0]) * fraction


# Partials of each sound: frequency in Hz, level, seconds in which it falls to 1/e. All are multiples of 100 Hz (above
# 8 kHz, of 200 Hz) and in step with the clip's clock, so that a mel frame says everything about its 10 ms of waveform,
# its phase too: a small vocoder can then learn the waveform itself, without a discriminator.
PARTIALS = {
    "thump": ((100, 0.85, 0.075),),
    "knock": ((500, 0.55, 0.022), (1100, 0.35, 0.014)),
    "bell": (
        (1300, 0.26, 0.22),
        (2600, 0.16, 0.16),
        (4200, 0.10, 0.12),
        (6400, 0.07, 0.09),
        (9400, 0.06, 0.07),
        (12400, 0.04, 0.05),
    ),
}
STRIKE_S = {"thump": 0.30, "knock": 0.12, "bell": 0.70}


def strike(sound: str, start: int = 0) -> np.ndarray:
    """One hit of a sound at full level that begins at sample `start` of its clip: float64 [N] mono at 48 kHz."""
    return _strike(sound, start % _CLOCK_SAMPLES)


_CLOCK_SAMPLES = SAMPLE_RATE_HZ // 100  # every partial repeats after 10 ms


@lru_cache(maxsize=64)
def _strike(sound: str, start: int) -> np.ndarray:
    sample = np.arange(round(STRIKE_S[sound] * SAMPLE_RATE_HZ))
    since = sample / SAMPLE_RATE_HZ
    clock = (sample + start) % _CLOCK_SAMPLES / SAMPLE_RATE_HZ
    parts = (level * np.sin(2 * np.pi * hz * clock) * np.exp(-since / decay) for hz, level, decay in PARTIALS[sound])
    attack, release = np.minimum(since / 0.002, 1.0), np.minimum((since[-1] - since) / 0.01, 1.0)
    wave = attack * sum(parts) * release
    wave.flags.writeable = False  # it is shared
    return wave


_MOTION_WORDS = {
    "bounce": ("bounces on the floor", "bounces up and down", "is bouncing on the floor", "bounces"),
    "slide": ("slides from side to side", "slides left and right", "is sliding from wall to wall", "slides"),
    "still": ("stands still", "does not move", "is standing still", "rests on the floor"),
}
_SILENCE_WORDS = (" in silence.", ", in silence.", ". There is no sound. In silence.")
_TOUCH_WORDS = {"bounce": ("each bounce", "every bounce"), "slide": ("each turn", "every wall")}
_SOUND_WORDS = {
    "thump": ("a deep thump", "a low thump"),
    "knock": ("a woody knock", "a short wooden knock"),
    "bell": ("a ringing bell", "a bright bell sound"),
}


def _caption(scene: Scene, rng: np.random.Generator | None) -> str:
    def pick(options: tuple[str, ...]) -> str:
        return options[0] if rng is None else options[rng.integers(len(options))]

    thing = f"{pick(('A', 'One', 'The'))} {scene.colour} {scene.shape}"
    where = pick(("in front of a {} background", "on a {} background", "against a {} background"))
    first = f"{thing} {pick(_MOTION_WORDS[scene.motion])} {where.format(scene.background)}"
    if scene.silent:
        return first + pick(_SILENCE_WORDS)
    if scene.motion == "still":
        return first + "." + pick(("", " Nothing is heard."))
    touch = pick(_TOUCH_WORDS[scene.motion]).capitalize()
    second = f" {touch} makes {pick(_SOUND_WORDS[SOUNDS[scene.shape]])}."
    return first + "." + pick((second, second, ""))


def random_scene(rng: np.random.Generator, **fixed) -> Scene:
    """A scene drawn from the whole world; keywords fix fields of `Scene`."""
    drawn: dict[str, Any] = dict(
        shape=SHAPES[rng.integers(len(SHAPES))],
        colour=list(COLOURS)[rng.integers(len(COLOURS))],
        background=list(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))],
        motion=str(rng.choice(MOTIONS, p=(0.45, 0.40, 0.15))),
        silent=bool(rng.random() < 0.12),
        start=float(rng.random()),
        phase=float(rng.random()),
        energy=float(rng.random()),
    )
    return replace(Scene(), **(drawn | fixed))


def vocabulary() -> list[str]:
    """Every word and mark that a caption can hold, lower case, sorted."""
    words = set("a , . one the there is no sound in silence nothing heard makes background".split())
    words |= {*SHAPES, *COLOURS, *BACKGROUNDS}
    sources = [*_MOTION_WORDS.values(), *_TOUCH_WORDS.values(), *_SOUND_WORDS.values()]
    for options in (*sources, ("in front of a", "on a", "against a")):
        for text in options:
            words |= set(text.split())
    return sorted(words)


def understood(sizes: Iterable[tuple[int, int]], num_frames: tuple[int, int]) -> Vocabulary:
    """Vocabulary of a model that learned this world at these sizes, (width, height) in pixels."""
    return Vocabulary(
        words=tuple(vocabulary()),
        objects=SHAPES,
        colours=tuple(COLOURS),
        backgrounds=tuple(BACKGROUNDS),
        motions=_MOTION_WORDS,
        sounds={shape: _SOUND_WORDS[sound] for shape, sound in SOUNDS.items()},
        silence=("in silence", "there is no sound"),
        sizes=tuple(sizes),
        num_frames=num_frames,
        faint=FAINT,
    )
