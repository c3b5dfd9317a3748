"""Go on from the tiny model's weights for some minutes on a card: `python -m ltx_nb.tiny.refine --part video`.

Parts, each of use alone and all at home on one card at once: the video decoder, what makes sound of audio latents, the
transformer with its connectors, and the latent upsampler. The encoders stay, so that latents mean what they meant. What
a part has learned is in NAME-*.safetensors under `--out`; `--assemble` makes a folder of that and of what was there.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from . import architecture
from .train import WEIGHTS, save_folder
from .training.refine_diffusion import DiffusionRefinement
from .training.refine_sound import SoundRefinement
from .training.refine_upsampler import UpsamplerRefinement
from .training.refine_video import VideoRefinement
from .training.refining import refine

PARTS = {
    "video": VideoRefinement,
    "sound": SoundRefinement,
    "diffusion": DiffusionRefinement,
    "upsampler": UpsamplerRefinement,
}
TRAINED = {"vae_decoder": "vae.decoder", "audio_vae_decoder": "audio_vae.decoder"}  # elsewhere a component's own name


def assemble(source: Path, out: Path, target: Path) -> None:
    """Write the pipeline of folder `source`, with whatever has been refined in `out`, to folder `target`."""
    from diffusers import LTX2Pipeline
    from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel

    pipe = LTX2Pipeline.from_pretrained(source, torch_dtype=torch.float32, trust_remote_code=False)
    parts = {name: getattr(pipe, name) for name in ("text_encoder", "vae", "audio_vae", "vocoder", "connectors")}
    parts["latent_upsampler"] = LTX2LatentUpsamplerModel.from_pretrained(
        source / "latent_upsampler", trust_remote_code=False
    )
    states: dict[str, dict[str, torch.Tensor]] = {}
    for path in sorted(out.glob("*.safetensors")):
        for key, value in load_file(path).items():
            component, _, name = key.partition("/")
            states.setdefault(component, {})[name] = value.float()
    parts["transformer"] = pipe.transformer
    if "transformer" in states:  # and with it the reference's rule of modulation
        parts["transformer"] = architecture.transformer()
    for component, state in states.items():
        module: torch.nn.Module = torch.nn.ModuleDict(parts)
        module.get_submodule(TRAINED.get(component, component)).load_state_dict(state)
        print(f"{component}: {len(state)} tensors")
    save_folder(parts, target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--assemble", action="store_true", help="write the folder from what has been refined")
    parser.add_argument("--from", dest="source", type=Path, default=WEIGHTS, help="a folder to go on from")
    parser.add_argument("--out", type=Path, default=Path("outputs/tiny-refined"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=420.0, help="all in all, from the start of this program")
    parser.add_argument("--scale", type=float, default=1.0, help="of batches; below 1 to try it")
    parser.add_argument("--share", type=float, default=1.0, help="of the world that is encoded")
    parser.add_argument("--steps", type=int, help="no more than these")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.assemble:
        assemble(args.source, args.out, WEIGHTS)
        return
    began = time.monotonic()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    part = PARTS[args.part](args.source, torch.device(args.device), args.scale, args.share)
    print(args.part, f"is ready after {time.monotonic() - began:.1f} s", flush=True)
    refine(part, args.out, began + args.seconds, args.steps)


if __name__ == "__main__":
    main()
