"""Two blocks of the full width, with random weights, on a CPU: is the lean forward stock's, streamed the resident one,
and what do weights of one byte cost.

Needs about 4 GB of memory. Says nothing of speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from random_weights import filled
from torch import nn

from ltx_nb.catalogue.components import CONFIGS, empty_component
from ltx_nb.running import lean_attention
from ltx_nb.running.cross_modal import velocities
from ltx_nb.running.lean import make_lean, make_stock
from ltx_nb.running.one_byte import ScaledLinear, quantise_blocks
from ltx_nb.running.streaming import stop_streaming, stream_blocks

FRAMES, HEIGHT, WIDTH, SOUNDS, WORDS = 2, 6, 8, 13, 64
FP8_MAX = torch.finfo(torch.float8_e4m3fn).max


def full_width_blocks() -> dict[str, Any]:
    torch.manual_seed(0)
    transformer = filled(empty_component("transformer", CONFIGS["transformer"] | {"num_layers": 2}), "cpu")
    run = forward_of(transformer)
    stock = run()
    with_chunks = lean_attention.CHUNK_TOKENS
    lean_attention.CHUNK_TOKENS = 40  # three chunks of these few tokens
    try:
        make_lean(transformer)
        lean = run()
    finally:
        lean_attention.CHUNK_TOKENS = with_chunks
        make_stock(transformer)
    stream_blocks(transformer, "cpu", resident=0)
    streamed = run()
    stop_streaming(transformer)
    found = {"lean equals stock": equal(lean, stock), "streamed equals resident": equal(streamed, stock)}
    for std in (0.02, 0.002):
        linear = nn.Linear(4096, 4096, bias=False)
        nn.init.normal_(linear.weight, std=std)
        forms = {"int8 by row": ScaledLinear.int8_rows(linear), "scaled fp8": scaled_fp8(linear)}
        for name, layer in forms.items():
            found[f"{name}, weights of std {std}, relative error"] = error(
                layer.dequantised(torch.float32), linear.weight
            )
    quantise_blocks(transformer)
    for lane, made, wanted in zip(("video", "audio"), run(), stock, strict=True):
        found[f"int8 by row, {lane} velocity, relative error"] = error(made.float(), wanted.float())
    return found


def forward_of(transformer: nn.Module) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)

    def randn(*shape: int) -> torch.Tensor:
        return torch.randn(1, *shape, generator=generator).to(torch.bfloat16)

    tokens = FRAMES * HEIGHT * WIDTH
    inputs = {
        "hidden_states": randn(tokens, 128),
        "audio_hidden_states": randn(SOUNDS, 128),
        "encoder_hidden_states": randn(WORDS, 4096),
        "audio_encoder_hidden_states": randn(WORDS, 2048),
        "timestep": torch.where(torch.arange(tokens) < HEIGHT * WIDTH, 0.0, 700.0)[None],
        "audio_timestep": torch.full((1, SOUNDS), 700.0),
        "sigma": torch.tensor([700.0]),
        "audio_sigma": torch.tensor([700.0]),
    }
    sizes = {"num_frames": FRAMES, "height": HEIGHT, "width": WIDTH, "audio_num_frames": SOUNDS, "fps": 24.0}

    def run() -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            return velocities(transformer, **inputs, **sizes)

    return run


def scaled_fp8(linear: nn.Linear) -> ScaledLinear:
    scale = linear.weight.detach().abs().max() / FP8_MAX
    return ScaledLinear((linear.weight.detach() / scale).to(torch.float8_e4m3fn), scale, None)


def equal(found: tuple[torch.Tensor, ...], wanted: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())
