"""Stage 4: the diffusion model's training set: scenes of the world, encoded once by the trained VAEs and kept on disk.

Both encoders are causal, so the first latents of a long clip are the latents of a short one: clips are stored long and
cut to a prefix when a batch is drawn.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from ...mel import log_mel
from ...shapes import audio_num_latents
from ..world import FRAME_RATE, SAMPLE_RATE_HZ, Scene, random_scene
from .loop import parse_arguments, trained_components
from .video_vae import as_pixels

# (height, width, frames): clips, how often a batch is drawn from them, seed. Equal seeds are equal scenes: the
# upsampler learns from the same scene at two sizes.
BUCKETS = {
    (128, 128, 49): (1500, 0.56, 0),
    (64, 64, 49): (400, 0.08, 0),
    (128, 128, 97): (300, 0.12, 1),
    (96, 160, 49): (300, 0.12, 2),
    (160, 96, 49): (300, 0.12, 3),
}
SHARD = 50


@torch.no_grad()
def encode_scene(scene: Scene, vae, audio_vae) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised latents of a scene: video [frames, h, w, 128] and audio [latents, 128]."""
    z = vae.encoder(as_pixels(scene.frames()[None]))[0, :128].permute(1, 2, 3, 0)
    video = (z - vae.latents_mean) / vae.latents_std
    mel = log_mel(scene.audio(), SAMPLE_RATE_HZ)[None, :, : 4 * audio_num_latents(scene.duration_s) - 3]
    a = audio_vae.encoder(mel)[0, :8].permute(1, 0, 2).flatten(1)  # [time, channel x mel]
    audio = (a - audio_vae.latents_mean) / audio_vae.latents_std
    return video, audio


def make_clips(folder: Path, vae, audio_vae) -> None:
    """Encode what is missing under `folder`; a shard is a safetensors file with its scenes as JSON metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    for (height, width, frames), (count, _, seed) in BUCKETS.items():
        for shard in range(count // SHARD):
            path = folder / f"{height}x{width}x{frames}-{shard:03d}.safetensors"
            if path.exists():
                continue
            rng = np.random.default_rng((2, seed, shard))
            scenes = [random_scene(rng, height=height, width=width, num_frames=frames) for _ in range(SHARD)]
            encoded = [encode_scene(scene, vae, audio_vae) for scene in scenes]
            tensors = {
                "video": torch.stack([video for video, _ in encoded]).half().contiguous(),
                "audio": torch.stack([audio for _, audio in encoded]).half().contiguous(),
            }
            part = path.with_suffix(".part")
            save_file(tensors, part, {"scenes": json.dumps([asdict(scene) for scene in scenes])})
            part.replace(path)
            print(path.name, flush=True)


def load_bucket(folder: Path, bucket: tuple[int, int, int]) -> tuple[list[Scene], torch.Tensor, torch.Tensor]:
    """Scenes of one (height, width, frames) with their latents: video [N, f, h, w, 128] and audio [N, l, 128], fp16."""
    height, width, frames = bucket
    paths = sorted(folder.glob(f"{height}x{width}x{frames}-*.safetensors"))
    parts = [load_file(path) for path in paths]
    scenes = [Scene(**fields) for path in paths for fields in _scenes_of(path)]
    return scenes, torch.cat([part["video"] for part in parts]), torch.cat([part["audio"] for part in parts])


class LatentClips:
    """Batches of encoded scenes: one bucket a batch, cut to a random length."""

    def __init__(self, folder: Path):
        self.buckets = []
        for bucket, (_, weight, _) in BUCKETS.items():
            if not any(folder.glob("x".join(map(str, bucket)) + "-*")):
                continue  # training may begin while clips are still being encoded
            self.buckets.append((weight, bucket[2], *load_bucket(folder, bucket)))
        weights = np.array([bucket[0] for bucket in self.buckets])
        self.weights = weights / weights.sum()

    def batch(self, rng: np.random.Generator, tokens: int):
        """About `tokens` tokens: (captions, video [B, f, h, w, 128], audio [B, l, 128], num_frames)."""
        _, longest, scenes, video, audio = self.buckets[rng.choice(len(self.buckets), p=self.weights)]
        shortest = 25 if longest == 49 else 57
        num_frames = longest if rng.random() < 0.6 else int(rng.integers(shortest // 8, longest // 8 + 1)) * 8 + 1
        latent_frames = (num_frames - 1) // 8 + 1
        latents = audio_num_latents(num_frames / FRAME_RATE)
        clip_tokens = latent_frames * video.shape[2] * video.shape[3] + latents
        count = max(1, tokens // clip_tokens)
        index = torch.from_numpy(rng.integers(0, len(scenes), count))
        captions = [scenes[i].caption(rng) for i in index]
        return (
            captions,
            video[index, :latent_frames].float(),
            audio[index, :latents].float(),
            num_frames,
        )


def _scenes_of(path: Path) -> list[dict]:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return json.loads(header["__metadata__"]["scenes"])


def main() -> None:
    args = parse_arguments(__doc__)
    components = trained_components(args.workdir)
    make_clips(args.workdir / "latents", components["vae"], components["audio_vae"])


if __name__ == "__main__":
    main()
