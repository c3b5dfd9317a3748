"""The world as tables on one device: its tracks, sounds, captions and latents, so that a batch is an index.

The world is finite: an object moves along one of some 120 tracks in a size, in one of 3 shapes and 24 pairs of colours.
Everything is rendered and encoded once, long; the encoders are causal, so the first latents of a long clip are those of
a short one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank

from ...mel import FLOOR, HOP, N_FFT, NUM_BINS
from ...mel import SAMPLE_RATE_HZ as MEL_RATE_HZ
from ...shapes import audio_num_latents
from ..world import (
    BACKGROUNDS,
    BOUNCE_FRAMES,
    COLOURS,
    FRAME_RATE,
    MOTIONS,
    PHASE_FRAMES,
    PLACES,
    SAMPLE_RATE_HZ,
    SHAPES,
    SLIDE_FRAMES,
    Scene,
)
from .rendering import paint

MOTION_SHARES = dict(zip(MOTIONS, (0.45, 0.40, 0.15), strict=True))
SILENT_SHARE = 0.12
DECIMATION = SAMPLE_RATE_HZ // MEL_RATE_HZ
ENCODED_PIXELS = 64 * 49 * 128 * 128  # at once


def tracks(width: int, height: int, num_frames: int) -> tuple[list[Scene], np.ndarray]:
    """Every way to move in this size, as red balls, and how likely each is in `random_scene`."""
    scenes, chances = [], []
    for motion in MOTIONS:
        periods = {"bounce": BOUNCE_FRAMES, "slide": SLIDE_FRAMES, "still": (PHASE_FRAMES,)}[motion]
        places = 1 if motion == "slide" else PLACES
        for at, period in enumerate(periods):
            phases = period // PHASE_FRAMES
            for phase in range(phases):
                for place in range(places):
                    start, energy = (place + 0.5) / places, (at + 0.5) / len(periods)
                    fields: dict[str, Any] = dict(start=start, phase=(phase + 0.5) / phases, energy=energy)
                    scenes.append(Scene(motion=motion, width=width, height=height, num_frames=num_frames, **fields))
                    chances.append(MOTION_SHARES[motion] / len(periods) / phases / places)
    return scenes, np.array(chances)


def decimated(waves: torch.Tensor) -> torch.Tensor:
    """Waveforms [..., samples] at 48 kHz, at 16 kHz: flat to 7.25 kHz, as soxr's are, and nothing from 8 kHz on."""
    length = waves.shape[-1] // DECIMATION
    padded = DECIMATION * (length + MEL_RATE_HZ // 10)  # what wraps around is silent
    spectrum = torch.fft.rfft(waves, padded)[..., : padded // DECIMATION // 2 + 1]
    hz = torch.linspace(0, MEL_RATE_HZ / 2, spectrum.shape[-1], device=waves.device)
    passed = 0.5 + 0.5 * torch.cos(torch.pi * ((hz - 7250) / (MEL_RATE_HZ / 2 - 7250)).clamp(0, 1))
    return torch.fft.irfft(spectrum * passed, padded // DECIMATION)[..., :length] / DECIMATION


def log_mels(waves: torch.Tensor) -> torch.Tensor:
    """`ltx_nb.mel.log_mel` of waveforms [..., samples] at 16 kHz on their device: [..., frames, 64]."""
    bank = mel_filter_bank(
        N_FFT // 2 + 1, NUM_BINS, 0.0, MEL_RATE_HZ / 2, MEL_RATE_HZ, norm="slaney", mel_scale="slaney"
    )
    filters = torch.from_numpy(bank.T).to(waves)
    spectrum = torch.stft(
        waves.flatten(0, -2), N_FFT, HOP, window=torch.hann_window(N_FFT, device=waves.device), return_complex=True
    )
    mel = (filters @ spectrum.abs()).clamp(min=FLOOR).log().transpose(1, 2)
    return mel.unflatten(0, waves.shape[:-1])


@dataclass(frozen=True)
class Sounds:
    """Sounds of all tracks in all shapes.

    high, low: [T, 3, 2, samples] at 48 and at 16 kHz; mel: [T, 3, 2, frames, 64]; sounds: whether anything is to be
    heard, bool [T].
    """

    high: torch.Tensor
    low: torch.Tensor
    mel: torch.Tensor
    sounds: torch.Tensor


def sounds_of(scenes: Sequence[Scene], device: torch.device) -> Sounds:
    """Render these tracks' sounds once; a track that is still has silence."""
    waves = [[Scene(**(vars(scene) | {"shape": shape})).audio() for shape in SHAPES] for scene in scenes]
    high = torch.from_numpy(np.stack([np.stack(row) for row in waves])).to(device)
    low = torch.cat([decimated(part) for part in high.split(16)])
    frames = 4 * audio_num_latents(scenes[0].duration_s) - 3
    mel = torch.cat([log_mels(part)[..., :frames, :] for part in low.split(16)])
    return Sounds(high, low, mel, torch.tensor([scene.sounds for scene in scenes], device=device))


class Clips:
    """Clips of one size: int tensors [N] that say what each shows, and their latents.

    count: so many at random; without it, every track in every shape and pair of colours.
    """

    def __init__(self, width: int, height: int, num_frames: int, device: torch.device, count: int | None, seed: int):
        self.width, self.height, self.num_frames, self.device = width, height, num_frames, device
        self.scenes, chances = tracks(width, height, num_frames)
        positions = np.stack([scene.positions() for scene in self.scenes]).astype(np.float32)
        self.positions = torch.from_numpy(positions).to(device)
        self.motion = torch.tensor([MOTIONS.index(scene.motion) for scene in self.scenes], device=device)
        sizes = (len(self.scenes), len(SHAPES), len(COLOURS), len(BACKGROUNDS))
        if count is None:
            every = np.stack(np.meshgrid(*(np.arange(size) for size in sizes), indexing="ij")).reshape(4, -1)
            weights = chances[every[0]]
        else:
            rng = np.random.default_rng((3, seed))
            drawn = rng.choice(sizes[0], count, p=chances)
            every = np.stack([drawn, *(rng.integers(0, size, count) for size in sizes[1:])])
            weights = np.ones(count)
        self.track, self.shape, self.colour, self.background = torch.from_numpy(every).to(device)
        front, back = (np.array(list(of.values()), float) for of in (COLOURS, BACKGROUNDS))
        weights = weights / np.linalg.norm(front[every[2]] - back[every[3]], axis=1)
        self.cumulative = torch.from_numpy(np.cumsum(weights / weights.sum())).to(device)

    def __len__(self) -> int:
        return len(self.track)

    def draw(self, count: int) -> torch.Tensor:
        """Draw `count` clips, as likely as the world does but for their colours, by index.

        A pair of colours is the likelier, the nearer they are: what is wrong with a faint object makes a small loss,
        and green on gray was never learned while all were as likely.
        """
        at = torch.rand(count, device=self.device, dtype=torch.float64)
        return torch.searchsorted(self.cumulative, at).clamp(max=len(self) - 1)

    def pixels(self, index: torch.Tensor, frames: slice | torch.Tensor = slice(None)) -> torch.Tensor:
        """Pictures [B, 3, F, H, W] in [-1, 1]; frames: which, or one for each clip, int [B, 1]."""
        positions = self.positions[self.track[index]]
        if isinstance(frames, torch.Tensor):
            positions = positions.gather(1, frames[..., None].expand(-1, -1, 2))
        else:
            positions = positions[:, frames]
        what = self.shape[index], self.colour[index], self.background[index]
        return paint(positions, *what, height=self.height, width=self.width)

    @torch.no_grad()
    def encode(self, vae) -> torch.Tensor:
        """Normalised latents of all clips, fp16 [N, f, h, w, 128]."""
        step = max(1, ENCODED_PIXELS // (self.num_frames * self.height * self.width))
        every = torch.arange(len(self), device=self.device).split(step)
        return torch.cat([_encoded(vae, self.pixels(index)) for index in every])

    @torch.no_grad()
    def encode_images(self, vae, frames: torch.Tensor) -> torch.Tensor:
        """Normalised latents of one frame of each clip alone; frames: int [N]; fp16 [N, h, w, 128]."""
        step = max(1, 8 * ENCODED_PIXELS // (49 * self.height * self.width))
        every = torch.arange(len(self), device=self.device).split(step)
        return torch.cat([_encoded(vae, self.pixels(index, frames[index, None]))[:, 0] for index in every])


def _encoded(vae, pixels: torch.Tensor) -> torch.Tensor:
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=pixels.is_cuda):  # off by 0.005 of the spread
        z = vae.encoder(pixels.contiguous(memory_format=torch.channels_last_3d))[:, :128]
    z = z.float().permute(0, 2, 3, 4, 1)
    return ((z - vae.latents_mean) / vae.latents_std).half()


@torch.no_grad()
def encode_sounds(audio_vae, mel: torch.Tensor) -> torch.Tensor:
    """Normalised audio latents [N, l, 128] of mels [N, 2, frames, 64]."""
    parts = [audio_vae.encoder(part)[:, :8].permute(0, 2, 1, 3).flatten(2) for part in mel.split(32)]
    return (torch.cat(parts).float() - audio_vae.latents_mean) / audio_vae.latents_std


class Captions:
    """Wordings of everything a caption can tell, as hidden states of the text encoder.

    Row 0 is the empty prompt; then `wordings` rows for each (shape, colour, background, motion, silent or not).
    """

    def __init__(self, tokenizer, text_encoder, device: torch.device, wordings: int, max_tokens: int):
        rng = np.random.default_rng((4, 0))
        self.wordings = wordings
        self.sizes = (len(SHAPES), len(COLOURS), len(BACKGROUNDS), len(MOTIONS), 2)
        texts = [""]
        for shape, colour, background, motion, silent in np.ndindex(*self.sizes):
            scene = Scene(
                SHAPES[shape], list(COLOURS)[colour], list(BACKGROUNDS)[background], MOTIONS[motion], bool(silent)
            )
            texts += [scene.caption(rng) for _ in range(wordings)]
        tokens = tokenizer(texts, padding="max_length", max_length=max_tokens, truncation=True, return_tensors="pt").to(
            device
        )
        self.mask = tokens.attention_mask
        with torch.no_grad():
            states = [
                torch.stack(
                    text_encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states, -1
                )
                for ids, mask in zip(tokens.input_ids.split(512), self.mask.split(512), strict=True)
            ]
        self.hidden = torch.cat([part.flatten(2, 3) for part in states])

    def rows(self, clips: Clips, index: torch.Tensor, silent: torch.Tensor) -> torch.Tensor:
        """A random wording for each of these clips, of which some are meant to be silent, bool [B]."""
        told = (clips.shape[index], clips.colour[index], clips.background[index], clips.motion[clips.track[index]])
        row = torch.zeros_like(index)
        for size, value in zip(self.sizes, (*told, silent.long()), strict=True):
            row = row * size + value
        return 1 + row * self.wordings + torch.randint(self.wordings, index.shape, device=index.device)


def latent_frames(num_frames: int) -> int:
    return (num_frames - 1) // 8 + 1


def audio_latents(num_frames: int) -> int:
    return audio_num_latents(num_frames / FRAME_RATE)
