"""The text encoder layer by layer gives the hidden states of the ordinary way, from its mapped files."""

import pytest
import torch
from transformers import Gemma3ForConditionalGeneration

from ltx_nb.running.streamed_text import stream_text_encoder
from ltx_nb.running.streaming import stop_streaming, stream_parts
from ltx_nb.tiny import architecture

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text encoder as it is published, in float32."""
    path = tmp_path_factory.mktemp("text_encoder")
    torch.manual_seed(0)
    architecture.text_encoder(len(architecture.tokenizer())).save_pretrained(path)
    return path


@pytest.fixture(params=DTYPES)
def dtype(request):
    return DTYPES[request.param]


@pytest.fixture
def mapped(folder):
    return Gemma3ForConditionalGeneration.from_pretrained(folder, dtype="auto").eval().requires_grad_(False)


@torch.no_grad()
def encoded(text_encoder, prompt="A red ball bounces."):
    words = architecture.tokenizer()(prompt, padding="max_length", max_length=64, return_tensors="pt")
    return text_encoder(**{name: words[name] for name in ("input_ids", "attention_mask")}, output_hidden_states=True)


def test_hidden_states_of_all_layers_are_the_ordinary_ones(folder, mapped, dtype):
    ordinary = encoded(Gemma3ForConditionalGeneration.from_pretrained(folder, dtype=dtype).eval()).hidden_states
    stream_text_encoder(mapped, "cpu", dtype)
    for _ in range(2):
        streamed = encoded(mapped).hidden_states
        assert len(streamed) == architecture.TEXT_LAYERS + 1
        assert all(torch.equal(found, expected) for found, expected in zip(streamed, ordinary, strict=True))


def test_logits_are_not_computed_and_nothing_is_cached(mapped, dtype):
    stream_text_encoder(mapped, "cpu", dtype)
    handle = mapped.lm_head.register_forward_hook(lambda *_: pytest.fail("the head was run"))
    output = encoded(mapped)
    handle.remove()
    assert output.past_key_values is None


def test_a_pipeline_sees_where_and_in_what_it_runs(mapped):
    stream_text_encoder(mapped, "cpu", torch.bfloat16)
    assert mapped.dtype == torch.bfloat16 and mapped.device.type == "cpu"


def test_parts_without_values_that_no_prompt_goes_through_are_no_hindrance(mapped):
    expected = encoded(mapped).hidden_states
    mapped.model.vision_tower.to("meta")
    stream_text_encoder(mapped, "cpu", torch.float32)
    found = encoded(mapped).hidden_states
    assert all(torch.equal(tensor, other) for tensor, other in zip(found, expected, strict=True))
    stop_streaming(mapped)
    assert all(parameter.is_meta for parameter in mapped.model.vision_tower.parameters())


def test_weights_stay_mapped_and_take_no_memory_between_prompts(mapped):
    layers = mapped.model.language_model.layers
    places = [parameter.data_ptr() for parameter in layers.parameters()]
    stream_text_encoder(mapped, "cpu", torch.bfloat16)
    encoded(mapped)
    kept = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in mapped.parameters()}
    assert sum(kept.values()) < 1024  # one norm and the placeholders
    stop_streaming(mapped)
    assert [parameter.data_ptr() for parameter in layers.parameters()] == places


def test_nothing_of_it_is_left_behind(mapped):
    expected = encoded(mapped)
    stream_text_encoder(mapped, "cpu", torch.float32)
    stop_streaming(mapped)
    again = encoded(mapped)
    assert torch.equal(again.logits, expected.logits)
    assert again.past_key_values is not None


def test_twice_is_refused(mapped):
    stream_text_encoder(mapped, "cpu", torch.float32)
    with pytest.raises(ValueError, match="Gemma3ForConditionalGeneration is streamed already"):
        stream_text_encoder(mapped, "cpu", torch.float32)


def test_a_session_that_streams_everything_makes_the_same_clip(random_session):
    from ltx_nb import ClipRequest, Sampling
    from ltx_nb.running.streaming import stream_blocks

    pipe = random_session.pipe
    request = ClipRequest(
        "A red ball bounces.", width=64, height=64, num_frames=17, sampling=Sampling(num_inference_steps=2)
    )
    expected = random_session.run(request, progress=False)
    parts = [pipe.connectors, pipe.vae.encoder, pipe.vae.decoder, pipe.vocoder]
    try:
        stream_text_encoder(pipe.text_encoder, "cpu", torch.float32)
        stream_blocks(pipe.transformer, "cpu", resident=2)
        for part in parts:
            stream_parts(part, "cpu", slots=1)
        clip = random_session.run(request, progress=False)
    finally:
        for module in [pipe.text_encoder, pipe.transformer, *parts]:
            stop_streaming(module)
    assert torch.equal(clip.latents, expected.latents) and torch.equal(clip.audio_latents, expected.audio_latents)
    assert (clip.frames == expected.frames).all() and (clip.audio == expected.audio).all()
