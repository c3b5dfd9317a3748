"""Prompts encoded by an endpoint on this machine: the same clip, a prompt sent once, and answers that are traps."""

import collections
import io
import os
import pickle

import pytest
import torch
from fake_service import FakeService, endless, serving, status
from official_layout import write_official

import ltx_nb
from ltx_nb.remote import Patience, PromptEndpoint, RemoteError
from ltx_nb.remote.answer import Unsafe, tensor_in
from ltx_nb.tiny import architecture

QUICK = Patience(retry_s=0.01, answer_s=60, tries=2)
COMPONENTS = ("transformer", "connectors", "vae", "audio_vae", "vocoder")
PROMPT = "A red ball bounces."
CLIP = {"seconds": 0.3, "width": 64, "height": 64, "seed": 3, "progress": False}


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setenv("LTXV_API_KEY", "key-of-the-tests")
    with serving(FakeService()) as running:
        monkeypatch.setattr("ltx_nb.remote.embedding.HOST", running.url)
        yield running


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An official file with the id of its model, and the folder of its text encoder."""
    pipe = architecture.pipeline()
    made = {name: getattr(pipe, name).to(torch.bfloat16).eval() for name in COMPONENTS}
    folder = tmp_path_factory.mktemp("official")
    file = folder / "ltx-2.3-22b-distilled.safetensors"
    write_official(file, made, notes={"encrypted_wandb_properties": "id-of-the-file"})
    pipe.text_encoder.save_pretrained(folder / "gemma")
    pipe.tokenizer.save_pretrained(folder / "gemma")
    return file, folder / "gemma"


def pickled(tensor, protocol=4):
    return pickle.dumps([[tensor, {"pooled_output": None, "unprocessed": False}]], protocol)


def test_a_clip_is_the_one_that_gemma_gives_and_a_prompt_is_sent_once(service, files, tmp_path):
    file, gemma = files
    own = ltx_nb.load(file, text_encoder=gemma, dtype=torch.float32, prompt_cache=tmp_path / "own")
    expected = own.text_to_video(PROMPT, **CLIP)
    kept = own.prompt_cache.get(**own._text_key(expected.request))
    answer = torch.cat([kept["connector_prompt_embeds"], kept["connector_audio_prompt_embeds"]], -1)
    service.embedding = pickled(answer)
    endpoint = PromptEndpoint(yes=True, patience=QUICK)
    loading = {"text": endpoint, "text_encoder": gemma, "dtype": torch.float32, "prompt_cache": tmp_path / "sent"}
    session = ltx_nb.load(file, **loading)
    assert session.pipe.text_encoder is None
    for _ in range(2):
        assert torch.equal(session.text_to_video(PROMPT, **CLIP).latents, expected.latents)
    assert torch.equal(ltx_nb.load(file, **loading).text_to_video(PROMPT, **CLIP).latents, expected.latents)
    (asked,) = service.asked
    assert asked.json == {"prompt": PROMPT, "model_id": "id-of-the-file", "enhance_prompt": False}
    assert asked.headers["Authorization"] == "Bearer key-of-the-tests"


def test_a_negative_prompt_is_sent_where_it_is_looked_at(service, files, tmp_path):
    file, gemma = files
    config = architecture.pipeline().connectors.config
    service.embedding = pickled(torch.randn(1, 8, config.video_hidden_dim + config.audio_hidden_dim))
    session = ltx_nb.load(
        file, text=PromptEndpoint(yes=True, patience=QUICK), text_encoder=gemma, prompt_cache=tmp_path
    )
    guided = ltx_nb.Sampling(guidance_scale=2.0)
    session.text_to_video(PROMPT, negative_prompt="blurry", sampling=guided, **CLIP)
    assert [it.json["prompt"] for it in service.asked] == [PROMPT, "blurry"]
    with pytest.raises(ValueError, match="encodes no empty prompt"):
        session.text_to_video(PROMPT, negative_prompt="", sampling=guided, **CLIP)


def test_it_has_to_be_agreed_that_prompts_leave_the_machine(files):
    with pytest.raises(ValueError, match=r"the prompts leave this machine.*agree with PromptEndpoint\(yes=True\)"):
        PromptEndpoint()
    with pytest.raises(ValueError, match=r"leave this machine, to api\.ltx\.video; agree"):
        ltx_nb.load(files[0], text="ltx-api")


def test_a_folder_has_a_text_encoder_of_its_own():
    with pytest.raises(ValueError, match="is for official single files"):
        ltx_nb.load("tiny", text=PromptEndpoint(yes=True))


def test_a_file_without_the_id_is_told(files, tmp_path):
    made = {name: getattr(architecture.pipeline(), name).to(torch.bfloat16).eval() for name in COMPONENTS}
    other = write_official(tmp_path / "ltx-2.3-22b-distilled.safetensors", made)
    with pytest.raises(ValueError, match="no 'encrypted_wandb_properties' in its metadata"):
        ltx_nb.load(other, text=PromptEndpoint(yes=True), text_encoder=files[1])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_tensors_are_read_from_every_protocol(protocol, dtype):
    tensor = torch.randn(2, 6, 5, dtype=dtype).transpose(1, 2)[1:]
    assert torch.equal(tensor_in(pickled(tensor, protocol)), tensor)


def test_what_torch_saves_is_read_too():
    tensor, file = torch.randn(1, 4, 6), io.BytesIO()
    torch.save([[tensor, {}]], file)
    assert torch.equal(tensor_in(file.getvalue()), tensor)


class Runs:
    def __init__(self, function, *arguments):
        self.how = (function, arguments)

    def __reduce__(self):
        return self.how


def _tampered(**changes):
    """A tensor's pickle that claims another size, stride or offset."""
    storage = torch.randn(6).storage()
    claims = {"offset": 0, "size": (1, 2, 3), "stride": (6, 3, 1)} | changes
    rebuilt = Runs(torch._utils._rebuild_tensor_v2, storage, *claims.values(), False, collections.OrderedDict())
    return pickle.dumps([[rebuilt, {}]], 4)


def hostile():
    mark = "ltx_nb_was_here"
    yield "system", pickle.dumps(Runs(os.system, f"touch {mark}"), 2)
    yield "system, later protocol", pickle.dumps([[Runs(os.system, f"touch {mark}"), {}]], 4)
    yield "exec", pickle.dumps(Runs(exec, f"open({mark!r}, 'w')"), 4)
    yield (
        "inside the storage",
        pickle.dumps(
            [[Runs(torch.storage._load_from_bytes, pickle.dumps(Runs(os.system, f"touch {mark}"), 2)), {}]], 4
        ),
    )
    saved = io.BytesIO()
    torch.save([[Runs(os.system, f"touch {mark}"), {}]], saved)
    yield "as torch saves", saved.getvalue()
    yield "beyond its storage", _tampered(size=(1, 2, 300), stride=(600, 300, 1))
    yield "before its storage", _tampered(offset=-1)
    yield "one number a million times", _tampered(size=(1, 10**4, 10**4), stride=(0, 0, 0))
    yield "a size that is no number", _tampered(size=(1, True, 6))
    yield "an integer tensor", pickled(torch.arange(6))
    yield "no tensor", pickle.dumps([["a", {}]], 4)
    yield "an empty list", pickle.dumps([], 4)
    yield "itself", b"\x80\x04]\x94h\x00a."
    yield "no end", pickle.dumps([[1, {}]], 4)[:-1]
    yield "many opcodes", b"\x80\x04" + b"N" * 20_000 + b"."
    yield "cut", pickled(torch.randn(1, 4, 6))[:200]
    yield "nothing", b""
    yield "html", b"<p>Bad gateway</p>"


HOSTILE = dict(hostile())


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_traps_are_refused_and_nothing_runs(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unsafe, match="the answer"):
        tensor_in(content)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (status(200, pickled(torch.randn(1, 4, 7))), r"a tensor of \(1, 4, 7\); this model takes \[1, tokens, 6\]"),
        (status(200, pickled(torch.full((1, 4, 6), torch.nan))), "numbers that are not finite"),
        (status(200, HOSTILE["system"]), "names 'posix system', which no tensor needs"),
        (status(401, b'{"error": {"message": "no"}}'), "is the key in LTXV_API_KEY a valid one"),
        (status(302, Location="https://example.org"), "HTTP 302"),
    ],
)
def test_an_endpoint_that_misbehaves_is_told(service, answer, told):
    service.when("POST", answer)
    with pytest.raises(RemoteError, match=told):
        PromptEndpoint(yes=True, patience=QUICK).encode(PROMPT, "id", (4, 2))


def test_an_answer_is_bounded_before_it_is_read(service, monkeypatch):
    monkeypatch.setattr("ltx_nb.remote.embedding.MAX_NUMBERS", 100_000)
    service.when("POST", endless("application/octet-stream"))
    with pytest.raises(RemoteError, match="over 500,000 bytes"):
        PromptEndpoint(yes=True, patience=QUICK).encode(PROMPT, "id", (4, 2))
