"""Refine what makes sound of audio latents: the audio VAE's decoder and both halves of the vocoder.

Left and right lie in the latents. So that they are heard, middle and side are errors of their own here, each relative
to its own power; strikes begin with a step, so their first moments weigh more; and silence has to stay silent.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKLLTX2Audio
from diffusers.pipelines.ltx2.vocoder import LTX2VocoderWithBWE

from ...shapes import AUDIO_SAMPLING_RATE_HZ
from ..world import SAMPLE_RATE_HZ
from .muon import Muon
from .refining import Refinement
from .tables import encode_sounds, sounds_of, tracks
from .vocoder import FAINT, INAUDIBLE, SILENCE, WINDOWS_16K, WINDOWS_48K, spectral_distance

SIZES = ((128, 128), (160, 96), (96, 160))  # of the pictures: places, and so left and right, differ a little
PIECES, PIECE_LATENTS, LEAD_LATENTS = 24, 32, 6  # of the decoder, in a batch; the lead is there to be heard from
CROPS, CROP_FRAMES = 96, 27  # of the vocoder
MAX_NOISE = 0.3  # of the latents' spread; mostly far less
QUIET_POWER = 1e-4  # of a side of a piece quieter than this, errors count less
ATTACK_S, ATTACK_WEIGHT = 0.02, 4.0


def middle_and_side(sound: torch.Tensor) -> torch.Tensor:
    """Left and right [B, 2, ...] as their sum and difference, of equal power."""
    return torch.stack([sound[:, 0] + sound[:, 1], sound[:, 0] - sound[:, 1]], 1) / 2**0.5


def waveform_error(made: torch.Tensor, wanted: torch.Tensor, rate: int) -> torch.Tensor:
    """Squared error of [B, 2, N], relative to the power of each channel, and of middle and of side.

    Moments before and in which the sound rises count more.
    """
    hop = rate // 200
    level = wanted.square().sum(1).unflatten(-1, (-1, hop)).mean(-1)  # [B, N / hop], of 5 ms
    rise = (level.diff(dim=-1, prepend=level[:, :1]) / (level.amax(-1, keepdim=True) + QUIET_POWER)).clamp(0, 1)
    width = max(1, round(ATTACK_S * 200))
    spread = torch.nn.functional.max_pool1d(rise[:, None], 2 * width + 1, 1, width)[:, 0]
    weight = (1 + ATTACK_WEIGHT * spread).repeat_interleave(hop, -1)[:, None]
    total = made.new_zeros(())
    for a, b in ((made, wanted), (middle_and_side(made), middle_and_side(wanted))):
        error = (weight * (a - b).square()).mean(-1)
        total = total + (error / (b.square().mean(-1) + QUIET_POWER)).mean()
    return total / 2


class SoundRefinement(Refinement):
    name = "sound"

    def __init__(self, folder: Path, device: torch.device, scale: float = 1.0, share: float = 1.0):
        self.device, self.scale = device, scale
        audio_vae = AutoencoderKLLTX2Audio.from_pretrained(
            folder / "audio_vae", torch_dtype=torch.float32, trust_remote_code=False
        )
        self.audio_vae = audio_vae.to(device).eval().requires_grad_(False)
        self.vocoder = LTX2VocoderWithBWE.from_pretrained(
            folder / "vocoder", torch_dtype=torch.float32, trust_remote_code=False
        ).to(device)
        tables = []
        for width, height in SIZES if share == 1 else SIZES[:1]:
            scenes, _ = tracks(width, height, 97)
            tables.append(sounds_of(scenes if share == 1 else scenes[:: len(scenes) // 6], device))
        self.high, self.low, self.mel = (
            torch.cat([getattr(table, name).flatten(0, 1) for table in tables]) for name in ("high", "low", "mel")
        )  # [N, 2, ...]
        self.latents = encode_sounds(self.audio_vae, self.mel)  # [N, l, 128]
        strength = self.mel.mean((1, 3)).diff(dim=1, prepend=self.mel[:, :1].mean((1, 3)))
        self.attacks = strength.topk(12, dim=1).indices  # mel frames at which something begins, [N, 12]
        sounding = self.high.abs().amax((1, 2)) > 0
        self.chance = torch.where(sounding, 1.0, 0.05 * sounding.sum() / (~sounding).sum().clamp(min=1))
        self.decoder = self.audio_vae.decoder.requires_grad_(True)
        self.learned = torch.nn.ModuleDict({"audio_vae_decoder": self.decoder, "vocoder": self.vocoder})
        for half in (self.vocoder.vocoder, self.vocoder.bwe_generator):
            half.requires_grad_(True)
            centre = torch.zeros_like(half.conv_in.weight)
            centre[..., centre.shape[-1] // 2] = 1
            half.conv_in.weight.register_hook(lambda gradient, centre=centre: gradient * centre)
        # AdamW for everything but the decoder: Muon's steps drive the snake activations out of bounds.
        self.optimizer = Muon(self.learned.named_parameters(), lr=0.01, adam_lr=1e-3, adam_names=("vocoder",))

    def lr_factor(self, progress: float) -> float:
        return min(1.0, 1.25 * (1 - progress))

    def loss(self, progress: float):
        with torch.autocast(self.device.type, enabled=False):  # a waveform is finer than bf16
            decoder_loss, mel, first, row = self._mel_loss()
            wave, spectral, noise, side = self._sound_losses(mel, first, row)
        loss = decoder_loss + wave + 0.3 * spectral + 0.3 * noise
        return loss, {
            "mel": decoder_loss.detach(),
            "wave": wave.detach(),
            "side": side,
            "spectral": spectral.detach(),
            "noise": noise.detach(),
        }

    def _noise_level(self, count: int) -> torch.Tensor:
        return MAX_NOISE * torch.rand(count, 1, 1, device=self.device) ** 3

    def _mel_loss(self):
        """Loss of the decoder on pieces of latents; the mels it made, the frame at which each begins, and its row."""
        count = max(2, round(PIECES * self.scale))
        row = torch.multinomial(self.chance, count, replacement=True)
        longest = self.latents.shape[1] - PIECE_LATENTS
        first = torch.randint(0, longest + 1, (count,), device=self.device)
        first = torch.where(torch.rand(count, device=self.device) < 0.3, 0, first)
        at = first[:, None] + torch.arange(PIECE_LATENTS, device=self.device)
        latents = self.latents[row[:, None], at]
        latents = latents + self._noise_level(count) * torch.randn_like(latents)
        raw = latents * self.audio_vae.latents_std + self.audio_vae.latents_mean
        made = self.decoder(raw.unflatten(-1, (8, 16)).permute(0, 2, 1, 3))  # [B, 2, 4 l - 3, 64]
        frames = made.shape[2]
        wanted_at = (4 * first[:, None] + torch.arange(frames, device=self.device)).clamp(max=self.mel.shape[2] - 1)
        wanted = self.mel[row[:, None], :, wanted_at].transpose(1, 2)
        is_lead = (torch.arange(frames, device=self.device) < 4 * LEAD_LATENTS) & (first[:, None] > 0)
        weight = (~is_lead).float()[:, None, :, None]
        rise = wanted.diff(dim=2, prepend=wanted[:, :, :1]).clamp(min=0).mean((1, 3), keepdim=True)
        weight = weight * (1 + 2.0 * torch.nn.functional.max_pool2d(rise, (5, 1), 1, (2, 0)))
        error = made - wanted
        sides = middle_and_side(error)
        loss = (weight * (error.abs() + 0.25 * error.square())).mean() + 0.5 * (weight * sides[:, 1:].abs()).mean()
        return loss, made.detach(), 4 * first, row

    def _sound_losses(self, made: torch.Tensor, first: torch.Tensor, row: torch.Tensor):
        """Losses of the vocoder on crops around strikes, of true mels and of those the decoder made."""
        count = max(2, round(CROPS * self.scale))
        within = torch.arange(CROP_FRAMES, device=self.device)
        rows = torch.multinomial(self.chance, count, replacement=True)
        attack = self.attacks[rows, torch.randint(12, (count,), device=self.device)]
        start = attack - torch.randint(0, CROP_FRAMES - 4, (count,), device=self.device)
        start = start.clamp(0, self.mel.shape[2] - CROP_FRAMES)
        true = self.mel[rows[:, None], :, start[:, None] + within].transpose(1, 2)
        low_start = torch.randint(4 * LEAD_LATENTS, made.shape[2] - CROP_FRAMES, (len(made),), device=self.device)
        decoded = made[torch.arange(len(made), device=self.device)[:, None], :, low_start[:, None] + within]
        mel = torch.cat([true, decoded.transpose(1, 2)])
        rows, start = torch.cat([rows, row]), torch.cat([start, first + low_start])
        low = self._waves(self.low, rows, start, AUDIO_SAMPLING_RATE_HZ // 100)
        high = self._waves(self.high, rows, start, SAMPLE_RATE_HZ // 100)
        heard = {}
        hook = self.vocoder.vocoder.register_forward_hook(lambda module, args, out: heard.update(low=out))
        out = self.vocoder(mel)
        hook.remove()
        wave = waveform_error(heard["low"], low, AUDIO_SAMPLING_RATE_HZ) + waveform_error(out, high, SAMPLE_RATE_HZ)
        spectral = spectral_distance(heard["low"].flatten(0, 1), low.flatten(0, 1), WINDOWS_16K)
        spectral = spectral + spectral_distance(out.flatten(0, 1), high.flatten(0, 1), WINDOWS_48K)
        side, wanted = middle_and_side(out.detach())[:, 1], middle_and_side(high)[:, 1]
        lost = (side - wanted).square().sum() / wanted.square().sum()
        return wave, spectral, self._noise_in_silence(), lost

    @staticmethod
    def _waves(table: torch.Tensor, rows: torch.Tensor, start: torch.Tensor, hop: int) -> torch.Tensor:
        """Crops [B, 2, samples] of waveforms from these mel frames on; zeros after the end."""
        at = hop * start[:, None] + torch.arange(hop * CROP_FRAMES, device=table.device)
        crops = table[rows[:, None], :, at.clamp(max=table.shape[-1] - 1)].transpose(1, 2)
        return crops * (at < table.shape[-1])[:, None]

    def _noise_in_silence(self) -> torch.Tensor:
        """How loud short silences are, level of 5 ms in units of -50 dB."""
        mel = SILENCE + 0.15 * torch.randn(8, 2, 16, 64, device=self.device)
        power = self.vocoder(mel).unflatten(-1, (-1, SAMPLE_RATE_HZ // 200)).square().mean(-1)
        return (power + INAUDIBLE).sqrt().mean() / FAINT
