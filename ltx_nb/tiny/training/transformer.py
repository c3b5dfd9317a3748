"""Stage 7: the transformer and its connectors, by flow matching on encoded scenes.

x_sigma = (1 - sigma) x0 + sigma noise, and the model predicts noise - x0. So that every task of the kit works later,
part of the clips have something *given*: those tokens are clean, their timestep is zero and they bear no loss. An image
at a later moment is given as a keyframe: tokens of its own after the video's, which say when they are.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...running.cross_modal import velocities
from .. import architecture
from ..world import FRAME_RATE
from .latent_clips import LatentClips
from .loop import TrainingStage
from .muon import Muon

PROMPT_DROPOUT = 0.1
SHIFT = 3.0  # of the sigma distribution towards noise, where layout is decided
EMA = 0.998
KEYFRAME_SHARE = 0.1  # of the batches
# What is given, and how often. A span is cut out of both timelines at the same moment.
TASKS = {
    "nothing": 0.37,
    "first_frame": 0.13,
    "whole_audio": 0.18,
    "whole_video": 0.14,
    "prefix": 0.07,
    "suffix": 0.05,
    "all_but_middle": 0.04,
    "video_prefix": 0.02,
}
# Parameters that are no maps between hidden states.
ADAM_NAMES = (
    "scale_shift_table",
    "proj_in",
    "proj_out",
    "registers",
    "emb",
    "_adaln",
    "time_embed",
    "av_cross",
    "to_gate",
)


def kept_tokens(task: str, rng: np.random.Generator, frames: int, latents: int) -> tuple[np.ndarray, np.ndarray]:
    """Which latent frames and audio latents are given: bool [frames] and bool [latents]."""
    video, audio = np.zeros(frames, bool), np.zeros(latents, bool)
    low, high = sorted(rng.uniform(0.1, 0.9, 2))
    frame_time = np.maximum(8 * np.arange(frames + 1) - 7, 0) / (8 * frames - 7)
    audio_time = np.maximum(4 * np.arange(latents + 1) - 3, 0) / (4 * latents - 3)
    if task == "first_frame":
        video[0] = True
    elif task == "whole_audio":
        audio[:] = True
    elif task == "whole_video":
        video[:] = True
    elif task in ("prefix", "video_prefix"):
        video = frame_time[1:] <= high
        audio = audio_time[1:] <= high if task == "prefix" else audio
    elif task == "suffix":
        video, audio = frame_time[:-1] >= low, audio_time[:-1] >= low
    elif task == "all_but_middle":
        video = (frame_time[1:] <= low) | (frame_time[:-1] >= high)
        audio = (audio_time[1:] <= low) | (audio_time[:-1] >= high)
    return video, audio


class TransformerStage(TrainingStage):
    name = "transformer"
    phases = ((7600, 4000),)  # steps, tokens a batch
    silence_weight = 1.0  # of the sound of a clip that has none, in the loss

    def __init__(self, workdir: Path):
        self.clips = LatentClips(workdir / "latents")

    def build(self):
        self.tokenizer = architecture.tokenizer()
        torch.manual_seed(0)
        self.text_encoder = architecture.text_encoder(len(self.tokenizer))
        self.transformer = architecture.transformer()
        _calm_start(self.transformer)
        self.modules = torch.nn.ModuleDict({"transformer": self.transformer, "connectors": architecture.connectors()})
        _hold_open_cross_modal(self.transformer)
        self.average = copy.deepcopy(self.modules).requires_grad_(False)  # of the weights over time: what is kept
        optimizer = Muon(self.modules.named_parameters(), lr=0.02, adam_lr=1.5e-3, adam_names=ADAM_NAMES)
        return {"training": self.modules, **self.average}, optimizer

    def lr_factor(self, progress: float) -> float:
        return min(1.0, 1.8 * (1 - progress)) + 0.002

    def velocities(
        self,
        modules: torch.nn.ModuleDict,
        inputs: dict[str, Any],
        captions: list[str],
        isolate_modalities: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Velocities of video and audio as these modules predict them, [B, tokens, 128] each."""
        hidden, mask = self.hidden_states(captions)
        video, audio, _ = modules["connectors"](hidden, mask)
        made = velocities(
            modules["transformer"],
            **inputs,
            encoder_hidden_states=video,
            audio_encoder_hidden_states=audio,
            isolate_modalities=isolate_modalities,
        )
        return made[0].float(), made[1].float()

    def hidden_states(self, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states of captions, [B, 64, channels x layers], and which of their tokens are words, [B, 64]."""
        tokens = self.tokenizer(
            captions,
            padding="max_length",
            max_length=architecture.MAX_PROMPT_TOKENS,
            truncation=True,
            return_tensors="pt",
        ).to(self.device)
        with torch.no_grad():
            hidden = self.text_encoder(
                input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, output_hidden_states=True
            ).hidden_states
        return torch.stack(hidden, -1).flatten(2, 3), tokens.attention_mask

    def hot_modules(self):
        return [self.transformer]

    def targets(
        self,
        inputs: dict[str, Any],
        captions: list[str],
        silent: torch.Tensor,
        video: torch.Tensor,
        audio: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Velocities to be predicted, where video and audio are the true ones.

        silent: bool [B], whether there is a caption and what it tells of makes no sound.
        """
        return video, audio

    def loss(self, rng: np.random.Generator, step: int):
        (tokens,) = self.phase_at(step)
        has_keyframes = rng.random() < KEYFRAME_SHARE
        clips = self.clips.batch(rng, tokens * self.scale, whole=has_keyframes, device=self.device)
        captions = ["" if rng.random() < PROMPT_DROPOUT else caption for caption in clips.captions]
        count, frames = clips.video.shape[:2]
        if has_keyframes:
            tasks = rng.choice(["nothing", "first_frame"], size=count)
        else:
            tasks = rng.choice(list(TASKS), size=count, p=list(TASKS.values()))
        kept = [kept_tokens(task, rng, frames, clips.audio.shape[1]) for task in tasks]
        video_kept, audio_kept = (torch.from_numpy(np.stack(lane)).to(self.device) for lane in zip(*kept, strict=True))
        silent = clips.silent & torch.tensor([caption != "" for caption in captions], device=self.device)
        keyframes = (clips.image, clips.image_frame) if has_keyframes else None
        losses = self.flow_losses(clips.video, clips.audio, video_kept, audio_kept, captions, silent, keyframes)
        self._update_ema(step)
        video_loss, audio_loss = losses
        return video_loss + audio_loss, {
            "video": float(video_loss.detach()),
            "audio": float(audio_loss.detach()),
            "count": count,
        }

    def flow_losses(
        self,
        video: torch.Tensor,
        audio: torch.Tensor,
        video_kept: torch.Tensor,
        audio_kept: torch.Tensor,
        captions: Any,
        silent: torch.Tensor,
        keyframes: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses of video and of audio, for latents [B, f, h, w, 128] and [B, l, 128] of which some are given.

        video_kept, audio_kept: bool [B, f] and [B, l]; captions: B of them, as `velocities` takes them; silent: bool
        [B]; keyframes: one image each, [B, h, w, 128], and its frame, int [B].
        """
        count, frames, height, width, _ = video.shape
        video = video.flatten(1, 3)  # [B, frames x height x width, 128]
        video_new, audio_new = ~video_kept.repeat_interleave(height * width, 1), ~audio_kept
        coords = self.transformer.rope.prepare_video_coords(count, frames, height, width, video.device, fps=FRAME_RATE)
        if keyframes is not None:
            image, image_frame = keyframes
            video = torch.cat([video, image.flatten(1, 2)], 1)
            given = torch.zeros(count, height * width, dtype=torch.bool, device=video.device)
            video_new = torch.cat([video_new, given], 1)
            coords = torch.cat([coords, _keyframe_coords(coords, image_frame, height * width)], 2)

        u = (
            torch.rand(count, device=video.device) + torch.arange(count, device=video.device)
        ) / count  # stratified: every batch covers every noise level
        sigma = SHIFT * u / (1 + (SHIFT - 1) * u)
        video_sigma = sigma[:, None] * video_new
        audio_sigma = sigma[:, None] * audio_new
        video_noise, audio_noise = torch.randn_like(video), torch.randn_like(audio)
        inputs = {
            "hidden_states": torch.lerp(video, video_noise, video_sigma[..., None]),
            "audio_hidden_states": torch.lerp(audio, audio_noise, audio_sigma[..., None]),
            "timestep": 1000 * video_sigma,
            "audio_timestep": 1000 * audio_sigma,
            "sigma": 1000 * video_sigma.amax(1),  # a modality that is given whole is at sigma 0
            "audio_sigma": 1000 * audio_sigma.amax(1),
            "num_frames": frames,
            "height": height,
            "width": width,
            "audio_num_frames": audio.shape[1],
            "video_coords": coords,
        }
        video_out, audio_out = self.velocities(self.modules, inputs, captions)
        video_target, audio_target = self.targets(inputs, captions, silent, video_noise - video, audio_noise - audio)
        audio_weight = audio_new * torch.where(silent, self.silence_weight, 1.0)[:, None]
        return (
            _weighted_mse(video_out, video_target, video_new),
            _weighted_mse(audio_out, audio_target, audio_weight),
        )

    @torch.no_grad()
    def _update_ema(self, step: int) -> None:
        """Average of the weights before this step; short at first, so that the random start is forgotten."""
        decay = min(EMA, (1 + step) / (10 + step))
        for mean, value in zip(self.average.parameters(), self.modules.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)

    def finish(self):
        return {"steps": self.total_steps}


def _keyframe_coords(coords: torch.Tensor, image_frame: torch.Tensor, num_tokens: int) -> torch.Tensor:
    """[B, 3, num_tokens, 2] in s, px, px: the places of a clip's first tokens, one frame long at the image's moment."""
    keyframes = coords[:, :, :num_tokens].clone()
    start_s = (image_frame / FRAME_RATE)[:, None, None]
    keyframes[:, 0] = torch.cat([start_s, start_s + 1 / FRAME_RATE], -1)
    return keyframes


def _weighted_mse(prediction, target, weight):
    per_token = (prediction - target).square().mean(-1)
    return (per_token * weight).sum() / weight.sum().clamp(min=1)


@torch.no_grad()
def _calm_start(transformer) -> None:
    """Begin with no shift, no scale and half-open gates; the class starts its tables as wide noise."""
    for block in transformer.transformer_blocks:
        for table in (block.scale_shift_table, block.audio_scale_shift_table):
            table.zero_()
            table[[2, 5, 8]] = 0.5  # gates of self-attention, feed-forward and text attention
        for table in (block.video_a2v_cross_attn_scale_shift_table, block.audio_a2v_cross_attn_scale_shift_table):
            table.zero_()
            table[4] = 0.5  # gate
        block.prompt_scale_shift_table.zero_()
        block.audio_prompt_scale_shift_table.zero_()
    transformer.scale_shift_table.zero_()
    transformer.audio_scale_shift_table.zero_()
    for name, module in transformer.named_modules():
        if name.endswith(".linear"):  # of the timestep modulations
            module.weight.mul_(0.0 if name.startswith("av_cross_attn") else 0.1)
            module.bias.zero_()


@torch.no_grad()
def _hold_open_cross_modal(transformer) -> None:
    """Keep whatever scales the cross-modal attention from learning; only a bias for each head's gate does.

    What one modality says to the other is noise at first. Scales and gates learn in some twenty steps to shut it out,
    the gates to where a sigmoid has no gradient, and picture and sound never hear each other again.
    """
    for name, parameter in transformer.named_parameters():
        if "a2v_cross_attn_scale_shift" in name or name.startswith("av_cross_attn"):
            parameter.requires_grad_(False)
        elif name.endswith(("audio_to_video_attn.to_gate_logits.weight", "video_to_audio_attn.to_gate_logits.weight")):
            parameter.zero_().requires_grad_(False)
