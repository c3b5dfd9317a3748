"""Rounding errors against what the number formats promise, and the model unchanged afterwards."""

import pytest
import torch
from torch import nn

from ltx_nb import ClipRequest, Sampling
from ltx_nb.inspect import precision_report
from ltx_nb.inspect.roundings import ROUNDINGS
from ltx_nb.running.streaming import stop_streaming, stream_blocks

REQUEST = ClipRequest("a red ball bounces", width=32, height=32, num_frames=9, sampling=Sampling(sigmas=(1.0, 0.5)))


def gaussian_error(dtype, std):
    torch.manual_seed(0)
    linear = nn.Linear(512, 256, bias=False)
    nn.init.normal_(linear.weight, std=std)
    rounded, _ = ROUNDINGS[dtype](linear)
    weight = linear.weight.detach()
    return float((weight - rounded).norm() / weight.norm())


# Half a step of 2^-8 and of 2^-4, spread evenly over each octave; int8 rows and NF4 as measured for Gaussian weights.
@pytest.mark.parametrize(
    ("dtype", "std", "least", "most"),
    [
        ("bf16", 0.02, 0.0014, 0.0018),
        ("fp8", 0.02, 0.025, 0.04),
        ("fp8", 0.002, 0.2, 0.35),
        ("fp8-scaled", 0.02, 0.024, 0.029),
        ("fp8-scaled", 0.002, 0.024, 0.029),
        ("int8-row", 0.02, 0.006, 0.01),
        ("nf4", 0.02, 0.085, 0.1),
        ("fp8-row", 0.02, 0.024, 0.029),
        ("fp8-e5m2", 0.02, 0.048, 0.058),
        ("int8-rotated", 0.02, 0.006, 0.01),
        ("q8_0", 0.02, 0.004, 0.007),
        ("q6_k", 0.02, 0.014, 0.022),
        ("q5_k", 0.02, 0.03, 0.045),
        ("q4_k", 0.02, 0.06, 0.09),
    ],
)
def test_gaussian_weights_lose_what_the_format_costs(dtype, std, least, most):
    assert least < gaussian_error(dtype, std) < most


def test_values_that_a_format_holds_are_kept():
    linear = nn.Linear(64, 2, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[-1.0, 0.0, 1.0, 0.5] * 16, [2.0, 0.0, -2.0, 1.0] * 16]))
    for dtype in ("bf16", "fp8"):
        assert torch.equal(ROUNDINGS[dtype](linear)[0], linear.weight)
    assert (ROUNDINGS["nf4"](linear)[0][:, :3] == linear.weight[:, :3]).all()


# Bits a weight: llama.cpp's tables of its K formats.
@pytest.mark.parametrize(
    ("dtype", "values", "levels", "bits"), [("q6_k", 16, 64, 6.5625), ("q5_k", 32, 32, 5.5), ("q4_k", 32, 16, 4.5)]
)
def test_a_k_format_has_so_many_levels_for_so_many_values(dtype, values, levels, bits):
    torch.manual_seed(0)
    linear = nn.Linear(512, 256, bias=False)
    rounded, num_bytes = ROUNDINGS[dtype](linear)
    assert 8 * num_bytes / linear.weight.numel() == bits
    for block in rounded.reshape(-1, values)[::97]:
        step = block.unique().diff().min()
        assert len(block.unique()) <= min(levels, values)
        assert (block.max() - block.min()) / step < levels


def test_zero_weights_stay_zero():
    linear = nn.Linear(70, 3, bias=False)
    nn.init.zeros_(linear.weight)
    for rounding in ROUNDINGS.values():
        assert (rounding(linear)[0] == 0).all()


def test_the_worst_layer_is_named(random_session):
    layer = random_session.pipe.transformer.transformer_blocks[2].ff.net[2]
    before = layer.weight.detach().clone()
    try:
        with torch.no_grad():
            layer.weight.mul_(1e-4)  # below fp8's smallest steps
        report = precision_report(random_session, ("fp8", "int8-row"))
    finally:
        with torch.no_grad():
            layer.weight.copy_(before)
    fp8, int8 = report.rows
    assert fp8.layers[0].name == "transformer_blocks.2.ff.net.2"
    assert fp8.layers[0].error > 0.3 > int8.layers[0].error
    assert "fp8" in str(report) and "transformer_blocks.2.ff.net.2" in str(report)


def test_bytes_are_those_of_weights_and_scales(random_session):
    linears = [module for module in random_session.pipe.transformer.modules() if isinstance(module, nn.Linear)]
    count, rows = sum(m.weight.numel() for m in linears), sum(m.out_features for m in linears)
    sizes = {
        row.dtype: row.num_bytes for row in precision_report(random_session, ("bf16", "fp8-scaled", "int8-row")).rows
    }
    assert sizes == {"bf16": 2 * count, "fp8-scaled": count + 4 * len(linears), "int8-row": count + 4 * rows}


def test_the_clip_of_the_same_seed_is_compared_and_the_model_left_as_it_was(random_session):
    before = {name: value.clone() for name, value in random_session.pipe.transformer.state_dict().items()}
    report = precision_report(random_session, ("bf16", "nf4"), request=REQUEST)
    after = random_session.pipe.transformer.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    bf16, nf4 = (row.clip for row in report.rows)
    assert 0 < bf16.latent_error < nf4.latent_error
    assert 0 < bf16.audio_latent_error < nf4.audio_latent_error


def test_an_unknown_format_is_refused(random_session):
    with pytest.raises(ValueError, match="dtypes='int4' is not one of bf16, fp8, fp8-scaled, int8-row, nf4"):
        precision_report(random_session, ("int4",))
    with pytest.raises(ValueError, match="dtypes is empty; give at least one"):
        precision_report(random_session, ())
    with pytest.raises(ValueError, match=r"dtypes='fp8' is a str; give a list: \['fp8'\]"):
        precision_report(random_session, "fp8")
    with pytest.raises(ValueError, match="request is a str; give a ClipRequest"):
        precision_report(random_session, ("fp8",), "a red ball")


def test_weights_that_stream_are_refused(random_session):
    """Where they are not in use, they are placeholders."""
    transformer = random_session.pipe.transformer
    stream_blocks(transformer, "cpu")
    try:
        with pytest.raises(ValueError, match="is streamed already"):
            precision_report(random_session)
    finally:
        stop_streaming(transformer)
