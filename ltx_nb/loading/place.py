"""A preset carried out on a pipeline whose weights are still mapped: dtypes, one-byte weights, streaming, chunks.

Nothing here decides what fits: the preset and the number of resident blocks come from the planner. Knows components
and devices; no files and no requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from diffusers import LTX2ModularPipeline
from diffusers.hooks import HookRegistry, ModelHook
from torch import nn

from ltx_nb.loading.loras import LoraSource, fuse_loras
from ltx_nb.planning.presets import Preset
from ltx_nb.running.host_memory import give_back_freed
from ltx_nb.running.lean import make_lean
from ltx_nb.running.one_byte import multiply_in, quantise_blocks, quantise_layer
from ltx_nb.running.streamed_text import stream_text_encoder
from ltx_nb.running.streaming import stream_blocks, stream_parts

# The bandwidth-extending vocoder drifts in bf16, so the reference runs it in fp32; its input comes from the audio VAE.
FP32_COMPONENTS = ("audio_vae", "vocoder")


def change_weights(transformer: nn.Module, connectors: nn.Module, loras: Sequence[LoraSource], preset: Preset) -> None:
    """LoRAs first, then one byte a weight where the preset wants it, layer by layer."""
    to_one_byte = preset.weight_bytes == 1
    # Metal has no fp8. Blocks that come from the disk come as they are stored there.
    keep_fp8 = preset.kind != "mps" and (preset.compute != "int8" or preset.offload == "disk")
    form = "fp8" if preset.compute == "fp8" else "int8"

    def quantise(model: nn.Module, name: str) -> None:
        if to_one_byte and model is transformer:
            quantise_layer(model, name, keep_fp8, form)

    # What computes in float32 keeps the sums in it, whatever its file has.
    dtype = torch.float32 if preset.compute_bytes == 4 else None
    fuse_loras({"transformer": transformer, "connectors": connectors}, loras, after=quantise, dtype=dtype)
    if to_one_byte:
        quantise_blocks(transformer, keep_fp8, form)
        give_back_freed()


def place(
    pipe: LTX2ModularPipeline,
    preset: Preset,
    *,
    resident: int,
    device: torch.device,
    dtype: torch.dtype,
    text: str,
    block_source: str,
    upscalers: Iterable[nn.Module] = (),
) -> None:
    """Bring a pipeline to where it runs.

    resident: blocks that stay there. block_source: of the others, "ram" or "disk". text: "resident" to keep the text
    encoder and the connectors there too, else they stream. upscalers: beside the pipeline's own.
    """
    dtypes = dict.fromkeys(FP32_COMPONENTS, torch.float32)
    if text == "resident":
        pipe.text_encoder.to(device=device, dtype=dtype)
    elif pipe.text_encoder is not None:  # else prompts are encoded elsewhere, up to what connectors make of them
        stream_text_encoder(pipe.text_encoder, device, dtype)
    if pipe.connectors is None:
        pass
    elif text == "resident" or preset.keeps_all:
        pipe.connectors.to(device=device, dtype=dtype)
    else:
        connectors = HookRegistry.check_if_exists_or_initialize(pipe.connectors)
        connectors.register_hook(OneRowAtATime(), "ltx_nb.one_row")
        # One part at a time: the largest, a projection of 1.5 GB, is used once a prompt and first.
        stream_parts(pipe.connectors, device, slots=1, source="disk", dtype=dtype)
    multiply_in(pipe.transformer, preset.compute, device)
    if preset.lean:
        make_lean(pipe.transformer)
    if resident < len(pipe.transformer.transformer_blocks):
        stream_blocks(pipe.transformer, device, resident=resident, source=block_source, dtype=dtype)
    else:
        pipe.transformer.to(device=device, dtype=dtype)
    for name in ("vae", "audio_vae", "vocoder", "latent_upsampler"):
        component = getattr(pipe, name, None)
        if component is None:
            continue
        own_dtype = dtypes.get(name, dtype)
        if name == "vocoder" and preset.kind == "mps":
            component.to(dtype=own_dtype)
            component.register_forward_pre_hook(_on_the_cpu)
            continue
        # The audio VAE, 0.2 GB, never calls its stages as modules, so that they cannot stream.
        if preset.keeps_all or preset.kind == "mps" or name == "audio_vae":
            component.to(device=device, dtype=own_dtype)
            continue
        if name in FP32_COMPONENTS:
            component.to(dtype=own_dtype)  # their buffers too, which streaming leaves as they are
        # From the mapped file, beside a tile's or a clip's work, which takes far longer.
        for part in _runnable_parts(component):
            stream_parts(part, device, source="disk", dtype=own_dtype)
    for upscaler in upscalers:  # each runs once in a clip that asks for it, so that none stays but in one memory
        for buffer in upscaler.buffers():  # x1.5's blur, which streaming leaves as it is
            buffer.data = buffer.data.to(dtype)
        if preset.kind == "mps":
            upscaler.to(device=device, dtype=dtype)
        else:
            stream_parts(upscaler, device, source="disk", dtype=dtype)


def _on_the_cpu(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Metal convolves no more than 65,536 values in a row, 1.4 s of sound; the memory is the same."""
    return tuple(one.to("cpu") for one in inputs)


class OneRowAtATime(ModelHook):
    """A prompt and its negative one after the other: each takes five times its 0.39 GB of hidden states in passing."""

    def new_forward(self, module: nn.Module, hidden_states: torch.Tensor, mask: torch.Tensor, **options: Any) -> Any:
        rows = [
            self.fn_ref.original_forward(hidden_states[row : row + 1], mask[row : row + 1], **options)
            for row in range(len(hidden_states))
        ]
        return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))


def _runnable_parts(component: nn.Module) -> list[nn.Module]:
    """Parts of a component that are run by calls of their own: both halves of a VAE, else all of it."""
    halves = [getattr(component, half) for half in ("encoder", "decoder") if hasattr(component, half)]
    return halves or [component]
