"""The lean forward gives what diffusers' gives, bit for bit in bf16 on a CPU, for every way the pipelines call it."""

import pytest
import torch
from diffusers import LTX2VideoTransformer3DModel
from diffusers.models.attention_dispatch import attention_backend
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention, apply_split_rotary_emb

from ltx_nb.running import fused, lean_attention
from ltx_nb.running.lean import make_lean, make_stock
from ltx_nb.running.lean_attention import LeanAttention
from ltx_nb.tiny import architecture

FRAMES, HEIGHT, WIDTH, SOUNDS, WORDS = 3, 4, 5, 17, 32
TOKENS = FRAMES * HEIGHT * WIDTH
SOUND_TIMESTEP = torch.full((1, SOUNDS), 700.0)


@pytest.fixture(scope="module")
def transformer():
    torch.manual_seed(0)
    model = architecture.transformer()
    del model.transformer_blocks[2:]
    return model.to(torch.bfloat16).eval().requires_grad_(False)


@pytest.fixture
def in_chunks_of_16(monkeypatch):
    """60 video tokens: four chunks, the last one short; 17 audio tokens: two."""
    monkeypatch.setattr(lean_attention, "CHUNK_TOKENS", 16)


def inputs(**changes):
    generator = torch.Generator().manual_seed(1)

    def randn(*shape):
        return torch.randn(1, *shape, generator=generator).to(torch.bfloat16)

    sigma = torch.tensor([700.0])
    return {
        "hidden_states": randn(TOKENS, 128),
        "audio_hidden_states": randn(SOUNDS, 128),
        "encoder_hidden_states": randn(WORDS, architecture.VIDEO_DIM),
        "audio_encoder_hidden_states": randn(WORDS, architecture.AUDIO_DIM),
        "encoder_attention_mask": torch.ones(1, WORDS),
        "audio_encoder_attention_mask": torch.ones(1, WORDS),
        "timestep": sigma,
        "sigma": sigma,
        "num_frames": FRAMES,
        "height": HEIGHT,
        "width": WIDTH,
        "fps": 24.0,
        "audio_num_frames": SOUNDS,
        "use_cross_timestep": True,
        "return_dict": False,
    } | changes


def per_token(kept):
    """Timestep 0 for the first tokens, 700 for the others."""
    return torch.where(torch.arange(TOKENS) < kept, 0.0, 700.0)[None]


CALLS = {
    "text-to-video": {},
    "image-to-video": {"timestep": per_token(20), "audio_timestep": SOUND_TIMESTEP},
    "own cross timestep": {
        "timestep": per_token(20),
        "audio_timestep": SOUND_TIMESTEP,
        "audio_sigma": torch.tensor([700.0]),
        "use_cross_timestep": False,
    },
    "every token its own": {"timestep": torch.linspace(1, 900, TOKENS)[None], "audio_timestep": SOUND_TIMESTEP},
    "all tokens alike": {"timestep": per_token(0), "audio_timestep": SOUND_TIMESTEP},
    "isolated modalities": {"isolate_modalities": True},
    "skipped attention": {"spatio_temporal_guidance_blocks": [1]},
    "masked words": {"encoder_attention_mask": (torch.arange(WORDS) < 9).float()[None]},
}


@pytest.mark.parametrize("changes", CALLS.values(), ids=CALLS)
def test_lean_is_stock(transformer, in_chunks_of_16, changes):
    arguments = inputs(**changes)
    with torch.no_grad():
        stock = transformer(**arguments)
        make_lean(transformer)
        try:
            made = transformer(**arguments)
        finally:
            make_stock(transformer)
        again = transformer(**arguments)
    for expected, found, restored in zip(stock, made, again, strict=True):
        assert expected.isfinite().all()
        assert torch.equal(found, expected)
        assert torch.equal(restored, expected)


@pytest.mark.parametrize("changes", [CALLS["text-to-video"], CALLS["own cross timestep"]], ids=["one", "per token"])
def test_lean_is_stock_for_ltx_2_0(in_chunks_of_16, changes):
    """Without gates and without modulation of the prompt; its captions are projected by the transformer."""
    torch.manual_seed(0)
    config = dict(architecture.transformer().config) | {
        "gated_attn": False,
        "cross_attn_mod": False,
        "audio_gated_attn": False,
        "audio_cross_attn_mod": False,
        "use_prompt_embeddings": True,
        "perturbed_attn": False,
        "caption_channels": architecture.VIDEO_DIM,
        "num_layers": 2,
    }
    model = LTX2VideoTransformer3DModel.from_config(config).eval().to(torch.bfloat16)
    words = torch.randn(1, WORDS, architecture.VIDEO_DIM, generator=torch.Generator().manual_seed(2))
    text = {name: words.to(torch.bfloat16) for name in ("encoder_hidden_states", "audio_encoder_hidden_states")}
    with torch.no_grad():
        stock = model(**inputs(**changes, **text))
        make_lean(model)
        made = model(**inputs(**changes, **text))
    assert all(torch.equal(found, expected) for found, expected in zip(made, stock, strict=True))


def test_two_timesteps_make_two_rows_of_modulation(transformer, in_chunks_of_16):
    rows = []
    handle = transformer.time_embed.linear.register_forward_hook(lambda _, __, out: rows.append(out.shape[0]))
    try:
        make_lean(transformer)
        with torch.no_grad():
            transformer(**inputs(**CALLS["image-to-video"]))
    finally:
        make_stock(transformer)
        handle.remove()
    assert rows == [2]


def test_no_feed_forward_sees_more_than_a_chunk(transformer, in_chunks_of_16):
    seen = []
    layers = [block.ff.net[0].proj for block in transformer.transformer_blocks]
    layers += [block.attn1.to_q for block in transformer.transformer_blocks]
    handles = [layer.register_forward_hook(lambda _, args, __: seen.append(args[0].shape[1])) for layer in layers]
    try:
        make_lean(transformer)
        with torch.no_grad():
            transformer(**inputs())
    finally:
        make_stock(transformer)
        for handle in handles:
            handle.remove()
    assert max(seen) == 16 and sum(seen) == 4 * TOKENS


def test_diffusers_own_choice_of_attention_reaches_the_lean_forward(transformer):
    make_lean(transformer)
    try:
        with attention_backend("native"):  # diffusers makes a choice for all models of the one for this
            transformer.set_attention_backend("_native_math")
        layers = [module.processor for module in transformer.modules() if isinstance(module, LTX2Attention)]
        assert {processor.stock._attention_backend.value for processor in layers} == {"_native_math"}
    finally:
        transformer.reset_attention_backend()
        make_stock(transformer)
    assert all(processor.stock._attention_backend is None for processor in layers)


def test_nothing_of_it_is_left_behind(transformer):
    processors = [type(module.processor) for module in transformer.modules() if hasattr(module, "processor")]
    make_lean(transformer)
    assert any(isinstance(m.processor, LeanAttention) for m in transformer.modules() if hasattr(m, "processor"))
    make_stock(transformer)
    assert [type(m.processor) for m in transformer.modules() if hasattr(m, "processor")] == processors
    registries = [m._diffusers_hook for m in transformer.modules() if hasattr(m, "_diffusers_hook")]
    assert not any(registry.hooks for registry in registries)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_queries_are_rotated_as_diffusers_rotates_them_bit_for_bit(dtype):
    x, angles = torch.randn(2, 50, 64).to(dtype), torch.randn(2, 4, 50, 8)
    cos, sin = angles.cos(), angles.sin()
    with fused.compiling(False):
        rotated = fused.normed_rotated(x, None, 1e-6, cos, sin)
    wanted = apply_split_rotary_emb(torch.nn.functional.rms_norm(x, x.shape[-1:], None, 1e-6), (cos, sin))
    assert torch.equal(rotated, wanted)
