"""LoRAs of a session that is loaded: found, told from other files, put beside its weights and taken away again."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ltx_nb as ltx
from ltx_nb import ClipRequest, Sampling
from ltx_nb.loading import found_loras, lora_notes, use_loras
from ltx_nb.loading.found import VARIABLE
from ltx_nb.loading.stored import WeightsError
from ltx_nb.running.streaming import stream_blocks

REQUEST = ClipRequest(
    "A red ball bounces.", width=64, height=64, num_frames=17, sampling=Sampling(num_inference_steps=2)
)
LAYER = "diffusion_model.transformer_blocks.0.attn1.to_q"


def write(path, notes=None, side=192, **more):
    draw = torch.Generator().manual_seed(0)
    path.parent.mkdir(exist_ok=True)
    pair = {"lora_A": torch.randn(4, side, generator=draw), "lora_B": torch.randn(side, 4, generator=draw)}
    tensors = {f"{LAYER}.{name}.weight": (0.3 * tensor).bfloat16() for name, tensor in pair.items()}
    save_file(tensors | more, path, notes or {})
    return path


@pytest.fixture
def bells(tmp_path):
    return write(tmp_path / "bells.safetensors", {"trigger": "RINGING"})


@pytest.fixture
def plain(session):
    """The shared session, whose LoRAs are taken away when the test ends."""
    yield session
    use_loras(session, ())


def frames(session):
    return session.run(REQUEST, progress=False).frames


def test_beside_the_weights_it_does_what_in_them_it_would(plain, bells):
    before = frames(plain)
    use_loras(plain, [(bells, 0.5)])
    beside = plain.run(REQUEST, progress=False)
    merged = ltx.load("tiny", loras=[(bells, 0.5)]).run(REQUEST, progress=False)
    torch.testing.assert_close(beside.latents, merged.latents, atol=1e-3, rtol=1e-3)
    assert not np.array_equal(beside.frames, before)
    use_loras(plain, ())
    assert np.array_equal(frames(plain), before)
    assert not [name for name, _ in plain.pipe.transformer.named_parameters() if "switched" in name]


def test_the_next_one_takes_the_place_of_the_last(plain, bells):
    use_loras(plain, bells)
    use_loras(plain, (bells, 0.25))
    changed = frames(plain)
    use_loras(plain, ())
    use_loras(plain, (bells, 0.25))
    assert np.array_equal(frames(plain), changed)


def test_an_ic_lora_asks_for_its_reference_as_long_as_it_is_used(plain, tmp_path):
    use_loras(plain, write(tmp_path / "ic.safetensors", {"reference_downscale_factor": "2"}))
    with pytest.raises(ValueError, match="has an IC-LoRA, which follows a reference"):
        frames(plain)
    use_loras(plain, ())
    assert plain.reference_downscale_factor is None
    frames(plain)


def test_what_does_not_fit_changes_nothing(plain, bells, tmp_path):
    use_loras(plain, bells)
    changed = frames(plain)
    with pytest.raises(WeightsError, match="which it is not in this model"):
        use_loras(plain, write(tmp_path / "other.safetensors", side=64))
    magnitude = {f"{LAYER}.dora_scale": torch.ones(192, 1)}
    with pytest.raises(WeightsError, match=r"changed by DoRA or LoKr; .*nearest: load\(model, loras="):
        use_loras(plain, write(tmp_path / "dora.safetensors", **magnitude))
    assert np.array_equal(frames(plain), changed)


def test_streamed_blocks_take_none(fresh_random_session, bells):
    stream_blocks(fresh_random_session.pipe.transformer, "cpu", resident=1, source="ram")
    with pytest.raises(ValueError, match=r"blocks stream, .*nearest: load\(model, loras="):
        use_loras(fresh_random_session, bells)


def test_loras_are_found_by_what_they_change(session, tmp_path, monkeypatch):
    folder = tmp_path / "models" / "loras"
    folder.mkdir(parents=True)
    fits = write(folder / "bells.safetensors", {"trigger": "RINGING"})
    follows = write(folder / "edges.safetensors", {"reference_downscale_factor": "1"})
    write(folder / "larger.safetensors", side=64)
    save_file({"lora_te_text_model.lora_down.weight": torch.zeros(4, 8)}, folder / "another-model.safetensors")
    (folder / "cut.safetensors").write_bytes(fits.read_bytes()[:100])
    monkeypatch.setenv(VARIABLE, str(folder.parent))
    found = found_loras(session)
    assert [(one.path, one.trigger, one.follows_reference) for one in found] == [
        (str(fits), "RINGING", False),
        (str(follows), "", True),
    ]
    with pytest.raises(WeightsError, match="is no LoRA of tiny: its layers are others"):
        lora_notes(session, folder / "larger.safetensors")


def test_a_clip_remembers_its_loras_through_a_file(plain, bells, tmp_path):
    use_loras(plain, (bells, 0.5))
    clip = plain.run(REQUEST, progress=False)
    again = ClipRequest.from_file(clip.save(tmp_path / "clip.mp4"))
    (lora,) = again.loras
    assert (lora.name, lora.strength, lora.second_stage_only) == ("bells.safetensors", 0.5, False)
    assert lora.sha256 == hashlib.sha256(bells.read_bytes()).hexdigest()
    assert np.array_equal(plain.run(again, progress=False).frames, clip.frames)
    assert ltx.load("tiny", loras=[(bells, 0.5)]).applied_loras == again.loras


def test_a_clip_whose_lora_is_not_here_says_which_it_was(plain, bells, tmp_path):
    use_loras(plain, (bells, 0.5))
    request = plain.run(REQUEST, progress=False).request
    nearest = r"nearest: load\(model, loras=\[\('bells.safetensors', 0.5\)\]\) with those files, or request.replace"
    for now, has in (
        ((), "none"),
        ((bells, 0.25), r"bells.safetensors at 0.25 \(sha256 \w{8}\.\.\.\)"),
        ([(bells, 0.5), write(tmp_path / "more.safetensors")], "bells.safetensors at 0.5 .*, more.safetensors at 1 .*"),
        ((write(tmp_path / "other" / "bells.safetensors", {"trigger": "?"}), 0.5), "bells.safetensors at 0.5 .*"),
    ):
        use_loras(plain, now)
        made_with = (
            r"this request was made with bells.safetensors at 0.5 \(sha256 \w{8}\.\.\.\), and this session's LoRAs"
        )
        with pytest.raises(ValueError, match=f"{made_with} are: {has}; {nearest}"):
            plain.run(request, progress=False)
    use_loras(plain, ())
    assert plain.run(request.replace(loras=()), progress=False).request.loras == ()


def test_a_request_without_loras_is_stored_as_before():
    assert "loras" not in REQUEST.to_dict()
    with pytest.raises(ValueError, match=r"sha256='12' of the LoRA bells is not 64 hexadecimal digits"):
        ClipRequest.from_dict(REQUEST.to_dict() | {"loras": [{"name": "bells", "strength": 1, "sha256": "12"}]})
