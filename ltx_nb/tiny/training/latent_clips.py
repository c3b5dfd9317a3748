"""Stage 4: the diffusion model's training set: scenes of the world, encoded once by the trained VAEs and kept on disk.

Both encoders are causal, so the first latents of a long clip are the latents of a short one: clips are stored long and
cut to a prefix when a batch is drawn.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from ltx_nb.whole_files import whole_file

from ...mel import log_mel
from ...shapes import audio_num_latents
from ..world import FRAME_RATE, SAMPLE_RATE_HZ, Scene, random_scene
from .rendering import pictures

# (height, width, frames): clips, how often a batch is drawn from them, seed. Equal seeds are equal scenes: the
# upsampler learns from the same scene at two sizes.
BUCKETS = {
    (128, 128, 49): (1200, 0.58, 0),
    (64, 64, 49): (300, 0.06, 0),
    (96, 160, 49): (250, 0.12, 2),
    (160, 96, 49): (250, 0.12, 3),
    (128, 128, 97): (200, 0.12, 1),
}
SHORTEST_FRAMES = 25  # of what the clips are cut to
SHARD = 50


@torch.no_grad()
def encode_pixels(pixels: torch.Tensor, vae) -> torch.Tensor:
    """Normalised latents [latent frames, h, w, 128] of a clip [1, 3, F, H, W] in [-1, 1], on the CPU."""
    z = vae.encoder(pixels)[0, :128].permute(1, 2, 3, 0).float()
    return ((z - vae.latents_mean) / vae.latents_std).cpu()


@torch.no_grad()
def encode_scene(scene: Scene, vae, audio_vae) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised latents of a scene: video [frames, h, w, 128] and audio [latents, 128]."""
    video = encode_pixels(pictures([scene], vae.device), vae)
    mel = log_mel(scene.audio(), SAMPLE_RATE_HZ)[None, :, : 4 * audio_num_latents(scene.duration_s) - 3]
    a = audio_vae.encoder(mel.to(audio_vae.device))[0, :8].permute(1, 0, 2).flatten(1)  # [time, channel x mel]
    audio = (a - audio_vae.latents_mean) / audio_vae.latents_std
    return video, audio.cpu()


def make_clips(folder: Path, vae, audio_vae, until_s: float | None = None) -> bool:
    """Encode what is missing under `folder`, and return whether all is there.

    A shard is a safetensors file with its scenes as JSON metadata. until_s: a moment of `time.monotonic` to stop at.
    """
    for (height, width, frames), (count, _, seed) in BUCKETS.items():
        for shard in range(count // SHARD):
            path = folder / f"{height}x{width}x{frames}-{shard:03d}.safetensors"
            if path.exists():
                continue
            if until_s is not None and time.monotonic() > until_s:
                return False
            rng = np.random.default_rng((2, seed, shard))
            scenes = [random_scene(rng, height=height, width=width, num_frames=frames) for _ in range(SHARD)]
            encoded = [encode_scene(scene, vae, audio_vae) for scene in scenes]
            keyframes = np.where(rng.random(SHARD) < 0.4, frames - 1, rng.integers(1, frames, SHARD))
            images = [
                encode_pixels(pictures([scene], vae.device)[:, :, frame : frame + 1], vae)[0]
                for scene, frame in zip(scenes, keyframes, strict=True)
            ]
            tensors = {
                "video": torch.stack([video for video, _ in encoded]).half().contiguous(),
                "audio": torch.stack([audio for _, audio in encoded]).half().contiguous(),
                "image": torch.stack(images).half().contiguous(),
                "image_frame": torch.from_numpy(keyframes),
            }
            with whole_file(path) as part:
                save_file(tensors, part, {"scenes": json.dumps([asdict(scene) for scene in scenes])})
            print(path.name, flush=True)
    return True


def load_bucket(folder: Path, bucket: tuple[int, int, int]) -> tuple[list[Scene], dict[str, torch.Tensor]]:
    """Scenes of one (height, width, frames) with their latents.

    Video [N, f, h, w, 128] and audio [N, l, 128], fp16; "image" [N, h, w, 128] is one later frame of each scene encoded
    alone, and "image_frame" [N] says which.
    """
    height, width, frames = bucket
    paths = sorted(folder.glob(f"{height}x{width}x{frames}-*.safetensors"))
    parts = [load_file(path) for path in paths]
    scenes = [Scene(**fields) for path in paths for fields in _scenes_of(path)]
    return scenes, {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class ClipBatch:
    """captions: B of them; silent: bool [B], scenes without a sound; video: [B, f, h, w, 128]; audio: [B, l, 128];
    image: [B, h, w, 128]; image_frame: [B]."""

    captions: list[str]
    silent: torch.Tensor
    video: torch.Tensor
    audio: torch.Tensor
    image: torch.Tensor
    image_frame: torch.Tensor


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

    def batch(
        self, rng: np.random.Generator, tokens: int, whole: bool = False, device: str | torch.device = "cpu"
    ) -> ClipBatch:
        """About `tokens` tokens; `whole` clips hold the frame of their image."""
        _, longest, scenes, latents = self.buckets[rng.choice(len(self.buckets), p=self.weights)]
        shortest = SHORTEST_FRAMES if longest == 49 else 57
        num_frames = longest
        if not whole and rng.random() < 0.4:
            num_frames = int(rng.integers(shortest // 8, longest // 8 + 1)) * 8 + 1
        latent_frames = (num_frames - 1) // 8 + 1
        audio_latents = audio_num_latents(num_frames / FRAME_RATE)
        clip_tokens = latent_frames * latents["image"].shape[1:3].numel() + audio_latents
        index = torch.from_numpy(rng.integers(0, len(scenes), max(1, tokens // clip_tokens)))
        return ClipBatch(
            captions=[scenes[i].caption(rng) for i in index],
            silent=torch.tensor([not scenes[i].sounds for i in index], device=device),
            video=latents["video"][index, :latent_frames].to(device).float(),
            audio=latents["audio"][index, :audio_latents].to(device).float(),
            image=latents["image"][index].to(device).float(),
            image_frame=latents["image_frame"][index].to(device),
        )


def _scenes_of(path: Path) -> list[dict]:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return json.loads(header["__metadata__"]["scenes"])
