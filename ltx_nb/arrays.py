"""Pictures and sound as arrays: frames uint8 [F, H, W, 3] (RGB), audio float32 [2, N] in [-1, 1].

Knows shapes, dtypes and ranges; not where arrays come from or what they are for.
"""

from __future__ import annotations

import numpy as np


def check_frames(frames: object) -> np.ndarray:
    """`frames` if they are uint8 [F, H, W, 3] with at least one frame and one pixel, else a ValueError with the fix."""
    if not isinstance(frames, np.ndarray):
        raise ValueError(f"frames is a {type(frames).__name__}; give a numpy array, uint8 [F, H, W, 3]")
    if frames.dtype != np.uint8:
        fix = "(frames * 255).round().astype('uint8') if they are in 0..1, frames.astype('uint8') if in 0..255"
        raise ValueError(f"frames are {frames.dtype}, not uint8; give {fix}")
    if frames.ndim == 3 and frames.shape[-1] == 3:
        raise ValueError(f"frames have shape {list(frames.shape)}, not [F, H, W, 3]; one picture is frames[None]")
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise ValueError(f"frames have shape {list(frames.shape)}; give [F, H, W, 3] with at least one frame")
    return frames


def check_audio(audio: object) -> np.ndarray:
    """`audio` if it is finite float32 [2, N] in [-1, 1] with N >= 1, else a ValueError with the fix."""
    if not isinstance(audio, np.ndarray):
        raise ValueError(f"audio is a {type(audio).__name__}; give a numpy array, float32 [2, N]")
    if audio.dtype != np.float32:
        fix = "audio.astype('float32') / 32768" if audio.dtype == np.int16 else "audio.astype('float32')"
        raise ValueError(f"audio is {audio.dtype}, not float32; give {fix}")
    if audio.ndim == 1 and audio.size:
        raise ValueError(f"audio has shape {list(audio.shape)}, not [2, N]; one channel is np.stack([audio, audio])")
    if audio.ndim != 2 or audio.shape[0] != 2 or audio.shape[1] == 0:
        fix = "give audio.T" if audio.ndim == 2 and audio.shape[0] > 2 == audio.shape[1] else "give left and right"
        raise ValueError(f"audio has shape {list(audio.shape)}, not [2, N] with N >= 1; {fix}")
    peak = np.abs(audio).max()
    if not np.isfinite(peak):
        raise ValueError("audio holds NaN or infinity; np.nan_to_num(audio, posinf=1, neginf=-1) replaces them")
    if peak > 1:
        raise ValueError(f"audio peaks at {peak:.4g}, outside [-1, 1]; divide by the peak, or np.clip(audio, -1, 1)")
    return audio
