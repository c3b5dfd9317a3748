"""The full-size model as files on a disk, of the official layout and random values, for the loader that users have."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from random_weights import STD, text_encoder
from torch import nn

from ltx_nb.catalogue.components import CONFIGS, empty_component
from ltx_nb.catalogue.models import TINY
from ltx_nb.loading.folder import read_folder
from ltx_nb.loading.text_encoder import read_text_encoder
from ltx_nb.running.one_byte import is_quantised
from ltx_nb.tiny import architecture

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from official_layout import RENAMES, official_config, official_name

NAMES = {torch.bfloat16: "BF16", torch.float32: "F32", torch.float8_e4m3fn: "F8_E4M3"}
DRAWN = 2**26  # values, over and over again
SCALE = STD / 73  # of fp8 weights of spread 73 or so


def write_files(folder: Path, rehearses: bool) -> tuple[Path, Path]:
    """Write an official fp8 file, and Gemma in one file with its tokenizer beside it. Return their paths.

    Gemma's file is a hole: it reads as zeros and takes no disk.
    """
    small = read_folder(TINY.weights) if rehearses else {}
    parts = {name: small.get(name) or empty_component(name, CONFIGS[name]) for name in RENAMES}
    if rehearses:
        place = Path(TINY.weights)
        read = read_text_encoder(place / "text_encoder", place / "tokenizer", small["connectors"].config)
        words: nn.Module = read["text_encoder"].model.language_model
    else:
        words = text_encoder("meta").model.language_model
    model, gemma = folder / "ltx-2.3-22b-distilled-fp8.safetensors", folder / "gemma.safetensors"
    with model.open("wb") as file:
        _write(file, dict(_tensors(parts)), {"config": json.dumps(official_config(parts))}, is_hole=False)
    with gemma.open("wb") as file:
        named = {f"model.{name}": (torch.bfloat16, tuple(it.shape)) for name, it in words.state_dict().items()}
        _write(file, named, {}, is_hole=True)
    architecture.tokenizer().save_pretrained(folder / "tokenizer")
    return model, gemma


Kinds = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]


def _tensors(parts: Mapping[str, nn.Module]) -> Iterator[tuple[str, tuple[torch.dtype, tuple[int, ...]]]]:
    last = len(parts["transformer"].transformer_blocks) - 1
    for part, module in parts.items():
        for name, tensor in module.state_dict().items():
            layer, _, kind = name.rpartition(".")
            is_fp8 = part == "transformer" and kind == "weight" and is_quantised(layer)
            is_fp8 = is_fp8 and name.split(".")[1] not in ("0", str(last))  # as in the official file
            key = official_name(part, name)
            yield key, (torch.float8_e4m3fn if is_fp8 else torch.bfloat16, tuple(tensor.shape))
            if is_fp8:
                yield f"{key}_scale", (torch.float32, ())


def _write(file: IO[bytes], tensors: Kinds, notes: dict[str, str], is_hole: bool) -> None:
    """Write safetensors: the length of the header, the header, the values. Format: huggingface/safetensors, README."""
    header: dict[str, Any] = {"__metadata__": notes} if notes else {}
    end = 0
    for key, (dtype, shape) in tensors.items():
        begin, end = end, end + dtype.itemsize * torch.Size(shape).numel()
        header[key] = {"dtype": NAMES[dtype], "shape": shape, "data_offsets": [begin, end]}
    raw = json.dumps(header).encode()
    file.write(len(raw).to_bytes(8, "little") + raw)
    if is_hole:
        file.truncate(file.tell() + end)
        return
    drawn = torch.randn(DRAWN, generator=torch.Generator().manual_seed(0))
    values = {
        torch.bfloat16: (STD * drawn).to(torch.bfloat16).view(torch.uint8).numpy(),
        torch.float8_e4m3fn: drawn.to(torch.float8_e4m3fn).view(torch.uint8).numpy(),
        torch.float32: torch.full((1,), SCALE).view(torch.uint8).numpy(),
    }
    for dtype, shape in tensors.values():
        left = dtype.itemsize * torch.Size(shape).numel()
        while left:
            left -= file.write(values[dtype][:left].data)
