"""Encoded prompts on disk: found again, never for another prompt or other weights, and made again when damaged."""

import os

import pytest
import torch

from ltx_nb import ClipRequest, Sampling
from ltx_nb.pipeline.prompt_cache import EMBEDDINGS, PromptCache, fingerprint

KEY = {"prompt": "a red ball", "negative_prompt": "", "dtype": "torch.bfloat16"}


@pytest.fixture
def cache(tmp_path):
    return PromptCache(tmp_path, "weights")


@pytest.fixture
def embeddings():
    """One prompt's, in the dtypes that the connectors give: bf16, and a mask of whole numbers."""
    generator = torch.Generator().manual_seed(0)
    made = {name: torch.randn(1, 64, 8, generator=generator).to(torch.bfloat16) for name in EMBEDDINGS}
    return made | {name: torch.ones(1, 64, dtype=torch.int64) for name in EMBEDDINGS if name.endswith("mask")}


def only_file(cache):
    (path,) = cache.folder.iterdir()
    return path


def test_an_entry_comes_back_as_it_was(cache, embeddings):
    assert cache.get(**KEY) is None
    cache.put(embeddings, **KEY)
    found = cache.get(**KEY)
    assert set(found) == set(EMBEDDINGS)
    for name, tensor in found.items():
        assert tensor.dtype == embeddings[name].dtype and torch.equal(tensor, embeddings[name])


@pytest.mark.parametrize("change", [{"prompt": "a blue ball"}, {"negative_prompt": "red"}, {"dtype": "torch.float32"}])
def test_another_key_is_another_entry(cache, embeddings, change):
    cache.put(embeddings, **KEY)
    assert cache.get(**KEY | change) is None


def test_other_weights_have_other_entries(cache, embeddings):
    cache.put(embeddings, **KEY)
    assert PromptCache(cache.folder, "other weights").get(**KEY) is None


def test_the_fingerprint_is_of_the_weights():
    layers = [torch.nn.Linear(4, 4) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    assert fingerprint(layers[:1]) == fingerprint(layers[1:])
    with torch.no_grad():
        layers[1].weight[0, 0] += 1
    assert fingerprint(layers[:1]) != fingerprint(layers[1:])
    assert fingerprint([layers[0].bfloat16()]) != fingerprint(layers[1:])


def truncate(path):
    os.truncate(path, path.stat().st_size - 100)


def flip_a_value(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip_a_value, empty])
def test_a_damaged_entry_is_noticed_and_removed(cache, embeddings, damage):
    cache.put(embeddings, **KEY)
    damage(only_file(cache))
    with pytest.warns(UserWarning, match="is damaged .* the prompt is encoded again"):
        assert cache.get(**KEY) is None
    assert not list(cache.folder.iterdir())


def test_a_session_encodes_a_prompt_once_and_makes_the_same_clip(random_session, cache, monkeypatch):
    encoded = []
    handle = random_session.pipe.connectors.register_forward_hook(lambda *_: encoded.append(1))
    monkeypatch.setattr(random_session, "prompt_cache", cache)
    request = ClipRequest(
        "a red ball", width=64, height=64, num_frames=9, seed=3, sampling=Sampling(num_inference_steps=1)
    )
    try:
        clips = [random_session.run(request, progress=False) for _ in range(2)]
        assert len(encoded) == 1
        with pytest.warns(UserWarning, match="is damaged"):
            flip_a_value(only_file(cache))
            clips.append(random_session.run(request, progress=False))
        assert len(encoded) == 2 and only_file(cache)
        random_session.run(request.replace(prompt="a blue ball"), progress=False)
        assert len(encoded) == 3
    finally:
        handle.remove()
    for clip in clips[1:]:
        assert torch.equal(torch.as_tensor(clip.latents), torch.as_tensor(clips[0].latents))
        assert torch.equal(torch.as_tensor(clip.audio_latents), torch.as_tensor(clips[0].audio_latents))


def test_a_folder_that_cannot_be_written_is_warned_of_and_nothing_is_lost(embeddings, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = PromptCache(tmp_path / "file" / "prompts", "weights")
    with pytest.warns(UserWarning, match=r"prompts keeps no prompts \(.*\); each is encoded when it is used"):
        cache.put(embeddings, **KEY)
    assert cache.get(**KEY) is None
