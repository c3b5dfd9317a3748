"""Make the tiny model's weights from nothing: `python -m ltx_nb.tiny.train`.

Stages, each its own module in `ltx_nb.tiny.training`: video VAE, audio VAE, vocoder, the encoded training clips, the
video decoder once more, the upsampler, transformer with connectors, and guidance distilled into these. Then everything
is written as an ordinary diffusers folder.

`--device cuda --minutes 8` does as much as fits into that time on a card: larger batches, bf16 where it is safe,
compiled steps, pictures drawn on the card. The next run goes on from where it stopped, there or on a CPU: copy the work
folder (`training.safetensors`, and `weights.safetensors` of each stage that is done; encoded clips can be left behind).
A table at the end says what each stage took.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ltx_nb.catalogue.vocabulary import FILE_NAME, Vocabulary, vocabulary_json

from . import architecture
from .training.audio_vae import AudioVaeStage
from .training.distillation import DistillationStage
from .training.latent_clips import BUCKETS, SHORTEST_FRAMES, make_clips
from .training.latent_upsampler import LatentUpsamplerStage
from .training.loop import WORKDIR, is_done, run_stage, table, trained_components
from .training.transformer import TransformerStage
from .training.video_decoder import VideoDecoderStage
from .training.video_vae import VideoVaeStage
from .training.vocoder import VocoderStage
from .world import understood

WEIGHTS = Path(__file__).parent / "weights"
STAGES = {
    "video_vae": lambda workdir: VideoVaeStage(),
    "audio_vae": lambda workdir: AudioVaeStage(),
    "vocoder": VocoderStage,
    "latent_clips": None,  # encodes; there is nothing to learn
    "video_decoder": VideoDecoderStage,
    "latent_upsampler": LatentUpsamplerStage,
    "transformer": TransformerStage,
    "distillation": DistillationStage,
}


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
    for path in part.glob("*/config.json"):  # where the weights were read from is nobody's business
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=2) + "\n")
    (part / FILE_NAME).write_text(vocabulary_json(trained_vocabulary()), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def trained_vocabulary() -> Vocabulary:
    """Vocabulary that the transformer is trained to understand, at the sizes of its training clips."""
    sizes = sorted({(width, height) for height, width, _ in BUCKETS}, key=lambda size: (size != (128, 128), size))
    return understood(sizes, (SHORTEST_FRAMES, max(frames for _, _, frames in BUCKETS)))


def train(workdir: Path, names: Sequence[str], device: str = "cpu", minutes: float | None = None) -> bool:
    """Do these stages in their order, going on where they were left; return whether all are done."""
    until_s = None if minutes is None else time.monotonic() + 60 * minutes
    for name in names:
        make = STAGES[name]
        if make is None:
            parts = trained_components(workdir)
            vae = parts["vae"].to(device, memory_format=torch.channels_last_3d)
            if not make_clips(workdir / "latents", vae, parts["audio_vae"].to(device), until_s):
                return False
        elif not is_done(workdir, name) and run_stage(make(workdir), workdir, device, until_s) is None:
            return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, default=WORKDIR)
    parser.add_argument("--stage", choices=STAGES, help="this one alone")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only-save", action="store_true", help="write the folder from the weights there are")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    done = args.only_save or train(
        args.workdir, [args.stage] if args.stage else list(STAGES), args.device, args.minutes
    )
    print(table(args.workdir, tuple(STAGES)))
    if done and not args.stage:
        save_folder(trained_components(args.workdir), WEIGHTS)


if __name__ == "__main__":
    main()
