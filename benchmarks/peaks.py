"""Peaks of activations, measured without weights, memory or time: on the meta device, where tensors are sizes alone.

Every storage that an operation makes is counted while it lives, views once. Attention counts as a fused kernel, which
keeps no scores. What an allocator adds by rounding and by fragments is not in it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import astuple
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ltx_nb import shapes
from ltx_nb.catalogue.components import CONFIGS, UPSCALER_CONFIGS, empty_component
from ltx_nb.planning import Plan, plan
from ltx_nb.running.cross_modal import velocities
from ltx_nb.running.lean import make_lean
from ltx_nb.running.tiles import tile_shape

GB = 1e9
MODEL, PRESET = "2.3-distilled", "8gb"
CLIPS = {
    f"{width}x{height}x{frames}": (width, height, frames)
    for width, height in ((768, 512), (1280, 704), (1920, 1088))
    for frames in (121, 481)
}
PROMPT_TOKENS = 1024


class LiveBytes(TorchDispatchMode):
    """now, peak: bytes of all storages made inside that are still alive, and the most there were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, torch.Tensor):  # weights: there before, and seen again as views of them
                self._sizes.setdefault(tensor.untyped_storage()._cdata, 0)
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


class SizesAlone(TorchFunctionMode):
    """Attention as a fused kernel; one distinct timestep, whatever the values, which meta tensors have not."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            query, _, value = (*args, *(kwargs or {}).values())[:3]
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        if name == "unique":
            return args[0].new_empty(1), torch.zeros_like(args[0], dtype=torch.long)
        return func(*args, **(kwargs or {}))


def peak_gb(call: Callable[[], Any]) -> float:
    with torch.no_grad(), SizesAlone(), LiveBytes() as live:
        call()
    return live.peak / GB


def meta(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.zeros(*shape, device="meta", dtype=dtype)


def component(name: str, dtype: torch.dtype = torch.bfloat16, **changes: Any) -> torch.nn.Module:
    return empty_component(name, CONFIGS[name] | changes).eval().to(device="meta", dtype=dtype)


def peaks() -> Iterator[dict[str, Any]]:
    """Planned and measured GB of activations of every stage of the full-size model."""

    def compared(what: str, planned: float, measured: float) -> dict[str, Any]:
        return {"what": what, "planned_gb": planned, "measured_gb": measured, "ratio": planned / measured}

    transformer = component("transformer", num_layers=2)  # a block's activations are gone when the next begins
    make_lean(transformer)
    for name, (width, height, frames) in CLIPS.items():
        made = plan(MODEL, PRESET, width=width, height=height, num_frames=frames)
        measured = peak_gb(lambda clip=(width, height, frames): denoise(transformer, *clip))
        yield compared(f"denoise {name}", line(made, "stage 1", "activations"), measured)
    vae = component("vae")
    for name, (width, height, frames) in CLIPS.items():
        made = plan(MODEL, PRESET, width=width, height=height, num_frames=frames, task="extend")
        tile = tile_shape(shapes.VideoShape(frames, height, width).latent)
        measured = peak_gb(lambda tile=tile: vae.decoder(meta(1, 128, *astuple(tile))))
        yield compared(f"decode a tile of {name}", line(made, "decode", "one tile"), measured)
        measured = peak_gb(lambda tile=tile: vae.encode(meta(1, 3, *astuple(tile.pixel))))
        yield compared(f"encode a tile of {name}", line(made, "encode", "one tile"), measured)
    clip = {"width": 1920, "height": 1088, "num_frames": 121}
    made = plan(MODEL, PRESET, **clip, task="image-to-video")
    measured = peak_gb(lambda: vae.encode(meta(1, 3, 1, 1088, 1920)))
    yield compared("encode an image of 1920x1088", line(made, "encode", "one tile"), measured)
    made = plan(MODEL, PRESET, **clip, two_stage=True)
    upsampler = component("latent_upsampler")
    measured = peak_gb(lambda: upsampler(meta(1, 128, 16, 17, 30)))
    yield compared("upsample to 1920x1088x121", line(made, "upsample", "activations"), measured)
    for name, (width, height, frames), before in (
        ("spatial-x1.5", (1920, 1056, 121), (16, 22, 40)),
        ("temporal-x2", (1280, 704, 241), (16, 22, 40)),
    ):
        clip = {"width": width, "height": height, "num_frames": frames}
        made = plan(MODEL, PRESET, **clip, two_stage=True, upscaler=name)
        upsampler = component("latent_upsampler", **UPSCALER_CONFIGS[name])
        measured = peak_gb(lambda upsampler=upsampler, before=before: upsampler(meta(1, 128, *before)))
        yield compared(f"{name} to {width}x{height}x{frames}", line(made, "upsample", "activations"), measured)
    connectors = component("connectors")

    def prompt_and_negative() -> None:
        """As the text step hands them over, joined, and then one by one, as where the connectors stream."""
        both = [meta(1, PROMPT_TOKENS, 3840, 49) for _ in range(2)]
        joined, mask = torch.cat(both), meta(1, PROMPT_TOKENS, dtype=torch.long)
        connectors(joined[:1], mask)

    yield compared("connectors", line(made, "text", "activations"), peak_gb(prompt_and_negative))
    vocoder, audio_vae = component("vocoder", torch.float32), component("audio_vae", torch.float32)
    for frames in (121, 481):
        made = plan(MODEL, PRESET, width=768, height=512, num_frames=frames, task="audio-to-video")
        mel_frames = shapes.AudioLatentShape(shapes.audio_num_latents(frames / 24)).mel_frames
        measured = peak_gb(lambda num=mel_frames: vocoder(meta(1, 2, num, 64, dtype=torch.float32)))
        yield compared(f"vocoder, {frames / 24:.0f} s", line(made, "audio", "activations"), measured)
        measured = peak_gb(lambda num=mel_frames: audio_vae.encode(meta(1, 2, num, 64, dtype=torch.float32)))
        yield compared(f"encode a sound of {frames / 24:.0f} s", line(made, "encode sound", "activations"), measured)


def line(made: Plan, part: str, what: str) -> float:
    """GB of the line of a part that is called so."""
    lines = next(it.lines for it in made.parts if it.name == part)
    return next(it.gb for it in lines if what in it.what)


def denoise(
    transformer: torch.nn.Module, width: int, height: int, num_frames: int, device: str = "meta"
) -> tuple[torch.Tensor, torch.Tensor]:
    """One forward of the transformer for text to video, of random values."""
    video = shapes.VideoShape(num_frames, height, width).latent.tokens
    audio = shapes.audio_num_latents(num_frames / 24)

    def values(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.randn(*shape, device=device, dtype=dtype)

    config = transformer.config
    sigma = torch.full((1,), 700.0, device=device)
    return velocities(
        transformer,
        hidden_states=values(1, video, 128),
        audio_hidden_states=values(1, audio, 128),
        encoder_hidden_states=values(1, PROMPT_TOKENS, config.cross_attention_dim),
        audio_encoder_hidden_states=values(1, PROMPT_TOKENS, config.audio_cross_attention_dim),
        timestep=sigma,
        audio_timestep=sigma,
        sigma=sigma,
        audio_sigma=sigma,
        video_coords=values(1, 3, video, 2, dtype=torch.float32),
        audio_coords=values(1, 1, audio, 2, dtype=torch.float32),
    )
