"""Refine the transformer and its connectors: flow matching on the whole world, then guidance distilled into them.

What is learned is what stages 7 and 8 learn; batches are indices into tables. Attention between picture and sound is
modulated by the current reference's rule, and learns its modulation, slowly: it has long had something to say.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from transformers import Gemma3ForConditionalGeneration, PreTrainedTokenizerFast

from .. import architecture
from .distillation import DistillationStage
from .muon import Muon
from .refining import Refinement
from .tables import SILENT_SHARE, Captions, Clips, audio_latents, encode_sounds, latent_frames, sounds_of
from .transformer import ADAM_NAMES, PROMPT_DROPOUT, kept_tokens

# What is given, and how often: continuing more often than in stage 7, and in longer clips.
TASKS = {
    "nothing": 0.34,
    "first_frame": 0.12,
    "whole_audio": 0.16,
    "whole_video": 0.13,
    "prefix": 0.10,
    "suffix": 0.08,
    "all_but_middle": 0.05,
    "video_prefix": 0.02,
}
KEYFRAME_SHARE = 0.15  # of the batches of a bucket that has images
DISTILLED_FROM = 0.55  # of the time
TOKENS = 42_000  # a batch
WORDINGS = 16
KEPT_ROWS = 1024
CAREFUL_LR = 1e-4  # of what modulates attention between picture and sound


@dataclass(frozen=True)
class Size:
    """width, height; frames that are encoded; clips (all without a number); shares of the lengths they are cut to."""

    width: int
    height: int
    num_frames: int
    count: int | None
    shares: dict[int, float]


SIZES = (
    Size(128, 128, 97, None, {49: 0.44, 25: 0.07, 73: 0.07, 97: 0.14}),
    Size(64, 64, 49, 2000, {49: 0.05}),
    Size(160, 96, 49, 2500, {49: 0.07}),
    Size(96, 160, 49, 2500, {49: 0.07}),
    Size(256, 160, 49, 800, {49: 0.02}),
    Size(160, 256, 49, 800, {49: 0.02}),
    Size(96, 96, 49, 1000, {49: 0.02}),
    Size(256, 256, 49, 500, {49: 0.03}),
)
IMAGES = ((128, 128, 49), (128, 128, 97))  # where an image is given as a keyframe
HOT = ((128, 128, 49),)  # worth compiling for; the others run as they are


class Losses(DistillationStage):
    """The stages' own losses, with captions as rows of a table; flow matching until there is a teacher."""

    def __init__(self, captions: Captions, modules: torch.nn.ModuleDict):
        self.captions, self.modules, self.transformer = captions, modules, modules["transformer"]
        self.teacher: Any = None
        self.silence_weight = 1.0

    def hidden_states(self, captions: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return self.captions.hidden[captions], self.captions.mask[captions]

    def no_prompt(self, captions: Any) -> Any:
        return torch.zeros_like(captions)

    def targets(self, inputs, captions, silent, video, audio):
        if self.teacher is None:
            return video, audio
        return super().targets(inputs, captions, silent, video, audio)


@dataclass(frozen=True)
class _Bucket:
    clips: Clips
    video: torch.Tensor  # [N, f, h, w, 128]
    audio: torch.Tensor  # [T, 3, l, 128]
    sounds: torch.Tensor  # bool [T]
    silence: torch.Tensor  # [l, 128]
    frames: int
    share: float
    kept: tuple[torch.Tensor, torch.Tensor]  # bool [rows, f] and [rows, l]
    images: tuple[torch.Tensor, torch.Tensor] | None  # [N, h, w, 128] and the frame of each

    @property
    def batch(self) -> int:
        per_clip = latent_frames(self.frames) * self.video.shape[2] * self.video.shape[3] + audio_latents(self.frames)
        return max(1, 8 * round(TOKENS / per_clip / 8))


class DiffusionRefinement(Refinement):
    name = "diffusion"

    def __init__(self, folder: Path, device: torch.device, scale: float = 1.0, share: float = 1.0):
        self.device, self.scale, self.share = device, scale, share
        parts = torch.nn.ModuleDict(
            {
                "transformer": LTX2VideoTransformer3DModel.from_pretrained(
                    folder / "transformer", torch_dtype=torch.float32, trust_remote_code=False
                ),
                "connectors": LTX2TextConnectors.from_pretrained(
                    folder / "connectors", torch_dtype=torch.float32, trust_remote_code=False
                ),
            }
        ).to(device)
        # The reference's rule of today, whatever the weights were trained on until now.
        fresh = architecture.transformer().to(device)
        fresh.load_state_dict(parts["transformer"].state_dict())
        parts["transformer"] = fresh
        self.learned = parts
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer", trust_remote_code=False)
        text_encoder = (
            Gemma3ForConditionalGeneration.from_pretrained(folder / "text_encoder", trust_remote_code=False)
            .to(device)
            .eval()
        )
        wordings = WORDINGS if share == 1 else 1
        captions = Captions(tokenizer, text_encoder, device, wordings, architecture.MAX_PROMPT_TOKENS)
        self.losses = Losses(captions, parts)
        vae = AutoencoderKLLTX2Video.from_pretrained(folder / "vae", torch_dtype=torch.float32, trust_remote_code=False)
        audio_vae = AutoencoderKLLTX2Audio.from_pretrained(
            folder / "audio_vae", torch_dtype=torch.float32, trust_remote_code=False
        )
        vae.to(device, memory_format=torch.channels_last_3d).eval()
        audio_vae.to(device).eval()
        sounds: dict[float, tuple[torch.Tensor, torch.Tensor]] = {}  # by the picture's proportions, the longest first
        self.buckets = [bucket for size in SIZES for bucket in self._buckets(size, vae, audio_vae, sounds)]
        self.shares = np.array([bucket.share for bucket in self.buckets])
        self.rng = np.random.default_rng((5, 0))
        self.optimizer = self._optimizer()
        self.is_first = True
        self.compiles = device.type == "cuda"
        if self.compiles:
            compile_blocks(parts["transformer"])

    def _buckets(self, size: Size, vae, audio_vae, known: dict[float, Any]) -> list[_Bucket]:
        count = size.count if self.share == 1 else max(2, round(self.share * (size.count or 8000)))
        clips = Clips(size.width, size.height, size.num_frames, self.device, count, seed=size.width * size.height)
        proportion = size.width / size.height
        if proportion not in known:
            sounds = sounds_of(clips.scenes, self.device)
            known[proportion] = encode_sounds(audio_vae, sounds.mel.flatten(0, 1)).unflatten(0, (-1, 3)), sounds.sounds
        latents, can_sound = known[proportion]
        silence = latents[-1, 0]  # of a track that is still
        video = clips.encode(vae)
        made = []
        for frames, share in size.shares.items():
            lanes = latent_frames(frames), audio_latents(frames)
            images = None
            if (size.width, size.height, frames) in IMAGES:
                at = torch.randint(1, frames, (len(clips),), device=self.device)
                at = torch.where(torch.rand(len(clips), device=self.device) < 0.4, frames - 1, at)
                images = clips.encode_images(vae, at), at
            kept = self._kept(*lanes)
            made.append(_Bucket(clips, video, latents, can_sound, silence, frames, share, kept, images))
        return made

    def _kept(self, frames: int, latents: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng = np.random.default_rng((6, frames))
        tasks = rng.choice(list(TASKS), size=KEPT_ROWS, p=list(TASKS.values()))
        lanes = zip(*(kept_tokens(task, rng, frames, latents) for task in tasks), strict=True)
        video, audio = (torch.from_numpy(np.stack(lane)).to(self.device) for lane in lanes)
        return video, audio

    def _optimizer(self) -> Muon:
        careful, others = [], []
        for name, parameter in self.learned.named_parameters():
            if name.endswith(
                ("audio_to_video_attn.to_gate_logits.weight", "video_to_audio_attn.to_gate_logits.weight")
            ):
                parameter.requires_grad_(False)
            elif "a2v_cross_attn_scale_shift" in name or "av_cross_attn" in name:
                careful.append(parameter)
            else:
                others.append((name, parameter))
        optimizer = Muon(others, lr=0.012, adam_lr=8e-4, adam_names=ADAM_NAMES)
        optimizer.add_param_group(dict(params=careful, lr=CAREFUL_LR, kind="adam"))
        optimizer.full_lr.append(CAREFUL_LR)
        return optimizer

    def average_changed(self, average: torch.nn.ModuleDict, progress: float) -> None:
        if progress < DISTILLED_FROM or self.losses.teacher is not None:
            return
        self.learned.load_state_dict(average.state_dict())
        teacher = copy.deepcopy(average)
        if self.compiles:
            compile_blocks(teacher["transformer"])
        self.losses.teacher = teacher
        self.losses.silence_weight = DistillationStage.silence_weight

    def loss(self, progress: float):
        # What is compiled comes first, so that it is known at once whether that works.
        bucket = self.buckets[self.rng.choice(len(self.buckets), p=self.shares / self.shares.sum())]
        if self.is_first:
            bucket, self.is_first = self.buckets[0], False
        has_keyframes = bucket.images is not None and self.rng.random() < KEYFRAME_SHARE * (progress > 0)
        clips = bucket.clips
        hot = (clips.width, clips.height, bucket.frames) in HOT and not has_keyframes
        count = max(2, round(bucket.batch * self.scale))
        index = clips.draw(count)
        track = clips.track[index]
        silent = torch.rand(count, device=self.device) < SILENT_SHARE
        rows = self.losses.captions.rows(clips, index, silent)
        rows = torch.where(torch.rand(count, device=self.device) < PROMPT_DROPOUT, 0, rows)
        video = bucket.video[index, : latent_frames(bucket.frames)].float()
        length = audio_latents(bucket.frames)
        audio = torch.where(
            silent[:, None, None], bucket.silence[:length], bucket.audio[track, clips.shape[index], :length]
        )
        quiet = (silent | ~bucket.sounds[track]) & (rows > 0)
        kept = torch.randint(KEPT_ROWS, (count,), device=self.device)
        video_kept, audio_kept = (lane[kept] for lane in bucket.kept)
        keyframes = None
        if has_keyframes:
            first = torch.rand(count, 1, device=self.device) < 0.5
            video_kept = torch.zeros_like(video_kept).index_fill_(1, torch.zeros_like(index[:1]), True) & first
            audio_kept = torch.zeros_like(audio_kept)
            image, frame = bucket.images
            keyframes = image[index].float(), frame[index]
        args = video, audio, video_kept, audio_kept, rows, quiet, keyframes
        video_loss, audio_loss = self._losses(hot, args)
        return video_loss + audio_loss, {"video": video_loss.detach(), "audio": audio_loss.detach()}

    def _losses(self, hot: bool, args: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.compiles:
            return self.losses.flow_losses(*args)
        try:
            with torch.compiler.set_stance("default" if hot else "force_eager"):
                return self.losses.flow_losses(*args)
        except Exception as error:  # a compiler has many ways to fail, and none is worth the time that is lent
            if not hot:
                raise
            print(self.name, f"goes on without compiling: {type(error).__name__}: {str(error)[:300]}", flush=True)
            self.compiles = False
            torch.compiler.set_stance("force_eager")
            return self.losses.flow_losses(*args)


def compile_blocks(transformer: LTX2VideoTransformer3DModel) -> None:
    """Let the blocks, which are alike, share what is compiled."""
    torch._dynamo.config.recompile_limit = 64
    for entrance in (transformer.proj_in, transformer.audio_proj_in):  # one dtype for every block, so one graph
        entrance.register_forward_hook(lambda module, args, out: out.float())
    for block in transformer.transformer_blocks:
        block.compile(dynamic=False)
