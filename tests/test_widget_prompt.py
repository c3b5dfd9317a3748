"""The prompt widget: what it takes from a request, gives back, and refuses."""

import json
import re
import threading

import pytest
from fake_service import FakeService, serving

from ltx_nb.catalogue.models import NEGATIVE_PROMPT
from ltx_nb.catalogue.prompting import lint_prompt
from ltx_nb.remote.enhancing import Enhanced, enhance_prompt
from ltx_nb.request import MAX_SEED, ClipRequest, Given, Sampling, Source
from ltx_widgets.prompt.widget import EDITED, Prompt

PNG = Source.from_bytes(b"not opened here", "image/png")


class Words:
    """A tokenizer of words that knows only some."""

    def count(self, text):
        return len(text.split())

    def unknown(self, text):
        return [word for word in text.split() if word not in ("a", "red", "ball")]


class Broken(Words):
    def count(self, text):
        raise RuntimeError("no vocabulary")


def from_browser(prompt, **message):
    """A message; what was sent in answer to it."""
    answers = []
    prompt.send = lambda content, buffers=None: answers.append(content)
    prompt._receive(prompt, {"type": "edit", "id": "7"} | message, [])
    return answers


@pytest.fixture
def request_():
    return ClipRequest(
        "a red ball",
        width=1920,
        height=1088,
        crop_height=1080,
        num_frames=97,
        frame_rate=25,
        seed=3,
        negative_prompt="blur",
        two_stage=True,
        sampling=Sampling(guidance_scale=2.0, sigmas=(1.0, 0.5)),
        given=(Given("video", PNG), Given("audio", PNG, 0, 1)),
        outputs=("video",),
    )


def test_a_request_comes_back_as_it_was(request_):
    prompt = Prompt(request_)
    assert prompt.request == request_
    assert set(prompt.value) == set(EDITED)


def test_an_edit_changes_what_it_names_and_keeps_the_rest(request_):
    prompt = Prompt(request_)
    prompt.value = {"prompt": "a blue ball", "num_frames": 121}
    assert prompt.request == request_.replace(prompt="a blue ball", num_frames=121)


def test_another_request_takes_the_place_of_the_first(request_):
    prompt = Prompt(request_)
    prompt.request = ClipRequest("a tower", width=128, height=128, num_frames=9)
    assert prompt.request == ClipRequest("a tower", width=128, height=128, num_frames=9)


def test_without_a_request_it_starts_at_the_models_own_size():
    request = Prompt(model="2.3-dev").request
    assert (request.prompt, request.width, request.height, request.num_frames) == ("", 768, 512, 121)


def test_fields_can_be_given_as_traits():
    assert Prompt(value={"prompt": "a ball", "seed": 5}).request.seed == 5


@pytest.mark.parametrize("seed", [2**53 - 1, 2**53 + 1, MAX_SEED])
def test_a_seed_goes_to_the_browser_and_comes_back_as_it_is(request_, seed):
    prompt = Prompt(request_.replace(seed=seed))
    sent = json.loads(json.dumps(prompt.value["seed"]))
    assert int(sent) == seed and (isinstance(sent, str) or sent < 2**53)
    from_browser(prompt, value=prompt.value | {"prompt": "another"})
    assert (prompt.request.seed, prompt.request.prompt) == (seed, "another")
    from_browser(prompt, value={"seed": str(MAX_SEED)})
    assert prompt.request.seed == MAX_SEED
    from_browser(prompt, value={"seed": str(MAX_SEED + 1)})
    assert prompt.request.seed == MAX_SEED and "seed has more than 64 bits" in prompt.error


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ({"num_frames": 120}, "num_frames=120 is not 8k [+] 1; nearest: 113, 121"),
        ({"width": 700}, "width=700 is not a multiple of 32"),
        ({"width": 96, "two_stage": True}, "width=96 is not a multiple of 64"),
        ({"frame_rate": 0.5}, "frame_rate=0.5 is too small"),
        ({"seed": -5}, "seed=-5 is too small"),
        ({"seed": 1.5}, "seed=1.5 is a float"),
        ({"prompt": None}, "prompt=None is a NoneType, not a str"),
        ({"crop_width": 3}, "crop_width=3 is not an even number"),
        ({"sampling": {"sigmas": [0.5, 1.0]}}, "they must fall from step to step"),
        ({"sampling": {"guidance": 3}}, "sampling has no 'guidance'; did you mean 'guidance_scale'?"),
        ({"promt": "a ball"}, "value has no 'promt'; did you mean 'prompt'?"),
        ({"given": []}, "value has no 'given'"),
    ],
)
def test_python_and_browser_are_told_which_rule_was_broken(value, rule):
    prompt = Prompt()
    before = prompt.value
    with pytest.raises(ValueError, match=rule):
        prompt.value = value
    from_browser(prompt, value=value)
    assert prompt.value == before
    assert re.search(rule, prompt.error)


def test_a_length_that_cuts_off_what_is_given_is_refused(request_):
    prompt = Prompt(request_)
    with pytest.raises(ValueError, match="past the end of the clip"):
        prompt.value = {"num_frames": 9}


def test_only_a_request_is_a_request():
    with pytest.raises(ValueError, match="request is a str; give a ClipRequest"):
        Prompt().request = "a red ball"


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match=r"model='2.3-def' is not one of .*did you mean '2.3-dev'"):
        Prompt(model="2.3-def")


def test_a_misspelt_trait_is_a_type_error():
    with pytest.raises(TypeError, match="Prompt has no 'vlaue'; did you mean 'value'"):
        Prompt(vlaue={})


def test_the_browser_edits_prompt_and_parts_together():
    prompt = Prompt()
    from_browser(prompt, value={"prompt": "A ball. Dark."}, parts={"action": "A ball", "look": "Dark"})
    assert (prompt.error, prompt.request.prompt) == ("", "A ball. Dark.")
    assert prompt.parts == {"action": "A ball", "look": "Dark"}


def test_each_refused_field_is_named_with_its_reason_until_all_are_mended():
    prompt = Prompt()
    from_browser(prompt, value={"seed": -5, "frame_rate": "", "num_frames": 49})
    assert prompt.invalid == {
        "seed": "seed=-5 is too small; the least is 0",
        "frame_rate": "this is empty; it was 24.0",
    }
    from_browser(prompt, value={"seed": 5, "frame_rate": 24})
    assert (prompt.invalid, prompt.error, prompt.request.seed) == ({}, "", 5)


def test_a_request_takes_the_place_of_what_was_refused():
    prompt = Prompt()
    from_browser(prompt, value={"seed": -5})
    prompt.request = prompt.request
    assert prompt.invalid == {}


def test_nothing_is_generated_while_something_is_refused():
    asked = []
    prompt = Prompt(generate=asked.append)
    from_browser(prompt, value={"seed": -5})
    prompt._receive(prompt, {"type": "generate", "how": "once"}, [])
    assert asked == [] and "seed=-5 is too small" in prompt.error
    from_browser(prompt, value={"seed": 5})
    prompt._receive(prompt, {"type": "generate", "how": "once"}, [])
    assert asked == ["once"]


def test_undo_brings_back_the_whole_request_whose_prompt_was_replaced(request_):
    prompt = Prompt(request_)
    prompt.request = ClipRequest("a blue square", seed=9)
    prompt.request = prompt.request.replace(seed=10)  # the same words: nothing is lost
    assert prompt.can_undo
    prompt._receive(prompt, {"type": "undo"}, [])
    assert prompt.request == request_ and not prompt.can_undo


@pytest.mark.parametrize(
    ("parts", "rule"),
    [({"lights": "dim"}, "parts has no 'lights'; did you mean 'light'"), ({"light": 1}, "is a int, not a str")],
)
def test_parts_are_texts_by_the_names_of_parts(parts, rule):
    with pytest.raises(ValueError, match=rule):
        Prompt(parts=parts)


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ({}, "edit needs 'value', which is missing"),
        ({"value": "a ball"}, "value is a str, not a mapping"),
        ({"value": {}, "parts": 1}, "parts is a int, not a mapping"),
        ({"value": {}, "id": 7}, "id=7 is a int, not a str"),
        ({"type": "erase"}, "Prompt knows no message 'erase'"),
    ],
)
def test_what_is_no_edit_is_refused(message, rule):
    prompt = Prompt()
    from_browser(prompt, **message)
    assert rule in prompt.error


@pytest.mark.parametrize(("seed", "accepted"), [(8, True), (-5, False)])
def test_every_edit_is_answered_with_whether_it_holds(seed, accepted):
    answers = from_browser(Prompt(), value={"seed": seed})
    assert answers == [{"type": "edited", "id": "7", "accepted": accepted}]


def test_the_next_edit_that_is_right_takes_the_error_away():
    prompt = Prompt()
    from_browser(prompt, value={"seed": -5})
    assert prompt.error
    from_browser(prompt, value={"seed": 1})
    assert (prompt.error, prompt.request.seed) == ("", 1)


def test_tokens_are_counted_and_unknown_words_named_once():
    prompt = Prompt(tokenizer=Words())
    prompt.value = {"prompt": "a red dragon and a dragon"}
    assert (prompt.tokens, prompt.unknown) == (6, ["dragon", "and"])


def test_without_a_tokenizer_tokens_are_not_counted():
    assert Prompt(value={"prompt": "a ball"}).tokens is None


def test_a_tokenizer_that_fails_is_shown_and_the_edit_kept():
    prompt = Prompt(tokenizer=Broken())
    prompt.value = {"prompt": "a ball"}
    assert prompt.error == "RuntimeError: no vocabulary"
    assert prompt.request.prompt == "a ball"


def test_last_prompts_are_kept_once_with_the_latest_first():
    prompt = Prompt()
    for text in ("a", "b", " ", "a"):
        prompt.value = {"prompt": text}
        prompt.remember()
    assert prompt.last == ["a", "b"]


def test_last_prompts_are_at_most_twenty():
    prompt = Prompt()
    for number in range(25):
        prompt.value = {"prompt": str(number)}
        prompt.remember()
    assert prompt.last == [str(number) for number in range(24, 4, -1)]


@pytest.mark.parametrize("model", ["tiny", "2.3-dev"])
def test_every_size_offered_is_one_that_a_request_takes(model):
    prompt = Prompt(model=model)
    for size in prompt.sizes:
        prompt.value = {name: value for name, value in size.items() if name != "name"}
    names = [size["name"] for size in prompt.sizes]
    assert len(set(names)) == len(names)


def test_the_models_defaults_are_told():
    prompt = Prompt(model="2.3-dev")
    assert prompt.defaults["negative_prompt"] == NEGATIVE_PROMPT
    assert prompt.defaults["sampling"]["audio_guidance_scale"] == 7
    assert prompt.defaults["unguided"]["audio_guidance_scale"] == 1


def test_a_repr_names_the_request_and_no_address():
    prompt = Prompt(value={"prompt": "a ball", "seed": 4})
    assert repr(prompt) == "Prompt('a ball', 128x128 px, 49 frames at 24/s, seed 4)"


LORAS = [{"path": "/loras/bells.safetensors", "trigger": "RINGING"}, {"path": "/loras/edges.safetensors"}]


def test_loras_are_chosen_with_their_strength_and_their_paths_stay_here():
    prompt = Prompt(loras=LORAS)
    assert [(one["name"], one["trigger"], one["strength"]) for one in prompt.loras] == [
        ("bells.safetensors", "RINGING", None),
        ("edges.safetensors", "", None),
    ]
    assert "/loras" not in json.dumps(prompt.get_state()["loras"])
    prompt._receive(prompt, {"type": "lora", "index": 1, "strength": 0.8}, [])
    assert prompt.chosen_loras == [("/loras/edges.safetensors", 0.8)]
    prompt._receive(prompt, {"type": "lora", "index": 1, "strength": None}, [])
    assert prompt.chosen_loras == []


@pytest.mark.parametrize(
    "message, reason",
    [
        ({"index": 2, "strength": 1}, "index=2"),
        ({"index": 0, "strength": 9}, "strength=9"),
        ({"index": 0, "strength": "much"}, "strength='much'"),
        ({"index": 0}, "lora needs 'strength', which is missing"),
        ({"index": 0, "strength": 1, "path": "/etc/passwd"}, "lora has no 'path'"),
    ],
)
def test_what_a_browser_says_of_loras_is_checked(message, reason):
    prompt = Prompt(loras=LORAS)
    prompt._receive(prompt, {"type": "lora"} | message, [])
    assert reason in prompt.error and prompt.chosen_loras == []


def test_a_browser_adds_no_lora():
    prompt = Prompt(loras=LORAS)
    prompt.set_state({"loras": [*prompt.loras, {"name": "x", "strength": 1}]})
    assert "LoRAs are given when the prompt is made" in prompt.error and len(prompt.loras) == 2


def press(prompt, kind):
    prompt._receive(prompt, {"type": kind}, [])


def written_out(prompt):
    """The prompt widget after its thread has ended."""
    for thread in threading.enumerate():
        if thread.name == "ltx-enhance":
            thread.join(30)
    return prompt


def test_a_chat_model_writes_a_prompt_out_and_undo_takes_it_back():
    with serving(FakeService()) as service:
        service.chat = "A red ball bounces with a thump."
        prompt = Prompt(
            ClipRequest("A ball bounces.", seed=3),
            enhance=lambda text: enhance_prompt(text, f"{service.url}/v1", "small"),
        )
        before = prompt.request
        press(prompt, "enhance")
        written_out(prompt)
    assert prompt.error == "" and not prompt.enhancing
    assert prompt.request == before.replace(prompt=service.chat)
    assert prompt.request.written_prompt == "A ball bounces."
    words = [["same", "A"], ["new", "red"], ["same", "ball"], ["gone", "bounces."], ["new", "bounces with a thump."]]
    assert prompt.changed == words
    press(prompt, "undo")
    assert prompt.request == before and prompt.request.written_prompt is None
    assert prompt.changed == []


def test_what_was_changed_is_shown_until_the_prompt_is_another():
    prompt = Prompt(ClipRequest("a ball"), enhance=lambda text: Enhanced(text, text + " falls", "m"))
    press(prompt, "enhance")
    assert written_out(prompt).changed == [["same", "a ball"], ["new", "falls"]]
    prompt.value = {"seed": 4}
    assert prompt.changed != []
    prompt.value = {"prompt": "a ball rises"}
    assert prompt.changed == []
    assert prompt.request.written_prompt == "a ball"


def test_what_is_typed_while_a_prompt_is_written_out_stays():
    go = threading.Event()

    def slow(text):
        go.wait(30)
        return Enhanced(text, "another", "m")

    prompt = Prompt(ClipRequest("a ball"), enhance=slow)
    press(prompt, "enhance")
    press(prompt, "enhance")
    assert prompt.error == "a prompt is being written out; wait for it"
    prompt.value = {"prompt": "a square"}
    go.set()
    assert written_out(prompt).request.prompt == "a square"
    assert prompt.error.startswith("the prompt was changed meanwhile") and not prompt.enhancing


@pytest.mark.parametrize(
    ("words", "enhance", "told"),
    [
        (" ", lambda text: None, "there is no prompt to write out"),
        ("a ball", None, "nobody writes prompts out; give Prompt a function with enhance=..."),
        ("a ball", lambda text: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_what_cannot_be_written_out_is_said(words, enhance, told):
    prompt = Prompt(ClipRequest(words), enhance=enhance)
    press(prompt, "enhance")
    assert told in written_out(prompt).error and not prompt.enhancing
    assert prompt.request.prompt == words


def test_hints_are_those_of_the_linter():
    prompt = Prompt(ClipRequest("A short video showing a dog that ran."))
    assert prompt.hints == [str(hint) for hint in lint_prompt("A short video showing a dog that ran.")]
    assert [hint.split(":")[0] for hint in prompt.hints] == ["action", "tense", "sound"]
    prompt.value = {"prompt": ""}
    assert prompt.hints == []
