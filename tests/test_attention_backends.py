"""Which attention a model goes by: the best that works here, one asked for by name, and what is refused."""

import pytest
import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention

import ltx_nb
from ltx_nb.running.attention import attend_by, attending_natively, attention_here, attention_of, best_attention
from ltx_nb.tiny import architecture

SMALL = {"width": 64, "height": 64, "num_frames": 9, "seed": 3, "sampling": ltx_nb.Sampling(num_inference_steps=2)}
PROMPT = "A red ball bounces on the floor in front of a navy background."


def clip_by(attention):
    loaded = ltx_nb.load("tiny", attention=attention)
    return loaded, loaded.text_to_video(PROMPT, **SMALL, progress=False)


@pytest.mark.parametrize("name", ["_native_math", "_native_flash"])
def test_clips_of_other_backends_are_the_same_within_rounding(session, name):
    wanted = session.text_to_video(PROMPT, **SMALL, progress=False)
    loaded, made = clip_by(name)
    assert (session.attention, loaded.attention) == ("native", name)
    torch.testing.assert_close(made.latents, wanted.latents, rtol=0, atol=1e-4)
    torch.testing.assert_close(made.audio_latents, wanted.audio_latents, rtol=0, atol=1e-4)


@pytest.mark.parametrize("lean", [False, True])
def test_words_whose_mask_a_backend_does_not_take_are_attended_to_natively(lean):
    transformer = architecture.transformer()
    if lean:
        ltx_nb.running.make_lean(transformer)
    for name, native in (("_native_flash", {"attn2", "audio_attn2"}), ("_native_math", set())):
        attend_by(transformer, name)
        layers = {path: it for path, it in transformer.named_modules() if isinstance(it, LTX2Attention)}
        left = {path.rpartition(".")[2] for path, it in layers.items() if it.processor._attention_backend is None}
        assert (left, attention_of(transformer)) == (native, name)


def test_for_a_training_attention_is_native_and_then_as_before():
    transformer = architecture.transformer()
    attend_by(transformer, "_native_flash")
    with pytest.raises(KeyError), attending_natively(transformer):
        assert attention_of(transformer) == "native"
        raise KeyError
    assert attention_of(transformer) == "_native_flash"


@pytest.mark.parametrize(
    "name, message",
    [
        ("sagee", "is not one of .*; nearest: 'sage'"),
        ("sage_hub", "one from the hub is code from there, which is not run; nearest: 'sage"),
        ("_native_efficient", "does not work here: .*; nearest: 'native'"),
    ],
)
def test_a_backend_that_cannot_be_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        ltx_nb.load("tiny", attention=name)


def test_on_a_cpu_torchs_own_is_the_best():
    assert best_attention(torch.device("cpu"), torch.float32) == "native"
    found = attention_here()
    assert found["best"] in found["working"] and {"native", "_native_math"} <= set(found["working"])
