"""Flow matching on encoded clips: at which noise, with what given, and the loss.

x_sigma = (1 - sigma) x0 + sigma noise, and the transformer predicts noise - x0. A given token is clean, has timestep 0
and bears no loss, as when a clip is made. Knows tensors; no files and no LoRAs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ltx_nb.pipeline.coords import reference_coords, reference_sound_coords
from ltx_nb.running.cross_modal import velocities
from ltx_nb.shapes import audio_intervals_s, video_intervals_s

# LTX-2's ltx-trainer, `ShiftedLogitNormalTimestepSampler`: mean of the logit by the number of tokens, 0.95 at 1,024
# and 2.05 at 4,096; stretched so that its 0.5th and 99.9th percentile are 0 and 1; a tenth of the draws is uniform.
SHIFT_AT, SHIFTS = (1024, 4096), (0.95, 2.05)
NORMAL_PERCENTILES = (-2.5758, 3.0902)
UNIFORM_SHARE = 0.1
SMALLEST_SIGMA = 1e-3

# What may be given while a clip is learned: on the video and on the audio lane. Spans begin or end at a drawn moment.
GIVEN = {
    "nothing": (None, None),
    "first_frame": ("first", None),
    "prefix": ("before", "before"),
    "suffix": ("after", "after"),
    "all_but_middle": ("around", "around"),
    "whole_audio": (None, "all"),
    "whole_video": ("all", None),
}


@dataclass(frozen=True)
class LatentClip:
    """One encoded clip.

    video: [f x h x w, 128] with latent_shape (f, h, w); audio: [l, 128]; both normalised. text: embeddings after the
    connectors by the transformer's names for them. frame_rate: of the frames. references: [r, 128] of each video of
    reference_shapes latents that is looked at, smaller than the clip by reference_downscale_factor. reference_sounds:
    [l, 128] of each sound that is listened to.
    """

    video: torch.Tensor
    audio: torch.Tensor
    latent_shape: tuple[int, int, int]
    frame_rate: float
    text: Mapping[str, torch.Tensor]
    references: tuple[torch.Tensor, ...] = ()
    reference_shapes: tuple[tuple[int, int, int], ...] = ()
    reference_downscale_factor: int = 1
    reference_sounds: tuple[torch.Tensor, ...] = ()

    @property
    def kind(self) -> tuple[object, ...]:
        """Clips of one kind can share a batch."""
        sounds = tuple(len(sound) for sound in self.reference_sounds)
        return (*self.latent_shape, len(self.audio), self.frame_rate, self.reference_shapes, sounds)


def draw_sigmas(count: int, num_tokens: int, generator: torch.Generator) -> torch.Tensor:
    """Return float32 [count] noise levels in 0..1, higher for more tokens."""
    slope = (SHIFTS[1] - SHIFTS[0]) / (SHIFT_AT[1] - SHIFT_AT[0])
    mean = SHIFTS[0] + slope * (num_tokens - SHIFT_AT[0])
    low, high = (1 / (1 + math.exp(-(mean + z))) for z in NORMAL_PERCENTILES)
    drawn = torch.sigmoid(torch.randn(count, generator=generator) + mean)
    stretched = (drawn - low) / (high - low)
    reflected = torch.where(stretched >= SMALLEST_SIGMA, stretched, 2 * SMALLEST_SIGMA - stretched).clamp(0, 1)
    uniform = SMALLEST_SIGMA + (1 - SMALLEST_SIGMA) * torch.rand(count, generator=generator)
    return torch.where(torch.rand(count, generator=generator) < UNIFORM_SHARE, uniform, reflected)


def draw_given(rates: Mapping[str, float], clip: LatentClip, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Return which latent frames [f] and which audio latents [l] are given, as bool.

    rates: how often each of GIVEN is drawn; what they leave of 1 is "nothing".
    """
    names = list(rates)
    left = max(1.0 - sum(rates.values()), 0.0)
    index = int(torch.multinomial(torch.tensor([*rates.values(), left]), 1, generator=generator))
    on_video, on_audio = GIVEN[[*names, "nothing"][index]]
    times_s = (
        torch.tensor(video_intervals_s(clip.latent_shape[0], clip.frame_rate)),
        torch.tensor(audio_intervals_s(len(clip.audio))),
    )
    begin, end = (0.1 + 0.8 * torch.rand(2, generator=generator)).sort().values * float(times_s[0][-1, 1])
    found = []
    for how, spans_s in zip((on_video, on_audio), times_s, strict=True):
        kept = torch.full((len(spans_s),), how == "all")
        if how in ("before", "around"):
            kept |= spans_s[:, 1] <= begin
        if how in ("after", "around"):
            kept |= spans_s[:, 0] >= end
        kept[0] |= how == "first"
        found.append(kept)
    return tuple(found)


def batch_loss(
    transformer: torch.nn.Module,
    clips: Sequence[LatentClip],
    generator: torch.Generator,
    given: Mapping[str, float],
    lanes: Sequence[str] = ("video", "audio"),
) -> dict[str, torch.Tensor]:
    """Return the mean squared error of each lane's velocity where it is not given, of clips of one kind.

    lanes: those to learn from; another lane is given whole.
    """
    device, dtype = transformer.device, transformer.dtype
    frames, height, width = clips[0].latent_shape
    clean = [torch.stack([getattr(clip, lane) for clip in clips]).float() for lane in ("video", "audio")]
    kept = [draw_given(given, clip, generator) for clip in clips]
    new = [~torch.stack(masks) for masks in zip(*kept, strict=True)]
    new[0] = new[0].repeat_interleave(height * width, 1)
    new = [mask & (lane in lanes) for mask, lane in zip(new, ("video", "audio"), strict=True)]
    sigmas = draw_sigmas(len(clips), clean[0].shape[1], generator)[:, None]
    noise = [torch.randn(latents.shape, generator=generator) for latents in clean]
    inputs: dict[str, torch.Tensor] = {}
    for prefix, latents, drawn, mask in zip(("", "audio_"), clean, noise, new, strict=True):
        sigma = sigmas * mask  # [B, tokens]
        inputs[f"{prefix}hidden_states"] = torch.lerp(latents, drawn, sigma[..., None]).to(device, dtype)
        inputs[f"{prefix}timestep"] = (1000 * sigma).to(device)
        inputs[f"{prefix}sigma"] = (1000 * sigma.amax(1)).to(device)  # a lane that is given whole has sigma 0
    text = {name: torch.cat([clip.text[name] for clip in clips]).to(device) for name in clips[0].text}
    count = clean[0].shape[1]
    if clips[0].references:
        inputs |= _with_references(transformer, clips, inputs)
    if clips[0].reference_sounds:
        inputs |= _with_reference_sounds(transformer, clips, inputs)
    predicted = velocities(
        transformer,
        **inputs,
        **text,
        num_frames=frames,
        height=height,
        width=width,
        fps=clips[0].frame_rate,
        audio_num_frames=clean[1].shape[1],
    )
    found = {}
    predicted = (predicted[0][:, :count], predicted[1][:, : clean[1].shape[1]])
    for lane, out, latents, drawn, mask in zip(("video", "audio"), predicted, clean, noise, new, strict=True):
        if lane in lanes:
            error = (out.float() - (drawn - latents).to(device)).square().mean(-1)
            weight = mask.to(device)
            found[lane] = (error * weight).sum() / weight.sum().clamp(min=1)
    return found


def _with_references(
    transformer: torch.nn.Module, clips: Sequence[LatentClip], inputs: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the video lane's inputs with the clips' references after them: clean, with timestep 0."""
    first, device = clips[0], transformer.device
    seen = torch.stack([torch.cat(clip.references) for clip in clips])
    rope = transformer.rope
    coords = rope.prepare_video_coords(1, *first.latent_shape, device, fps=first.frame_rate)
    of_seen = [
        reference_coords(shape, first.frame_rate, first.reference_downscale_factor).to(device)
        for shape in first.reference_shapes
    ]
    timestep = inputs["timestep"]
    return {
        "hidden_states": torch.cat([inputs["hidden_states"], seen.to(inputs["hidden_states"])], dim=1),
        "timestep": torch.cat([timestep, timestep.new_zeros(len(clips), seen.shape[1])], dim=1),
        "video_coords": torch.cat([coords, *of_seen], dim=2).repeat(len(clips), 1, 1, 1),
    }


def _with_reference_sounds(
    transformer: torch.nn.Module, clips: Sequence[LatentClip], inputs: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the audio lane's inputs with the clips' reference sounds after them: clean, with timestep 0."""
    first, device = clips[0], transformer.device
    heard = torch.stack([torch.cat(clip.reference_sounds) for clip in clips])
    coords = transformer.audio_rope.prepare_audio_coords(1, len(first.audio), device)
    of_heard = [reference_sound_coords(len(sound)).to(device) for sound in first.reference_sounds]
    timestep = inputs["audio_timestep"]
    return {
        "audio_hidden_states": torch.cat([inputs["audio_hidden_states"], heard.to(inputs["audio_hidden_states"])], 1),
        "audio_timestep": torch.cat([timestep, timestep.new_zeros(len(clips), heard.shape[1])], dim=1),
        "audio_coords": torch.cat([coords, *of_heard], dim=2).repeat(len(clips), 1, 1, 1),
    }
