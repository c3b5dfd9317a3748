"""Products in eight bits: that they are the exact sums of what they are given, scaled, and how far that is off."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ltx_nb.running import fused, products
from ltx_nb.running.one_byte import ScaledLinear, multiply_in, prepared, quantise_blocks, turned_back_once
from ltx_nb.running.products import Int8Tokens, fp8_product, int8_product
from ltx_nb.tiny import architecture


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def linear(generator):
    layer = nn.Linear(256, 96).requires_grad_(False)
    layer.weight.copy_(torch.randn(96, 256, generator=generator) * 0.02)
    return layer


def error(found, wanted):
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


@pytest.mark.parametrize("tokens", [1, 5, 40])
@pytest.mark.parametrize("has_bias", [True, False])
def test_an_int8_product_is_exact_in_what_it_multiplies(monkeypatch, generator, tokens, has_bias):
    monkeypatch.setattr(products, "CHUNK_TOKENS", 16)
    values = torch.randint(-127, 128, (2, tokens, 64), dtype=torch.int8, generator=generator)
    weight = torch.randint(-127, 128, (48, 64), dtype=torch.int8, generator=generator)
    scale, row_scale = torch.rand(2, tokens, 1, generator=generator), torch.rand(48, 1, generator=generator)
    bias = torch.randn(48, generator=generator) if has_bias else None
    made = int8_product(Int8Tokens(values, scale, torch.float32), weight, row_scale, bias)
    exact = F.linear(values.double() * scale, weight.double() * row_scale, None if bias is None else bias.double())
    assert made.shape == (2, tokens, 48)
    assert error(made, exact) < 1e-6


@pytest.mark.parametrize("by_rows", [True, False], ids=["a scale a row", "one scale, as stored"])
def test_an_fp8_product_is_that_of_its_rounded_operands(linear, generator, by_rows):
    layer = ScaledLinear.fp8_rows(linear)
    if not by_rows:
        scale = linear.weight.abs().max() / fused.FP8_MAX
        layer = ScaledLinear((linear.weight / scale).to(torch.float8_e4m3fn), scale, linear.bias)
    x = torch.randn(2, 30, 256, generator=generator)
    values, scale = fused.fp8_tokens(x)
    exact = F.linear(values.double() * scale, layer.weight.double() * layer.weight_scale, linear.bias.double())
    assert error(fp8_product(x, layer.weight, layer.weight_scale, layer.bias), exact) < 4e-3  # bf16


@pytest.mark.parametrize("compute, most", [("int8", 0.013), ("fp8", 0.04)])
def test_activations_in_eight_bits_add_little_to_the_error_of_weights(linear, generator, compute, most):
    layer = ScaledLinear.int8_rows(linear) if compute == "int8" else ScaledLinear.fp8_rows(linear)
    x = torch.randn(1, 30, 256, generator=generator).to(torch.bfloat16)
    wanted = F.linear(x.float(), linear.weight)
    layer.bias = None
    of_weights = error(layer(x), wanted)
    layer.compute = compute
    assert layer(x).dtype == torch.bfloat16
    assert of_weights < error(layer(x), wanted) < most


def test_a_token_of_zeros_stays_one(linear):
    layer = ScaledLinear.int8_rows(linear)
    layer.compute = "int8"
    assert torch.equal(layer(torch.zeros(1, 3, 256)), linear.bias.expand(1, 3, -1))


def test_tokens_are_brought_to_int8_once_for_all_layers_that_take_them(linear, generator):
    layers = [ScaledLinear.int8_rows(linear) for _ in range(3)]
    x = torch.randn(1, 30, 256, generator=generator)
    assert prepared(x, *layers) is x
    for layer in layers:
        layer.compute = "int8"
    tokens = prepared(x, *layers)
    assert isinstance(tokens, Int8Tokens) and all(torch.equal(layer(tokens), layer(x)) for layer in layers)


def test_a_weight_is_turned_back_once_for_all_chunks(linear, generator, monkeypatch):
    layer, calls, real = ScaledLinear.int8_rows(linear), [], ScaledLinear.dequantised
    monkeypatch.setattr(ScaledLinear, "dequantised", lambda *args: (calls.append(args), real(*args))[1])
    x = torch.randn(1, 30, 256, generator=generator)
    wanted = layer(x)
    calls.clear()
    with turned_back_once(layer):
        found = torch.cat([layer(part) for part in x.split(10, dim=1)], dim=1)
    assert len(calls) == 1 and error(found, wanted) < 1e-6
    layer.weight = torch.zeros_like(layer.weight)  # nothing is kept beyond
    assert torch.equal(layer(x), linear.bias.expand_as(wanted))


@pytest.mark.parametrize("compute", ["int8", "fp8"])
def test_the_first_and_the_last_block_keep_their_products(compute):
    transformer = architecture.transformer()
    quantise_blocks(transformer, form=compute)
    found = multiply_in(transformer, compute, torch.device("cpu"))
    of_blocks = [
        {layer.compute for layer in block.modules() if isinstance(layer, ScaledLinear)}
        for block in transformer.transformer_blocks
    ]
    assert of_blocks == [{"float"}, *[{compute}] * (architecture.LAYERS - 2), {"float"}]
    assert found == 28 * (architecture.LAYERS - 2)
    assert multiply_in(transformer, "float", torch.device("cpu")) == 0


def test_weights_of_another_form_are_not_multiplied_so():
    transformer = architecture.transformer()
    quantise_blocks(transformer, form="int8")
    assert multiply_in(transformer, "fp8", torch.device("cpu")) == 0


def test_where_the_compiler_fails_steps_run_as_they_are_written(monkeypatch, caplog):
    def no_compiler(*_):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setitem(fused._state, "failed", False)
    with monkeypatch.context() as context:
        context.setattr(torch, "compile", lambda *_, **__: no_compiler)
        plus_one = fused._step(lambda x: x + 1)
        with fused.compiling(True):
            assert [int(plus_one(torch.tensor(1))) for _ in range(2)] == [2, 2]
    assert caplog.messages == ["steps run uncompiled, which is slower: no C++ compiler"]


def test_what_a_device_does_not_do_is_said_once_and_done_without(monkeypatch, caplog):
    products._works.cache_clear()
    cpu = torch.device("cpu")
    assert products._works("int8", cpu) and products._works("fp8", cpu)
    monkeypatch.setattr(products, "_by_kernel", lambda *_: torch.zeros(1))  # wrong, as a broken compiler's would be
    assert [products._works("int8 kernel", cpu) for _ in range(2)] == [False, False]
    (said,) = caplog.messages
    assert said == "the kernel of int8 products does not work on this device, and is done without: off by 100.0%"
    products._works.cache_clear()
