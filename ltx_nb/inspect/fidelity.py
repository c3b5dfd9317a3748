"""The loss of the VAEs: a clip encoded and decoded, and how far the result is from it, on both lanes.

The sound is compared as the log-mel picture that the audio VAE sees: the vocoder makes up the phases, so samples cannot
be compared. Knows no denoising.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ltx_nb.clip import Clip
from ltx_nb.inspect.coding import decode, decode_mel
from ltx_nb.inspect.inputs import check_clip
from ltx_nb.inspect.quality import mel_distance_db, psnr_db, ssim
from ltx_nb.mel import log_mel
from ltx_nb.pipeline.compose import fit_samples
from ltx_nb.pipeline.encode import encode_audio, encode_video
from ltx_nb.shapes import (
    AUDIO_SAMPLING_RATE_HZ,
    MEL_HOP_LENGTH,
    VIDEO_SPATIAL_COMPRESSION,
    VIDEO_TEMPORAL_COMPRESSION,
    VideoShape,
    audio_num_latents,
)

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session

NUM_WORST = 6


@dataclass(frozen=True)
class WorstPlace:
    """A cell of 32 x 32 px in one frame, by its upper left corner."""

    frame: int
    y_px: int
    x_px: int
    psnr_db: float


@dataclass(frozen=True, eq=False)
class RoundTrip:
    """A clip, what came back, and the difference. What a clip lacks is None.

    psnr_db, ssim: [F], of each frame. worst_places: the cells furthest off, at most one a latent frame.
    mel, mel_back: [2, T, 64] log-mel (natural log), of the original and after encoding and decoding, before the
    vocoder. mel_distance_db: [T], 100 a second; worst_s: where it is largest, in seconds.
    """

    clip: Clip
    back: Clip
    psnr_db: np.ndarray | None
    ssim: np.ndarray | None
    worst_places: tuple[WorstPlace, ...]
    mel: np.ndarray | None
    mel_back: np.ndarray | None
    mel_distance_db: np.ndarray | None

    @property
    def mean_psnr_db(self) -> float | None:
        """Over the frames that differ; infinite if none does."""
        if self.psnr_db is None:
            return None
        finite = self.psnr_db[np.isfinite(self.psnr_db)]
        return float(finite.mean()) if len(finite) else float("inf")

    def difference(self, frame: int) -> np.ndarray:
        """Mean absolute difference over colours of one frame, float [H, W] in levels of 255."""
        return np.abs(self.clip.frames[frame].astype(np.float32) - self.back.frames[frame]).mean(-1)

    @property
    def worst_s(self) -> float | None:
        if self.mel_distance_db is None:
            return None
        return float(self.mel_distance_db.argmax() * MEL_HOP_LENGTH / AUDIO_SAMPLING_RATE_HZ)


@torch.no_grad()
def round_trip(session: Session, clip: Clip) -> RoundTrip:
    """Encode and decode each lane that the clip has, and compare.

    Raises ValueError for a size or number of frames that the video VAE does not take, saying the nearest that it does.
    """
    check_clip(clip)
    latents = audio_latents = mel = mel_back = distance = None
    if clip.frames is not None:
        VideoShape(clip.num_frames, clip.height, clip.width)
        latents = encode_video(session.pipe, torch.from_numpy(np.ascontiguousarray(clip.frames)))[0].cpu().numpy()
    if clip.audio is not None:
        num_latents = max(audio_num_latents(clip.duration_s), 1)
        encoded = encode_audio(session.pipe, torch.from_numpy(clip.audio), clip.sample_rate, num_latents)
        audio_latents = encoded[0].cpu().numpy()
        mel_back = decode_mel(session, audio_latents)
        samples = -(-mel_back.shape[1] * MEL_HOP_LENGTH * clip.sample_rate // AUDIO_SAMPLING_RATE_HZ)
        mel = log_mel(fit_samples(clip.audio, max(samples, clip.audio.shape[1])), clip.sample_rate).numpy()
        mel = mel[:, : mel_back.shape[1]]
        distance = mel_distance_db(mel, mel_back)
    back = decode(session, latents, audio_latents, clip.frame_rate or 24.0)
    has_video = clip.frames is not None
    return RoundTrip(
        clip=clip,
        back=back,
        psnr_db=psnr_db(clip.frames, back.frames) if has_video else None,
        ssim=ssim(clip.frames, back.frames) if has_video else None,
        worst_places=_worst_places(clip.frames, back.frames) if has_video else (),
        mel=mel,
        mel_back=mel_back,
        mel_distance_db=distance,
    )


def _worst_places(a: np.ndarray, b: np.ndarray) -> tuple[WorstPlace, ...]:
    side = VIDEO_SPATIAL_COMPRESSION
    height, width = a.shape[1] // side, a.shape[2] // side
    # A frame at a time: the error of all pixels would take four times the memory of the clip.
    by_frame = (np.square(x.astype(np.float32) - y) for x, y in zip(a, b, strict=True))
    cells = np.stack([error.reshape(height, side, width, side, 3).mean((1, 3, 4)) for error in by_frame])
    places: list[WorstPlace] = []
    taken: set[int] = set()
    for index in np.argsort(cells, axis=None)[::-1]:
        frame, row, column = map(int, np.unravel_index(index, cells.shape))
        if len(places) == NUM_WORST or cells[frame, row, column] == 0:
            break
        latent_frame = -(-frame // VIDEO_TEMPORAL_COMPRESSION)
        if latent_frame in taken:
            continue
        taken.add(latent_frame)
        level = float(10 * np.log10(255**2 / cells[frame, row, column]))
        places.append(WorstPlace(frame, row * side, column * side, level))
    return tuple(places)
