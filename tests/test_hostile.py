"""Damaged and hostile files, requests and messages, hundreds of them: told in words, or taken; nothing else, and soon.

LTX_NB_FUZZ_ROUNDS asks for more of each; docs/reliability.md has what long runs found.
"""

import os
import random

import pytest
from hostile import FILES, MESSAGES, try_damaged, try_messages, try_requests, try_states, whole_files, widgets

from ltx_nb import media
from ltx_nb.request import ClipRequest, Source

ROUNDS = int(os.environ.get("LTX_NB_FUZZ_ROUNDS", "25"))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return whole_files(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    return widgets(tmp_path_factory.mktemp("widgets"))


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_read_or_named(name, seeds, tmp_path, monkeypatch):
    monkeypatch.setenv("LTX_NB_MEDIA_LIMIT_GB", "0.05")
    found = try_damaged(name, seeds[name], tmp_path, ROUNDS)
    assert set(found) <= {"read", "refused"}, found


def test_bytes_of_any_kind_are_no_picture_or_one():
    rng = random.Random(0)
    for _ in range(20 * ROUNDS):
        begin = rng.choice([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b""])
        assert isinstance(media.without_metadata(begin + rng.randbytes(rng.randrange(200))), bytes)


def test_requests_of_any_shape_are_read_or_refused():
    found = try_requests(40 * ROUNDS)
    assert set(found) == {"taken", "refused"}, found
    for text in ("[" * 100_000, '{"a":' * 50_000, "\x00", "{}", "null", "1e999", '"' + "x" * 10**6):
        with pytest.raises(ValueError):
            ClipRequest.from_json(text)


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_and_states_of_any_shape_are_taken_or_refused_by_a_widget(name, shown):
    for found in (try_messages(shown[name], 2 * ROUNDS), try_states(shown[name], 2 * ROUNDS)):
        assert set(found) <= {"taken", "refused"}, found


def test_a_request_with_a_hostile_source_is_refused_when_it_is_read(tmp_path):
    for target in ("/dev/zero", str(tmp_path), str(tmp_path / "none"), "/proc/self/mem"):
        with pytest.raises(ValueError, match="cannot read the given file"):
            Source(sha256="0" * 64, path=target).open()
