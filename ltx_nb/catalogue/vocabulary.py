"""The words that a small model was trained to understand, so that what lies outside can be named before it disappoints.

Plain data that lies in the model's folder as `vocabulary.json`; a large model has none. Knows no tokenizer: words that
have no token are the session's to find.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

FILE_NAME = "vocabulary.json"


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """Words, and the sizes of the clips that they were learned with.

    words: all of them, with the marks between. objects: what there is one of in each clip. colours: of objects.
    backgrounds: colours of what is behind. motions, sounds: {motion: its phrases}, {object: phrases of its sound};
    silence: phrases for none. sizes: (width, height) in pixels. num_frames: the fewest and the most. faint: colours on
    backgrounds that are too near for it: (colour, background).
    """

    words: tuple[str, ...]
    objects: tuple[str, ...]
    colours: tuple[str, ...]
    backgrounds: tuple[str, ...]
    motions: Mapping[str, tuple[str, ...]]
    sounds: Mapping[str, tuple[str, ...]]
    silence: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    num_frames: tuple[int, int]
    faint: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        sides = ", ".join(map(_by, self.sizes))
        lines = {
            "objects": self.objects,
            "colours": self.colours,
            "backgrounds": self.backgrounds,
            "motions": [phrases[0] for phrases in self.motions.values()],
            "sounds": [f"{phrases[0]} ({thing})" for thing, phrases in self.sounds.items()],
            "silence": self.silence,
            "sizes": [f"{sides} px; {self.num_frames[0]} to {self.num_frames[1]} frames"],
            "faint": [f"{colour} on {background}" for colour, background in self.faint],
            "words": self.words,
        }
        return "\n".join(f"{name + ':':<13}{', '.join(values)}" for name, values in lines.items())

    def doubts(self, prompt: str) -> list[str]:
        """Return why a prompt whose words are known may come out wrong all the same, one sentence each.

        No training clip ever had what it asks for, or its colours are too near each other.
        """
        words = re.findall(r"\w+", prompt.lower())
        found = []
        for word, following in pairwise([*words, ""]):
            if following and following not in self.words:
                continue  # a word without a token is lost, and said to be
            if word in self.colours and following not in self.objects:
                found.append(f"{word!r} is known before {_either(self.objects)} only")
            if word in self.backgrounds and following != "background":
                found.append(f"{word!r} is known before 'background' only")
        for colour, background in self.faint:
            if colour in words and (background, "background") in pairwise(words):
                found.append(f"{colour} on {background} is too faint for it; take another colour or background")
        things = [thing for thing in self.objects if thing in words]
        if len(things) > 1:
            found.append(f"{' and '.join(map(repr, things))} were never in one clip; there is one object in each")
        elif things:
            own = {word for phrase in (*self.sounds[things[0]], *self.silence) for word in phrase.split()}
            others = {word for phrases in self.sounds.values() for phrase in phrases for word in phrase.split()} - own
            found += [f"a {things[0]} never sounds like {word!r}" for word in words if word in others]
        return list(dict.fromkeys(found))

    def doubts_of_size(self, width: int, height: int, num_frames: int) -> list[str]:
        """Return why a clip of this size may come out wrong, one sentence each.

        A short clip is the beginning of a longer one, and is not doubted.
        """
        found = []
        if (width, height) not in self.sizes:
            nearest = min(self.sizes, key=lambda size: abs(size[0] - width) + abs(size[1] - height))
            known = ", ".join(map(_by, self.sizes))
            found.append(f"{width}x{height} px is no size it was trained at ({known}); nearest: {_by(nearest)}")
        if num_frames > self.num_frames[1]:
            found.append(f"{num_frames} frames are more than the {self.num_frames[1]} that it was trained with")
        return found


def read_vocabulary(folder: str | Path) -> Vocabulary | None:
    """Return what the model in a folder understands; None where the folder does not say.

    Raises ValueError for a file that holds something else.
    """
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        return None
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return Vocabulary(**{name: _tuples(value) for name, value in fields.items()})
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no vocabulary: {error}; write it with `vocabulary_json`") from None


def vocabulary_json(vocabulary: Vocabulary) -> str:
    """Return what `read_vocabulary` reads."""
    return json.dumps(asdict(vocabulary), indent=1) + "\n"


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(one) for key, one in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _either(words: tuple[str, ...]) -> str:
    return ", ".join(map(repr, words[:-1])) + f" or {words[-1]!r}"
