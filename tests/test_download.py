"""Downloads, from a hub on the loopback interface: what is shown, what is kept, and what is said where it fails."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fake_hub import FakeHub, serving
from huggingface_hub import constants
from typer.testing import CliRunner

import ltx_nb
from ltx_nb.catalogue.models import MODELS, TINY
from ltx_nb.cli import app
from ltx_nb.loading import download
from ltx_nb.loading.download import Files, fetch, missing_downloads
from ltx_nb.loading.model_files import is_downloaded
from ltx_nb.planning import described_machine

WANTED = [Files("acme/model", ("config.json", "*.safetensors"))]
TOKEN = "hf_secretsecretsecret"


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "weights.safetensors").write_bytes(bytes(range(256)) * 4096)
    (folder / "pickle.bin").write_bytes(b"never asked for")
    return folder


@pytest.fixture
def online(tmp_path, monkeypatch):
    """Starts a hub and points huggingface_hub to it, which reads its environment only once, when it is imported."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(download, "get_token", lambda: None)
    hubs = []

    def start(repositories, **options):
        hub = serving(FakeHub(repositories, **options))
        hubs.append(hub)
        hub = hub.__enter__()
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        return hub

    yield start
    for hub in hubs:
        hub.__exit__(None, None, None)


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json"]


def test_what_is_downloaded_is_shown_first(online, repository, capfd):
    hub = online({"acme/model": repository})
    (folder,) = fetch(WANTED)
    said = capfd.readouterr().err
    assert "acme/model: 2 files, 0.0 GB, licence: toy-licence (https://huggingface.co/acme/model)" in said
    assert "GB of disk are free at" in said
    assert (folder / "weights.safetensors").read_bytes() == (repository / "weights.safetensors").read_bytes()
    assert not (folder / "pickle.bin").exists()
    assert len(hub.file_requests()) == 2


def test_what_is_here_needs_no_hub(online, repository, monkeypatch, capfd):
    hub = online({"acme/model": repository})
    first = fetch(WANTED)
    capfd.readouterr()
    asked = len(hub.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch(WANTED) == first
    assert (len(hub.requests), capfd.readouterr().err) == (asked, "")
    assert missing_downloads(WANTED) == []


def test_an_interrupted_download_goes_on_where_it_was(online, repository):
    (repository / "weights.safetensors").write_bytes(bytes(24 * 2**20))  # huggingface_hub keeps pieces of 10 MB
    hub = online({"acme/model": repository}, cut=1)
    (folder,) = fetch([Files("acme/model", ("weights.safetensors",))])
    assert (folder / "weights.safetensors").read_bytes() == (repository / "weights.safetensors").read_bytes()
    ranges = [asked for _, _, asked in hub.file_requests()]
    assert len(ranges) == 2 and ranges[1] not in (None, "bytes=0-")


def test_half_a_download_is_not_taken_for_a_whole_one(online, repository):
    """What a process leaves that ended between two files: the next one gets the other, and that alone."""
    hub = online({"acme/model": repository})
    (folder,) = fetch(WANTED)
    (folder / "weights.safetensors").resolve().unlink()
    (folder / "weights.safetensors").unlink()
    before = len(hub.file_requests())
    assert [download.num_files for download in missing_downloads(WANTED)] == [1]
    fetch(WANTED)
    assert [path.rpartition("/")[2] for _, path, _ in hub.file_requests()[before:]] == ["weights.safetensors"]


def test_a_file_of_another_size_is_not_kept(online, repository):
    online({"acme/model": repository}, lies=("weights.safetensors",))
    with pytest.raises((OSError, ValueError)):
        fetch(WANTED)
    assert missing_downloads(WANTED)[0].num_files >= 1


def test_a_full_disk_is_said_before_anything_is_downloaded(online, repository, monkeypatch, tmp_path):
    hub = online({"acme/model": repository})
    monkeypatch.setattr(download, "free_disk_gb", lambda folder: 0.0001)
    with pytest.raises(OSError, match=r"0\.0 GB are to be downloaded and 0\.0 GB of disk are free at .*HF_HUB_CACHE"):
        fetch(WANTED)
    assert hub.file_requests() == []


def test_a_gated_repository_without_a_token_says_where_to_get_access(online, repository, tmp_path):
    hub = online({"acme/model": repository}, gated=("acme/model",))
    with pytest.raises(PermissionError, match=r"acme/model is gated, .*https://huggingface\.co/acme/model.*HF_TOKEN"):
        fetch(WANTED)
    assert hub.file_requests() == []


def test_a_token_without_access_is_not_shown(online, repository, monkeypatch, capfd):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(download, "get_token", lambda: TOKEN)
    online({"acme/model": repository}, gated=("acme/model",))
    with pytest.raises(PermissionError) as caught:
        fetch(WANTED)
    assert TOKEN not in str(caught.value) + capfd.readouterr().err


def test_an_unknown_repository_is_named(online, repository):
    online({"acme/model": repository})
    with pytest.raises(FileNotFoundError, match=r"no config\.json, .* in 'acme/modle', neither here nor within reach"):
        fetch([replace(WANTED[0], repository="acme/modle")])


def test_without_a_network_what_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match=r"in 'acme/model', neither here .* \(HF_HUB_OFFLINE is set\)"):
        fetch(WANTED)


def test_a_model_is_loaded_from_its_repository_and_then_without_a_network(online, monkeypatch):
    hub = online({"acme/tiny": Path(TINY.weights)})
    monkeypatch.setitem(MODELS, "hub-tiny", replace(TINY, name="hub-tiny", weights="acme/tiny"))
    session = ltx_nb.load("hub-tiny", "80gb", device="cpu")
    assert session.pipe.latent_upsampler is not None
    assert sum(p.numel() for p in session.pipe.transformer.parameters()) > 5e6
    asked = len(hub.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert is_downloaded(MODELS["hub-tiny"])
    ltx_nb.load("hub-tiny", "80gb", device="cpu")
    assert len(hub.requests) == asked


def test_the_command_line_asks_for_yes_with_licence_and_size(online, monkeypatch, tmp_path):
    hub = online({"acme/tiny": Path(TINY.weights)})
    monkeypatch.setitem(MODELS, "hub-tiny", replace(TINY, name="hub-tiny", weights="acme/tiny"))
    arguments = ["run", "--model", "hub-tiny", "--prompt", "A red ball.", "--out", str(tmp_path / "ball.mp4")]
    with_card = described_machine("H100, 128 GB RAM, 500 GB disk")
    monkeypatch.setattr("ltx_nb.planning.this_machine", lambda: with_card)
    done = CliRunner().invoke(app, [*arguments, "--preset", "80gb"])
    assert done.exit_code == 2
    assert "licence: toy-licence" in done.stderr and "add --yes to download it" in done.stderr
    assert done.stderr.count("\n") == 1
    assert hub.file_requests() == []


@pytest.mark.parametrize("yes", [[], ["--yes"]], ids=["ask", "yes"])
def test_what_does_not_fit_is_said_before_the_hub_is_asked(online, tmp_path, yes):
    hub = online({})
    arguments = [
        "--model",
        "2.3-distilled",
        "--preset",
        "8gb",
        "--width",
        "1920",
        "--height",
        "1088",
        "--frames",
        "481",
    ]
    done = CliRunner().invoke(
        app, ["run", "--prompt", "A red ball.", "--out", str(tmp_path / "ball.mp4"), *arguments, *yes]
    )
    assert done.exit_code == 3
    assert re.search(r"2\.3-distilled does not fit with preset '8gb': .*stage 1 needs", done.stderr)
    assert hub.requests == []
