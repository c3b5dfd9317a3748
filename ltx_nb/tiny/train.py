"""Make the tiny model's weights from nothing: `python -m ltx_nb.tiny.train`.

Stages, each resumable and each its own module in `ltx_nb.tiny.training`: video VAE, audio VAE, vocoder, the encoded
training clips, the video decoder once more, the upsampler, transformer with connectors, and guidance distilled into
these. Then everything is written as an ordinary diffusers folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from . import architecture
from .training.loop import WORKDIR, trained_components

WEIGHTS = Path(__file__).parent / "weights"
STAGES = (
    "video_vae",
    "audio_vae",
    "vocoder",
    "latent_clips",
    "video_decoder",
    "latent_upsampler",
    "transformer",
    "distillation",
)


def save_folder(components: dict[str, torch.nn.Module], folder: Path) -> None:
    """Write a whole pipeline to `folder` in bf16, replacing what was there only once everything is written.

    The text encoder stays fp32: transformers loads a folder in the dtype it finds, diffusers in fp32, and a plain
    `LTX2Pipeline.from_pretrained(folder)` must end with one dtype.
    """
    upsampler = components.pop("latent_upsampler", None) or architecture.latent_upsampler()
    pipe = architecture.pipeline(**components)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    for name, component in pipe.components.items():
        if isinstance(component, torch.nn.Module) and name != "text_encoder":
            component.to(torch.bfloat16)
    pipe.save_pretrained(part)
    upsampler.to(torch.bfloat16).save_pretrained(part / "latent_upsampler")  # LTX2Pipeline has no place for it
    for path, field in ((part / "model_index.json", None), (part / "tokenizer/tokenizer_config.json", "class")):
        config = json.loads(path.read_text())
        if field:
            config["tokenizer_class"] = "PreTrainedTokenizerFast"
        else:  # the name that every supported release of transformers knows
            config["tokenizer"] = ["transformers", "PreTrainedTokenizerFast"]
        path.write_text(json.dumps(config, indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, default=WORKDIR)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only-save", action="store_true", help="write the folder from the checkpoints there are")
    args = parser.parse_args()
    if not args.only_save:
        for stage in STAGES:
            command = [sys.executable, "-m", f"ltx_nb.tiny.training.{stage}"]
            command += ["--workdir", str(args.workdir), "--threads", str(args.threads)]
            subprocess.run(command, check=True)
    save_folder(trained_components(args.workdir), WEIGHTS)


if __name__ == "__main__":
    main()
