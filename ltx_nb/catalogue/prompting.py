"""A linter for prompts: what the model was trained on, and what of a prompt is not so.

LTX-2's README, "Prompting": begin directly with the action, literal and in order of time, one paragraph of up to 200
words. Its captions are in the present tense, tell what is heard, and are of one shot. Rules of thumb by word lists:
what they find is a hint, and a prompt without hints may still be a poor one. English alone. Knows no tokenizer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ltx_nb.checks import text

MOST_WORDS, FEWEST_WORDS = 200, 8
_FLAGS = re.IGNORECASE
_PREAMBLE = re.compile(
    r"^\s*(?:(?:create|generate|make|please|imagine|show)\b[^.,;]{0,60}?\b(?:video|clip|scene|shot|film)\b"
    r"|(?:this|the|a|an)\s+(?:\w+\s+){0,3}(?:video|clip|scene|image|picture|film)\s+"
    r"(?:of|shows|showing|depicts|features|in which|where)\b"
    r"|(?:we|you) (?:can )?(?:see|hear)\b|there (?:is|are)\b|in this (?:video|clip|scene|shot)\b)",
    _FLAGS,
)
_CUT = re.compile(
    r"\b(?:(?:then |suddenly )?cuts? to|jump cut|smash cut|(?:next|new|another|final|second) (?:scene|shot)|scene \d|"
    r"shot \d|fades? (?:to|into|out)|dissolves? (?:to|into)|montage|meanwhile|later that \w+|split screen)\b",
    _FLAGS,
)
_FUTURE_OR_PAST = re.compile(
    r"\b(?:will|shall|is going to|are going to|was|were|had been|has been|used to|began|walked|ran|looked|turned|said|"
    r"fell|stood|went|came|took|saw|jumped|bounced|started|stopped|opened|closed|smiled|laughed|spoke|played)\b",
    _FLAGS,
)
_HEARD = re.compile(
    r"\b(?:sounds?|audio|nois(?:e|es|y)|hears?|heard|audible|silen(?:t|ce|tly)|quiet(?:ly)?|voices?|says?|saying|speaks?|"
    r"speaking|whispers?|whispering|shouts?|shouting|sings?|singing|talks?|talking|music|song|melody|hums?|humming|"
    r"thumps?|thuds?|knocks?|bells?|rings?|ringing|claps?|clapping|laughter|footsteps?|crunch(?:es|ing)?|rustl\w+|"
    r"buzz\w*|hiss\w*|roars?|roaring|barks?|barking|chirp\w*|splash\w*|crackl\w*|creak\w*|echo\w*|clicks?|clink\w*|"
    r"rumbl\w*|whoosh\w*|ambient|ambience|soundtrack|narrat\w+|[\"“][^\"”]+[\"”])",
    _FLAGS,
)


@dataclass(frozen=True)
class Hint:
    """One thing that the model was not trained on. rule: "length", "action", "tense", "sound" or "cuts"; found: the
    words that say so, "" where something is missing; advice: what to write instead."""

    rule: str
    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.rule}: {f'{self.found!r}; ' if self.found else ''}{self.advice}"


def lint_prompt(prompt: str) -> tuple[Hint, ...]:
    """Return what of the prompt is not as the model's captions were; nothing where all is. Raises ValueError for no
    text."""
    prompt = text("prompt", prompt).strip()
    words = len(prompt.split())
    hints = []
    if words > MOST_WORDS:
        hints.append(Hint("length", f"{words} words", f"keep to {MOST_WORDS}: what is not seen or heard can go"))
    elif words < FEWEST_WORDS:
        hints.append(
            Hint("length", f"{words} words", "say what moves and how, where, in which light, and what is heard")
        )
    for rule, pattern, advice in (
        ("action", _PREAMBLE, "begin with who or what does something: 'A woman opens a door ...'"),
        ("tense", _FUTURE_OR_PAST, "write in the present tense, as of what is happening now"),
        ("cuts", _CUT, "describe one shot; make further ones with storyboard or extend"),
    ):
        match = pattern.search(prompt)
        if match:
            hints.append(Hint(rule, match[0].strip(), advice))
    if not _HEARD.search(prompt):
        hints.append(Hint("sound", "", "say what is heard, or that it is silent: there will be sound in any case"))
    return tuple(hints)
