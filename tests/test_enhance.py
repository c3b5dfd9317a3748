"""Prompts rewritten by a chat endpoint on this machine: what is sent, shown and kept, and what goes wrong."""

import json

import pytest
from fake_service import FakeService, serving, status
from typer.testing import CliRunner

import ltx_nb as ltx
from ltx_nb.cli import app
from ltx_nb.remote import Patience, RemoteError
from ltx_nb.remote.enhancing import INSTRUCTIONS, Enhanced

QUICK = Patience(retry_s=0.01, answer_s=60, tries=2)
IDEA = "a dog runs"
CAPTION = "A brown dog runs along a beach at dawn. Waves crash, and the dog barks twice."


@pytest.fixture
def chat():
    with serving(FakeService()) as service:
        service.chat = CAPTION
        yield service


def enhanced(chat):
    return ltx.enhance_prompt(IDEA, f"{chat.url}/v1", "small", patience=QUICK)


def test_the_prompt_is_sent_as_a_chat_and_its_answer_taken(chat):
    made = enhanced(chat)
    assert made == Enhanced(IDEA, CAPTION, "small")
    (asked,) = chat.asked
    assert asked.path == "/v1/chat/completions" and "Authorization" not in asked.headers
    assert asked.json["model"] == "small" and asked.json["temperature"] == 0
    assert asked.json["messages"] == [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": IDEA},
    ]


def test_what_was_changed_is_shown_word_by_word():
    assert str(Enhanced("a red ball falls", "a red ball falls with a thump", "m")) == (
        "a red ball falls {+with a thump+}"
    )
    assert Enhanced("the old ball", "the new ball", "m").diff == "the [-old-] {+new+} ball"


def test_a_request_keeps_the_prompt_as_it_was_written(chat, session, tmp_path):
    options = {"seconds": 0.3, "width": 64, "height": 64, "progress": False}
    with pytest.warns(UserWarning, match="does not know"):
        clip = session.text_to_video(**enhanced(chat).options, **options)
    found = ltx.ClipRequest.from_file(clip.save(tmp_path / "a.mp4"))
    assert (found.prompt, found.written_prompt) == (CAPTION, IDEA)


def test_a_request_without_one_is_as_before():
    request = ltx.ClipRequest("a ball")
    assert "written_prompt" not in request.to_dict() and request == request.replace(written_prompt="b")
    assert ltx.ClipRequest.from_json(request.to_json()) == request


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        (f'"{CAPTION}"', CAPTION),
        (f"<think>\nHmm.\n</think>\n\n{CAPTION}\n", CAPTION),
        ("A dog runs.\n\nIt barks.", "A dog runs. It barks."),
    ],
)
def test_what_chat_models_put_around_an_answer_is_left_out(chat, said, taken):
    chat.chat = said
    assert enhanced(chat).after == taken


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (status(404, b'{"error": {"message": "no such model"}}'), "HTTP 404: no such model"),
        (status(200, b'{"choices": []}'), r"no choices\[0\].message.content"),
        (status(200, b'{"choices": [{"message": {"content": " "}}]}'), "an empty prompt"),
        (status(200, json.dumps({"choices": [{"message": {"content": "a" * 5000}}]}).encode()), "5,000 letters"),
        (status(200, b"<p>"), "no JSON object"),
    ],
)
def test_an_endpoint_that_misbehaves_is_told(chat, answer, told):
    chat.when("POST", answer)
    with pytest.raises(RemoteError, match=told):
        enhanced(chat)


def test_an_endpoint_that_is_not_there_is_told():
    with pytest.raises(RemoteError, match="cannot be reached"):
        ltx.enhance_prompt(IDEA, "http://127.0.0.1:9/v1", "small", patience=QUICK)


def test_a_prompt_goes_over_the_network_encrypted_alone():
    with pytest.raises(ValueError, match="is not the https address of a host, nor http://localhost"):
        ltx.enhance_prompt(IDEA, "http://example.org/v1", "small")
    with pytest.raises(ValueError, match="text is empty"):
        ltx.enhance_prompt(" ", "http://localhost:9/v1", "small")


def test_the_command_prints_what_was_changed(chat):
    command = ["enhance", "the old ball", "--endpoint", f"{chat.url}/v1", "--chat-model", "small"]
    chat.chat = "the new ball"
    assert CliRunner().invoke(app, command).stdout.startswith("the [-old-] {+new+} ball\n\nthe new ball\n")
    answer = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert answer["prompt"] == "the new ball" and answer["written_prompt"] == "the old ball" and answer["hints"]
