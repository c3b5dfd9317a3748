"""Which pixels, frames and moments of sound one latent governs: it is disturbed, decoded, and the change is seen.

Knows nothing of how the decoder is built; what it shows is what the weights do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ltx_nb.checks import whole_number
from ltx_nb.inspect.coding import decode_mel, decode_video, vocode
from ltx_nb.inspect.inputs import check_frame_rate, check_latents
from ltx_nb.inspect.quality import DB_PER_NEPER
from ltx_nb.shapes import VIDEO_SPATIAL_COMPRESSION, audio_token_interval_s, video_token_interval_s

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session


@dataclass(frozen=True, eq=False)
class CellFootprint:
    """Where a video latent shows. change: float32 [F, H, W], mean absolute change over colours, in levels of 255.

    own_share: the part of all change inside the cell's own frames and 32 x 32 px. own_px: (top, left, bottom, right) of
    that square; own_s: its frames in seconds.
    """

    cell: tuple[int, int, int]
    change: np.ndarray
    own_share: float
    own_px: tuple[int, int, int, int]
    own_s: tuple[float, float]
    frame_rate: float


@dataclass(frozen=True, eq=False)
class AudioFootprint:
    """Where an audio latent is heard. mel_change_db: [T, 64] over both channels, 100 frames a second.

    sample_change: [N], absolute change of the waveform over both channels; own_share: the part of its energy inside the
    latent's own interval own_s.
    """

    latent: int
    mel_change_db: np.ndarray
    sample_change: np.ndarray
    sample_rate: int
    own_share: float
    own_s: tuple[float, float]


def cell_footprint(session: Session, latents: Any, t: int, y: int, x: int, frame_rate: float = 24.0) -> CellFootprint:
    """Disturb one cell of video latents [C, F, H, W] by fixed noise, as strong as latents vary, and decode.

    Raises ValueError for a cell that is not there.
    """
    latents, frame_rate = check_latents(latents, lane="video"), check_frame_rate(frame_rate)
    t, y, x = (
        whole_number(name, index, least=0, most=size - 1)
        for name, index, size in zip("tyx", (t, y, x), latents.shape[1:], strict=True)
    )
    changed = latents.copy()
    changed[:, t, y, x] += _disturbance(latents[:, t, y, x].shape)
    change = np.abs(decode_video(session, changed) - decode_video(session, latents)).mean(-1)
    start_s, end_s = video_token_interval_s(t, frame_rate)
    side = VIDEO_SPATIAL_COMPRESSION
    top, left = side * y, side * x
    frames = slice(round(start_s * frame_rate), round(end_s * frame_rate))
    own = change[frames, top : top + side, left : left + side].sum()
    return CellFootprint(
        cell=(t, y, x),
        change=change,
        own_share=float(own / max(change.sum(), 1e-12)),
        own_px=(top, left, top + side, left + side),
        own_s=(start_s, end_s),
        frame_rate=frame_rate,
    )


def audio_cell_footprint(session: Session, audio_latents: Any, latent: int) -> AudioFootprint:
    """Disturb one audio latent of [C, L, M] by fixed noise, as strong as latents vary, decode and vocode.

    Raises ValueError for a latent that is not there.
    """
    latents = check_latents(audio_latents, "audio_latents", "audio")
    latent = whole_number("latent", latent, least=0, most=latents.shape[1] - 1)
    changed = latents.copy()
    changed[:, latent] += _disturbance(latents[:, latent].shape)
    mel, mel_changed = decode_mel(session, latents), decode_mel(session, changed)
    difference = np.abs(vocode(session, mel_changed) - vocode(session, mel)).max(0)
    start_s, end_s = audio_token_interval_s(latent)
    own = difference[round(start_s * session.sample_rate) : round(end_s * session.sample_rate)]
    energy = np.square(difference, dtype=np.float64).sum()
    return AudioFootprint(
        latent=latent,
        mel_change_db=DB_PER_NEPER * np.abs(mel_changed - mel).mean(0),
        sample_change=difference,
        sample_rate=session.sample_rate,
        own_share=float(np.square(own, dtype=np.float64).sum() / max(energy, 1e-20)),
        own_s=(start_s, end_s),
    )


def _disturbance(shape: tuple[int, ...]) -> np.ndarray:
    """Noise of standard deviation 1, which is that of the channels of normalised latents."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)
