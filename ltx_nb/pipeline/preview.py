"""Live preview: what a step predicts, as small pictures and a coarse spectrogram, without running a decoder.

A linear map from a latent to a patch of pixels (and to mel bins) is fitted once per VAE by least squares against its
own decoder, on random media that it encodes itself; a step then costs one small matrix product per lane. Latents
are the normalised ones of a StepEvent.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch

from ltx_nb.pipeline.encode import audio_statistics, encode_mel, encode_video, video_statistics

PATCH = 4  # pixels a latent is shown as, along each side: an eighth of the picture's size
_FITTED: WeakKeyDictionary = WeakKeyDictionary()  # by VAE, so that a map lives as long as what it was fitted to


@dataclass(frozen=True)
class LinearMap:
    """out = latent channels @ weight + bias."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, channels_last: torch.Tensor) -> torch.Tensor:
        return channels_last.to(self.weight) @ self.weight + self.bias


class Preview:
    """Previews of one session's latents. `Preview(session.pipe)` fits its maps, or finds them fitted.

    video: the map from a latent's 128 channels to PATCH x PATCH pixels of -1..1, [rows, columns, 3] flattened.
    """

    def __init__(self, pipe):
        self.video = _fitted(pipe.vae, lambda: _fit_video(pipe))
        self._audio = _fitted(pipe.audio_vae, lambda: _fit_audio(pipe))

    def frames(self, x0: torch.Tensor) -> np.ndarray:
        """A picture of every latent frame: [C, F, H, W] to uint8 [F, PATCH x H, PATCH x W, 3]."""
        patches = self.video(x0.permute(1, 2, 3, 0)).unflatten(-1, (PATCH, PATCH, 3))
        pixels = patches.permute(0, 1, 3, 2, 4, 5).flatten(1, 2).flatten(2, 3)
        return ((pixels.clamp(-1, 1) + 1) * 127.5).round().to("cpu", torch.uint8).numpy()

    def frame(self, x0: torch.Tensor, latent_frame: int) -> np.ndarray:
        """A picture of one latent frame: uint8 [PATCH x H, PATCH x W, 3]."""
        return self.frames(x0[:, latent_frame][:, None])[0]

    def strip(self, x0: torch.Tensor) -> np.ndarray:
        """All latent frames side by side, the whole clip at a glance: uint8 [PATCH x H, F x PATCH x W, 3]."""
        return np.concatenate(list(self.frames(x0)), axis=1)

    def spectrogram(self, audio_x0: torch.Tensor) -> np.ndarray:
        """Log-mel of both channels, a column a latent (40 ms): [C, L, M] to float32 [2, L, 64]."""
        columns = self._audio(audio_x0.permute(1, 0, 2).flatten(1)).unflatten(1, (2, -1))
        return columns.transpose(0, 1).cpu().numpy()


def _fitted(vae, fit) -> LinearMap:
    if vae not in _FITTED:
        _FITTED[vae] = fit()
    return _FITTED[vae]


@torch.no_grad()
def _fit_video(pipe) -> LinearMap:
    """Fit to 12 nine-frame clips, 128 px wide, against the decoder's picture of the last frame of each latent."""
    generator, device = torch.Generator().manual_seed(0), pipe._execution_device
    latents, targets = [], []
    for index in range(12):
        encoded = encode_video(pipe, _moving_shape(index, generator), device=device)
        mean, std = video_statistics(pipe, encoded)
        pixels = pipe.vae.decode((encoded * std + mean).to(pipe.vae.dtype), return_dict=False)[0][0].float()
        small = torch.nn.functional.avg_pool2d(pixels[:, [0, 8]].clamp(-1, 1).transpose(0, 1), 32 // PATCH)
        patches = small.unflatten(2, (-1, PATCH)).unflatten(4, (-1, PATCH)).permute(0, 2, 4, 3, 5, 1)
        latents.append(encoded[0].permute(1, 2, 3, 0).flatten(0, 2))
        targets.append(patches.flatten(3).flatten(0, 2))
    return _least_squares(torch.cat(latents), torch.cat(targets))


def _moving_shape(index: int, generator: torch.Generator, side: int = 128, num_frames: int = 9) -> torch.Tensor:
    """A disc or a square of a bright colour drifting over a dim one: edges and colours as pictures have them."""

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    axis, time = torch.arange(side) + 0.5, torch.arange(num_frames)[:, None, None]
    centre, drift, radius = side * (0.2 + 0.6 * draw(2)), 8 * draw(2) - 4, side * (0.12 + 0.1 * draw(1))
    away_y = axis[:, None] - centre[0] - drift[0] * time
    away_x = axis[None, :] - centre[1] - drift[1] * time
    away = torch.hypot(away_y, away_x) if index % 2 else torch.maximum(away_y.abs(), away_x.abs())
    inside = (radius - away).clamp(0, 1)[..., None]
    dim, bright = 140 * draw(3), 255 * (draw(3) > 0.5) * (0.7 + 0.3 * draw(1))
    return torch.lerp(dim.expand(*away.shape, 3), bright.expand(*away.shape, 3), inside).round().byte()


@torch.no_grad()
def _fit_audio(pipe) -> LinearMap:
    """Fit to smooth random log-mel pictures of two seconds, against the mean of the mel frames of each latent."""
    generator, device = torch.Generator().manual_seed(0), pipe._execution_device
    latents, targets = [], []
    for _ in range(6):
        coarse = torch.rand(1, 2, 12, 9, generator=generator) * 12 - 11  # from silence, ln 1e-5 = -11.5, to loud
        mel = torch.nn.functional.interpolate(coarse, (197, 64), mode="bilinear", align_corners=True)
        encoded = encode_mel(pipe, mel, device)
        mean, std = audio_statistics(pipe, encoded)
        decoded = pipe.audio_vae.decode((encoded * std + mean).to(pipe.audio_vae.dtype), return_dict=False)[0][0]
        # The first latent decodes to one mel frame, every other to four.
        rest = decoded[:, 1:].float().unflatten(1, (-1, 4)).mean(2)
        shown = torch.cat([decoded[:, :1].float(), rest], dim=1)
        latents.append(encoded[0].permute(1, 0, 2).flatten(1))
        targets.append(shown.permute(1, 0, 2).flatten(1))
    return _least_squares(torch.cat(latents), torch.cat(targets))


def _least_squares(latents: torch.Tensor, targets: torch.Tensor) -> LinearMap:
    """A little ridge keeps directions that the examples hardly vary from growing large weights."""
    device, latents, targets = latents.device, latents.cpu().double(), targets.cpu().double()
    mean, target_mean = latents.mean(0), targets.mean(0)
    centred = latents - mean
    gram = centred.T @ centred
    ridge = 1e-2 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weight = torch.linalg.solve(gram + ridge, centred.T @ (targets - target_mean))
    return LinearMap(weight.float().to(device), (target_mean - mean @ weight).float().to(device))
