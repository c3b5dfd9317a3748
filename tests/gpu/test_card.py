"""What only a card can show, on the tiny model: copies beside work, eight-bit products, compiled steps, recovery."""

import gc
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

import ltx_nb
from ltx_nb import Sampling
from ltx_nb.pipeline import Cancelled
from ltx_nb.planning import OutOfMemory
from ltx_nb.planning.presets import PRESETS
from ltx_nb.running import fused, products
from ltx_nb.running.one_byte import ScaledLinear
from ltx_nb.running.products import Int8Tokens, can_multiply, int8_product

CUDA = torch.device("cuda")
PROMPT = "A red ball bounces on the floor in front of a navy background."
SMALL = {"width": 64, "height": 64, "num_frames": 9, "seed": 3, "sampling": Sampling(num_inference_steps=2)}
BF16 = replace(PRESETS["8gb"], name="bf16", weight_bytes=2, resident_blocks=1000)


@pytest.fixture(autouse=True)
def uncompiled():
    """Lets a test compile only where it is about that: it takes longer than all the rest."""
    with fused.compiling(False):
        yield


def clip_of(session, **changes):
    return session.text_to_video(PROMPT, **SMALL | changes, progress=False)


def error(found, wanted):
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


@pytest.mark.parametrize("compute", ["float", "int8", "fp8"])
def test_streamed_blocks_make_the_resident_ones_clip_bit_for_bit(compute):
    if not can_multiply(compute, CUDA):
        pytest.skip(f"this card does not multiply in {compute}")
    resident, streamed = (
        clip_of(ltx_nb.load("tiny", replace(PRESETS["8gb"], resident_blocks=stay), compute=compute, text="stream"))
        for stay in (1000, 1)
    )
    assert torch.equal(streamed.latents, resident.latents)
    assert torch.equal(streamed.audio_latents, resident.audio_latents)


@pytest.mark.parametrize("compute, most", [("int8", 0.05), ("fp8", 0.12)])
def test_products_in_eight_bits_are_near_those_in_bf16(compute, most):
    if not can_multiply(compute, CUDA):
        pytest.skip(f"this card does not multiply in {compute}")
    wanted = clip_of(ltx_nb.load("tiny", BF16, text="stream"))
    found = clip_of(ltx_nb.load("tiny", BF16, compute=compute, text="stream"))
    assert 0 < error(found.latents, wanted.latents) < most


@pytest.mark.parametrize("tokens", [1, 40, 4097])
def test_the_int8_kernel_is_torchs_product_scaled(monkeypatch, tokens):
    if not can_multiply("int8", CUDA):
        pytest.skip("this card does not multiply in int8")
    values = torch.randint(-127, 128, (1, tokens, 4096), dtype=torch.int8, device=CUDA)
    weight = torch.randint(-127, 128, (2048, 4096), dtype=torch.int8, device=CUDA)
    scale, row_scale = torch.rand(1, tokens, 1, device=CUDA), torch.rand(2048, 1, device=CUDA) / 127
    bias = torch.randn(2048, device=CUDA)
    with fused.compiling(True):
        made = int8_product(Int8Tokens(values, scale, torch.float32), weight, row_scale, bias)
    monkeypatch.setattr(products, "_has_kernel", lambda values: False)
    assert error(int8_product(Int8Tokens(values, scale, torch.float32), weight, row_scale, bias), made) < 1e-6
    exact = F.linear(values.double() * scale, weight.double() * row_scale, bias.double())
    assert error(made, exact) < 1e-6


@pytest.mark.parametrize("form", [ScaledLinear.int8_rows, ScaledLinear.fp8_rows], ids=["int8", "fp8"])
def test_a_weight_is_turned_back_as_on_a_cpu(form):
    layer = form(torch.nn.Linear(512, 256))
    wanted = layer.dequantised(torch.bfloat16)
    for compiled in (True, False):
        with fused.compiling(compiled):
            assert torch.equal(layer.to(CUDA).dequantised(torch.bfloat16).cpu(), wanted)


def test_compiled_steps_are_the_others_within_rounding():
    session = ltx_nb.load("tiny", BF16, text="stream")
    eager = clip_of(session)
    with fused.compiling(True):
        compiled = clip_of(session)
    assert error(compiled.latents, eager.latents) < 0.02
    assert error(compiled.audio_latents, eager.audio_latents) < 0.02


@pytest.fixture
def capped():
    """Lets the allocator have so many bytes more than are in use."""

    def cap(num_bytes):
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(CUDA).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + num_bytes) / total)

    yield cap
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_after_memory_ran_out_and_after_a_cancelled_run_the_next_one_is_right(capped):
    session = ltx_nb.load("tiny", BF16, text="stream")
    wanted = clip_of(session)
    capped(4 * 2**20)
    with pytest.raises(OutOfMemory, match="next: "):
        clip_of(session, width=512, height=512, num_frames=49)
    torch.cuda.set_per_process_memory_fraction(1.0)
    with pytest.raises(Cancelled):
        clip_of(session, on_step=lambda event: session.cancel())
    assert torch.equal(clip_of(session).latents, wanted.latents)


def test_a_session_leaves_its_memory_to_the_next():
    before = torch.cuda.memory_allocated()
    session = ltx_nb.load("tiny", BF16, text="stream")
    first = clip_of(session)
    del session
    session = ltx_nb.load("tiny", BF16, text="stream")
    assert torch.equal(clip_of(session).latents, first.latents)
    del session
    gc.collect()
    assert torch.cuda.memory_allocated() < before + 64 * 2**20
