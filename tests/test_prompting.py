"""Hints for prompts: each rule alone, and none for prompts as the model's captions are."""

import json

import pytest
from typer.testing import CliRunner

from ltx_nb import lint_prompt
from ltx_nb.catalogue.prompting import MOST_WORDS
from ltx_nb.cli import app
from ltx_nb.tiny.world import BACKGROUNDS, Scene

GOOD = "A woman in a red coat opens a wooden door, steps into falling snow and smiles. The hinges creak, wind whistles."


def rules(prompt):
    return [hint.rule for hint in lint_prompt(prompt)]


@pytest.mark.parametrize(
    "prompt",
    [
        GOOD,
        "Close-up of a hand that turns a brass key in a lock, slowly, in warm evening light, with a loud click.",
        'An old man leans over a table by a window and says, "I knew you would come back." Rain falls outside.',
        *(Scene(background=name).caption() for name in BACKGROUNDS),
    ],
)
def test_what_is_written_as_captions_are_has_no_hints(prompt):
    assert rules(prompt) == []


@pytest.mark.parametrize(
    ("prompt", "rule", "found"),
    [
        (f"{GOOD} " * 12, "length", "252 words"),
        ("A dog barks.", "length", "3 words"),
        (
            "Create a cinematic video of a dog that barks at the sea in the morning light.",
            "action",
            "Create a cinematic video",
        ),
        ("A short clip showing a dog that barks at the sea in the morning light.", "action", "A short clip showing"),
        ("There is a dog that barks at the sea in the morning light, and waves.", "action", "There is"),
        ("A dog walked along the beach and barks at the sea in the morning light.", "tense", "walked"),
        ("A dog barks at the sea, and the waves will answer it in the morning light.", "tense", "will"),
        ("A dog barks at the sea. Cut to a man who claps in a kitchen with a window.", "cuts", "Cut to"),
        ("A dog runs along the beach towards the sea in the morning light, ears flying.", "sound", ""),
    ],
)
def test_each_rule_finds_what_it_is_for_and_no_other_does(prompt, rule, found):
    (hint,) = lint_prompt(prompt)
    assert (hint.rule, hint.found) == (rule, found)


def test_two_hundred_words_are_allowed():
    words = (GOOD.split() * 20)[:MOST_WORDS]
    assert rules(" ".join(words)) == [] and rules(" ".join([*words, "more"])) == ["length"]


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="prompt"):
        lint_prompt(None)


def test_the_command_prints_hints_and_json():
    done = CliRunner().invoke(app, ["lint", "A dog runs along the beach towards the sea in the morning light."])
    assert done.exit_code == 0 and done.stdout.startswith("sound: say what is heard")
    done = CliRunner().invoke(app, ["lint", GOOD, "--json"])
    assert json.loads(done.stdout)["hints"] == []
