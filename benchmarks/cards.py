"""The full-size model with random weights on one CUDA device, its memory capped to each card's, beside diffusers' ways.

A cap proves memory, not the smaller card's seconds. Each measurement is a process of its own: the cap is set before the
first allocation, and what one leaves behind cannot help the next. Running out of memory is a result.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

SIZES = {"768x512x121": (768, 512, 121), "1920x1088x121": (1920, 1088, 121)}
CARDS = {"8gb": 8.0, "12gb": 12.0, "16gb": 16.0, "24gb": 24.0, "80gb": 80.0}
STOCK = ("sequential offload", "group offload with a stream", "fp8 layerwise casting with group offload")
STEPS = 2
STAGES = ("text", "upsample", "stage", "decode_video", "decode_audio")


def cards() -> list[dict[str, Any]]:
    """One record for each layout, card, task and size, and for each of diffusers' ways at 24 GB."""
    found = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("LTX_NB_BENCHMARK_DIR")) as scratch:
        for layout in ("official fp8", "folder int8"):
            places = run({"make": layout, "in": scratch})
            for card, vram_gb in CARDS.items():
                for size in SIZES:
                    for task in ("text-to-video", "image-to-video"):
                        job = {"card": card, "vram_gb": vram_gb, "size": size, "task": task, "layout": layout}
                        found.append(job | run(job | places))
            resident = {"card": "24gb", "vram_gb": 80.0, "size": "768x512x121", "task": "text-to-video"}
            for offload in ("none", "ram", "disk"):
                job = resident | {"layout": layout, "offload": offload}
                found.append(job | run(job | places))
        for way in STOCK:
            job = {"stock": way, "vram_gb": 24.0, "size": "768x512x121"}
            found.append(job | run(job | places))
    return found


def run(job: dict[str, Any]) -> dict[str, Any]:
    """What a process of its own finds out."""
    environment = os.environ | {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    command = [sys.executable, __file__, json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        return {"failed": last[0][:300] if last else f"exit status {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def main(job: dict[str, Any]) -> dict[str, Any]:
    import torch

    if "make" in job:
        return make(job["make"], Path(job["in"]))
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, job["vram_gb"] * 1e9 / total))
    return stock(job) if "stock" in job else ours(job)


def make(layout: str, folder: Path) -> dict[str, str]:
    """Random weights of the full size: a text encoder, and the rest as an official fp8 file or as an int8 folder."""
    import torch
    from accelerate import init_empty_weights
    from diffusers import FlowMatchEulerDiscreteScheduler
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    from ltx_nb.components import CONFIGS, empty_component
    from ltx_nb.loading.folder import write_folder
    from ltx_nb.loading.quantised import quantise_blocks
    from ltx_nb.sizes import GEMMA
    from ltx_nb.tiny.architecture import tokenizer

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from official_layout import write_official

    def filled(model: torch.nn.Module) -> torch.nn.Module:
        model = model.to(torch.bfloat16).to_empty(device="cpu")
        for tensor in model.state_dict().values():
            tensor.normal_(std=0.02)
        return model

    text = folder / "gemma"
    if not text.is_dir():
        names = {"vocab": "vocab_size", "hidden": "hidden_size", "layers": "num_hidden_layers", "head_dim": "head_dim"}
        names |= {"heads": "num_attention_heads", "kv_heads": "num_key_value_heads", "ff": "intermediate_size"}
        with init_empty_weights():
            gemma = Gemma3ForConditionalGeneration(
                Gemma3Config(text_config={name: GEMMA[key] for key, name in names.items()})
            )
        filled(gemma).save_pretrained(text)
        words = tokenizer()
        words.model_max_length = 1024
        words.save_pretrained(text)
    parts = {name: filled(empty_component(name, config)) for name, config in CONFIGS.items()}
    if layout == "official fp8":
        place = folder / "ltx-2.3-22b-distilled-fp8.safetensors"
        write_official(place, parts, lambda name: name.startswith("transformer_blocks.") and ".to_" in name)
    else:
        place = folder / "folder"
        quantise_blocks(parts["transformer"])
        write_folder(place, parts | {"scheduler": FlowMatchEulerDiscreteScheduler()})
        for name in ("text_encoder", "tokenizer"):
            (place / name).symlink_to(text)
    return {"model": str(place), "text_encoder": str(text)}


def ours(job: dict[str, Any]) -> dict[str, Any]:
    import numpy as np
    import psutil
    import torch

    import ltx_nb
    from ltx_nb.presets import PRESETS

    width, height, frames = SIZES[job["size"]]
    from_file = job["model"].endswith(".safetensors")
    start_s = perf_counter()
    session = ltx_nb.load(
        job["model"],
        PRESETS[job["card"]],
        offload=job.get("offload"),
        text="stream",
        text_encoder=job["text_encoder"] if from_file else None,
    )
    found: dict[str, Any] = {"load_s": perf_counter() - start_s, "stages": {}, "steps_s": []}
    blocks = session.pipe.blocks.sub_blocks
    for name in STAGES:
        blocks[name] = Measured(name, blocks[name], found["stages"])
    last_s = [0.0]

    def on_step(_: Any) -> None:
        torch.cuda.synchronize()
        found["steps_s"].append(perf_counter() - last_s[0])
        last_s[0] = perf_counter()

    sampling = ltx_nb.Sampling(sigmas=tuple(1 - step / STEPS for step in range(STEPS)))
    options = {"width": width, "height": height, "num_frames": frames, "sampling": sampling, "on_step": on_step}
    last_s[0] = perf_counter()
    if job["task"] == "image-to-video":
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        session.image_to_video("a ball", image, **options)
    else:
        session.text_to_video("a ball", **options)
    memory = psutil.Process().memory_full_info()
    free, total = torch.cuda.mem_get_info()
    reserved = torch.cuda.memory_reserved()
    return found | {"ram_gb": memory.uss / 1e9, "beyond_allocator_gb": (total - free - reserved) / 1e9}


class Measured:
    """A block of the pipeline whose peak of reserved memory and seconds are noted; in all else the block itself."""

    def __init__(self, name: str, block: Any, found: dict[str, Any]):
        self._name, self._block, self._found = name, block, found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._block, name)

    def __call__(self, components: Any, state: Any) -> Any:
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        start_s = perf_counter()
        try:
            return self._block(components, state)
        finally:
            torch.cuda.synchronize()
            gb = torch.cuda.max_memory_reserved() / 1e9
            self._found[self._name] = {"reserved_gb": gb, "seconds": perf_counter() - start_s}


def stock(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of a step of diffusers' transformer alone, offloaded in one of its own ways."""
    import torch
    from peaks import denoise

    from ltx_nb.components import CONFIGS, empty_component

    transformer = empty_component("transformer", CONFIGS["transformer"]).to(torch.bfloat16).to_empty(device="cpu")
    for tensor in transformer.state_dict().values():
        tensor.normal_(std=0.02)
    transformer.eval()
    cuda = torch.device("cuda")
    if job["stock"] == "sequential offload":
        from accelerate import cpu_offload

        cpu_offload(transformer, cuda)
    else:
        if "fp8" in job["stock"]:
            transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
        transformer.enable_group_offload(
            onload_device=cuda, offload_type="block_level", num_blocks_per_group=1, use_stream=True
        )
    steps_s = []
    width, height, frames = SIZES[job["size"]]
    for _ in range(STEPS):
        start_s = perf_counter()
        with torch.no_grad():
            denoise(transformer, width, height, frames, device="cuda")
        torch.cuda.synchronize()
        steps_s.append(perf_counter() - start_s)
    return {"steps_s": steps_s, "reserved_gb": torch.cuda.max_memory_reserved() / 1e9}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
